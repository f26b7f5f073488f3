"""What Azure launches, boots: virtual machines, scale sets, security groups and the metadata service."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azure_cloud.client import AzureClient, AzureRefusal
from azure_cloud.cloud import TENANT
from harness import await_true
from machines import Container, Network, require_machines
from machines.azure import AzureCloud, start_azure
from machines.azure.images import GALLERY
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
USER = "fleet"
MACHINES, SCALE_SETS = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
SECURITY_GROUPS = "Microsoft.Network/networkSecurityGroups"
APPLICATIONS = "Microsoft.Network/applicationSecurityGroups"
READ_SECRETS = "4633458b-17de-408a-b874-0445c86b69e6"
HEALTH_PORT = 8788

ASK = """
import json, sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

def ask(path):
    request = urllib.request.Request("http://169.254.169.254/metadata/" + path, headers={"Metadata": "true"})
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
"""
PRINT = f"{ASK}\nprint(json.dumps([ask(path) for path in sys.argv[1:]]))"

WATCH = f"""{ASK}
import time
known = None
while True:
    events = json.loads(ask("scheduledevents?api-version=2020-07-01"))["Events"]
    told = [(each["EventType"], each["Resources"]) for each in events]
    if told != known:
        print(json.dumps(told), flush=True)
    known = told
    time.sleep(0.2)
"""

SECRET = f"""{ASK}
import ssl
query = "?api-version=2018-02-01&resource=https://vault.azure.net"
token = json.loads(ask("identity/oauth2/token" + query))["access_token"]
context = ssl.create_default_context(cafile="/etc/azure-authority.pem")
url = f"https://{{sys.argv[1]}}.vault.azure.net/secrets/worker?api-version=7.4"
request = urllib.request.Request(url, headers={{"Authorization": f"Bearer {{token}}"}})
with urllib.request.urlopen(request, context=context, timeout=30) as answer:
    print(json.loads(answer.read())["value"], end="")
