"""moto's server as a program of its own, with our repairs: `moto_server.py ADDRESS PORT`."""

from __future__ import annotations

import sys

from moto.server import main

if __name__ == "__main__":
    from moto_repairs import repair  # Beside this file, which is first on the path of a program.

    repair()
    host, port = sys.argv[1:]
    main(["-H", host, "-p", port])
