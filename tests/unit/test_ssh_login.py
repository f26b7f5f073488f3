"""Logins to hosts: what SSH is told, whom it trusts, and what a person is told who is not let in."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from daskfleet.providers.ssh.login import (
    CONNECT_SECONDS,
    LOGIN_SECONDS,
    SYSTEM_KNOWN_HOSTS,
    HostFailed,
    explain_login,
    find_known_hosts,
    open_logins,
    parse_jump,
)
from daskfleet_stacks.spec.ssh import HostAddress
from sshd import Server, make_key, run_sshd

KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without any keys, and no agent."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def make_options(**values: Any) -> Any:
    defaults = {"host": "a", "port": 22, "username": "u", "host_key_alias": None, "known_hosts": []}
    return SimpleNamespace(**{**defaults, **values})


def only(files: list[str] | bytes) -> list[str]:
    """Without those of the system."""
    assert isinstance(files, list)
    return [file for file in files if file not in SYSTEM_KNOWN_HOSTS]


# Jump hosts


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("jump", HostAddress("jump", "", None)),
        ("u@jump", HostAddress("jump", "u", None)),
        ("jump:2222", HostAddress("jump", "", 2222)),
        ("u@jump:2222", HostAddress("jump", "u", 2222)),
        (" u@jump:2222 ", HostAddress("jump", "u", 2222)),
        ("ssh://u@jump:2222", HostAddress("jump", "u", 2222)),
        ("ssh://jump", HostAddress("jump", "", None)),
        ("[fe80::1]:2222", HostAddress("fe80::1", "", 2222)),
        ("u@[fe80::1]:2222", HostAddress("fe80::1", "u", 2222)),
        ("[fe80::1]", HostAddress("fe80::1", "", None)),
        ("fe80::1", HostAddress("fe80::1", "", None)),
        ("u@fe80::2222", HostAddress("fe80::2222", "u", None)),
        ("me@corp.lan@jump:22", HostAddress("jump", "me@corp.lan", 22)),
    ],
)
def test_a_jump_host_is_read_as_ssh_writes_it(text: str, address: HostAddress) -> None:
    assert parse_jump(text) == address


# Known hosts


def test_without_any_file_nobody_is_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daskfleet.providers.ssh.login.SYSTEM_KNOWN_HOSTS", ())
    assert find_known_hosts(make_options()) == b""


def test_the_files_that_openssh_reads_are_read(home: Path) -> None:
    for name in ("known_hosts", "known_hosts2"):
        (home / ".ssh" / name).touch()
    assert only(find_known_hosts(make_options())) == [f"{home}/.ssh/known_hosts", f"{home}/.ssh/known_hosts2"]


def test_a_file_that_is_not_there_is_left_out(home: Path) -> None:
    (home / ".ssh/known_hosts2").touch()
    assert only(find_known_hosts(make_options())) == [f"{home}/.ssh/known_hosts2"]


def test_files_that_the_settings_name_take_the_place_of_the_usual_ones(home: Path) -> None:
    (home / ".ssh/known_hosts").touch()
    (home / "mine").touch()
    assert only(find_known_hosts(make_options(known_hosts=["~/mine", str(home / "none")]))) == [f"{home}/mine"]


def test_the_systems_known_hosts_are_known_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "system").touch()
    (home / ".ssh/known_hosts").touch()
    monkeypatch.setattr("daskfleet.providers.ssh.login.SYSTEM_KNOWN_HOSTS", (str(home / "system"),))
    assert find_known_hosts(make_options()) == [f"{home}/.ssh/known_hosts", f"{home}/system"]
    assert find_known_hosts(make_options(known_hosts=None)) == [f"{home}/system"]


# Why nobody is let in


ADDRESS = HostAddress("a", "u", None)
ERRORS: list[tuple[BaseException, str, str]] = [
    (asyncssh.PermissionDenied("denied"), "it accepts none of your keys for user u", "ssh-copy-id"),
    (asyncssh.HostKeyNotVerifiable("revoked"), "its host key cannot be trusted: revoked", "log in once by hand"),
    (asyncssh.ChannelOpenError(2, "connect failed"), "the jump host reaches nothing there: connect failed", "is it on"),
    (asyncssh.ConnectionLost("gone"), "it hung up: gone", "`ssh u@a` may tell more"),
    (asyncssh.ProtocolError("nonsense"), "it hung up: nonsense", "`ssh u@a` may tell more"),
    (asyncssh.KeyExchangeFailed("no match"), "it hung up: no match", "`ssh u@a` may tell more"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "its name is not known here", "spelt right"),
    (TimeoutError(), "it does not answer", "is it on"),
    (TimeoutError(errno.ETIMEDOUT, "x"), "it does not answer", "is it on"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "no SSH server listens there", "is the port right"),
    (
        OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.5', 22)"),
        "No route to host",
        "`ssh u@a` may tell more",
    ),
    (OSError(errno.ENETUNREACH, "Connect call failed"), "Network is unreachable", "`ssh u@a` may tell more"),
    (OSError("odd"), "odd", "`ssh u@a` may tell more"),
    (OSError(), "OSError", "`ssh u@a` may tell more"),
]


@pytest.mark.parametrize(("error", "why", "remedy"), ERRORS, ids=lambda value: type(value).__name__)
def test_why_nobody_is_let_in_is_told_in_one_line_with_what_to_do(
    home: Path, error: BaseException, why: str, remedy: str
) -> None:
    told = explain_login(ADDRESS, error, "", make_options())
    assert told.startswith(why)
    assert remedy in told
    assert "\n" not in told
    assert "Connect call failed" not in told


@pytest.mark.parametrize(
    ("address", "command"),
    [
        (HostAddress("a", "", None), "`ssh a`"),
        (HostAddress("a", "u", None), "`ssh u@a`"),
        (HostAddress("a", "u", 2222), "`ssh -p 2222 u@a`"),
    ],
)
def test_what_a_person_is_to_try_by_hand_is_the_command_for_that_host(
    home: Path, address: HostAddress, command: str
) -> None:
    assert command in explain_login(address, asyncssh.ConnectionLost("gone"), "", make_options())


def write_known_hosts(home: Path, entry: str, key: asyncssh.SSHKey) -> None:
    (home / ".ssh/known_hosts").write_text(f"{entry} {key.export_public_key().decode()}")


def explain_stranger(**options: Any) -> str:
    error = asyncssh.HostKeyNotVerifiable("Host key is not trusted")
    return explain_login(HostAddress("a", "u", 2222), error, KEY.get_fingerprint(), make_options(**options))


def test_a_key_that_nobody_has_seen_is_told_with_its_fingerprint(home: Path) -> None:
    write_known_hosts(home, "b", OTHER)
    told = explain_stranger()
    assert told.startswith(f"its host key {KEY.get_fingerprint()} is not in your known_hosts")
    assert "log in once by hand and compare it: `ssh -p 2222 u@a`" in told


@pytest.mark.parametrize(
    ("entry", "options", "removed"),
    [
        ("a", {}, "ssh-keygen -R a"),
        ("[a]:2222", {"port": 2222}, "ssh-keygen -R '[a]:2222'"),
        ("alias", {"host_key_alias": "alias"}, "ssh-keygen -R"),
        ("a.lan", {"host": "a.lan"}, "ssh-keygen -R a.lan"),
    ],
)
def test_a_key_that_is_another_than_the_known_one_is_a_warning(
    home: Path, entry: str, options: dict[str, Any], removed: str
) -> None:
    write_known_hosts(home, entry, OTHER)
    told = explain_stranger(**options)
    assert "is another than the one in your known_hosts: somebody else may answer for it" in told
    assert removed in told


def test_the_old_key_that_is_to_be_removed_is_that_of_the_name_it_is_known_by(home: Path) -> None:
    write_known_hosts(home, "alias", OTHER)
    assert "`ssh-keygen -R alias`" in explain_stranger(host_key_alias="alias")


# What SSH is told


Record = Callable[[HostAddress], dict[str, Any]]


@pytest.fixture
def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """What asyncssh would be told for a login."""

    def ask(address: HostAddress) -> dict[str, Any]:
        calls: list[dict[str, Any]] = []

        async def connect(host: str, **settings: Any) -> Any:
            calls.append({"host": host, **settings})
            raise ConnectionRefusedError

        monkeypatch.setattr(asyncssh, "connect", connect)

        async def login() -> None:
            async with open_logins() as logins:
                with pytest.raises(HostFailed):
                    await logins.open(address)

        asyncio.run(login())
        (call,) = calls
        return call

    return ask


def test_nobody_is_asked_for_anything_in_the_middle_of_many_logins(told: Record) -> None:
    settings = told(HostAddress("a", "u", 2222))
    assert settings["password_auth"] is False
    assert settings["kbdint_auth"] is False
    assert not settings.keys() & {"password", "passphrase", "client_keys"}
    assert settings["connect_timeout"] == CONNECT_SECONDS
    assert settings["login_timeout"] == LOGIN_SECONDS
    options = asyncssh.SSHClientConnectionOptions(
        **{name: value for name, value in settings.items() if name not in ("host", "tunnel")}
    )
    assert (options.password_auth, options.kbdint_auth) == (False, False)


def test_a_host_is_given_nothing_of_this_machine(told: Record) -> None:
    settings = told(HostAddress("a", "u", 2222))
    assert settings["agent_forwarding"] is False
    assert settings["x11_forwarding"] is False
    assert settings["request_pty"] is False


def test_keys_are_always_looked_at(told: Record, home: Path) -> None:
    """Nothing in its place: asyncssh takes `None` for trust in everybody."""
    assert told(HostAddress("a", "", None))["known_hosts"] is not None
    (home / ".ssh/config").write_text("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n")
    assert told(HostAddress("a", "", None))["known_hosts"] is not None


def test_a_user_and_a_port_that_are_given_are_told_and_others_are_left_to_the_settings(told: Record) -> None:
    settings = told(HostAddress("a", "u", 2222))
    assert (settings["host"], settings["username"], settings["port"]) == ("a", "u", 2222)
    assert not told(HostAddress("a", "", None)).keys() & {"username", "port"}


def test_the_settings_of_the_person_are_read(told: Record, home: Path) -> None:
    assert f"{home}/.ssh/config" not in told(HostAddress("a", "", None))["config"]
    (home / ".ssh/config").write_text("Host a\n  User somebody\n")
    assert f"{home}/.ssh/config" in told(HostAddress("a", "", None))["config"]


def failure(address: HostAddress) -> str:
    async def login() -> str:
        async with open_logins() as logins:
            with pytest.raises(HostFailed) as caught:
                await logins.open(address)
            return str(caught.value)

    return asyncio.run(login())


def test_settings_that_cannot_be_read_are_told(home: Path) -> None:
    (home / ".ssh/config").write_text("Host a\n  Port many\n")
    assert failure(HostAddress("a", "", None)).startswith("your ~/.ssh/config cannot be read: ")


def test_a_jump_host_that_lets_nobody_in_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".ssh/config").write_text("Host a b\n  ProxyJump first,u@second:2222\n")
    hosts: list[str] = []

    async def connect(host: str, **settings: Any) -> Any:
        hosts.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncssh, "connect", connect)
    told = failure(HostAddress("a", "", None))
    assert "its jump host u@second:2222 does not let us through: its jump host first does not let us through" in told
    assert hosts == ["first"]


# Through a real sshd


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with run_sshd(home / "sshd") as server:
        (home / ".ssh/config").write_text(
            f"Host team\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
            f"  IdentityFile {server.key}\n"
        )
        yield server


TEAM = HostAddress("team", "", None)


def trust(home: Path, server: Server, key: Path | None = None) -> None:
    public = (key or server.folder / "host").with_suffix(".pub").read_text()
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}")


def test_a_host_that_is_known_lets_us_in_once_for_all_that_is_done_there(home: Path, server: Server) -> None:
    trust(home, server)

    async def login() -> tuple[Any, list[Any]]:
        async with open_logins() as logins:
            connections = await asyncio.gather(*(logins.open(TEAM) for _ in range(5)))
            done = await connections[0].run("echo hello", encoding=None)
            return done.stdout, connections

    said, connections = asyncio.run(login())
    assert said == b"hello\n"
    assert len({id(connection) for connection in connections}) == 1
    assert connections[0].is_closed()


def test_a_host_that_is_not_known_is_refused_and_its_key_is_shown(home: Path, server: Server) -> None:
    key = asyncssh.read_public_key(str(server.folder / "host.pub")).get_fingerprint()
    assert failure(TEAM).startswith(f"its host key {key} is not in your known_hosts: log in once by hand")


def test_a_host_with_another_key_than_before_is_refused(home: Path, server: Server) -> None:
    trust(home, server, make_key(home / "other"))
    told = failure(TEAM)
    assert "is another than the one in your known_hosts" in told
    assert f"`ssh-keygen -R '[127.0.0.1]:{server.port}'`" in told


def test_a_host_that_does_not_know_our_key_is_told(home: Path, server: Server) -> None:
    trust(home, server)
    (server.folder / "authorized").write_text("")
    assert failure(TEAM).startswith(f"it accepts none of your keys for user {server.user}")


def test_a_host_without_an_ssh_server_is_told(home: Path, server: Server) -> None:
    server.stop()
    assert failure(TEAM).startswith("no SSH server listens there")


def test_a_connection_that_was_lost_is_made_anew(home: Path, server: Server) -> None:
    trust(home, server)

    async def login() -> bool:
        async with open_logins() as logins:
            first = await logins.open(TEAM)
            first.abort()
            await first.wait_closed()
            second = await logins.open(TEAM)
            return second is not first and not second.is_closed()

    assert asyncio.run(login())
