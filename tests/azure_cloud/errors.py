"""How Azure Resource Manager refuses, in its words."""

from __future__ import annotations

from typing import Any


class AzureError(Exception):
    """A refusal.

    Args:
        details: more refusals, which came together.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: list[AzureError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details or []
        self.headers = headers or {}

    def describe(self) -> dict[str, Any]:
        details = [each.describe() for each in self.details]
        return {"code": self.code, "message": self.message, **({"details": details} if details else {})}

    def render(self) -> dict[str, Any]:
        return {"error": self.describe()}


def invalid(message: str, code: str = "InvalidParameter") -> AzureError:
    return AzureError(400, code, message)


def bad_content(message: str) -> AzureError:
    return AzureError(400, "InvalidRequestContent", f"The request content was invalid: {message}")


def not_found(type_: str, name: str, group: str) -> AzureError:
    message = f"The Resource '{type_}/{name}' under resource group '{group}' was not found."
    return AzureError(
        404, "ResourceNotFound", f"{message} For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )


def no_group(name: str) -> AzureError:
    return AzureError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def no_reference(reference: str, user: str) -> AzureError:
    message = (
        f"Resource {reference} referenced by resource {user} was not found. Please make sure that the referenced "
        "resource exists, and that both resources are in the same region."
    )
    return AzureError(400, "InvalidResourceReference", message)


def conflict(code: str, message: str) -> AzureError:
    return AzureError(409, code, message)


def in_use(code: str, message: str) -> AzureError:
    return AzureError(400, code, message)


def no_such_operation(method: str, path: str) -> AzureError:
    return AzureError(404, "InvalidResourceType", f"The stand-in knows no operation {method} {path}.")
