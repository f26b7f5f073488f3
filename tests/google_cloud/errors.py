"""How Google's services refuse, in their words."""

from __future__ import annotations

from typing import Any

WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """A refusal.

    Args:
        reason: as the older services have it, `resourceInUseByAnotherResource`.
        word: as the newer ones have it; follows from the status if not given.
        code: as operations have it, `RESOURCE_NOT_FOUND`; follows from the reason if not given.
    """

    def __init__(self, status: int, message: str, reason: str = "", word: str = "", code: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.reason = reason or "badRequest"
        self.word = word or WORDS.get(status, "UNKNOWN")
        self.code = code or CODES.get(self.reason, self.reason.upper())

    def render(self, *, is_older: bool) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.status, "message": self.message, "status": self.word}
        if is_older:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        return {"error": error}


CODES = {
    "notFound": "RESOURCE_NOT_FOUND",
    "alreadyExists": "RESOURCE_ALREADY_EXISTS",
    "resourceInUseByAnotherResource": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
    "resourceNotReady": "RESOURCE_NOT_READY",
    "conditionNotMet": "CONDITION_NOT_MET",
    "invalid": "INVALID_FIELD_VALUE",
    "required": "REQUIRED_FIELD_NOT_SPECIFIED",
}


def not_found(path: str) -> ApiError:
    return ApiError(404, f"The resource '{path}' was not found", "notFound")


def already_exists(path: str) -> ApiError:
    return ApiError(409, f"The resource '{path}' already exists", "alreadyExists")


def in_use(kind: str, path: str, user: str) -> ApiError:
    message = f"The {kind} resource '{path}' is already being used by '{user}'"
    return ApiError(400, message, "resourceInUseByAnotherResource")


def not_ready(path: str) -> ApiError:
    return ApiError(400, f"The resource '{path}' is not ready", "resourceNotReady")


def invalid(field: str, value: object, why: str) -> ApiError:
    return ApiError(400, f"Invalid value for field '{field}': '{value}'. {why}", "invalid")


def required(field: str) -> ApiError:
    return ApiError(400, f"Required field '{field}' not specified", "required")


def unknown_name(name: str, where: str = "") -> ApiError:
    place = f" at '{where}'" if where else ""
    return ApiError(400, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def unknown_query(name: str) -> ApiError:
    message = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. Field '
    return ApiError(400, f"{message}'{name}' could not be found in request message.")


def condition_not_met(message: str) -> ApiError:
    return ApiError(412, message, "conditionNotMet", code="CONDITION_NOT_MET")


def denied(message: str) -> ApiError:
    return ApiError(403, message, "forbidden")


def no_such_method(method: str, path: str) -> ApiError:
    return ApiError(404, f"The requested URL {path} was not found on this server, for {method}.", "notFound")
