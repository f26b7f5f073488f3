"""What Google answers when it does not do something."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any


class ApiError(Exception):
    """An answer with a status of failure."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        self.body = body
        error = _find_error(body)
        self.message = str(error.get("message") or body[:500])
        reasons = [item.get("reason", "") for item in error.get("errors") or () if isinstance(item, dict)]
        self.reason = next(iter(reasons), "") or str(error.get("status", ""))
        super().__init__(f"googleapi: Error {status}: {self.message}{f', {self.reason}' if self.reason else ''}")

    @property
    def gone(self) -> bool:
        """Whether what it is about does not exist."""
        return self.status == 404

    @property
    def passes(self) -> bool:
        """Whether the same request may do, a moment later; as the real provider judges it for all its requests."""
        if self.status in (429, 500, 502, 503):
            return True
        if self.status == 409:
            return "operationInProgress" in self.body
        if self.status == 400:
            return "resourceNotReady" in self.body and "networks" in self.body
        if self.status == 403:
            too_often = re.search(r"Quota exceeded for quota metric '.*' and limit '.* per minute'", self.body)
            return bool(too_often) or "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED" in self.body
        return False


class OperationFailed(Exception):
    """An operation that ended without doing what it is for."""

    def __init__(self, doing: str, errors: Collection[Mapping[str, Any]]) -> None:
        self.codes = [str(error.get("code", "")) for error in errors]
        lines = "".join(f"\n\n{error.get('message', error.get('code', ''))}" for error in errors)
        super().__init__(f"Error waiting for {doing}: {lines.strip()}")


def _find_error(body: str) -> Mapping[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
