"""Telling systemd how far the service is: sd_notify(3), which is one datagram."""

from __future__ import annotations

import contextlib
import os
import socket


class Notifier:
    """Sends to the service manager, where there is one that listens; never an error."""

    def __init__(self) -> None:
        """Take the socket out of the environment: what this process starts is not the service."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        # systemd names the process that it started; a socket that was inherited from a service above is not ours.
        if os.environ.get("SYSTEMD_EXEC_PID", str(os.getpid())) != str(os.getpid()):
            address = ""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def __bool__(self) -> bool:
        """Whether this process is a service of systemd's that is to tell how far it is."""
        return bool(self._address)

    def send(self, **state: str | int) -> None:
        """Send the variables of sd_notify(3), such as `READY=1`."""
        if not self._address:
            return
        text = "\n".join(f"{name}={str(value).replace(chr(10), ' ')}" for name, value in state.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(1.0)
            channel.sendto(text.encode(), self._address)