"""


@dataclass
class Lab:
    """A cloud with an image and a network, and short ways to what tests need of it."""

    cloud: AzureCloud
    image: str
    subnet: str
    group: str
    """Identifier of the resource group."""
    firewall: str
    """Identifier of the network security group of all machines."""

    def place(self, kind: str, name: str) -> str:
        return f"{self.group}/providers/{kind}/{name}"

    def put(self, kind: str, name: str, properties: Any = None, **more: Any) -> dict[str, Any]:
        given = {} if properties is None else {"properties": properties}
        return self.cloud.change("PUT", self.place(kind, name), {"location": self.cloud.location, **given, **more})

    def application(self, name: str) -> str:
        """An application security group; returns its identifier."""
        return str(self.put(APPLICATIONS, name, {})["id"])

    def identity(self, name: str) -> dict[str, Any]:
        return self.put("Microsoft.ManagedIdentity/userAssignedIdentities", name)

    def configure(self, applications: tuple[str, ...], address: str | None = None) -> dict[str, Any]:
        """The one configuration of an interface."""
        fixed = {"privateIPAllocationMethod": "Static", "privateIPAddress": address} if address else {}
        groups = {"applicationSecurityGroups": [{"id": each} for each in applications]} if applications else {}
        return {"name": "internal", "properties": {"subnet": {"id": self.subnet}, **fixed, **groups}}

    def run(
        self,
        name: str,
        address: str | None = None,
        applications: tuple[str, ...] = (),
        identity: dict[str, Any] | None = None,
        image: str = "",
        size: str = "Standard_D4s_v5",
        **properties: Any,
    ) -> None:
        """A virtual machine, which is not waited for."""
        interface = {
            "networkSecurityGroup": {"id": self.firewall},
            "ipConfigurations": [self.configure(applications, address)],
        }
        made = self.put("Microsoft.Network/networkInterfaces", name, interface)
        own = {**describe_system(), "computerName": name}
        described = {
            **self.describe(image),
            "osProfile": own,
            "hardwareProfile": {"vmSize": size},
            "networkProfile": {"networkInterfaces": [{"id": made["id"], "properties": {"deleteOption": "Delete"}}]},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            **properties,
        }
        self.put(MACHINES, name, described, **render_identity(identity))

    def boot(self, name: str, **changes: Any) -> Container:
        """The same, and its machine once that has booted."""
        self.run(name, **changes)
        self.cloud.await_machine(name)
        return self.cloud.machine(name)

    def describe(self, image: str = "") -> dict[str, Any]:
        """What virtual machines and those of scale sets are alike."""
        disk = {"createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 40}
        return {"storageProfile": {"imageReference": {"id": image or self.image}, "osDisk": disk}}

    def look(self, name: str) -> dict[str, Any]:
        return self.cloud.call("GET", self.place(MACHINES, name))

    def read_power(self, name: str) -> str:
        view = self.cloud.call("GET", f"{self.place(MACHINES, name)}/instanceView")
        return str(view["statuses"][-1]["code"])

    def delete(self, *names: str) -> None:
        for name in names:
            self.cloud.change("DELETE", self.place(MACHINES, name))
        for name in names:
            self.cloud.await_gone(name)

    def allow(self, *rules: dict[str, Any]) -> None:
        """Let the security group have these rules, besides one that refuses everything else."""
        refused = render_rule(4096, access="Deny", protocol="*", destinationPortRange="*")
        self.cloud.change("PUT", self.firewall, self.render_firewall(*rules, refused))

    def render_firewall(self, *rules: dict[str, Any]) -> dict[str, Any]:
        return {"location": self.cloud.location, "properties": {"securityRules": list(rules)}}

    def make_scale_set(
        self,
        name: str,
        capacity: int,
        identity: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        **profile: Any,
    ) -> None:
        interface = {
            "primary": True,
            "networkSecurityGroup": {"id": self.firewall},
            "ipConfigurations": [self.configure(())],
        }
        network = {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": "internal", "properties": interface}],
        }
        described = {
            **self.describe(),
            "osProfile": {**describe_system(), "computerNamePrefix": f"{name}-"},
            "networkProfile": network,
            **profile,
        }
        body = {
            "orchestrationMode": "Flexible",
            "platformFaultDomainCount": 1,
            "virtualMachineProfile": described,
            **(properties or {}),
        }
        sku = {"name": "Standard_D4s_v5", "capacity": capacity}
        self.put(SCALE_SETS, name, body, sku=sku, **render_identity(identity))

    def set_size(self, name: str, capacity: int) -> None:
        body = {"sku": {"name": "Standard_D4s_v5", "capacity": capacity}}
        self.cloud.change("PATCH", self.place(SCALE_SETS, name), body)

    def await_size(self, name: str, size: int) -> list[str]:
        """Ids of the machines of a scale set, once there are so many."""
        await_true(lambda: len(self.cloud.running(name)) == size, f"{size} machines")
        return self.cloud.running(name)

    def delete_scale_set(self, name: str) -> None:
        instances = self.cloud.running(name)
        self.cloud.change("DELETE", self.place(SCALE_SETS, name))
        for instance in instances:
            self.cloud.await_gone(instance)


def describe_system() -> dict[str, Any]:
    keys = [{"path": f"/home/{USER}/.ssh/authorized_keys", "keyData": PUBLIC_KEY}]
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}}
    data = base64.b64encode(USER_DATA.encode()).decode()
    return {"adminUsername": USER, "customData": data, "linuxConfiguration": linux}


def render_identity(identity: dict[str, Any] | None) -> dict[str, Any]:
    if identity is None:
        return {}
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: {}}}}


def render_rule(priority: int, **changes: Any) -> dict[str, Any]:
    """A rule that opens the port of the probes."""
    usual: dict[str, Any] = {
        "priority": priority,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": str(PORT),
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "*",
        **changes,
    }
    for side in ("source", "destination"):
        if f"{side}ApplicationSecurityGroups" in changes:
            del usual[f"{side}AddressPrefix"]
    return {"name": f"rule-{priority}", "properties": usual}


def open_lab(network: Network, root: Path) -> Lab:
    cloud = AzureCloud(network, start_azure(network))
    image, _ = cloud.register_image("small", root, {"family": "small", "version": "202611240000"})
    group = f"{cloud.scope}/resourceGroups/machines"
    cloud.call("PUT", group, {"location": cloud.location})
    lab = Lab(cloud, image, "", group, f"{group}/providers/{SECURITY_GROUPS}/machines")
    inline = {"name": "machines", "properties": {"addressPrefix": "10.78.1.0/24"}}
    space = {"addressSpace": {"addressPrefixes": ["10.78.0.0/16"]}, "subnets": [inline]}
    lab.subnet = lab.put("Microsoft.Network/virtualNetworks", "net", space)["properties"]["subnets"][0]["id"]
    lab.allow()
    return lab


@pytest.fixture(scope="module")
def lab(root: Path) -> Iterator[Lab]:
    require_machines(*CLOUD_TOOLS)
    with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS]) as network:
        yield open_lab(network, root)


def ask(machine: Container, *paths: str) -> list[Any]:
    """The answers of the metadata service."""
    found: list[Any] = json.loads(machine.exec(["python3", "-c", PRINT, *paths]).stdout)
    return found


def run(machine: Container, name: str, code: str) -> None:
    """Run a program as a unit of the machine's; what it prints is in `/run/NAME`."""
    unit = [f"--unit={name}", f"--property=StandardOutput=file:/run/{name}"]
    machine.exec(["systemd-run", "--quiet", *unit, "python3", "-c", code])


