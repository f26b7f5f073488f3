"""Names of hosts as people write them: `science@team-server.lan`, `rack[01-16].lan`. Pure."""

from __future__ import annotations

import re

MAX_HOSTS = 2_000
"""More hosts from one pattern are a slip of the keyboard."""

MAX_RANGES = 4

RANGE = re.compile(r"\[([^\[\]]*)\]")
HOST = r"(?![-.])[A-Za-z0-9._:%-]{1,253}"
USER = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?"


class BadPattern(ValueError):
    """A pattern that stands for no hosts; says why."""


def split_user(text: str) -> tuple[str, str]:
    """User and pattern of `user@pattern`; the user is empty where none is given.

    Raises:
        BadPattern: there is an `@` and no user before it.
    """
    user, at, pattern = text.rpartition("@")
    if at and not re.fullmatch(USER, user):
        raise BadPattern(f"{user!r} before the @ is no name of a user")
    return user, pattern


def expand_hosts(pattern: str) -> list[str]:
    """The hosts that a pattern stands for, in order: `rack[01-03,7].lan` is rack01, rack02, rack03 and rack7, all .lan.

    Raises:
        BadPattern: a range is no range, or what it gives is no name of a host.
    """
    if pattern.count("[") > MAX_RANGES:
        raise BadPattern(f"{pattern.count('[')} ranges, and a pattern has at most {MAX_RANGES}")
    hosts = _expand(pattern)
    for host in hosts:
        if not re.fullmatch(HOST, host):
            raise BadPattern(f"{host!r} is no name or address of a host")
    return hosts


def _expand(text: str) -> list[str]:
    """The texts that a text with ranges stands for."""
    found = RANGE.search(text)
    if found is None:
        return [text]
    before, after = text[: found.start()], _expand(text[found.end() :])
    numbers = [number for part in found[1].split(",") for number in _expand_range(part)]
    if len(numbers) * len(after) > MAX_HOSTS:
        raise BadPattern(f"{len(numbers) * len(after)} hosts, and a pattern stands for at most {MAX_HOSTS}")
    return [f"{before}{number}{end}" for number in numbers for end in after]


def _expand_range(text: str) -> list[str]:
    """`01-03` is 01, 02, 03; `7` is 7."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?", text)
    if match is None:
        raise BadPattern(f"[{text}] is no range; write [01-16] or [1,3,7-9]")
    first, last = match[1], match[2] or match[1]
    if int(last) < int(first):
        raise BadPattern(f"[{text}] ends before it begins")
    if int(last) - int(first) >= MAX_HOSTS:
        raise BadPattern(
            f"[{text}] is {int(last) - int(first) + 1} hosts, and a pattern stands for at most {MAX_HOSTS}"
        )
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
