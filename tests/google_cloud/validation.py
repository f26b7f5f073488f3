"""What Google takes for names, labels and the like, in all of its services."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from google_cloud.errors import ApiError, invalid, required, unknown_name

NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
LABEL_KEY = re.compile(r"[^\W\dA-Z_][\w-]{0,62}", re.ASCII)
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
MOST_LABELS = 64


def check_name(name: object, field: str = "resource.name") -> str:
    """A name by RFC 1035."""
    if not name:
        raise required(field)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(field, name, f"Must be a match of regex '{NAME.pattern}'")
    return name


def check_labels(labels: Mapping[str, Any] | None, field: str = "resource.labels") -> None:
    for key, value in (labels or {}).items():
        if not LABEL_KEY.fullmatch(key) or key != key.lower():
            raise invalid(field, key, "Label key must start with a lower-case letter, and have at most 63 of a-z0-9_-")
        if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
            raise invalid(field, value, f"The value of label '{key}' must be a match of regex '{LABEL_VALUE.pattern}'")
    if len(labels or {}) > MOST_LABELS:
        raise invalid(field, len(labels or {}), f"At most {MOST_LABELS} labels are allowed")


def check_range(value: int, low: int, high: int, field: str) -> None:
    if not low <= int(value) <= high:
        raise invalid(field, value, f"Must be greater than or equal to {low} and less than or equal to {high}")


def parse_cidr(text: object, field: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(str(text))
    except ValueError:
        raise invalid(field, text, "Must be a valid IPv4 range in CIDR notation with no host bits set.") from None


def parse_address(text: object, field: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(str(text))
    except ValueError:
        raise invalid(field, text, "Must be a valid IPv4 address.") from None


def make_number() -> str:
    """An id as Google makes them: nineteen digits."""
    return str(random.randrange(10**18, 9 * 10**18))


def make_fingerprint(value: Any) -> str:
    """What changes when the value does, in the form of Google's fingerprints and etags."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest[:8]).decode().replace("-", "A")


Shape = Mapping[str, Any]
"""What an object of a service without models here may hold.

A value is a type of Python's, a list of one shape, a map of texts to one, or an object. An empty object is any object.
"""


def judge_shape(value: Any, shape: Any, where: str = "") -> None:
    """Refuse what is not of a shape."""
    if value is None:
        return
    if isinstance(shape, Map):
        if not isinstance(value, dict):
            raise wrong(where, "map")
        for key, item in value.items():
            judge_shape(item, shape.inner, f"{where}[{key}]")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise wrong(where, "list")
        for index, item in enumerate(value):
            judge_shape(item, shape[0], f"{where}[{index}]")
    elif isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise wrong(where, "object")
        for key, item in value.items():
            if shape and key not in shape:
                raise unknown_name(key, where)
            if shape:
                judge_shape(item, shape[key], f"{where}.{key}".lstrip("."))
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        raise wrong(where, shape.__name__)


class Map:
    """An object whose keys are anybody's."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def wrong(where: str, kind: str) -> ApiError:
    return ApiError(400, f"Invalid value at '{where}' ({kind})")


def choose_mask(mask: str, allowed: Mapping[str, str]) -> list[str]:
    """The fields that an `updateMask` names.

    Args:
        allowed: fields by their names in masks, in either spelling.
    """
    if not mask:
        raise ApiError(400, "The update mask is empty. You must provide an update mask.")
    names = [each.strip() for each in mask.split(",")]
    for name in names:
        if name not in allowed:
            raise ApiError(400, f"The field [{name}] of the update mask is not supported.")
    return [allowed[name] for name in names]


Check = Callable[[Any], None]
