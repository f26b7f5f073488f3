"""A region of AWS without machines: moto's server on the loopback interface, with an image in it, behind a proxy.

For what is about the resources of fleets. What is about their machines needs a `lab`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from aws.audit import find_tagged
from aws.lab import render_variables
from aws_calls import CallProxy
from engine.engine import Engine
from harness import CommandLine, await_true, make_command_line
from machines.aws.images import register_image
from machines.metadata import REGION
from sshd import find_free_port

SERVER = Path(__file__).parents[1] / "machines/copied_moto_server.py"
PACKAGES = ("dask", "distributed", "cloudpickle")


@dataclass
class Region:
    """The region, and the command line of somebody who has its credentials."""

    url: str
    """moto's own address: calls to it are not written down."""
    proxy: CallProxy
    cli: CommandLine
    engine: Engine
    folder: Path
    image_id: str = ""

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(proxies={}),
        )

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
        return answer

    def find_tagged(self, fleet: str) -> list[str]:
        """Everything that AWS still has of a fleet."""
        return find_tagged(self.call, fleet)

    def environment(self, backend: Path | None = None) -> dict[str, str]:
        """For `pulumi` itself, with a state of its own, or the one in `backend`."""
        variables = render_variables(self.engine, self.folder, self.proxy.url)
        own = self.engine.environment(self.folder / "pulumi")
        return {**own, **variables, **({"PULUMI_BACKEND_URL": f"file://{backend}"} if backend else {})}


@contextmanager
def open_region(folder: Path, engine: Engine) -> Iterator[Region]:
    """Open one; everything in it ends with the block."""
    port = find_free_port()
    command = [sys.executable, str(SERVER), str(port)]
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    cli = make_command_line(folder)
    try:
        with CallProxy(url) as proxy:
            region = Region(url, proxy, cli, engine, folder)
            await_true(lambda: _answers(region, server), "moto's server answers", timeout=60)
            region.image_id = register_image(region.client("ec2"), "daskfleet", own_facts())
            cli.variables = render_variables(engine, folder, proxy.url)
            yield region
    finally:
        cli.cleanup()
        os.killpg(server.pid, signal.SIGKILL)  # With its copies.
        server.wait()


def _answers(region: Region, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "moto's server ended"
    try:
        region.call("sts", "get_caller_identity")
    except Exception:  # Whatever a server says that is not there yet.
        return False
    return True


def own_facts(**changes: str) -> dict[str, str]:
    """The facts of an image that holds what this Python does."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    facts = {"family": "daskfleet", "version": "202611240000", "gpu": "false", "lock": "0" * 64}
    return {**facts, "python": platform.python_version(), **versions, **changes}
