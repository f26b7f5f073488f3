"""Where a fleet's stack has its settings on this machine, and how it is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from daskfleet.home import FleetPaths
from daskfleet.progress import Progress

if TYPE_CHECKING:
    from daskfleet.providers.stack.automation import FleetStack


def stack_folder(paths: FleetPaths) -> Path:
    """The workspace of the fleet's stack."""
    return paths.root / "stack"


def may_have_stack(paths: FleetPaths) -> bool:
    """Whether the fleet's stack may be in a backend that is known here; no engine is started for the question.

    In a fleet's folder without a stack's settings is the connection to somebody else's fleet.
    """
    from daskfleet.providers.stack.engine import has_own_backend, read_chosen_backend

    if paths.root.exists():
        return stack_folder(paths).is_dir()
    return has_own_backend() or read_chosen_backend(os.environ) is not None


def load_stack(name: str, provider: str, paths: FleetPaths, progress: Progress) -> FleetStack:
    """The fleet's stack, where the engine and its backend are found; it need not exist.

    Raises:
        FleetError: there is no engine, or it is too old.
    """
    from daskfleet.providers.stack.engine import find_backend, find_engine

    engine = find_engine()
    backend = find_backend()
    from daskfleet.providers.stack.automation import FleetStack

    return FleetStack(name, provider, stack_folder(paths), backend, engine, progress)
