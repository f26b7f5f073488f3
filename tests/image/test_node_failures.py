"""What keeps a machine from becoming a node is told in one line on its console, and in its marks."""

from __future__ import annotations

import datetime
import json

import pytest
import yaml

from daskfleet.providers.certificates import issue_certificates
from daskfleet_images.node.user_data import render_user_data
from harness import await_true
from image.fleet import FLEET, MARKS, SCHEDULER_ADDRESS, Cloud
from machines import Container
from machines.metadata import render_tls_secret


def is_failed(machine: Container) -> bool:
    return machine.exec(["systemctl", "is-failed", "daskfleet-node"], check=False).stdout.strip() == "failed"


def test_a_document_cut_in_half_is_told_and_not_tried_again(cloud: Cloud):
    user_data = yaml.safe_load(render_user_data(cloud.workers_document()))
    (file,) = user_data["write_files"]
    file["content"] = file["content"][: len(file["content"]) // 2]
    cut = f"#cloud-config\n{yaml.safe_dump(user_data)}"
    machine = cloud.boot_container("worker", cut)
    machine.await_console("the node document", timeout=60)
    assert "is not valid" in machine.console()
    await_true(lambda: is_failed(machine), "the service has given up")
    assert (
        machine.exec(["systemctl", "show", "--property=NRestarts", "--value", "daskfleet-node"]).stdout.strip() == "0"
    )


def test_a_role_that_there_is_not_is_told_with_those_that_there_are(cloud: Cloud):
    machine = cloud.boot_container(
        "worker", render_user_data(cloud.workers_document()).replace('"workers"', '"sheduler"', 1)
    )
    machine.await_console("sheduler", timeout=60)
    line = next(line for line in machine.console().splitlines() if "sheduler" in line)
    assert "scheduler" in line
    assert "workers" in line


def test_user_data_without_a_document_is_told(cloud: Cloud):
    machine = cloud.boot_container("worker", "#cloud-config\n{}\n")
    machine.await_console("/etc/daskfleet/node.json cannot be read", timeout=60)


def test_a_missing_secret_is_told_at_once_tried_again_and_found_when_it_comes(cloud: Cloud):
    document = cloud.scheduler_document(tls=cloud.reference("scheduler", secret="daskfleet/lab/later"))
    machine = cloud.boot_container("scheduler", document, SCHEDULER_ADDRESS)
    machine.await_console("ResourceNotFoundException", timeout=60)
    assert "daskfleet/lab/later" in machine.console()
    files = issue_certificates(FLEET, datetime.datetime.now(datetime.UTC))
    cloud.aws.services.create_secret("daskfleet/lab/later", render_tls_secret(files, "scheduler"))
    machine.await_console("phase: registered", timeout=90)


def test_a_missing_secret_ends_at_the_deadline(cloud: Cloud):
    document = cloud.scheduler_document(tls=cloud.reference("scheduler", secret="daskfleet/lab/none"), join_timeout=3)
    machine = cloud.boot_container("scheduler", document, SCHEDULER_ADDRESS)
    machine.await_console("phase: failed", timeout=60)
    line = next(line for line in machine.console().splitlines() if "phase: failed" in line)
    assert "daskfleet/lab/none" in line
    assert "eu-west-1" in line


def test_a_machine_without_a_role_is_told_what_it_lacks(cloud: Cloud):
    machine = cloud.boot_container("scheduler", cloud.scheduler_document(join_timeout=5), SCHEDULER_ADDRESS, role=False)
    machine.await_console("phase: failed", timeout=60)
    line = next(line for line in machine.console().splitlines() if "phase: failed" in line)
    assert "no credentials" in line
    assert "instance profile" in line


def test_a_scheduler_that_is_not_there_is_told_and_joined_when_it_comes(cloud: Cloud):
    worker = cloud.boot_container("worker", cloud.workers_document(join_timeout=5))
    worker.await_console("phase: failed", timeout=90)
    line = next(line for line in worker.console().splitlines() if "phase: failed" in line)
    assert f"tls://{SCHEDULER_ADDRESS}:8786" in line
    scheduler = cloud.boot_container("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)
    scheduler.await_console("phase: registered", timeout=90)
    worker.await_console("phase: registered", timeout=90)


def test_a_full_disk_is_told_with_the_folder(cloud: Cloud):
    machine = cloud.boot_container(
        "worker", cloud.workers_document(), tmpfs={"/var/lib/daskfleet": "size=4k,mode=0777,nr_inodes=2"}
    )
    machine.await_console("phase: failed", timeout=90)
    line = next(line for line in machine.console().splitlines() if "phase: failed" in line)
    assert "/var/lib/daskfleet/scratch" in line
    assert "No space left on device" in line
    assert "larger volume" in line


def test_certificates_of_another_time_are_told_as_a_wrong_clock(cloud: Cloud):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5 * 365)
    arn = cloud.aws.services.create_secret(
        "daskfleet/lab/future", render_tls_secret(issue_certificates(FLEET, later), "scheduler")
    )
    machine = cloud.boot_container(
        "scheduler", cloud.scheduler_document(tls=cloud.reference("scheduler", secret=arn)), SCHEDULER_ADDRESS
    )
    machine.await_console("phase: failed", timeout=90)
    line = next(line for line in machine.console().splitlines() if "phase: failed" in line)
    assert "clock" in line
    assert str(later.year) in line


def test_the_marks_hold_the_failure_too(cloud: Cloud):
    document = cloud.workers_document(join_timeout=3)
    machine = cloud.boot_container("worker", document)
    machine.await_console("phase: failed", timeout=90)
    marks = [json.loads(line) for line in machine.exec(["cat", str(MARKS)]).stdout.splitlines()]
    failures = [mark for mark in marks if mark["phase"] == "failed"]
    assert failures
    assert "no scheduler answered" in failures[0]["detail"]
    await_true(lambda: '"failed"' in "".join(cloud.read_log("cpu/worker")), "the failure in the fleet's log group")
    sent = [message for message in cloud.read_log("cpu/worker") if message.startswith("{")]
    assert [json.loads(mark)["phase"] for mark in sent][:2] == ["kernel", "booted"]


def test_a_log_group_that_may_not_be_written_to_is_told_once_and_the_node_works(cloud: Cloud):
    logs = cloud.logs.model_copy(update={"group": "/daskfleet/lab/none"})
    machine = cloud.boot_container("scheduler", cloud.scheduler_document(logs=logs), SCHEDULER_ADDRESS)
    machine.await_console("phase: registered", timeout=90)
    machine.await_console("the log cannot be sent to the log group '/daskfleet/lab/none'", timeout=60)
    assert machine.console().count("cannot be sent") == 1
    assert "make the log group" in machine.console()


@pytest.fixture(autouse=True)
def _no_secret_is_ever_told(cloud: Cloud):
    """Whatever went wrong, no console holds a key."""
    yield
    for machine in cloud.machines:
        assert "PRIVATE KEY" not in machine.console()
