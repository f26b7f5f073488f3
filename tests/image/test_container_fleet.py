"""A fleet on systemd containers with the image's root file system: cloud-init, units and node as on a machine."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from daskfleet_images.node.document import AwsLogs
from harness import await_true
from image.fleet import FLEET, LOG_GROUP, MARKS, SCHEDULER_ADDRESS, Cloud
from machines import Container
from machines.metadata import REGION, Instance

EXAMPLES = Path(__file__).parents[2] / "examples"
REGISTERED = "registered"


def read_marks(machine: Container) -> list[dict[str, object]]:
    return [json.loads(line) for line in machine.exec(["cat", str(MARKS)]).stdout.splitlines()]


@pytest.fixture
def fleet(cloud: Cloud) -> dict[str, Container]:
    """A scheduler and two workers, registered."""
    machines = {"scheduler": cloud.boot_container("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)}
    machines |= {name: cloud.boot_container(name, cloud.workers_document()) for name in ("worker-a", "worker-b")}
    for machine in machines.values():
        machine.await_console(REGISTERED, timeout=90)
    return machines


def test_an_unchanged_script_computes_on_machines_that_read_their_keys_by_their_role(
    cloud: Cloud, fleet: dict[str, Container]
):
    printed = cloud.run_on_fleet(sys.executable, str(EXAMPLES / "flights.py"), "--ship", "--check", timeout=300)
    assert "336,776 flights" in printed
    assert "Check passed" in printed
    hosts = cloud.compute("print(*sorted(set(client.run(__import__('socket').gethostname).values())))")
    assert hosts.split() == ["worker-a", "worker-b"]

    # Each node told how it came up, from the start of the machine.
    for name, machine in fleet.items():
        marks = read_marks(machine)
        phases = [mark["phase"] for mark in marks]
        assert phases[:6] == ["kernel", "booted", "document", "secrets", "daemon", "registered"], name
        times = [mark["time"] for mark in marks]
        assert times == sorted(times), name
        assert machine.exec(["systemctl", "is-active", "daskfleet-node"]).stdout.strip() == "active"
        assert re.search(r"phase: registered", machine.console())
        # What Dask itself logs stays in the journal, unless it warns.
        assert not re.search(r"distributed\.\S* - INFO", machine.console())
        assert re.search(r"distributed\.\S* - INFO", machine.exec(["journalctl", "--no-pager"]).stdout)


def test_marks_and_log_of_every_machine_are_in_the_fleet_s_log_group(cloud: Cloud, fleet: dict[str, Container]):
    cloud.compute("client.run(lambda: __import__('logging').getLogger('distributed.worker').warning('hello'))")
    for name, machine in fleet.items():
        stream = f"scheduler/{name}" if name == "scheduler" else f"cpu/{name}"
        marks = machine.exec(["cat", str(MARKS)]).stdout.splitlines()
        await_true(lambda: set(marks) <= set(cloud.read_log(stream)), f"the marks of {name}")  # noqa: B023
        if name != "scheduler":
            told = "distributed.worker - WARNING - hello"
            await_true(lambda: told in cloud.read_log(stream), f"the line of the worker of {name}")  # noqa: B023
        assert "cannot be sent" not in machine.exec(["journalctl", "--no-pager"]).stdout


def test_the_address_of_aws_may_stand_in_the_environment_of_the_unit(cloud: Cloud, tmp_path: Path):
    drop_in = tmp_path / "aws.conf"
    drop_in.write_text(f"[Service]\nEnvironment=AWS_ENDPOINT_URL={cloud.aws.services.endpoint_url}\n")
    document = cloud.scheduler_document(
        tls=cloud.reference("scheduler", endpoint_url=None), logs=AwsLogs(group=LOG_GROUP, region=REGION)
    )
    machine = cloud.boot_container(
        "scheduler",
        document,
        SCHEDULER_ADDRESS,
        read_only_binds={"/etc/systemd/system/daskfleet-node.service.d/aws.conf": drop_in},
    )
    machine.await_console("phase: registered", timeout=90)
    await_true(lambda: '"registered"' in "".join(cloud.read_log("scheduler/scheduler")), "the mark")


def test_a_worker_whose_machine_will_be_taken_away_stops_in_order(cloud: Cloud, fleet: dict[str, Container]):
    machine = cloud.boot_container("spot", cloud.workers_document(watch="aws-interruptions"))
    machine.await_console("phase: registered", timeout=90)
    notices = {"spot/instance-action": '{"action": "terminate", "time": "2026-11-24T10:02:00Z"}'}
    cloud.aws.metadata.add(Instance(machine.address, role=f"daskfleet-{FLEET}", notices=notices))
    machine.await_console("phase: stopped AWS takes this machine away: terminate at", timeout=90)
    await_true(lambda: '"stopped"' in "".join(cloud.read_log("cpu/spot")), "the mark")

    def is_over() -> bool:
        state = machine.exec(["systemctl", "show", "--property=ActiveState,Result,NRestarts", "daskfleet-node"]).stdout
        return set(state.split()) == {"ActiveState=inactive", "Result=success", "NRestarts=0"}

    await_true(is_over, "the service has stopped, and is not started again")
    assert cloud.count_workers() == 2


def test_nothing_but_sshd_and_dask_listens(cloud: Cloud, fleet: dict[str, Container]):
    def ports(machine: Container) -> set[str]:
        lines = machine.exec(["ss", "-lntH"]).stdout.splitlines()
        return {line.split()[3] for line in lines}

    assert {port for port in ports(fleet["scheduler"]) if not port.endswith(":22")} == {
        f"{SCHEDULER_ADDRESS}:8786",
        "127.0.0.1:8787",
    }
    worker = fleet["worker-a"]
    assert all(port.endswith(":22") or port.startswith(f"{worker.address}:") for port in ports(worker))


def test_the_keys_are_in_memory_and_only_the_node_can_read_them(fleet: dict[str, Container]):
    for machine in fleet.values():
        listing = machine.exec(["find", "/run/daskfleet/tls", "-printf", "%m %u %f\n"]).stdout.splitlines()
        assert sorted(listing) == sorted(
            ["700 daskfleet tls", *(f"600 daskfleet {name}.pem" for name in ("ca", "cert", "key"))]
        )
        assert machine.exec(["stat", "-f", "-c", "%T", "/run/daskfleet/tls"]).stdout.strip() == "tmpfs"
        document = machine.exec(["cat", "/etc/daskfleet/node.json"]).stdout
        assert "PRIVATE" not in document
        assert "PRIVATE" not in machine.exec(["journalctl", "--no-pager"]).stdout


def test_a_killed_worker_comes_back_and_a_killed_node_too(cloud: Cloud, fleet: dict[str, Container]):
    worker = fleet["worker-a"]
    for kill in (["pkill", "-9", "-f", "multiprocessing.spawn"], ["pkill", "-9", "-f", "bin/daskfleet-node"]):
        seen = len(re.findall("phase: registered", worker.console()))
        worker.exec(kill)
        worker.await_console("phase: registered", timeout=60, times=seen + 1)
    assert cloud.count_workers() == 2


def test_a_restarted_scheduler_finds_its_workers_again(cloud: Cloud, fleet: dict[str, Container]):
    seen = {name: fleet[name].console().count("phase: registered") for name in ("worker-a", "worker-b")}
    fleet["scheduler"].exec(["pkill", "-9", "-f", "bin/daskfleet-node"])
    for name, count in seen.items():
        fleet[name].await_console("phase: registered", timeout=90, times=count + 1)
    assert cloud.count_workers() == 2


def test_a_machine_that_is_switched_off_hands_its_data_over_first(cloud: Cloud, fleet: dict[str, Container]):
    printed = cloud.power_off_while_holding_data(fleet["worker-b"], 60)
    assert printed == ["kept", "20", str(sum(n * n for n in range(20)))]


def test_nodes_read_an_object_store_with_the_machine_s_role(cloud: Cloud, fleet: dict[str, Container]):
    cloud.aws.services.call(
        "s3", "create_bucket", Bucket="numbers", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    cloud.aws.services.call("s3", "put_object", Bucket="numbers", Key="one.csv", Body="x\n1\n2\n39\n")
    endpoint = cloud.aws.services.endpoint_url
    code = (
        "import fsspec; read = lambda: fsspec.open('s3://numbers/one.csv', "
        f"client_kwargs=dict(endpoint_url='{endpoint}')).open().read().decode().split(); "
        "print(*client.submit(read).result())"
    )
    assert cloud.compute(code) == "x 1 2 39"
    asked = {request["path"] for request in cloud.aws.metadata.read_requests()}
    assert any("security-credentials/daskfleet-lab" in path for path in asked)
