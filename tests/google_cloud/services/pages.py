"""Lists of the services beside Compute Engine, as their answers have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google_cloud.errors import ApiError
from google_cloud.paging import cut_page


def list_page(
    key: str, items: Sequence[Any], asked: Mapping[str, Any], size: str, usual: int, most: int
) -> dict[str, Any]:
    """A page of a list, and the token of the next one.

    Args:
        key: what the items are called.
        asked: the query or the body.
        size: what there says how many a page may have.
    """
    number = asked.get(size) or 0
    if not str(number).isdigit():
        raise ApiError(400, f"Invalid value for field '{size}': '{number}'.", "invalid")
    question = {name: value for name, value in asked.items() if name not in ("pageToken", size)}
    page, token = cut_page(items, min(int(number) or usual, most), asked.get("pageToken"), [key, question])
    return {**({key: page} if page else {}), **({"nextPageToken": token} if token else {})}
