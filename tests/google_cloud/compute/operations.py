"""Operations: what is asked for is done a moment later."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google_cloud.agenda import Agenda
from google_cloud.clock import render_compute_time
from google_cloud.compute.store import BASE, Record, find_place
from google_cloud.errors import ApiError
from google_cloud.validation import make_number

PENDING_SECONDS = 0.02
USUAL_SECONDS = 0.05
"""How long an operation takes, if nothing else is said."""

Finish = Callable[[], None]


@dataclass
class Operation:
    """One operation."""

    name: str
    number: str
    project: str
    place: str
    kind: str
    """`insert`, `setLabels`, `compute.instances.preempted`."""
    target: str
    """Path of what it is about."""
    target_id: str
    user: str
    begun: float
    ends: float
    finish: Finish
    message: str = ""
    ended: float | None = None
    error: ApiError | None = None

    @property
    def path(self) -> str:
        return f"projects/{self.project}/{self.place}/operations/{self.name}"

    def render(self, now: float) -> dict[str, Any]:
        status = "DONE" if self.ended is not None else "RUNNING" if now > self.begun + PENDING_SECONDS else "PENDING"
        place, _, name = self.place.partition("/")
        body: dict[str, Any] = {
            "kind": "compute#operation",
            "id": self.number,
            "name": self.name,
            "operationType": self.kind,
            "targetLink": BASE + self.target,
            "targetId": self.target_id,
            "status": status,
            "user": self.user,
            "progress": 100 if status == "DONE" else 0,
            "insertTime": render_compute_time(self.begun),
            "selfLink": BASE + self.path,
        }
        if name:
            body[place.removesuffix("s")] = f"{BASE}projects/{self.project}/{self.place}"
        if status != "PENDING":
            body["startTime"] = render_compute_time(self.begun + PENDING_SECONDS)
        if self.ended is not None:
            body["endTime"] = render_compute_time(self.ended)
        if self.message:
            body["statusMessage"] = self.message
        if self.error is not None:
            body["error"] = {"errors": [{"code": self.error.code, "message": self.error.message}]}
            body["httpErrorStatusCode"] = self.error.status
            body["httpErrorMessage"] = self.error.word.replace("_", " ")
        return body


@dataclass
class Operations:
    """All of them, by path."""

    agenda: Agenda
    known: dict[str, Operation] = field(default_factory=dict)
    asked: dict[str, Operation] = field(default_factory=dict)
    """By the id of the request that began it."""

    def begin(
        self,
        record: Record,
        kind: str,
        now: float,
        finish: Finish = lambda: None,
        *,
        user: str = "",
        seconds: float = USUAL_SECONDS,
        message: str = "",
    ) -> Operation:
        """Begin one.

        Args:
            finish: what is done at its end; what it raises is what the operation fails with.
        """
        name = f"operation-{int(now * 1000)}-{random.getrandbits(52):013x}-{random.getrandbits(32):08x}"
        place = find_place(record.path)
        target_id = str(record.body.get("id", "0"))
        operation = Operation(
            name,
            make_number(),
            record.project,
            place,
            kind,
            record.path,
            target_id,
            user,
            now,
            now + seconds,
            finish,
            message,
        )
        self.known[operation.path] = operation
        self.agenda.add(operation.ends, lambda: self.end(operation, operation.ends))
        return operation

    def end(self, operation: Operation, now: float) -> None:
        """End one, if it has not ended."""
        if operation.ended is not None:
            return
        operation.ended = now
        try:
            operation.finish()
        except ApiError as error:
            operation.error = error

    def select(self, project: str, place: str | None) -> list[Operation]:
        """Those of a place, the newest first."""
        found = [each for each in self.known.values() if each.project == project and place in (None, each.place)]
        return found[::-1]
