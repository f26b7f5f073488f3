"""A person on a machine: by the key that the cloud's metadata names, and through it to the scheduler alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daskfleet_images.node.user_data import render_user_data
from image.fleet import FLEET, Cloud
from machines import Container, start_container
from machines.metadata import Instance

ADDRESS = "10.77.0.20"
DATA_SOURCE = """\
datasource_list: [Ec2]
datasource: {Ec2: {strict_id: false}}
network: {config: disabled}
"""
"""What cloud-init finds out by itself where the hardware is AWS's."""


@dataclass
class Login:
    """A scheduler's machine that was launched with a key."""

    cloud: Cloud
    machine: Container
    key: Path

    def command(self, *options: str, user: str = "fleet", key: Path | None = None) -> list[str]:
        """ssh to the machine; what is to run there comes after it."""
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ExitOnForwardFailure": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *words, "-i", str(key or self.key), *options, f"{user}@{ADDRESS}"]

    def run(self, *options: str, command: str = "true", **who: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine."""
        return self.cloud.network.run_inside([*self.command(*options, **who), command], check=False, timeout=60)

    def open_through(self, place: str) -> subprocess.CompletedProcess[str]:
        """Open a connection to there through the machine, and close it."""
        return self.cloud.network.run_inside(self.command("-W", place), check=False, timeout=60)

    def ask_through(self, place: str, path: str) -> str:
        """The first line of the answer of a web server there; it gets no answer who closes before it comes."""
        client = self.cloud.network.popen_inside(
            self.command("-W", place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        client.stdin.write(f"GET {path} HTTP/1.0\r\n\r\n")
        client.stdin.flush()
        return str(client.stdout.readline())


def make_key(file: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


@pytest.fixture
def login(cloud: Cloud, tmp_path: Path) -> Login:
    key = make_key(tmp_path / "key")
    document = cloud.scheduler_document(scheduler_address=f"tls://{ADDRESS}:8786")
    instance = Instance(
        ADDRESS,
        role=f"daskfleet-{FLEET}",
        http_tokens="optional",
        public_key=key.with_suffix(".pub").read_text().strip(),
        user_data=render_user_data(document),
    )
    cloud.aws.metadata.add(instance)
    source = tmp_path / "source.cfg"
    source.write_text(DATA_SOURCE)
    machine = start_container(
        cloud.network,
        cloud.image.root,
        "before",
        user_data="",
        address=ADDRESS,
        read_only_binds={"/etc/cloud/cloud.cfg.d/99-source.cfg": source},
    )
    cloud.machines.append(machine)
    machine.await_console("phase: registered", timeout=90)
    return Login(cloud, machine, key)


def test_who_has_the_key_of_the_machine_gets_in_and_to_the_scheduler_and_nobody_else(login: Login, tmp_path: Path):
    done = login.run(command="hostname; id --user --name; sudo --non-interactive id --user")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ip-10-77-0-20", "fleet", "0"], "the short host name, from the metadata"
    assert '"registered"' in "".join(login.cloud.read_log("scheduler/ip-10-77-0-20"))

    stranger = make_key(tmp_path / "stranger")
    attempts = {
        "another key": login.run(key=stranger),
        "a password": login.run("-o", "PreferredAuthentications=password,keyboard-interactive"),
        "root": login.run(user="root"),
        "the node's user": login.run(user="daskfleet"),
        "Debian's user": login.run(user="debian"),
    }
    for who, attempt in attempts.items():
        assert attempt.returncode == 255, who
        assert "Permission denied (publickey)" in attempt.stderr, who

    assert login.open_through(f"{ADDRESS}:8786").returncode == 0
    assert login.ask_through("127.0.0.1:8787", "/health").startswith("HTTP/1.1 200")
    for place in (f"{ADDRESS}:22", "127.0.0.1:22", f"{ADDRESS}:8787", "169.254.169.254:80"):
        refused = login.open_through(place)
        assert refused.returncode == 255, place
        assert "administratively prohibited" in refused.stderr, place
    for forwarding in ("9999:127.0.0.1:8787", "9999"):
        back = login.run("-R", forwarding)
        assert back.returncode == 255, forwarding
        assert "remote port forwarding failed" in back.stderr, forwarding
