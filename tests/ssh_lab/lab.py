"""Hosts to reach by SSH, and a client to reach them from, in one network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from machines.network import Network
from machines.requirements import find_missing
from ssh_lab.accounts import Account, make_key
from ssh_lab.host import Host, HostSpec, make_home
from ssh_lab.place import Client
from sshd import SSHD

TOOLS = ("ip", "mount", "nft", "nsenter", "setpriv", "ssh", "unshare")
CLIENT_USER = "wanda"
FIRST_UID = 20000
STARTS_AT_ONCE = 8

LOCAL_NAMES = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def require_lab() -> None:
    """Skip the test, with the reason, where there can be no lab."""
    missing = find_missing(*TOOLS) + ([] if Path(SSHD).exists() else ["sshd"])
    if missing:
        pytest.skip(f"SSH labs need {', '.join(missing)}; tests/install-system-packages installs programs")


@contextmanager
def open_lab(folder: Path, *, subnet: str = "10.77.0.0/24") -> Iterator[SshLab]:
    """A lab with a client and no hosts yet; everything in it ends with the block.

    Args:
        folder: where the homes, keys and logs are; it may be looked into afterwards.
    """
    require_lab()
    with Network(subnet) as network:
        yield SshLab(network, folder)


class SshLab:
    """Hosts and a client in one network."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.hosts: dict[str, Host] = {}
        """By name."""
        self._folder = folder / "lab"
        self._folder.mkdir(parents=True)
        self._uids = {CLIENT_USER: FIRST_UID}
        self._keys: dict[str, str] = {}
        self._names = self._folder / "hosts"
        self._names.write_text(LOCAL_NAMES)
        account = Account(CLIENT_USER, FIRST_UID)
        folder = self._folder / "client"
        home = make_home(self._folder / "client-home", FIRST_UID)
        self.client = Client(network, "client", account, folder, self._names, home=home)
        network.add(self)
        self._tell_name(self.client.address, "client")
        self.client.write(".ssh/config", "")
        self.client.write(".ssh/known_hosts", "")
        self.client.power_on()

    def close(self) -> None:
        """End all processes; the network, which closes this too, ends the rest. May be called again."""
        for place in (*self.hosts.values(), self.client):
            place.close()

    # Hosts

    def add_host(self, name: str, **options: Any) -> Host:
        """Add a host and switch it on.

        Args:
            options: fields of `HostSpec`.
        """
        return self.add_hosts([HostSpec(name, **options)])[0]

    def add_hosts(self, specs: Iterable[HostSpec | str], **options: Any) -> list[Host]:
        """Add hosts and switch them on, many at once.

        Args:
            specs: how each is to be, or only its name.
            options: fields of `HostSpec` for those of which only the name is said.
        """
        known = [HostSpec(spec, **options) if isinstance(spec, str) else spec for spec in specs]
        hosts = [self._prepare(spec) for spec in known]
        with ThreadPoolExecutor(STARTS_AT_ONCE) as threads:
            list(threads.map(Host.power_on, hosts))
        return hosts

    def add_jump(self, name: str = "gate", **options: Any) -> Host:
        """Add a host for others to be `behind`: it may be any, and needs no way in of its own."""
        return self.add_host(name, **options)

    def _prepare(self, spec: HostSpec) -> Host:
        if spec.name in self.hosts or spec.name == "client":
            raise ValueError(f"there is a {spec.name} in the lab; choose another name")
        if spec.home == "shared" and spec.home_bytes is not None:
            raise ValueError("home_bytes is for a host's own home; leave it out with home='shared'")
        uid = self._uids.setdefault(spec.user, FIRST_UID + len(self._uids))
        account = Account(spec.user, uid, spec.shell)
        folder = self._folder / "hosts.d" / spec.name
        home, key = self._make_home(spec, uid), self._make_key(spec.user)
        host = Host(self.network, spec, account, folder, self._names, home, key)
        self.hosts[spec.name] = host
        self._tell_name(host.address, spec.name)
        return host

    def _make_home(self, spec: HostSpec, uid: int) -> Path:
        if spec.home == "shared":
            shared = self._folder / "shared" / spec.user
            return shared if shared.exists() else make_home(shared, uid)
        # What is mounted is in the network's folder: there the sweep finds it, too.
        parent = self._folder if spec.home_bytes is None else self.network.folder
        return make_home(parent / "homes" / spec.name, uid, spec.home_bytes)

    def _make_key(self, user: str) -> str:
        """The key with which the client is this user on hosts; returns the public one."""
        if user not in self._keys:
            file = f".ssh/id_{user}"
            temporary = self._folder / "key"
            self._keys[user] = f"{make_key(temporary)} {CLIENT_USER}"
            self.client.write(file, temporary.read_text())
            self.client.write(f"{file}.pub", f"{self._keys[user]}\n", 0o644)
            temporary.unlink()
        return self._keys[user]

    def _tell_name(self, address: str, name: str) -> None:
        with self._names.open("a") as file:
            file.write(f"{address} {name}\n")

    # The client's files

    def trust(self, *hosts: Host) -> None:
        """Let the client know hosts, by name and address."""
        lines = [f"{_render_known_names(host)} {host.host_key}\n" for host in hosts]
        self._write_known([*self._read_known(), *lines])

    def forget(self, *hosts: Host) -> None:
        """Let the client know hosts no more."""
        names = {_render_known_names(host) for host in hosts}
        self._write_known([line for line in self._read_known() if line.split(" ")[0] not in names])

    def _read_known(self) -> list[str]:
        return (self.client.home_outside / ".ssh/known_hosts").read_text().splitlines(keepends=True)

    def _write_known(self, lines: Sequence[str]) -> None:
        self.client.write(".ssh/known_hosts", "".join(lines))

    def write_config(self, *lines: str) -> None:
        """Let the client's `~/.ssh/config` say how each host is reached.

        Args:
            lines: more of it, for all hosts, for example `ConnectTimeout 2`.
        """
        text = "".join(_render_block(host) for host in self.hosts.values())
        if lines:
            text += "\n".join(("Host *", *(f"    {line}" for line in lines))) + "\n"
        self.client.write(".ssh/config", text)


def _render_known_names(host: Host) -> str:
    names = (host.name, host.address)
    return ",".join(name if host.port == 22 else f"[{name}]:{host.port}" for name in names)


def _render_block(host: Host) -> str:
    lines = [
        f"Host {host.name}",
        f"    HostName {host.address}",
        f"    Port {host.port}",
        f"    User {host.user}",
        f"    IdentityFile ~/.ssh/id_{host.user}",
    ]
    if host.spec.behind is not None:
        lines.append(f"    ProxyJump {host.spec.behind.name}")
    return "\n".join((*lines, "", ""))
