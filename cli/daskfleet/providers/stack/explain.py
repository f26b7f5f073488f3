"""From what the engine and a cloud's provider say to what a person can do about it. Pure."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence

from daskfleet.providers.stack.failures import ENGINE, Pattern
from daskfleet.providers.stack.redact import redact

LONGEST = 600

_ACTIONS = (
    re.compile(r"not authorized to perform:? ([\w-]+:\w+)"),
    re.compile(r"You are not authorized to perform this operation.*?operation(?: error)? (\w[\w ]*\w: \w+)"),
    re.compile(r"operation error ([\w ]+): (\w+)"),
    re.compile(r"when calling the (\w+) operation"),
    re.compile(r"Required '([\w.]+)' permission"),
    re.compile(r"Permission '?([\w.]+)'? (?:denied|is required)"),
    re.compile(r"authorization to perform action '([\w./]+)'"),
)

_NOISE = re.compile(
    r"^(?:error: )?(?:update|preview|destroy|refresh|resource (?:creation|deletion|update) .*|sdk-v2/provider2\.go.*"
    r"|preview|update) failed$|^\s*$"
)


def find_kind(text: str, provider: str) -> Pattern | None:
    """The kind of failure that the text is of, in the words of a provider or of the engine.

    One cloud has words of another's for something else.
    """
    own: Sequence[Pattern] = importlib.import_module(f"daskfleet.providers.stack.{provider}.failures").PATTERNS
    return next((pattern for pattern in (*own, *ENGINE) if pattern.matches.search(text)), None)


def is_scarce(said: str, provider: str) -> bool:
    """Whether there is not enough of something, rather than anything wrong."""
    found = find_kind(said, provider)
    return found is not None and found.kind in ("capacity", "quota")


def find_action(text: str) -> str | None:
    """The call that was refused, such as `ec2:CreateVpc`, where the text says it."""
    for pattern in _ACTIONS:
        match = pattern.search(text)
        if match:
            return ": ".join(match.groups())
    return None


def explain_failure(errors: Sequence[str], provider: str, output: str = "") -> str:
    """What went wrong and what to do, for every error that the engine told, without secrets.

    Args:
        errors: the engine's diagnostics.
        provider: whose words they are in.
        output: what it printed, for where it gave up before it had any.
    """
    texts = [text for text in (_clean(each) for each in errors) if text] or _find_error_lines(output)
    if len(texts) > 1:  # What ends with the engine is told only where nothing else is.
        texts = [text for text in texts if "exited prematurely" not in text] or texts
    lines, remedies = [], []
    for text in dict.fromkeys(texts):
        found = find_kind(text, provider)
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
