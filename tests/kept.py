"""What takes long to make: made once, and kept for later runs, of any checkout."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def keep(cache: Path, family: str, name: str, build: Callable[[Path], None]) -> Path:
    """The folder of this name in `cache`, built if it is not there yet; other versions of the family go.

    Args:
        cache: where it is kept for later runs.
        family: what the names of all its versions begin with, before a hyphen.
        name: tells what is in the folder apart from every other version of it.
        build: makes the folder under a name for the meantime; what an interrupted one has left there, it finds again.
    """
    home = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{family}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        partial = home.with_name(f"{home.name}.partial")
        for other in cache.glob(f"{family}-*"):
            if other not in (home, partial):
                shutil.rmtree(other)
        if not home.is_dir():
            build(partial)
            partial.rename(home)
    return home