def watch(machine: Container) -> None:
    """Have what is scheduled written to `/run/events` and to the console."""
    run(machine, "events", WATCH)
    await_true(lambda: read_events(machine) == ["[]"], "nothing is scheduled")


def read_events(machine: Container) -> list[str]:
    return machine.exec(["cat", "/run/events"], check=False).stdout.splitlines()


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


def test_a_virtual_machine_boots_at_its_address_with_its_custom_data_and_powers_off_when_deleted(lab: Lab):
    machine = lab.boot("first", address="10.78.1.200")
    identity = lab.look("first")["properties"]["vmId"]
    assert machine.address == "10.78.1.200"
    assert machine.exec(["hostname"]).stdout == "first\n"
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    assert machine.exec(["cat", "/run/cloud-init/.instance-id"]).stdout.strip() == identity
    assert PUBLIC_KEY in machine.exec(["sh", "-c", "cat /home/*/.ssh/authorized_keys"]).stdout
    told = lab.cloud.call("POST", f"{lab.place(MACHINES, 'first')}/retrieveBootDiagnosticsData")
    address = told["serialConsoleLogBlobUri"].removeprefix(lab.cloud.client.url)
    shown = await_true(lambda: lab.cloud.client.ask("GET", address).body.decode(), "its console is shown")
    assert "login:" in shown or "systemd" in shown
    lab.delete("first")
    assert machine.process.returncode == 0
    assert "Reached target poweroff.target" in lab.cloud.console("first")


def test_a_machine_reads_its_secret_from_the_vault_by_its_own_identity(lab: Lab):
    identity = lab.identity("reader")
    vault = {
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
        "softDeleteRetentionInDays": 7,
    }
    path = str(lab.put("Microsoft.KeyVault/vaults", "df-lab", vault)["id"])
    lab.cloud.call("PUT", f"{path}/secrets/worker", {"properties": {"value": "mellon"}})
    machine = lab.boot("reader", identity=identity)
    refused = machine.exec(["python3", "-c", SECRET, "df-lab"], check=False)
    assert "HTTP Error 403" in refused.stderr
    properties = {
        "roleDefinitionId": f"{lab.cloud.scope}/providers/Microsoft.Authorization/roleDefinitions/{READ_SECRETS}",
        "principalId": identity["properties"]["principalId"],
        "principalType": "ServicePrincipal",
    }
    assignment = f"{path}/secrets/worker/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    lab.cloud.call("PUT", assignment, {"properties": properties})
    assert machine.exec(["python3", "-c", SECRET, "df-lab"]).stdout == "mellon"
    version = "api-version=2021-02-01&format=text"
    names = [f"instance/compute/{each}?{version}" for each in ("name", "vmId", "osProfile/computerName")]
    assert ask(machine, *names) == ["reader", lab.look("reader")["properties"]["vmId"], "reader"]
    lab.delete("reader")


def test_a_machine_without_an_identity_gets_no_token(lab: Lab):
    machine = lab.boot("nobody")
    path = "identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
    assert ask(machine, path) == [400]
    lab.delete("nobody")


def test_a_spot_machine_that_is_evicted_is_told_and_goes_and_its_scale_set_wants_one_fewer(lab: Lab):
    spot = {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}
    lab.make_scale_set("spot", 1, **spot)
    (instance,) = lab.await_size("spot", 1)
    lab.cloud.await_machine(instance)
    machine = lab.cloud.machine(instance)
    watch(machine)
    vm = lab.cloud.list_instances()[instance].vm
    lab.cloud.announce_preemption(instance, seconds=4)
    await_true(lambda: read_events(machine)[1:] == [json.dumps([["Preempt", [vm]]])], "it is told")
    lab.cloud.await_gone(instance)
    assert not machine.is_running()
    assert lab.cloud.call("GET", lab.place(SCALE_SETS, "spot"))["sku"]["capacity"] == 0
    lab.delete_scale_set("spot")


def test_a_machine_that_is_deleted_is_told_before_where_its_scale_set_wants_that(lab: Lab):
    notice = {"terminateNotificationProfile": {"enable": True, "notBeforeTimeout": "PT5M"}}
    lab.make_scale_set("warned", 1, scheduledEventsProfile=notice)
    (instance,) = lab.await_size("warned", 1)
    lab.cloud.await_machine(instance)
    machine = lab.cloud.machine(instance)
    watch(machine)
    vm = lab.cloud.list_instances()[instance].vm
    lab.set_size("warned", 0)
    await_true(lambda: read_events(machine)[1:] == [json.dumps([["Terminate", [vm]]])], "it is told")
    lab.cloud.await_gone(instance)
    assert machine.process.returncode == 0
    lab.delete_scale_set("warned")


