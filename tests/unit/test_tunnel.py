"""The tunnel to a fleet that is reached by SSH, through a real sshd."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.tunnel import close_tunnel, open_route, open_tunnel, render_command, render_login
from daskfleet_stacks.connection import Access, Connection, ConnectionSecurity, Versions
from harness import await_true
from sshd import Server, find_free_port, make_key, run_sshd


class Echo:
    """Something that listens, and says its name to whoever comes."""

    def __init__(self, name: bytes) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, args=(name,), daemon=True).start()

    def _serve(self, name: bytes) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                client.sendall(name)


@pytest.fixture
def scheduler() -> Iterator[Echo]:
    echo = Echo(b"scheduler")
    yield echo
    echo.socket.close()


@pytest.fixture
def dashboard() -> Iterator[Echo]:
    echo = Echo(b"dashboard")
    yield echo
    echo.socket.close()


@pytest.fixture
def server(tmp_path: Path, scheduler: Echo, dashboard: Echo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    ends = [f"127.0.0.1:{scheduler.port}", f"127.0.0.1:{dashboard.port}"]
    with run_sshd(tmp_path / "sshd", permit_open=ends) as server:
        # `ssh` reads no HOME, but whoever calls it may name a program: one that knows the port of this sshd.
        programs = tmp_path / "programs"
        programs.mkdir()
        program = programs / "ssh"
        program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F none -p {server.port} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        yield server


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[FleetPaths]:
    paths = FleetPaths(tmp_path / "home/fleets/research")
    paths.root.mkdir(parents=True, mode=0o700)
    yield paths
    close_tunnel(paths)


@pytest.fixture
def connection(server: Server, scheduler: Echo, dashboard: Echo) -> Connection:
    return Connection(
        fleet="research",
        provider="aws",
        scheduler_address=f"tls://127.0.0.1:{scheduler.port}",
        dashboard_url=f"http://127.0.0.1:{dashboard.port}/status",
        security=ConnectionSecurity("ca", "cert", "key", str(server.key)),
        access=Access("ssh", "127.0.0.1", server.user),
        versions=Versions("3.11", "1", "1", "1"),
    )


def hear(address: str) -> bytes:
    host, port = address.rpartition("://")[2].partition("/")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as client:
        return client.recv(100)


def test_a_route_leads_to_the_scheduler_and_to_the_dashboard(connection: Connection, paths: FleetPaths) -> None:
    route = open_route(connection, paths)
    assert route.scheduler_address != connection.scheduler_address
    assert hear(route.scheduler_address) == b"scheduler"
    assert hear(route.dashboard_url) == b"dashboard"
    assert route.dashboard_url.endswith("/status")


def test_a_second_command_shares_the_tunnel(connection: Connection, paths: FleetPaths) -> None:
    assert open_tunnel(connection, paths) == open_tunnel(connection, paths)


def test_commands_at_the_same_moment_share_the_tunnel(connection: Connection, paths: FleetPaths) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(open_tunnel(connection, paths))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_a_tunnel_that_died_is_opened_anew(connection: Connection, paths: FleetPaths) -> None:
    first = open_tunnel(connection, paths)
    os.kill(first.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(first.pid)], timeout=10)
    assert hear(open_route(connection, paths).scheduler_address) == b"scheduler"


def test_a_closed_tunnel_is_gone_and_so_is_what_it_knew(connection: Connection, paths: FleetPaths) -> None:
    tunnel = open_tunnel(connection, paths)
    close_tunnel(paths)
    await_true(lambda: not psutil.pid_exists(tunnel.pid) or is_zombie(tunnel.pid), "the tunnel's process ends")
    assert not (paths.root / "known_hosts").exists()
    close_tunnel(paths)


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_closing_leaves_a_process_alone_that_only_has_the_same_number(
    connection: Connection, paths: FleetPaths
) -> None:
    tunnel = open_tunnel(connection, paths)
    file = paths.root / "tunnel.json"
    file.write_text(file.read_text().replace(str(tunnel.started), "1.0"))
    close_tunnel(paths)
    assert psutil.Process(tunnel.pid).is_running()
    os.kill(tunnel.pid, signal.SIGTERM)


def test_another_way_of_access_needs_no_tunnel(connection: Connection, paths: FleetPaths) -> None:
    direct = dataclasses.replace(connection, access=Access("direct"))
    assert open_route(direct, paths) == direct
    assert not (paths.root / "tunnel.json").exists()


def test_another_key_is_refused_and_told(connection: Connection, paths: FleetPaths, tmp_path: Path) -> None:
    key = str(make_key(tmp_path / "other"))
    stranger = dataclasses.replace(connection, security=dataclasses.replace(connection.security, ssh_key=key))
    with pytest.raises(FleetError, match=r"Permission denied.*the key is not the fleet's any more"):
        open_route(stranger, paths)


def test_another_machine_in_its_place_is_refused_and_told(
    connection: Connection, paths: FleetPaths, server: Server, tmp_path: Path
) -> None:
    other = (make_key(tmp_path / "machine").with_suffix(".pub")).read_text().split()[:2]
    (paths.root / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {' '.join(other)}\n")
    with pytest.raises(FleetError, match="no tunnel to fleet 'research' through 127"):
        open_route(connection, paths)


def test_where_nothing_listens_the_remedy_says_so(connection: Connection, paths: FleetPaths, server: Server) -> None:
    server.stop()
    with pytest.raises(FleetError, match=r"Connection refused.*has the machine booted"):
        open_route(connection, paths)


def test_without_ssh_the_remedy_is_to_install_it(
    connection: Connection, paths: FleetPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FleetError, match="install OpenSSH's client"):
        open_route(connection, paths)


def test_the_command_line_holds_paths_and_no_key(connection: Connection, paths: FleetPaths, server: Server) -> None:
    command = " ".join(render_command(connection, paths, scheduler_port=1, dashboard_port=2))
    assert str(server.key) in command
    assert "PRIVATE KEY" not in command
    assert "StrictHostKeyChecking=accept-new" in command


def test_what_the_tunnel_leaves_on_disk_is_this_users_alone(connection: Connection, paths: FleetPaths) -> None:
    open_tunnel(connection, paths)
    for file in paths.root.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_tunnel_to_a_port_that_nobody_listens_at_opens_and_then_closes_on_its_users(
    connection: Connection, paths: FleetPaths
) -> None:
    nobody = dataclasses.replace(connection, scheduler_address=f"tls://127.0.0.1:{find_free_port()}")
    route = open_route(nobody, paths)
    assert hear(route.scheduler_address) == b""


# The command line


def make_connection(provider: str, *, ssh_key: str = "", **access: Any) -> Connection:
    return Connection(
        fleet="research",
        provider=provider,
        scheduler_address="tls://10.0.0.5:8786",
        dashboard_url="http://127.0.0.1:8787/status",
        security=ConnectionSecurity("ca", "cert", "key", ssh_key),
        access=Access("ssh", **access),
        versions=Versions("3.11", "1", "1", "1"),
    )


def read_options(command: list[str]) -> dict[str, str]:
    return dict(value.split("=", 1) for name, value in itertools.pairwise(command) if name == "-o")


def test_the_key_of_a_machine_that_was_there_before_is_among_those_that_the_person_knows(paths: FleetPaths) -> None:
    command = render_login(make_connection("ssh", host="team-server.lan"), paths)
    options = read_options(command)
    assert options["StrictHostKeyChecking"] == "yes"
    assert not options.keys() & {"UserKnownHostsFile", "GlobalKnownHostsFile", "IdentitiesOnly"}
    assert options["BatchMode"] == "yes"
    assert not {"-p", "-i"} & set(command)
    assert command[-1] == "team-server.lan"


@pytest.mark.parametrize("provider", ["aws", "gcp", "azure"])
def test_the_key_of_a_machine_that_the_fleet_made_is_the_fleets_own_business(provider: str, paths: FleetPaths) -> None:
    command = render_login(make_connection(provider, host="198.51.100.7", user="tunnel", ssh_key="/k.pem"), paths)
    options = read_options(command)
    assert options["StrictHostKeyChecking"] == "accept-new"
    assert options["UserKnownHostsFile"] == str(paths.root / "known_hosts")
    assert options["IdentitiesOnly"] == "yes"
    assert command[command.index("-i") + 1] == "/k.pem"
    assert "-p" not in command
    assert command[-1] == "tunnel@198.51.100.7"


@pytest.mark.parametrize("provider", ["ssh", "aws"])
@pytest.mark.parametrize(("port", "words"), [(0, []), (22, ["-p", "22"]), (2222, ["-p", "2222"])])
def test_a_port_is_named_where_one_is_given(provider: str, port: int, words: list[str], paths: FleetPaths) -> None:
    command = render_login(make_connection(provider, host="h", user="u", port=port), paths)
    assert command[-1] == "u@h"
    found = command.index("-p") if "-p" in command else len(command)
    assert command[found : found + 2] == words


def test_the_ends_of_the_tunnel_are_as_the_machine_at_its_other_end_sees_them(paths: FleetPaths) -> None:
    connection = make_connection("ssh", host="h", user="u", port=2222)
    command = render_command(connection, paths, scheduler_port=1001, dashboard_port=1002)
    login = render_login(connection, paths)
    assert command[: len(login)] == login
    assert command[len(login) :] == [
        "-N", "-L", "127.0.0.1:1001:10.0.0.5:8786", "-L", "127.0.0.1:1002:127.0.0.1:8787"
    ]  # fmt: skip


def test_a_tunnel_to_a_machine_whose_key_nobody_knows_is_refused(
    connection: Connection, paths: FleetPaths, server: Server
) -> None:
    """Unlike to a machine that the fleet made, whose key is taken as it comes."""
    stranger = dataclasses.replace(connection, provider="ssh")
    with pytest.raises(FleetError, match=r"no tunnel to fleet 'research' through 127.*Host key verification failed"):
        open_route(stranger, paths)
    assert hear(open_route(connection, paths).scheduler_address) == b"scheduler"
