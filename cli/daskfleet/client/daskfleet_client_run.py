"""Run a script that makes no `Client` with one of the fleet as Dask's default: `daskfleet run` starts this file.

It runs in the user's Python, which need not have daskfleet installed: it may import the standard library and what a
Dask client has, nothing else.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the script named first on the command line as `__main__`, as `python SCRIPT ARGUMENTS` would."""
    from distributed import Client

    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    with Client():
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
