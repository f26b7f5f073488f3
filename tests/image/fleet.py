"""A fleet on machines of a test: their documents, their user-data, and a client from outside of them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daskfleet.home import FleetPaths
from daskfleet.providers.certificates import issue_certificates
from daskfleet_images.node.document import AwsLogs, AwsSecret, SchedulerDocument, WorkersDocument
from daskfleet_images.node.user_data import render_user_data
from daskfleet_stacks.connection import validate_connection
from image.built import BuiltImage
from machines import Container, Machine, Network, VirtualMachine, start_container, start_virtual_machine
from machines.metadata import AWS, REGION, Instance, start_aws
from machines.metadata_service import METADATA_ADDRESS

FLEET = "lab"
SCHEDULER_ADDRESS = "10.77.0.5"
LOG_GROUP = f"/daskfleet/{FLEET}/nodes"
MARKS = Path("/run/daskfleet/marks.jsonl")

HOLD_DATA = """
import sys

workers = client.scheduler_info(n_workers=-1)["workers"]
holder = next(address for address, worker in workers.items() if "worker-b" in worker["name"])
squares = client.map(lambda n: n * n, range(20), workers=[holder], pure=False)
wait(squares)
print("held", flush=True)
sys.stdin.readline()
assert holder not in client.scheduler_info(n_workers=-1)["workers"]
count = client.run_on_scheduler(lambda dask_scheduler: sum(t.state == "memory" for t in dask_scheduler.tasks.values()))
print("kept", count, sum(client.gather(squares)), flush=True)
"""
"""A client that has data computed on `worker-b` alone, waits for a line, and tells what of it is still in memory."""


@dataclass
class Cloud:
    """A network with a stand-in for AWS, and what a fleet in it needs before it boots."""

    network: Network
    aws: AWS
    image: BuiltImage
    folder: Path
    secrets: dict[str, str]
    """ARN of each role's secret."""
    machines: list[Machine] = field(default_factory=list)
    """Those that were booted."""

    @property
    def logs(self) -> AwsLogs:
        """Where the nodes' log goes."""
        return AwsLogs(group=LOG_GROUP, region=REGION, endpoint_url=self.aws.services.endpoint_url)

    def reference(self, role: str, **changes: Any) -> AwsSecret:
        """Where a node of that role finds its TLS material."""
        values = {"secret": self.secrets[role], "region": REGION, "endpoint_url": self.aws.services.endpoint_url}
        return AwsSecret(**{**values, **changes})

    def read_log(self, stream: str) -> list[str]:
        """The messages in a stream of the fleet's log group; none if there is no such stream."""
        streams = self.aws.services.call("logs", "describe_log_streams", logGroupName=LOG_GROUP)["logStreams"]
        if stream not in {each["logStreamName"] for each in streams}:
            return []
        events = self.aws.services.call(
            "logs", "get_log_events", logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def scheduler_document(self, **changes: Any) -> SchedulerDocument:
        values = {
            "fleet": FLEET,
            "scheduler_address": f"tls://{SCHEDULER_ADDRESS}:8786",
            "tls": self.reference("scheduler"),
            "logs": self.logs,
            "marks_file": MARKS,
        }
        return SchedulerDocument(**{**values, **changes})

    def workers_document(self, **changes: Any) -> WorkersDocument:
        values = {
            "fleet": FLEET,
            "group": "cpu",
            "scheduler_address": f"tls://{SCHEDULER_ADDRESS}:8786",
            "tls": self.reference("worker"),
            "logs": self.logs,
            "workers": 1,
            "threads": "auto",
            "local_directory": Path("/var/lib/daskfleet/scratch"),
            "marks_file": MARKS,
            "retire_on_stop": True,
        }
        return WorkersDocument(**{**values, **changes})

    def render_workers(self) -> str:
        """User-data of a machine of the worker group."""
        return render_user_data(self.workers_document())

    def boot_container(
        self, name: str, document: Any, address: str | None = None, *, role: bool = True, **options: Any
    ) -> Container:
        """A container from the image's root file system, with the user-data of its document, or this user-data."""
        user_data = document if isinstance(document, str) else render_user_data(document)
        machine = start_container(self.network, self.image.root, name, user_data=user_data, address=address, **options)
        self.introduce(machine, role=role)
        return machine

    def boot_virtual_machine(
        self, name: str, document: Any, address: str | None = None, **options: Any
    ) -> VirtualMachine:
        """A virtual machine from the image, with the same user-data."""
        options.setdefault("memory", 768)
        machine = start_virtual_machine(
            self.network, self.image.disk, name, user_data=render_user_data(document), address=address, **options
        )
        self.introduce(machine, role=True)
        return machine

    def introduce(self, machine: Machine, *, role: bool) -> None:
        """Have the metadata service know the machine, with a role or without."""
        self.machines.append(machine)
        self.aws.metadata.add(Instance(machine.address, role=f"daskfleet-{FLEET}" if role else None))

    def daskfleet(self, *arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command line, in the network but on none of its machines."""
        return self.network.run_inside(
            self._command(arguments), env=self._environment(environment), check=False, timeout=timeout
        )

    def start_client(self, code: str) -> subprocess.Popen[str]:
        """As `compute`, without waiting for its end; it ends with the network at the latest."""
        return self.network.popen_inside(
            self._command(("connect", FLEET, "--", sys.executable, "-c", render_program(code))),
            env=self._environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def power_off_while_holding_data(self, holder: Machine, timeout: float) -> list[str]:
        """Switch off `worker-b` while a client holds results that it alone has; returns its words."""
        client = self.start_client(HOLD_DATA)
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == "held\n"
        holder.power_off()
        printed, _ = client.communicate("\n", timeout=timeout)
        return str(printed).split()

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "daskfleet", *arguments]

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "DASKFLEET_HOME": str(self.folder / "home"),
            **more,
        }

    def run_on_fleet(self, *command: str, timeout: float = 120, **environment: str) -> str:
        """`daskfleet connect lab -- COMMAND`; what it printed."""
        done = self.daskfleet("connect", FLEET, "--", *command, timeout=timeout, **environment)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def compute(self, code: str, timeout: float = 120) -> str:
        """Run Python with a client of the fleet as `client`; returns what it printed, without the last newline."""
        return self.run_on_fleet(sys.executable, "-c", render_program(code), timeout=timeout).rstrip("\n")

    def count_workers(self) -> int:
        return int(self.compute("print(len(client.scheduler_info(n_workers=-1)['workers']))"))


def render_program(code: str) -> str:
    """A Python program that runs the lines with a client of the fleet."""
    lines = textwrap.indent(textwrap.dedent(code).strip(), "    ")
    return f"from distributed import Client, wait\n\nwith Client() as client:\n{lines}\n"


@contextmanager
def open_cloud(folder: Path, image: BuiltImage) -> Iterator[Cloud]:
    """A network with the stand-in for AWS, the fleet's secrets, and a client's connection."""
    with Network(addresses=[METADATA_ADDRESS]) as network:
        aws = start_aws(network)
        aws.services.call("logs", "create_log_group", logGroupName=LOG_GROUP)
        files = issue_certificates(FLEET, datetime.datetime.now(datetime.UTC))
        secrets = aws.services.create_fleet_secrets(FLEET, files)
        write_connection(FleetPaths(folder / "home" / "fleets" / FLEET), files, image)
        yield Cloud(network, aws, image, folder, secrets)


def write_connection(paths: FleetPaths, files: dict[str, str], image: BuiltImage) -> None:
    """What a client is handed: the connection, with the versions that the image says it holds."""
    paths.tls.mkdir(parents=True)
    for name in ("ca.pem", "client.pem", "client-key.pem"):
        (paths.tls / name).write_text(files[name])
        (paths.tls / name).chmod(0o600)
    manifest = image.manifest
    connection = validate_connection(
        {
            "fleet": FLEET,
            "provider": "aws",
            "scheduler_address": f"tls://{SCHEDULER_ADDRESS}:8786",
            "dashboard_url": "http://127.0.0.1:8787/status",
            "security": {
                "tls_ca_file": str(paths.tls / "ca.pem"),
                "tls_client_cert": str(paths.tls / "client.pem"),
                "tls_client_key": str(paths.tls / "client-key.pem"),
            },
            "access": {"mode": "direct"},
            "versions": {
                "python": manifest.python,
                "dask": manifest.dask,
                "distributed": manifest.distributed,
                "cloudpickle": manifest.cloudpickle,
            },
        }
    )
    paths.connection.write_text(json.dumps(dataclasses.asdict(connection)))
