"""Who answers whom."""

from __future__ import annotations

import socket
from pathlib import Path

TESTS = Path(__file__).parents[1]
PORT = 7777

NOWHERE = "192.0.2.1"
"""An address for documentation, RFC 5737."""

LISTEN = f"""
import socket, sys
server = socket.create_server((sys.argv[1], {PORT}))
while True:
    connection, _ = server.accept()
    connection.sendall(sys.argv[2].encode())
    connection.close()
"""
"""A program that answers everyone: `LISTEN ADDRESS ANSWER`."""

CONNECT = f"""
import socket, sys
with socket.create_connection((sys.argv[1], {PORT}), timeout=2) as connection:
    print(connection.recv(100).decode(), end="")
"""
"""A program that prints the answer: `CONNECT ADDRESS`."""


def read_answer(connection: socket.socket) -> str:
    with connection:
        return connection.recv(100).decode()


def read_answer_from_here(address: str) -> str:
    """What answers this computer itself at the address; nothing when it only accepts, as a proxy may."""
    try:
        with socket.create_connection((address, PORT), timeout=1) as connection:
            return connection.recv(100).decode()
    except OSError:
        return ""
