"""What Google Cloud launches, boots: instances, managed instance groups, firewall rules and the metadata service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from google_client import GoogleRefusal
from harness import await_true
from machines import Container, Network, require_machines
from machines.gcp import PROBER_ADDRESS, GcpCloud, start_google
from machines.launching import LaunchFailed
from machines.leftovers import find_leftovers
from machines.metadata_service import METADATA_ADDRESS
from machines.requirements import CLOUD_TOOLS
from machines_library.probes import CONNECT, LISTEN, PORT

USER_DATA = """\
#cloud-config
write_files:
  - {path: /etc/greeting, content: hello}
"""
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+eCV2uTPm7OVuBIvbwJN4+GzzXYPxQhoHGXvIDlmKi somebody"
BASE = "/computeMetadata/v1"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

ASK = """
import json, sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

def ask(path, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    url = "http://metadata.google.internal" + path
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            assert answer.headers["Metadata-Flavor"] == "Google"
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code

print(json.dumps({
    "no header": ask("/computeMetadata/v1/instance/id"),
    "through a proxy": ask("/computeMetadata/v1/instance/id", Metadata_Flavor="Google", X_Forwarded_For="x"),
    **{path: ask(path, Metadata_Flavor="Google") for path in sys.argv[1:]},
}))
"""

READ = """
import signal, sys, urllib.request

def read(query=""):
    url = f"http://metadata.google.internal/computeMetadata/v1/instance/{path}{query}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})) as answer:
        return answer.read().decode(), answer.headers["ETag"]
"""
WAIT = f"""{READ}
path = "maintenance-event"
text, etag = read()
print(text, flush=True)
print(read(f"?wait_for_change=true&last_etag={{etag}}")[0], flush=True)
"""
GOODBYE = f"""{READ}
path = "preempted"

def say(*_):
    read("?last-word=" + read()[0])  # Where it is noted; the console has been hung up.
    sys.exit()

signal.signal(signal.SIGTERM, say)
print(read()[0], flush=True)
signal.pause()
"""


@dataclass
class Lab:
    """A cloud with an image and a network, and short ways to what tests need of it."""

    cloud: GcpCloud
    image: str
    network: str
    subnet: str
    zone: str

    def account(self, name: str) -> str:
        """A service account, whose name begins so; returns its address."""
        body = {"accountId": f"{name}-account", "serviceAccount": {"description": "of the tests"}}
        email: str = self.cloud.call("POST", f"/v1/projects/{self.cloud.project}/serviceAccounts", body)["email"]
        return email

    def describe(self, **changes: Any) -> dict[str, Any]:
        """What instances are to be."""
        items = {"user-data": USER_DATA, "ssh-keys": f"fleet:{PUBLIC_KEY}", **changes.pop("metadata", {})}
        address = changes.pop("address", None)
        account = changes.pop("account", None)
        interface = {"network": self.network, "subnetwork": self.subnet}
        image = changes.pop("image", self.image)
        return {
            "machineType": "n2-standard-2",
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": image}}],
            "networkInterfaces": [{**interface, **({"networkIP": address} if address else {})}],
            "serviceAccounts": [{"email": account, "scopes": [SCOPE]}] if account else [],
            "metadata": {"items": [{"key": key, "value": value} for key, value in items.items()]},
            **changes,
        }

    def run(self, name: str, **changes: Any) -> None:
        described = self.describe(**changes)
        kind = described["machineType"]
        if "/" not in kind:
            described["machineType"] = f"zones/{self.zone}/machineTypes/{kind}"
        self.cloud.change("POST", self.instances, {"name": name, **described})

    def boot(self, name: str, **changes: Any) -> Container:
        """The same, and its machine once that has booted."""
        self.run(name, **changes)
        self.cloud.await_machine(name)
        return self.cloud.machine(name)

    @property
    def instances(self) -> str:
        return f"{self.cloud.compute}/zones/{self.zone}/instances"

    def look(self, name: str) -> dict[str, Any]:
        return self.cloud.call("GET", f"{self.instances}/{name}")

    def delete(self, *names: str) -> None:
        for name in names:
            self.cloud.change("DELETE", f"{self.instances}/{name}")
        for name in names:
            self.cloud.await_gone(name)

    def allow(self, name: str, **changes: Any) -> None:
        """A rule that opens the port of the probes."""
        rule = {"allowed": [{"IPProtocol": "tcp", "ports": [str(PORT)]}], "direction": "INGRESS", "priority": 1000}
        body = {"name": name, "network": self.network, **rule, **changes}
        self.cloud.change("POST", f"{self.cloud.compute}/global/firewalls", body)

    def forbid(self, name: str) -> None:
        self.cloud.change("DELETE", f"{self.cloud.compute}/global/firewalls/{name}")

    @property
    def managers(self) -> str:
        return f"{self.cloud.compute}/regions/{self.cloud.region}/instanceGroupManagers"

    def make_group(self, name: str, size: int, health: str = "", **changes: Any) -> None:
        """A managed instance group and its template; `health` is the path of a health check."""
        template = {"name": name, "properties": self.describe(**changes)}
        path = f"{self.cloud.compute}/regions/{self.cloud.region}/instanceTemplates"
        self.cloud.change("POST", path, template)
        body = {
            "name": name,
            "baseInstanceName": name,
            "targetSize": size,
            "versions": [{"instanceTemplate": path.removeprefix("/compute/v1/") + f"/{name}"}],
            **({"autoHealingPolicies": [{"healthCheck": health, "initialDelaySec": 3000}]} if health else {}),
        }
        self.cloud.change("POST", self.managers, body)

    def set_size(self, name: str, size: int) -> None:
        self.cloud.change("POST", f"{self.managers}/{name}/resize", size=size)

    def await_size(self, name: str, size: int) -> list[str]:
        """Ids of the instances of a group, once there are so many."""
        await_true(lambda: len(self.cloud.running(name)) == size, f"{size} instances")
        return self.cloud.running(name)

    def delete_group(self, name: str) -> None:
        instances = self.cloud.running(name)
        self.cloud.change("DELETE", f"{self.managers}/{name}")
        for instance in instances:
            self.cloud.await_gone(instance)


def open_lab(network: Network, root: Path) -> Lab:
    cloud = GcpCloud(network, start_google(network))
    image = cloud.register_image("small", root, {"family": "small", "version": "202611240000"})
    body = {"name": "net", "autoCreateSubnetworks": False}
    cloud.change("POST", f"{cloud.compute}/global/networks", body)
    path = f"projects/{cloud.project}/global/networks/net"
    subnet = {"name": "sub", "network": path, "ipCidrRange": "10.78.1.0/24"}
    cloud.change("POST", f"{cloud.compute}/regions/{cloud.region}/subnetworks", subnet)
    place = f"projects/{cloud.project}/regions/{cloud.region}/subnetworks/sub"
    return Lab(cloud, image, path, place, f"{cloud.region}-a")


@pytest.fixture(scope="module")
def lab(root: Path) -> Iterator[Lab]:
    require_machines(*CLOUD_TOOLS)
    with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS, PROBER_ADDRESS]) as network:
        yield open_lab(network, root)


def ask(machine: Container, *paths: str) -> dict[str, str | int]:
    """The answers to paths below the metadata service's version, and to what it refuses."""
    asked = [f"{BASE}/{path}" for path in paths]
    answers: dict[str, str | int] = json.loads(machine.exec(["python3", "-c", ASK, *asked]).stdout)
    return {path.removeprefix(f"{BASE}/"): answer for path, answer in answers.items()}


def run(machine: Container, name: str, code: str) -> None:
    """Run a program as a unit of the machine's; what it prints is in `/run/NAME`."""
    unit = [f"--unit={name}", f"--property=StandardOutput=file:/run/{name}"]
    machine.exec(["systemd-run", "--quiet", *unit, "python3", "-c", code])


def listen(machine: Container) -> None:
    machine.exec(["systemd-run", "--quiet", "python3", "-c", LISTEN, machine.address, "answer"])
    await_true(lambda: connect(machine, machine.address) == "answer", "it listens")


def connect(machine: Container, address: str) -> str:
    """What answers a machine at an address; nothing when nothing does."""
    return machine.exec(["python3", "-c", CONNECT, address], check=False).stdout


def is_open(lab: Lab, address: str) -> bool:
    """Whether the gateway reaches a machine."""
    try:
        lab.cloud.network.connect(address, PORT, timeout=1.0).close()
    except TimeoutError:  # Not a refusal: a packet filter is silent.
        return False
    return True


def test_an_instance_boots_at_its_address_with_its_user_data_and_powers_off_when_deleted(lab: Lab):
    machine = lab.boot("first", address="10.78.1.200")
    instance = lab.look("first")
    assert machine.address == "10.78.1.200"
    assert machine.exec(["hostname"]).stdout == "first\n"
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    assert machine.exec(["cat", "/run/cloud-init/.instance-id"]).stdout.strip() == instance["id"]
    assert PUBLIC_KEY in machine.exec(["sh", "-c", "cat /home/*/.ssh/authorized_keys"]).stdout
    shown = await_true(
        lambda: lab.cloud.call("GET", f"{lab.instances}/first/serialPort")["contents"], "its console is shown"
    )
    assert "login:" in shown or "systemd" in shown
    lab.delete("first")
    assert machine.process.returncode == 0
    assert "Reached target poweroff.target" in lab.cloud.console("first")


def test_the_metadata_service_tells_an_instance_who_it_is_and_gives_it_tokens(lab: Lab):
    email = lab.account("told-one")
    machine = lab.boot("told", account=email, metadata={"color": "blue"})
    identity = lab.look("told")["id"]
    account = "instance/service-accounts/default"
    answers = ask(
        machine,
        "instance/id",
        "instance/name",
        "instance/hostname",
        "instance/zone",
        "instance/attributes/color",
        "instance/attributes/user-data",
        "instance/network-interfaces/0/ip",
        "instance/preempted",
        "instance/maintenance-event",
        "instance/nothing",
        "project/project-id",
        f"{account}/email",
        f"{account}/scopes",
        f"{account}/token",
        f"{account}/?recursive=true",
        "instance/name?alt=json",
    )
    token = json.loads(str(answers.pop(f"{account}/token")))
    assert set(token) == {"access_token", "expires_in", "token_type"}
    assert json.loads(str(answers.pop(f"{account}/?recursive=true")))["email"] == email
    project = lab.cloud.project
    zone = answers.pop("instance/zone")
    assert str(zone).endswith(f"/zones/{lab.zone}")
    assert answers == {
        "no header": 403,
        "through a proxy": 403,
        "instance/id": identity,
        "instance/name": "told",
        "instance/hostname": f"told.{lab.zone}.c.{project}.internal",
        "instance/attributes/color": "blue",
        "instance/attributes/user-data": USER_DATA,
        "instance/network-interfaces/0/ip": machine.address,
        "instance/preempted": "FALSE",
        "instance/maintenance-event": "NONE",
        "instance/nothing": 404,
        "project/project-id": project,
        f"{account}/email": email,
        f"{account}/scopes": f"{SCOPE}\n",
        "instance/name?alt=json": '"told"',
    }
    lab.delete("told")


def test_an_instance_without_a_service_account_gets_no_token(lab: Lab):
    machine = lab.boot("nobody")
    path = "instance/service-accounts/default/token"
    assert ask(machine, path)[path] == 404
    lab.delete("nobody")


def test_whoever_waits_for_a_change_hears_of_maintenance_before_the_machine_is_taken_away(lab: Lab):
    machine = lab.boot("served")
    run(machine, "heard", WAIT)
    await_true(lambda: machine.exec(["cat", "/run/heard"], check=False).stdout == "NONE\n", "it waits")
    lab.cloud.announce_maintenance("served", seconds=5)
    text = "NONE\nTERMINATE_ON_HOST_MAINTENANCE\n"
    await_true(lambda: machine.exec(["cat", "/run/heard"], check=False).stdout == text, "it is told")
    lab.cloud.await_gone("served")
    assert lab.look("served")["status"] == "TERMINATED"
    assert machine.process.returncode == 0
    lab.delete("served")


def test_an_instance_that_is_preempted_is_told_and_powers_off_in_order(lab: Lab):
    machine = lab.boot("spot", scheduling={"provisioningModel": "SPOT", "instanceTerminationAction": "DELETE"})
    run(machine, "goodbye", GOODBYE)
    await_true(lambda: machine.exec(["cat", "/run/goodbye"], check=False).stdout == "FALSE\n", "it runs")
    lab.cloud.announce_preemption("spot")
    lab.cloud.await_gone("spot")
    assert machine.process.returncode == 0
    asked = [request["path"] for request in lab.cloud.google.metadata.read_requests()]
    assert f"{BASE}/instance/preempted?last-word=TRUE" in asked


def test_a_group_grows_and_shrinks_and_its_machines_have_what_its_template_gives(lab: Lab):
    email = lab.account("grown-one")
    lab.make_group("grown", 2, account=email, labels={"daskfleet-group": "grown"})
    first = lab.await_size("grown", 2)
    for instance in first:
        lab.cloud.await_machine(instance)
    lab.set_size("grown", 3)
    (third,) = set(lab.await_size("grown", 3)) - set(first)
    lab.cloud.await_machine(third)
    machine = lab.cloud.machine(third)
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    path = "instance/service-accounts/default/email"
    assert ask(machine, path)[path] == email
    assert not is_open(lab, machine.address)
    lab.set_size("grown", 1)
    left = lab.await_size("grown", 1)
    for instance in {*first, third} - set(left):
        lab.cloud.await_gone(instance)
        assert lab.cloud.machine(instance).process.returncode == 0
    lab.delete_group("grown")


def test_a_machine_that_powers_itself_off_is_replaced_by_its_group_and_so_is_one_that_dies(lab: Lab):
    lab.make_group("held", 1)
    (instance,) = lab.await_size("held", 1)
    lab.cloud.await_machine(instance)
    for end in (lambda machine: machine.exec(["systemctl", "poweroff"]), lambda machine: machine.kill()):
        end(lab.cloud.machine(instance))
        lab.cloud.await_gone(instance)
        (instance,) = await_true(
            lambda before=instance: [each for each in lab.cloud.running("held") if each != before], "another"
        )
        lab.cloud.await_machine(instance)
    lab.delete_group("held")


def test_a_machine_that_does_not_say_any_more_that_it_is_well_is_made_anew_by_its_group(lab: Lab):
    base = f"{lab.cloud.compute}/regions/{lab.cloud.region}/healthChecks"
    times = {"checkIntervalSec": 30, "timeoutSec": 10, "unhealthyThreshold": 3}
    check = {"name": "well", "type": "HTTP", "httpHealthCheck": {"port": PORT, "requestPath": "/health"}, **times}
    lab.cloud.change("POST", base, check)
    lab.allow("well", sourceRanges=["35.191.0.0/16"])
    lab.make_group("well", 1, health=f"{base}/well".removeprefix("/compute/v1/"))
    (instance,) = lab.await_size("well", 1)
    machine = lab.cloud.await_machine(instance)
    assert isinstance(machine, Container)
    lab.cloud.set_health_pace(0.02)
    machine.exec(["mkdir", "/run/well"])
    machine.exec(["touch", "/run/well/health"])
    serve = ["python3", "-m", "http.server", str(PORT), "--directory", "/run/well"]
    unit = ["systemd-run", "--quiet", "--unit=well", "--property=StandardError=file:/run/asked"]
    machine.exec([*unit, *serve])
    await_true(lambda: PROBER_ADDRESS in machine.exec(["cat", "/run/asked"], check=False).stdout, "it is asked")
    assert not is_open(lab, machine.address)
    assert lab.cloud.running("well") == [instance]
    machine.exec(["systemctl", "stop", "well"])
    lab.cloud.await_gone(instance)
    await_true(lambda: lab.cloud.running("well") not in ([], [instance]), "another")
    lab.delete_group("well")
    lab.forbid("well")


def test_an_instance_of_no_group_that_powers_itself_off_is_stopped_and_can_be_started_again(lab: Lab):
    machine = lab.boot("alone")
    machine.exec(["systemctl", "poweroff"])
    lab.cloud.await_gone("alone")
    assert lab.look("alone")["status"] == "TERMINATED"
    lab.cloud.change("POST", f"{lab.instances}/alone/start")
    again = lab.cloud.await_machine("alone")
    assert again is not machine
    assert again.address == machine.address
    lab.delete("alone")


def test_a_machine_that_reboots_boots_again_as_the_same_instance(lab: Lab):
    machine = lab.boot("again")
    identity = lab.look("again")["id"]
    machine.exec(["systemctl", "reboot"])
    machine.await_end(30)
    assert lab.cloud.await_machine("again") is not machine
    assert lab.look("again")["id"] == identity
    lab.delete("again")


def test_a_port_is_closed_until_a_rule_opens_it_and_open_connections_outlive_the_rule(lab: Lab):
    machine = lab.boot("port")
    listen(machine)
    assert not is_open(lab, machine.address)
    lab.allow("port", sourceRanges=[f"{lab.cloud.network.gateway}/32"])
    await_true(lambda: is_open(lab, machine.address), "the gateway reaches it")
    held = lab.cloud.network.connect(machine.address, PORT)
    lab.forbid("port")
    await_true(lambda: not is_open(lab, machine.address), "it is closed again")
    with held:
        assert held.recv(100) == b"answer"
    lab.delete("port")


def test_a_rule_for_service_accounts_lets_the_machines_of_one_in_and_nobody_else(lab: Lab):
    inner, outer = lab.account("inner-one"), lab.account("outer-one")
    lab.allow("inner", sourceServiceAccounts=[outer], targetServiceAccounts=[inner])
    for name, account in (("server", inner), ("member", outer), ("stranger", inner)):
        lab.run(name, account=account)
    for name in ("server", "member", "stranger"):
        lab.cloud.await_machine(name)
    server, member, stranger = map(lab.cloud.machine, ("server", "member", "stranger"))
    listen(server)
    assert connect(member, server.address) == "answer"
    assert connect(stranger, server.address) == ""
    assert not is_open(lab, server.address)
    # Its machines reach Google whatever the rules say.
    nothing = {"allowed": [], "denied": [{"IPProtocol": "all"}], "direction": "EGRESS"}
    rule = {key: value for key, value in nothing.items() if value}
    body = {"name": "closed", "network": lab.network, "destinationRanges": ["0.0.0.0/0"], **rule}
    lab.cloud.change("POST", f"{lab.cloud.compute}/global/firewalls", {**body, "targetServiceAccounts": [outer]})
    await_true(lambda: connect(member, server.address) == "", "it reaches nobody any more")
    assert ask(member, "instance/name")["instance/name"] == "member"
    lab.forbid("closed")
    lab.forbid("inner")
    lab.delete("server", "member", "stranger")


def test_an_instance_that_cannot_boot_says_so_and_is_stopped(lab: Lab):
    body = {"name": "other", "rawDisk": {"source": "https://storage.googleapis.com/images/other.tar.gz"}}
    lab.cloud.change("POST", f"{lab.cloud.compute}/global/images", body)
    lab.run("broken", image=f"projects/{lab.cloud.project}/global/images/other")
    with pytest.raises(LaunchFailed, match=r"cannot boot: its image other was not registered"):
        lab.cloud.await_machine("broken")
    lab.cloud.await_gone("broken")
    assert "other" in lab.cloud.console("broken")
    lab.delete("broken")


def test_an_instance_may_run_and_have_no_machine(lab: Lab):
    lab.cloud.never_boot.add("n2d-standard-2")
    lab.run("silent", machineType="n2d-standard-2")
    lab.boot("loud")
    assert {lab.look(name)["id"] for name in ("silent", "loud")} == set(lab.cloud.running())
    with pytest.raises(LookupError, match="has no machine"):
        lab.cloud.machine("silent")
    lab.delete("silent", "loud")


def test_the_image_has_its_labels_and_its_architecture(lab: Lab):
    image = lab.cloud.call("GET", f"/compute/v1/{lab.image}")
    assert image["labels"] == {"daskfleet-family": "small", "daskfleet-version": "202611240000"}
    assert image["architecture"] == "X86_64"


def test_what_is_refused_is_told(lab: Lab):
    with pytest.raises(GoogleRefusal, match="404: "):
        lab.look("nothing")


def test_an_open_network_with_launched_machines_leaves_nothing(root: Path):
    require_machines(*CLOUD_TOOLS)
    with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS, PROBER_ADDRESS]) as network:
        lab = open_lab(network, root)
        machine = lab.boot("one")
        for number in range(5):
            lab.run(f"waiting-{number}")
    assert not machine.is_running()
    assert find_leftovers(network.namespace) == []
