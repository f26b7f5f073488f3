"""Names for resources whose program gives none, as the Terraform bridge makes them."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stand_ins.core.errors import Refused

RANDOM_DIGITS = 7


@dataclass(frozen=True)
class AutoName:
    """The property that gets a name, unless the program sets it or what excludes it."""

    prop: str = "name"
    longest: int = 255
    excluded_by: str = "namePrefix"
    lower: bool = False
    """Whether it has no capitals, whatever the resource's name in the program has."""


def make_name(rule: AutoName, logical: str, seed: bytes) -> str:
    """The resource's name in the program, and seven random digits: two may exist while one replaces the other."""
    prefix = f"{logical.lower() if rule.lower else logical}-"
    if len(prefix) + RANDOM_DIGITS > rule.longest:
        raise Refused(
            f"{rule.prop}: {logical!r} with {RANDOM_DIGITS + 1} characters more is longer than {rule.longest}; "
            f"give {rule.prop!r}, or the resource a shorter name"
        )
    source = random.Random(seed) if seed else random.SystemRandom()
    return prefix + "".join(source.choice("0123456789abcdef") for _ in range(RANDOM_DIGITS))


def make_suffixed(prefix: str) -> str:
    """A name from a program's `namePrefix`: Terraform adds the time and a counter, 26 digits in all."""
    return f"{prefix}{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{secrets.randbelow(10**12):012d}"


def apply_name(
    rule: AutoName, news: Mapping[str, Any], olds: Mapping[str, Any], logical: str, seed: bytes, proposed: str | None
) -> str | None:
    """The name to add to `news`, or nothing where the program decides.

    A name that was made before is kept; one that the program gave and no longer gives is not.
    """
    if news.get(rule.prop) is not None or news.get(rule.excluded_by) is not None:
        return None
    if rule.prop in (olds.get("__defaults") or ()) and isinstance(olds.get(rule.prop), str):
        return str(olds[rule.prop])
    return proposed or make_name(rule, logical, seed)
