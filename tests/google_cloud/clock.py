"""Moments as Google writes them."""

from __future__ import annotations

import datetime
import re

PACIFIC = datetime.timezone(datetime.timedelta(hours=-8))
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def render_compute_time(seconds: float) -> str:
    """`2026-11-28T11:46:48.123-08:00`, as Compute Engine does."""
    return datetime.datetime.fromtimestamp(seconds, PACIFIC).isoformat(timespec="milliseconds")


def render_time(seconds: float) -> str:
    """`2026-11-28T19:46:48.123456Z`, as the other services do."""
    return render_nanoseconds(int(seconds * 1_000_000) * 1000)


def render_nanoseconds(moment: int) -> str:
    whole, rest = divmod(moment, 1_000_000_000)
    text = datetime.datetime.fromtimestamp(whole, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of RFC 3339.

    Raises:
        ValueError: it is something else.
    """
    found = MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no moment")
    zone = "+00:00" if found[3] == "Z" else found[3]
    whole = int(datetime.datetime.fromisoformat(found[1] + zone).timestamp())
    return whole * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
