"""A host with systemd: its node comes back by itself when the host restarts, and leaves nothing when it goes."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import await_true, find_cache
from image.built import build_image
from machines import require_machines
from machines.container import Container, start_container
from machines.requirements import CONTAINER_TOOLS, VIRTUAL_TOOLS
from ssh.fleet_lab import FleetLab
from ssh_lab import open_lab
from ssh_lab.accounts import make_key

FIRST_SECONDS = 90 * 60
"""For whichever test comes first: it builds the image."""

USER, UID = "fleet", 1000
"""Whom the image lets in, as a machine of a cloud does."""

FLEET = """\
hosts: [fleet@{address}]
environment: {{mode: existing, python: /opt/daskfleet/bin/python}}
scheduler: local
"""


class SystemdHost:
    """A systemd container that keeps over restarts what a disk keeps: home directory, identity, keys, lingering."""

    def __init__(self, lab: FleetLab, root: Path, folder: Path) -> None:
        self._lab, self._root = lab, root
        self._user_key = make_key(folder / "user")
        self._host_key = make_key(folder / "ssh_host_ed25519_key")
        self.home = folder / "home" / USER
        self.home.mkdir(parents=True)
        os.chown(self.home, UID, UID)
        lingering = folder / "linger"
        lingering.mkdir()
        identity = folder / "machine-id"
        identity.write_text(f"{uuid.uuid4().hex}\n")
        self._kept = {"/home": self.home.parent, "/var/lib/systemd/linger": lingering}
        self._fixed = {
            "/etc/machine-id": identity,
            "/etc/ssh/ssh_host_ed25519_key": folder / "ssh_host_ed25519_key",
        }
        self.container = self._start(None)
        self.address = self.container.address
        lab.client.write(".ssh/id_ed25519", (folder / "user").read_text())
        lab.client.write(".ssh/known_hosts", f"{self.address} {self._host_key}\n")

    def _start(self, address: str | None) -> Container:
        container = start_container(
            self._lab.lab.network,
            self._root,
            "server",
            address=address,
            public_keys=[self._user_key],
            binds=self._kept,
            read_only_binds=self._fixed,
        )
        self._lab.lab.network.await_port(container.address, 22, timeout=60)
        return container

    def restart(self) -> None:
        """Switch it off in order and on again."""
        self.container.power_off()
        self.container.close()
        self.container = self._start(self.address)

    def list_files(self) -> list[str]:
        """What is in the home directory, and in the folder for temporary files but for systemd's own."""
        files = [str(path.relative_to(self.home)) for path in self.home.rglob("*")]
        listed = self.container.exec(["find", "/tmp", "-maxdepth", "1", "-name", "daskfleet*"]).stdout.split()
        return sorted(files + listed)

    def list_processes(self) -> list[str]:
        """The command lines of the user's processes that are of a fleet."""
        return self.container.exec(["pgrep", "-a", "-u", USER, "-f", "runtime"], check=False).stdout.splitlines()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FleetLab]:
    """A lab with nobody but the client in it."""
    with open_lab(tmp_path / "lab") as lab:
        yield FleetLab(lab, [])


@pytest.fixture
def host(lab: FleetLab, tmp_path: Path) -> SystemdHost:
    """A host with systemd."""
    require_machines(*CONTAINER_TOOLS, *VIRTUAL_TOOLS, "packer", "mmdebstrap", "qemu-img", "mount")
    folder = tmp_path / "host"
    folder.mkdir()
    return SystemdHost(lab, build_image(find_cache()).root, folder)


@pytest.mark.slow
@pytest.mark.timeout(FIRST_SECONDS)
def test_where_the_user_lingers_a_host_that_restarts_rejoins_by_itself(lab: FleetLab, host: SystemdHost) -> None:
    before = host.list_files()
    file = lab.write(FLEET.format(address=host.address))
    (check,) = [each for each in json.loads(lab.ok("doctor", file, "--json")) if each["check"] == host.address]
    assert "does not rejoin after a restart (`loginctl enable-linger fleet` there lets it)" in check["found"]
    host.container.exec(["loginctl", "enable-linger", USER])
    (check,) = [each for each in json.loads(lab.ok("doctor", file, "--json")) if each["check"] == host.address]
    assert "rejoins after a restart" in check["found"]

    lab.ok("up", file)
    worker = {f"{host.address}-0"}
    assert lab.workers() == worker
    units = host.container.exec(["systemctl", "--user", f"--machine={USER}@", "list-units", "daskfleet*"], check=False)
    assert len(host.list_processes()) >= 2, units.stdout
    host.restart()
    await_true(lambda: "registered" in read_phases(lab), "the node is back", timeout=60)
    await_true(lambda: lab.workers() == worker, "its worker is back", timeout=60)
    assert lab.status()["state"] == "running"

    assert "nothing left" in lab.ok("down", "lab")
    assert host.list_files() == before
    assert host.list_processes() == []
    host.restart()
    assert host.list_processes() == []


def read_phases(lab: FleetLab) -> dict[str, float]:
    """The phase marks of the one node with workers."""
    (group,) = lab.status()["groups"]
    (node,) = group["nodes"]
    phases: dict[str, float] = node["phases"]
    return phases
