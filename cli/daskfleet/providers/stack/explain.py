"""From what the engine and a cloud's provider say to what a person can do about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from daskfleet.providers.stack.redact import redact

Kind = Literal["credentials", "denied", "quota", "capacity", "throttled", "state", "other"]

LONGEST = 600


@dataclass(frozen=True)
class Pattern:
    """How one kind of failure is told apart, and what can be done."""

    kind: Kind
    matches: re.Pattern[str]
    remedy: str


PATTERNS = (
    Pattern(
        "credentials",
        re.compile(
            r"ExpiredToken|RequestExpired|InvalidClientTokenId|AuthFailure|UnrecognizedClientException"
            r"|InvalidAccessKeyId|SignatureDoesNotMatch|[Nn]o valid credential sources?|NoCredentialProviders"
            r"|token .{0,40}expired|failed to refresh cached credentials|get credentials"
        ),
        "the credentials are missing or have expired. Renew them (`aws sso login`, AWS_PROFILE or the AWS_… "
        "variables), and say the same command again: it goes on where it stopped",
    ),
    Pattern(
        "denied",
        re.compile(r"AccessDenied|UnauthorizedOperation|is not authorized to perform|AuthorizationError|explicit deny"),
        "this identity may not do that. Have the action allowed, or use another identity; docs: the permissions that a "
        "person needs",
    ),
    Pattern(
        "throttled",
        re.compile(r"Throttling|RequestLimitExceeded|TooManyRequests|SlowDown|Rate exceeded"),
        "the cloud is asked too often by this account just now. Say the same command again in a minute: it goes on",
    ),
    Pattern(
        "quota",
        re.compile(
            r"VcpuLimitExceeded|InstanceLimitExceeded|LimitExceeded|ServiceQuotaExceeded|MaxSpotInstanceCountExceeded"
            r"|AddressLimitExceeded|QuotaExceeded|maximum number of"
        ),
        "a quota of the account is used up. Ask for more in Service Quotas, remove what is not needed, or ask for less",
    ),
    Pattern(
        "capacity",
        re.compile(
            r"InsufficientInstanceCapacity|InsufficientCapacity|SpotMaxPriceTooLow|no Spot capacity"
            r"|UnfulfillableCapacity"
        ),
        "the cloud has no such machine free now. Name more instance types or zones, say `spot: fallback`, or try later",
    ),
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
        "`pulumi plugin install resource aws`, `pulumi plugin install resource tls`",
    ),
)

_ACTIONS = (
    re.compile(r"not authorized to perform:? ([\w-]+:\w+)"),
    re.compile(r"You are not authorized to perform this operation.*?operation(?: error)? (\w[\w ]*\w: \w+)"),
    re.compile(r"operation error ([\w ]+): (\w+)"),
    re.compile(r"when calling the (\w+) operation"),
)

_NOISE = re.compile(
    r"^(?:error: )?(?:update|preview|destroy|refresh|resource (?:creation|deletion|update) .*|sdk-v2/provider2\.go.*"
    r"|preview|update) failed$|^\s*$"
)


def find_kind(text: str) -> Pattern | None:
    """The kind of failure that the text is of."""
    return next((pattern for pattern in PATTERNS if pattern.matches.search(text)), None)


def find_action(text: str) -> str | None:
    """The call that was refused, such as `ec2:CreateVpc`, where the text says it."""
    for pattern in _ACTIONS:
        match = pattern.search(text)
        if match:
            return ": ".join(match.groups())
    return None


def explain_failure(errors: Sequence[str], output: str = "") -> str:
    """What went wrong and what to do, for every error that the engine told, without secrets.

    Args:
        errors: the engine's diagnostics.
        output: what it printed, for where it gave up before it had any.
    """
    texts = [text for text in (_clean(each) for each in errors) if text] or _find_error_lines(output)
    if len(texts) > 1:  # What ends with the engine is told only where nothing else is.
        texts = [text for text in texts if "exited prematurely" not in text] or texts
    lines, remedies = [], []
    for text in dict.fromkeys(texts):
        found = find_kind(text)
        action = find_action(text) if found is not None and found.kind == "denied" else None
        refused = f"{action} was refused: " if action else ""
        lines.append(refused + _shorten(text))
        if found is not None:
            remedies.append(found.remedy)
    if not lines:
        lines = [_shorten(redact(output).strip()[-LONGEST:]) or "the engine said nothing"]
    told = lines[0] if len(lines) == 1 else "\n".join(["", *(f"  - {line}" for line in lines)])
    advice = "".join(f"\n  what to do: {remedy}." for remedy in dict.fromkeys(remedies))
    return f"{told}{advice}"


def _clean(text: str) -> str:
    text = redact(text)
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if not _NOISE.match(line) and not line.startswith(("Traceback", 'File "'))]
    if "python inline source runtime error:" in text:  # What was raised, without where.
        said = text.split("python inline source runtime error:", 1)[1].split("Traceback", 1)[0].strip()
    else:
        said = " ".join(kept)
    return said.rsplit(" has risen: ", 1)[-1]  # The SDK wraps an error once for each resource that waits for it.


def _find_error_lines(output: str) -> list[str]:
    lines = [redact(line).strip() for line in output.splitlines()]
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def _shorten(text: str) -> str:
    text = "".join(each if each.isprintable() else " " for each in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
