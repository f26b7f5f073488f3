"""Partial answers: the parameter `fields`, as in `items(name,labels/a),nextPageToken`."""

from __future__ import annotations

from typing import Any

from google_cloud.errors import ApiError

Mask = dict[str, Any]


def parse_mask(text: str) -> Mask:
    """A mask as a tree; an empty one is everything."""
    mask: Mask = {}
    rest = _parse_list(text, mask)
    if rest:
        raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
    return mask


def _parse_list(text: str, mask: Mask) -> str:
    while True:
        text = _parse_one(text, mask)
        if not text.startswith(","):
            return text
        text = text[1:]


def _parse_one(text: str, mask: Mask) -> str:
    end = next((index for index, letter in enumerate(text) if letter in ",/()"), len(text))
    name = text[:end].strip()
    if not name:
        raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
    inner = mask.setdefault(name, {})
    rest = text[end:]
    if rest.startswith("/"):
        return _parse_one(rest[1:], inner)
    if rest.startswith("("):
        rest = _parse_list(rest[1:], inner)
        if not rest.startswith(")"):
            raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
        return rest[1:]
    return rest


def apply_mask(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        inner = mask.get("*", {}) if mask else {}
        if inner and isinstance(value, dict):
            return {key: apply_mask(item, inner) for key, item in value.items()}
        return value
    if isinstance(value, list):
        return [apply_mask(item, mask) for item in value]
    if isinstance(value, dict):
        return {key: apply_mask(item, mask[key]) for key, item in value.items() if key in mask}
    return value
