"""moto's server as a program of its own, with our repairs: `moto_server.py ADDRESS PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

from moto.server import main

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))  # Last: what is beside this file must hide nobody's module.
    from moto_repairs import repair

    repair()
    host, port = sys.argv[1:]
    main(["-H", host, "-p", port])
