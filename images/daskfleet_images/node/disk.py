"""Whether the folder for spilled data can be written to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from daskfleet_images.node.errors import NodeFailed

PROBE_BYTES = 4096

FULL = (errno.ENOSPC, errno.EDQUOT)


def check_spill_folder(folder: Path) -> None:
    """Make `folder` and write a small file there, which is removed again.

    A worker that finds out itself dies in a traceback, and is started again and again.

    Raises:
        NodeFailed: it cannot be made or written to.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        remedy = (
            "give the machine a larger volume"
            if error.errno in FULL
            else "let the node's user write there, or name another `local_directory`"
        )
        raise NodeFailed(f"workers cannot spill data to {folder}: {error.strerror}; {remedy}") from None
