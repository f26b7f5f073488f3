"""Operations that take their time.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure_cloud.errors import AzureError
from google_cloud.clock import render_time
from google_cloud.exchange import Answer

if TYPE_CHECKING:
    from azure_cloud.arm import Call
    from azure_cloud.cloud import Cloud

Finish = Callable[[], "dict[str, Any] | None"]
IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"


@dataclass
class Operation:
    """One operation."""

    name: str
    finish: Finish
    begun: float
    status: str = IN_PROGRESS
    ended: float = 0.0
    error: AzureError | None = None
    result: dict[str, Any] | None = None

    def run(self, now: float) -> None:
        """It ends, if it has not."""
        if self.ended:
            return
        try:
            self.result = self.finish()
            self.status = SUCCEEDED
        except AzureError as error:
            self.error, self.status = error, FAILED
        self.ended = now

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "status": self.status, "startTime": render_time(self.begun)}
        if self.ended:
            told["endTime"] = render_time(self.ended)
        if self.error is not None:
            told["error"] = self.error.describe()
        if self.result is not None:
            told["properties"] = {"output": self.result}
        return told


class Operations:
    """All so far."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}

    def begin(self, cloud: Cloud, seconds: float, finish: Finish) -> Operation:
        operation = Operation(str(uuid.uuid4()), finish, cloud.now)
        self._known[operation.name] = operation
        cloud.agenda.add(cloud.now + seconds, lambda: operation.run(cloud.now))
        return operation

    def require(self, name: str) -> Operation:
        if name not in self._known:
            raise AzureError(404, "OperationNotFound", f"The operation '{name}' was not found.")
        return self._known[name]


def link(call: Call, operation: Operation, word: str) -> str:
    place = f"/subscriptions/{call.subscription}/providers/{call.namespace}/locations/{call.location}"
    return f"{call.base}{place}/{word}/{operation.name}?api-version={call.version}"


def accept(call: Call, operation: Operation, body: dict[str, Any] | None, status: int, *, located: bool) -> Answer:
    """The answer to a request that has begun an operation.

    Args:
        located: whether what comes of it is told at another address.
    """
    headers = {
        "Azure-AsyncOperation": link(call, operation, "operations"),
        "Retry-After": str(call.cloud.pace.retry_after),
    }
    if located:
        headers["Location"] = link(call, operation, "operationResults")
    return Answer(b"" if body is None else body, status, headers=headers)


def read_operation(call: Call, name: str) -> Answer:
    operation = call.cloud.operations.require(name)
    headers = {} if operation.ended else {"Retry-After": str(call.cloud.pace.retry_after)}
    return Answer(operation.describe(), headers=headers)


def read_result(call: Call, name: str) -> Answer:
    operation = call.cloud.operations.require(name)
    if not operation.ended:
        headers = {
            "Location": link(call, operation, "operationResults"),
            "Retry-After": str(call.cloud.pace.retry_after),
        }
        return Answer(b"", 202, headers=headers)
    if operation.error is not None:
        raise operation.error
    return Answer(b"", 204) if operation.result is None else Answer(operation.result)
