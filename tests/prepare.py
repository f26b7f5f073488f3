"""Build what tests share, before they begin: `python -m prepare`. What is there already takes no time.

A test that waits for its turn would be counted late otherwise, as each of these takes all of a small machine for long.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.engine import require_engine
from harness import find_cache
from image.built import build_image
from image.current_packer import require_current_packer
from machines.base import require_base_root
from patience import FULL

BUILDS: dict[str, Callable[[Path], object]] = {
    "the Pulumi engine": require_engine,
    **({"packer with its plugins": require_current_packer} if FULL else {}),
    "the machine image": build_image,
    "the small Debian": require_base_root,
}


def main() -> None:
    """Build all at once; ends with 1 and the reason where something cannot be built here."""
    begin = time.monotonic()
    with ThreadPoolExecutor() as pool:
        begun = {name: pool.submit(build, find_cache()) for name, build in BUILDS.items()}
        failed = False
        for name, build in begun.items():
            try:
                build.result()
            except pytest.skip.Exception as missing:
                failed = True
                print(f"{name}: {missing}", file=sys.stderr)
            else:
                print(f"{name}: there after {time.monotonic() - begin:.0f} s", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