def test_a_scale_set_grows_and_shrinks_and_its_machines_have_what_its_profile_gives(lab: Lab):
    lab.make_scale_set("grown", 2, lab.identity("grown"))
    first = lab.await_size("grown", 2)
    for instance in first:
        lab.cloud.await_machine(instance)
    lab.set_size("grown", 3)
    (third,) = set(lab.await_size("grown", 3)) - set(first)
    lab.cloud.await_machine(third)
    machine = lab.cloud.machine(third)
    assert machine.name.startswith("grown-")
    assert machine.exec(["hostname"]).stdout == f"{machine.name}\n"
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    path = "identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com/"
    assert "access_token" in json.loads(ask(machine, path)[0])
    assert not is_open(lab, machine.address)
    lab.set_size("grown", 1)
    left = lab.await_size("grown", 1)
    for instance in {*first, third} - set(left):
        lab.cloud.await_gone(instance)
        assert lab.cloud.machine(instance).process.returncode == 0
    lab.delete_scale_set("grown")


def test_a_machine_that_powers_itself_off_is_stopped_and_can_be_started_again(lab: Lab):
    machine = lab.boot("alone")
    machine.exec(["systemctl", "poweroff"])
    lab.cloud.await_gone("alone")
    assert lab.read_power("alone") == "PowerState/stopped"
    lab.cloud.change("POST", f"{lab.place(MACHINES, 'alone')}/start")
    again = lab.cloud.await_machine("alone")
    assert again is not machine
    assert again.address == machine.address
    lab.delete("alone")


def test_a_machine_that_reboots_boots_again_as_the_same_one(lab: Lab):
    machine = lab.boot("again")
    identity = lab.look("again")["properties"]["vmId"]
    machine.exec(["systemctl", "reboot"])
    machine.await_end(30)
    assert lab.cloud.await_machine("again") is not machine
    assert lab.look("again")["properties"]["vmId"] == identity
    lab.delete("again")


