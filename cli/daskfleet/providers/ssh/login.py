"""Logins to many hosts at once: each host once, each jump host once, and never a question in between.

What `~/.ssh/config` says is honoured, and so are the agent and the known hosts; a host whose key nobody has seen is
refused, as there is nobody to ask whether it is the right one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from daskfleet.errors import FleetError
from daskfleet_stacks.spec.ssh import HostAddress

try:
    import asyncssh
except ImportError:
    raise FleetError("fleets over SSH need asyncssh: `pip install 'daskfleet[ssh]'`.") from None

MAX_LOGINS = 32
"""Logins that are under way at a time: each takes this machine some milliseconds of computing."""

CONNECT_SECONDS = 10.0
LOGIN_SECONDS = 20.0
"""How long a host may take to accept a connection, and to let us in, jump hosts included."""

KEEPALIVE_SECONDS = 5
KEEPALIVE_COUNT = 4
"""A host that is silent for so many times as long is given up."""

CONFIGS = ("~/.ssh/config", "/etc/ssh/ssh_config")
KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class HostFailed(Exception):
    """Something could not be done on one host; the message says why and what to do, in one line."""


class _Client(asyncssh.SSHClient):
    """Remembers the key of a host that is not known."""

    stranger: str = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.stranger = key.get_fingerprint()
        return False


class Logins:
    """The open connections of one command. All are closed with it."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MAX_LOGINS)
        self._open: dict[tuple[HostAddress, str], asyncio.Task[asyncssh.SSHClientConnection]] = {}

    async def open(self, address: HostAddress) -> asyncssh.SSHClientConnection:
        """The connection to a host, made if there is none yet.

        Raises:
            HostFailed: it cannot be made.
        """
        return await self._share(address, "")

    async def close(self) -> None:
        """Close all connections, those through others first."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        for task in reversed(tasks):
            with contextlib.suppress(BaseException):
                (await task).abort()

    async def _share(self, address: HostAddress, through: str) -> asyncssh.SSHClientConnection:
        """The one connection to a host on this way; `through` is the hosts before it, where the caller gives them."""
        key = (address, through)
        if key not in self._open or (self._open[key].done() and _is_lost(self._open[key])):
            self._open[key] = asyncio.create_task(self._connect(address, through))
        return await asyncio.shield(self._open[key])

    async def _connect(self, address: HostAddress, through: str) -> asyncssh.SSHClientConnection:
        options = _read_options(address)
        jumps = through or (options.tunnel if isinstance(options.tunnel, str) else "")
        tunnel: Any = ()
        if jumps:
            before, _, last = jumps.rpartition(",")
            try:
                tunnel = await self._share(parse_jump(last), before)
            except HostFailed as error:
                raise HostFailed(f"its jump host {last} does not let us through: {error}") from None
        client = _Client()
        try:
            async with self._slots, asyncio.timeout(LOGIN_SECONDS):
                return await asyncssh.connect(
                    address.host, tunnel=tunnel, **_settings(address, find_known_hosts(options), lambda: client)
                )
        except (OSError, asyncssh.Error) as error:
            raise HostFailed(explain_login(address, error, client.stranger, options)) from None


def _is_lost(task: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result().is_closed()


@contextlib.asynccontextmanager
async def open_logins() -> AsyncIterator[Logins]:
    """Logins that end with the block."""
    logins = Logins()
    try:
        yield logins
    finally:
        await logins.close()


def parse_jump(text: str) -> HostAddress:
    """`user@host:port`, as `ProxyJump` has it. Pure."""
    user, _, host = text.strip().removeprefix("ssh://").rpartition("@")
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.endswith("]")):
        return HostAddress(name.strip("[]"), user, int(port))
    return HostAddress(host.strip("[]"), user, None)


def find_known_hosts(options: Any) -> list[str] | bytes:
    """The files with the keys of known hosts that are there; none trusts nobody."""
    files = KNOWN_HOSTS if options.known_hosts == [] else options.known_hosts or ()
    found = [str(path) for path in map(_expand, (*files, *SYSTEM_KNOWN_HOSTS)) if os.access(path, os.R_OK)]
    return found or b""


def explain_login(address: HostAddress, error: BaseException, stranger: str, options: Any) -> str:
    """Why nobody is let in, and what to do."""
    by_hand = (
        f"ssh {'' if not address.port else f'-p {address.port} '}{address.user and address.user + '@'}{address.host}"
    )
    if stranger:
        port = options.port if options.port != asyncssh.DEFAULT_PORT else None
        files = find_known_hosts(options)
        known = files and asyncssh.match_known_hosts(files, options.host_key_alias or options.host, "", port)
        shown = f"its host key {stranger}"
        if known and any(known[:2]):
            return (
                f"{shown} is another than the one in your known_hosts: somebody else may answer for it. If it was "
                f"installed anew, remove the old key (`ssh-keygen -R {_entry(options, port)}`) and log in once by "
                f"hand: `{by_hand}`"
            )
        return f"{shown} is not in your known_hosts: log in once by hand and compare it: `{by_hand}`"
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"it accepts none of your keys for user {options.username}: name the right one in ~/.ssh/config, or load "
            f"it into the agent (`ssh-add`; one with a passphrase has to be); `ssh-copy-id` puts it there"
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"its host key cannot be trusted: {error.reason}; log in once by hand: `{by_hand}`"
    if isinstance(error, asyncssh.ChannelOpenError):
        return f"the jump host reaches nothing there: {error.reason}; is it on, and is the name right?"
    if isinstance(error, asyncssh.DisconnectError):
        return f"it hung up: {error.reason}; `{by_hand}` may tell more"
    if isinstance(error, socket.gaierror):
        return f"its name is not known here: {error.strerror}; is it spelt right, and may this machine ask for it?"
    if isinstance(error, TimeoutError):
        return "it does not answer: is it on, and does a way lead there?"
    if isinstance(error, ConnectionRefusedError):
        return "no SSH server listens there: is it installed, and is the port right?"
    code = getattr(error, "errno", None)  # asyncio's own words name addresses, not what is wrong.
    return f"{os.strerror(code) if code else str(error) or type(error).__name__}; `{by_hand}` may tell more"


def _entry(options: Any, port: int | None) -> str:
    """How the known hosts call it."""
    host = options.host_key_alias or options.host
    return f"'[{host}]:{port}'" if port else host


def _read_options(address: HostAddress) -> Any:
    try:
        return asyncssh.SSHClientConnectionOptions(host=address.host, **_settings(address, (), asyncssh.SSHClient))
    except asyncssh.ConfigParseError as error:
        raise HostFailed(f"your ~/.ssh/config cannot be read: {error}; mend it") from None
    except (OSError, ValueError, asyncssh.KeyImportError) as error:
        raise HostFailed(
            f"your SSH settings for it cannot be used: {error}; `ssh -v {address.host}` may tell"
        ) from None


def _settings(address: HostAddress, known_hosts: Any, client: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "client_factory": client,
        "config": [str(path) for path in map(_expand, CONFIGS) if os.access(path, os.R_OK)],
        "known_hosts": known_hosts,
        "password_auth": False,  # Nobody is asked in the middle of a hundred hosts.
        "kbdint_auth": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "connect_timeout": CONNECT_SECONDS,
        "login_timeout": LOGIN_SECONDS,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "request_pty": False,
        "encoding": None,
    }
    if address.user:
        settings["username"] = address.user
    if address.port:
        settings["port"] = address.port
    return settings


def _expand(path: str) -> Path:
    return Path(path).expanduser()
