"""Whether a scheduler on another machine can be reached, told apart by a whole TLS handshake."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daskfleet.errors import FleetError
from daskfleet.providers.certificates import issue_certificates
from daskfleet.reach import check_reachable
from daskfleet_stacks.connection import Connection, validate_connection


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    return write_certificates(tmp_path / "tls")


def write_certificates(folder: Path) -> Path:
    folder.mkdir()
    for name, text in issue_certificates("x", datetime.datetime.now(datetime.UTC)).items():
        (folder / name).write_text(text)
    return folder


def make_connection(port: int, tls: Path) -> Connection:
    return validate_connection(
        {
            "fleet": "x",
            "provider": "aws",
            "scheduler_address": f"tls://127.0.0.1:{port}",
            "dashboard_url": "http://127.0.0.1:8787/status",
            "security": {
                "tls_ca_file": str(tls / "ca.pem"),
                "tls_client_cert": str(tls / "client.pem"),
                "tls_client_key": str(tls / "client-key.pem"),
            },
            "access": {"mode": "direct"},
            "versions": {"python": "3.11.7", "dask": "1", "distributed": "1", "cloudpickle": "1"},
        }
    )


@contextlib.contextmanager
def listen_as_scheduler(tls: Path, seen: list[str]) -> Iterator[int]:
    """Takes connections with the scheduler's certificate, and only from clients of the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls / "ca.pem"))
    context.load_cert_chain(tls / "scheduler.pem", tls / "scheduler-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    try:
                        with context.wrap_socket(plain, server_side=True) as connection:
                            seen.append("handshake")
                            connection.recv(1)
                    except ssl.SSLError as error:
                        seen.append(str(error.reason))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_scheduler_on_another_machine_is_reached_by_a_whole_handshake(tls: Path):
    seen: list[str] = []
    with listen_as_scheduler(tls, seen) as port:
        check_reachable(make_connection(port, tls))
    assert seen == ["handshake"]


def test_a_scheduler_of_another_fleet_is_told_from_this_one(tls: Path, tmp_path: Path):
    with (
        listen_as_scheduler(write_certificates(tmp_path / "other"), []) as port,
        pytest.raises(FleetError, match="not this fleet's scheduler") as caught,
    ):
        check_reachable(make_connection(port, tls))
    assert "PRIVATE" not in str(caught.value)


def test_a_machine_that_does_not_answer_is_told_with_what_to_look_at(tls: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(FleetError, match=f"tls://127.0.0.1:{port}: Connection refused. Is this machine in a network"):
        check_reachable(make_connection(port, tls))


def test_a_listener_that_never_says_a_word_is_given_up(tls: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("daskfleet.reach.CONNECT_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(FleetError, match=r"nothing answers\. Is this machine in a network that leads there"),
    ):
        check_reachable(make_connection(server.getsockname()[1], tls))


def test_certificates_that_are_not_there_are_told(tls: Path):
    (tls / "client.pem").unlink()
    with listen_as_scheduler(tls, []) as port, pytest.raises(FleetError, match="No such file"):
        check_reachable(make_connection(port, tls))