def test_a_machine_that_does_not_say_any_more_that_it_is_well_is_made_anew_by_its_scale_set(lab: Lab):
    settings = {"protocol": "http", "port": HEALTH_PORT, "requestPath": "/health"}
    times = {"intervalInSeconds": 30, "numberOfProbes": 3}
    extension = {
        "name": "health",
        "properties": {
            "publisher": "Microsoft.ManagedServices",
            "type": "ApplicationHealthLinux",
            "typeHandlerVersion": "1.0",
            "settings": {**settings, **times},
        },
    }
    repairs = {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT30M", "repairAction": "Replace"}}
    lab.cloud.azure.services.control("pace", grace=0)
    lab.make_scale_set("well", 1, properties=repairs, extensionProfile={"extensions": [extension]})
    (instance,) = lab.await_size("well", 1)
    lab.cloud.await_machine(instance)
    machine = lab.cloud.machine(instance)
    machine.exec(["mkdir", "/run/well"])
    machine.exec(["touch", "/run/well/health"])
    serve = ["python3", "-m", "http.server", str(HEALTH_PORT), "--bind", "127.0.0.1", "--directory", "/run/well"]
    unit = ["systemd-run", "--quiet", "--unit=well", "--property=StandardError=file:/run/asked"]
    machine.exec([*unit, *serve])
    lab.cloud.set_health_pace(0.02)
    asked = 'GET /health HTTP/1.1" 200'
    await_true(lambda: machine.exec(["cat", "/run/asked"]).stdout.count(asked) > 3, "it is asked, and is well")
    assert lab.cloud.running("well") == [instance]
    machine.exec(["systemctl", "stop", "well"])
    lab.cloud.await_gone(instance)
    lab.cloud.set_health_pace(1.0)
    await_true(lambda: lab.cloud.running("well") not in ([], [instance]), "another")
    lab.delete_scale_set("well")


def test_a_port_is_closed_until_a_rule_opens_it_and_open_connections_outlive_the_rule(lab: Lab):
    machine = lab.boot("port")
    listen(machine)
    assert not is_open(lab, machine.address)
    lab.allow(render_rule(200, sourceAddressPrefix=f"{lab.cloud.network.gateway}/32"))
    await_true(lambda: is_open(lab, machine.address), "the gateway reaches it")
    held = lab.cloud.network.connect(machine.address, PORT)
    lab.allow()
    await_true(lambda: not is_open(lab, machine.address), "it is closed again")
    with held:
        assert held.recv(100) == b"answer"
    lab.cloud.change("PUT", lab.firewall, lab.render_firewall())
    await_true(lambda: is_open(lab, machine.address), "Azure's own rules let the whole network in")
    lab.allow()
    lab.delete("port")


def test_a_rule_for_application_groups_lets_the_machines_of_one_in_and_nobody_else(lab: Lab):
    inner, outer = lab.application("inner"), lab.application("outer")
    groups = {
        "sourceApplicationSecurityGroups": [{"id": outer}],
        "destinationApplicationSecurityGroups": [{"id": inner}],
    }
    lab.allow(render_rule(100, **groups))
    for name, application in (("server", inner), ("member", outer), ("stranger", inner)):
        lab.run(name, applications=(application,))
    for name in ("server", "member", "stranger"):
        lab.cloud.await_machine(name)
    server, member, stranger = map(lab.cloud.machine, ("server", "member", "stranger"))
    listen_there(lab, server, member)
    assert connect(member, server.address) == "answer"
    assert connect(stranger, server.address) == ""
    assert not is_open(lab, server.address)
    # Its machines reach Azure whatever the rules say.
    closed = render_rule(110, direction="Outbound", access="Deny", protocol="*", destinationPortRange="*")
    lab.allow(render_rule(100, **groups), closed)
    await_true(lambda: connect(member, server.address) == "", "it reaches nobody any more")
    name = "instance/compute/name?api-version=2021-02-01&format=text"
    assert ask(member, name) == ["member"]
    lab.allow()
    lab.delete("server", "member", "stranger")


def listen_there(lab: Lab, server: Container, member: Container) -> None:
    """The same as `listen`, seen from another machine."""
    server.exec(["systemd-run", "--quiet", "python3", "-c", LISTEN, server.address, "answer"])
    await_true(lambda: connect(member, server.address) == "answer", "it listens")


def test_a_virtual_machine_that_cannot_boot_says_so_and_is_stopped(lab: Lab):
    path = f"{GALLERY}/images/other"
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "daskfleet", "offer": "other", "sku": "other"},
    }
    lab.cloud.change("PUT", path, {"location": lab.cloud.location, "properties": properties})
    version = {"storageProfile": {"source": {"id": lab.place(MACHINES, "builder")}}}
    lab.cloud.change("PUT", f"{path}/versions/1.0.0", {"location": lab.cloud.location, "properties": version})
    lab.run("broken", image=path)
    with pytest.raises(LaunchFailed, match=r"cannot boot: its image \S+/other was not registered"):
        lab.cloud.await_machine("broken")
    lab.cloud.await_gone("broken")
    assert "other" in lab.cloud.console("broken")
    lab.delete("broken")


def test_a_virtual_machine_may_run_and_have_no_machine(lab: Lab):
    lab.cloud.never_boot.add("Standard_D4as_v5")
    lab.run("silent", size="Standard_D4as_v5")
    lab.boot("loud")
    assert {lab.look(name)["properties"]["vmId"] for name in ("silent", "loud")} == set(lab.cloud.running())
    with pytest.raises(LookupError, match="has no machine"):
        lab.cloud.machine("silent")
    lab.delete("silent", "loud")


def test_an_image_is_found_by_its_name_and_by_its_family_and_has_its_tags(lab: Lab):
    by_name, by_family = (lab.cloud.call("GET", f"{GALLERY}/images/{name}") for name in ("small", "small-x86_64"))
    for definition in (by_name, by_family):
        assert definition["properties"]["architecture"] == "x64"
        tags = {key: value for key, value in definition["tags"].items() if key != "daskfleet-lab-name"}
        assert tags == {"daskfleet-family": "small", "daskfleet-version": "202611240000"}


def test_what_is_refused_is_told(lab: Lab):
    with pytest.raises(AzureRefusal, match="404 ResourceNotFound: "):
        lab.look("nothing")
    stranger = AzureClient(lab.cloud.client.url, "", lab.cloud.network.connect)
    with pytest.raises(AzureRefusal, match="401 AuthenticationFailed: "):
        stranger.call("GET", lab.cloud.scope)


def test_an_open_network_with_launched_machines_leaves_nothing(root: Path):
    require_machines(*CLOUD_TOOLS)
    with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS]) as network:
        lab = open_lab(network, root)
        machine = lab.boot("one")
        for number in range(5):
            lab.run(f"waiting-{number}")
    assert not machine.is_running()
    assert find_leftovers(network.namespace) == []
