"""What each worker tells the scheduler besides Dask's own metrics.

Every worker process imports this file, so it imports next to nothing: not pydantic, not the rest of the node runtime.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Worker


def report_pid(_worker: Worker) -> int:
    """The process that the worker is, which Dask itself does not tell."""
    return os.getpid()
