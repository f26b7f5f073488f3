"""Kinds of failures, and how each is told apart. What a cloud says stands in that cloud's own module. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["credentials", "denied", "quota", "capacity", "throttled", "state", "other"]

CAPACITY = (
    "the cloud has no such machine free now. Name more instance types or zones, say `spot: fallback`, or try later"
)
DENIED = (
    "this identity may not do that. Have the action allowed, or use another identity; docs: the permissions that a "
    "person needs"
)


@dataclass(frozen=True)
class Pattern:
    """How one kind of failure is told apart, and what can be done."""

    kind: Kind
    matches: re.Pattern[str]
    remedy: str


ENGINE = (
    Pattern(
        "state",
        re.compile(r"passphrase must be set|incorrect passphrase|constructing secrets manager|decrypt"),
        "the stack's state is encrypted by another passphrase: set PULUMI_CONFIG_PASSPHRASE or "
        "PULUMI_CONFIG_PASSPHRASE_FILE to the one that it was made with",
    ),
    Pattern(
        "state",
        re.compile(
            r"PULUMI_ACCESS_TOKEN must be set|not logged in|could not read current user|\[401\]|[Ii]nvalid access token"
        ),
        "the backend of `pulumi login` does not let you in. Log in anew, or set PULUMI_BACKEND_URL to another",
    ),
    Pattern(
        "other",
        re.compile(
            r"no resource plugin|could not (?:load|download|find) plugin|failed to load plugin|plugin .{0,80}not found"
        ),
        "a plugin of the engine is missing and could not be downloaded. Look at the network, or install it: "
        "`pulumi plugin install resource aws`, `gcp` or `azure-native`, and `pulumi plugin install resource tls`",
    ),
)
"""How the engine says what no cloud has to do with."""
