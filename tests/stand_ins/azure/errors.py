"""What Azure answers when it does not do something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PASSING = (408, 429, 500, 502, 503, 504)


class ApiError(Exception):
    """An answer with a status of failure."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        error = _find_error(body)
        self.code = str(error.get("code", ""))
        self.message = str(error.get("message") or body[:500])
        super().__init__(f"Status={status} Code={json.dumps(self.code)} Message={json.dumps(self.message)}")

    @property
    def gone(self) -> bool:
        """Whether what it is about does not exist."""
        return self.status == 404

    @property
    def passes(self) -> bool:
        """Whether the same request may do, a moment later; as the real provider judges it for all its requests."""
        return self.status in PASSING or (self.status == 409 and self.code == "AnotherOperationInProgress")


class OperationFailed(Exception):
    """An operation that was accepted, and ended without doing what it is for."""

    def __init__(self, error: Mapping[str, Any], state: str) -> None:
        self.code = str(error.get("code") or state)
        self.message = str(error.get("message") or f"the operation ended as {state}")
        super().__init__(f"Code={json.dumps(self.code)} Message={json.dumps(self.message)}")


def _find_error(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    error = document.get("error", document) if isinstance(document, dict) else {}
    return error if isinstance(error, dict) else {}
