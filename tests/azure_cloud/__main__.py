"""Serve until killed, or until whoever started this has ended."""

from __future__ import annotations

import gc
import signal
import socket
import sys

from azure_cloud.application import Application
from google_cloud.serving import serve

LOOPBACK = "127.0.0.1"


def main(port: str, host: str = LOOPBACK) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    application = Application()
    gc.collect()
    gc.freeze()  # Copies need not look through what does not change, and share it.
    with socket.create_server((host, int(port)), backlog=128) as listener:
        serve(listener, application)


if __name__ == "__main__":
    main(*sys.argv[1:])
