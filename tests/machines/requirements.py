"""What this computer needs for machines, and a skip that says what is missing."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

CONTAINER_TOOLS = ("ip", "nsenter", "systemd-nspawn")
CLOUD_TOOLS = (*CONTAINER_TOOLS, "nft")
"""For what clouds launch."""

VIRTUAL_TOOLS = ("ip", "nsenter", "qemu-system-x86_64", "xorriso")


def find_missing(*tools: str) -> list[str]:
    """What is missing for machines, as words for a person; empty when they can run."""
    if not sys.platform.startswith("linux"):
        return ["Linux"]
    missing = [] if os.geteuid() == 0 else ["root's rights"]
    return missing + [tool for tool in tools if shutil.which(tool) is None]


def require_machines(*tools: str) -> None:
    """Skip the test, with the reason, where machines cannot run.

    Args:
        tools: programs that are needed; by default those of containers.
    """
    if missing := find_missing(*(tools or CONTAINER_TOOLS)):
        pytest.skip(f"machines need {', '.join(missing)}; tests/install-system-packages installs programs")
