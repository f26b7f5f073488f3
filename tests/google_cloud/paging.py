"""Lists in pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from google_cloud.errors import ApiError
from google_cloud.validation import make_fingerprint

Item = TypeVar("Item")


def cut_page(items: Sequence[Item], size: int, token: str | None, asked: Any) -> tuple[list[Item], str | None]:
    """A page, and the token of the next one.

    Args:
        asked: what the list is of, filter and all: a token is for the same question only.
    """
    start = _read_token(token, asked) if token else 0
    page = list(items[start : start + size])
    return page, _make_token(start + size, asked) if start + size < len(items) else None


def _make_token(start: int, asked: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, make_fingerprint(asked)]).encode()).decode()


def _read_token(token: str, asked: Any) -> int:
    try:
        start, question = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error):
        question = start = None
    if question != make_fingerprint(asked):
        raise ApiError(400, f"Invalid value for field 'pageToken': '{token}'. The page token is invalid.", "invalid")
    return int(start)
