"""Hosts for a fleet, and the command line of somebody who may log in to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import Any

from harness import await_true
from ssh_lab import Host, HostSpec, SshLab, open_lab

EXAMPLES = Path(__file__).parents[2] / "examples"
FLIGHTS = str(EXAMPLES / "flights.py")

DIRECT = (
    HostSpec("desk-1", user="ada", port=2201),
    HostSpec("desk-2", user="bob", shell="/bin/sh"),
    HostSpec("rack01", user="carl", home="shared"),
    HostSpec("rack02", user="carl", home="shared"),
)
"""Hosts that are reached directly: own users, keys and ports, own homes and a shared one."""

BEHIND = (HostSpec("rack03", user="dora"), HostSpec("rack04", user="dora", port=2222))
"""Hosts that only a jump host leads to."""

Snapshot = Mapping[str, tuple[list[str], list[str], list[int]]]
"""Of each host, its processes, its files and the ports that something listens on."""


class FleetLab:
    """A lab with some hosts, and what one does with a fleet on them."""

    def __init__(self, lab: SshLab, hosts: Iterable[Host]) -> None:
        self.lab = lab
        self.client = lab.client
        self.hosts = {host.name: host for host in hosts}
        lab.trust(*lab.hosts.values())
        lab.write_config()
        self.before = self.look()

    def look(self) -> Snapshot:
        """What is on the hosts that are on."""
        return {
            name: (host.list_processes(), host.list_files(), host.list_ports())
            for name, host in self.hosts.items()
            if host.is_on
        }

    def write(self, text: str, name: str = "lab", file: str = "fleet.yaml") -> str:
        """A fleet file of the client's; returns its path there."""
        self.client.write(file, f"name: {name}\nprovider: ssh\n{text}\n")
        return file

    def run(self, *words: str, timeout: float = 120, env: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        """Run `daskfleet` as the client."""
        return self.client.run([*COMMAND, *words], check=False, timeout=timeout, env=env)

    def ok(self, *words: str, timeout: float = 120) -> str:
        """Run `daskfleet`, which is to end well; returns what it printed."""
        done = self.run(*words, timeout=timeout)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> Popen[str]:
        """Start `daskfleet` as the client."""
        return self.client.popen([*COMMAND, *words], stdout=-1, stderr=-1, text=True)

    def status(self, name: str = "lab") -> dict[str, Any]:
        """The fleet's status."""
        told: dict[str, Any] = json.loads(self.ok("status", name, "--json"))
        return told

    def workers(self, name: str = "lab") -> set[str]:
        """The workers that the scheduler knows."""
        return {worker["name"] for group in self.status(name)["groups"] for worker in group["workers"]}

    def find_processes(self, host: str, words: str) -> list[int]:
        """Processes on a host whose command line has these words, by the numbers that the host gives them."""
        done = self.hosts[host].run(["pgrep", "-f", words], user=False, check=False)
        return [int(line) for line in done.stdout.split()]

    def kill(self, host: str, words: str, signal: str = "KILL") -> list[int]:
        """Kill the processes on a host whose command line has these words; returns their numbers."""
        found = self.find_processes(host, words)
        assert found, f"nothing on {host} has {words!r} in its command line"
        self.hosts[host].run(["kill", f"-{signal}", *map(str, found)], user=False)
        return found

    def clean(self) -> None:
        """Take every fleet down, mend every host; then nothing may be left."""
        for host in self.hosts.values():
            if not host.is_on:
                host.power_on()
        for fleet in json.loads(self.ok("list", "--json")):
            self.ok("down", fleet["name"])
        await_true(lambda: self.look() == self.before, "every host is as it was", timeout=10)


COMMAND: Sequence[str] = (sys.executable, "-m", "daskfleet")


@contextmanager
def open_six(folder: Path) -> Iterator[FleetLab]:
    """A lab with six hosts, two of them behind a jump host, `gate`; all of it ends with the block."""
    with open_lab(folder) as lab:
        gate = lab.add_jump("gate", user="gina")
        yield FleetLab(lab, lab.add_hosts([*DIRECT, *(replace(spec, behind=gate) for spec in BEHIND)]))
