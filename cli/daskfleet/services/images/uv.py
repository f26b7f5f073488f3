"""Running uv, which resolves and exports environments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from daskfleet.errors import FleetError

LAST_LINES = 12

NO_SOLUTION = "No solution found"

HINTS = (
    (
        NO_SOLUTION,
        "Change the versions that it names.",
    ),
    (
        "was not found in the package registry",
        "Mend the name, or tell uv of the index that has it: UV_INDEX, UV_DEFAULT_INDEX.",
    ),
    ("Unable to find lockfile", "Make it with `uv lock`."),
    ("needs to be updated", "Renew it with `uv lock`."),
    ("Failed to parse", "Mend the line that it names, or write the file anew."),
    ("error sending request", "Look at the network, and at UV_DEFAULT_INDEX if you use an index of your own."),
    ("Failed to fetch", "Look at the network, and at UV_DEFAULT_INDEX if you use an index of your own."),
    (
        "401 Unauthorized",
        "uv takes the credentials of an index from UV_INDEX_…_USERNAME and …_PASSWORD, from .netrc or a keyring.",
    ),
)


class UvFailed(FleetError):
    """uv could not do it; the message holds its last lines."""


class NoSolution(UvFailed):
    """There are no versions that fit together."""


def find_uv() -> str:
    """The program uv: the package's, or the one on PATH.

    Raises:
        FleetError: there is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    found = shutil.which("uv")
    if found is None:
        raise FleetError(
            "uv is needed to make the image's environment, and is neither installed nor on PATH: "
            "pip install 'daskfleet[image]'."
        )
    return found


def run_uv(arguments: Sequence[str], folder: Path, source: str) -> str:
    """What uv prints on standard output.

    Args:
        folder: where it runs.
        source: the file that it works for, as a person knows it.

    Raises:
        UvFailed: it failed; with its last lines and what to do.
        FleetError: there is no uv.
    """
    done = subprocess.run(
        [find_uv(), *arguments],
        cwd=folder,
        env=render_environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        failure = NoSolution if NO_SOLUTION in done.stderr else UvFailed
        raise failure(explain_failure(done.stderr, source))
    return done.stdout


def render_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of uv: plain output, and pip's indexes where uv was told of none."""
    given = {**environment, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
    if not any(name in environment for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")) and environment.get(
        "PIP_INDEX_URL"
    ):
        given["UV_DEFAULT_INDEX"] = environment["PIP_INDEX_URL"]
    if not any(name in environment for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL")) and environment.get(
        "PIP_EXTRA_INDEX_URL"
    ):
        given["UV_INDEX"] = environment["PIP_EXTRA_INDEX_URL"]
    if "SSL_CERT_FILE" not in environment and environment.get("PIP_CERT"):
        given["SSL_CERT_FILE"] = environment["PIP_CERT"]
    return given


def explain_failure(output: str, source: str) -> str:
    """The error for a person: uv's last lines, without credentials, and what to do."""
    lines = [line.rstrip() for line in re.sub(r"//[^/@\s]*@", "//", output).splitlines() if line.strip()]
    told = "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or "  (it said nothing)"
    remedy = next((hint for mark, hint in HINTS if mark in output), "Mend what it names and try again.")
    return f"{source} cannot become the environment of an image; uv says:\n{told}\n{remedy}"
