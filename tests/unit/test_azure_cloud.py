"""What the command line asks Azure, against its stand-in: groups, machines, logs, connections, what is left, checks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import daskfleet.azure
from azure_cloud.cloud import SUBSCRIPTION, TENANT
from azure_cloud.conftest import (
    LOCATION,
    SPOT,
    Azure,
    azure,
    first_azure,
    render_assignment,
    render_disk,
    render_machine,
    render_scale_set,
    render_system,
    render_vault,
)
from azure_cloud.identity.directory import PERSON
from daskfleet.errors import FleetError
from daskfleet.progress import Quiet
from daskfleet.providers.stack.azure import connections, logs, removal, scale_sets
from daskfleet.providers.stack.azure.cloud import AzureCloud
from daskfleet.providers.stack.azure.places import Place
from daskfleet.providers.stack.cloud import GroupResources, Leftover, Machine, Resources
from daskfleet.providers.stack.strays import find_strays
from daskfleet.providers.stack.waiting import Waiter
from daskfleet_images.node.azure_marks import render_metadata
from daskfleet_images.node.marks import Mark, parse_marks
from daskfleet_stacks.spec import parse_fleet_spec
from daskfleet_stacks.versions import read_own_versions
from harness import await_true

__all__ = ["azure", "first_azure"]

PLACE = Place(SUBSCRIPTION, "research", LOCATION)
MACHINES, SCALE_SETS = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
CONTAINER = "https://dfresearch.blob.core.windows.net/logs"
READ_SECRETS, READ_BLOBS = "4633458b-17de-408a-b874-0445c86b69e6", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"


class Fleet:
    """A fleet in the stand-in, as the components make it, as far as a test wants it."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        azure.call("PUT", PLACE.id, {"location": LOCATION, "tags": {}})

    def tag(self, role: str, group: str = "") -> dict[str, str]:
        own = {"daskfleet:fleet": "research", "daskfleet:role": role}
        return {**own, **({"daskfleet:group": group} if group else {})}

    def put(self, type_: str, name: str, properties: Any = None, *, role: str = "network", **more: Any) -> str:
        body = {"location": LOCATION, "tags": self.tag(role), **more}
        path = f"{PLACE.id}/providers/{type_}/{name}"
        self.azure.change("PUT", path, body if properties is None else {**body, "properties": properties})
        return path

    def make_subnet(self) -> str:
        network = f"{PLACE.id}/providers/Microsoft.Network/virtualNetworks/net"
        if self.azure.find(network) is None:
            inline = {"name": "machines", "properties": {"addressPrefix": "10.0.0.0/20"}}
            space = {"addressPrefixes": ["10.0.0.0/20"]}
            self.put("Microsoft.Network/virtualNetworks", "net", {"addressSpace": space, "subnets": [inline]})
        return f"{network}/subnets/machines"

    def make_scheduler(self) -> str:
        part = {"name": "one", "properties": {"subnet": {"id": self.make_subnet()}}}
        interface = self.put("Microsoft.Network/networkInterfaces", "scheduler", {"ipConfigurations": [part]})
        made = render_machine(
            self.azure.image,
            interface,
            properties={
                "osProfile": render_system(computerName="research-scheduler"),
                "storageProfile": {"imageReference": {"id": self.azure.image}, "osDisk": render_disk()},
            },
        )
        path = f"{PLACE.id}/providers/{MACHINES}/scheduler"
        self.azure.change("PUT", path, {**made, "tags": self.tag("scheduler")})
        return path

    def make_group(self, name: str = "cpu", count: int = 2, **more: Any) -> GroupResources:
        """A worker group that gets what is to be had."""
        body = render_scale_set(self.azure.image, self.make_subnet(), count, **more)
        path = f"{PLACE.id}/providers/{SCALE_SETS}/research-{name}1a2b3c4d"
        tagged = {**body, "tags": self.tag("worker", name)}
        self.azure.ask("PUT", f"{path}?api-version=2024-11-01", tagged).check()
        return GroupResources(name, path, 1)

    def make_vault(self, **secrets: str) -> str:
        vault = self.put("Microsoft.KeyVault/vaults", "df-research", render_vault())
        for name, value in secrets.items():
            body = {"properties": {"value": value}, "tags": self.tag(name)}
            self.azure.call("PUT", f"{vault}/secrets/{name}", body)
        return vault

    def make_container(self) -> str:
        sku = {"name": "Standard_LRS"}
        account = self.put("Microsoft.Storage/storageAccounts", "dfresearch", {}, kind="StorageV2", sku=sku)
        path = f"{account}/blobServices/default/containers/logs"
        self.azure.call("PUT", path, {})
        return path

    def write(self, blob: str, *lines: dict[str, Any], marks: str = "") -> None:
        """Append lines to a node's log, as a node does it."""
        version = {"x_ms_version": "2023-11-03"}
        path = f"/blob/dfresearch/logs/{blob}"
        metadata = {"x_ms_meta_marks": marks} if marks else {}
        if self.azure.ask("HEAD", path, **version).status == 404:
            self.azure.ask("PUT", path, b"", x_ms_blob_type="AppendBlob", **version, **metadata).check()
        content = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
        if content:
            self.azure.ask("PUT", f"{path}?comp=appendblock", content, **version).check()
        if marks:
            self.azure.ask("PUT", f"{path}?comp=metadata", b"", **version, **metadata).check()

    def count_calls(self, beginning: str) -> int:
        calls = self.azure.ask("GET", "/daskfleet/calls").check().json["calls"]
        return sum(str(each["name"]).startswith(beginning) for each in calls)

    def forget_calls(self) -> None:
        self.azure.ask("DELETE", "/daskfleet/calls").check()


@pytest.fixture
def surroundings(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """Whoever asks Azure asks the stand-in, and does not wait long."""
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", azure.url)
    for name, value in (("TENANT_ID", TENANT), ("CLIENT_ID", str(uuid.uuid4())), ("CLIENT_SECRET", "secret")):
        monkeypatch.setenv(f"ARM_{name}", value)
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", SUBSCRIPTION)
    for module, name in (
        (daskfleet.azure, "POLL_SECONDS"),
        (daskfleet.azure, "BACKOFF_SECONDS"),
        (removal, "POLL_SECONDS"),
        (scale_sets, "PAUSE_SECONDS"),
        (connections, "POLL_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 0.2)
    return azure


@pytest.fixture
def fleet(surroundings: Azure) -> Fleet:
    return Fleet(surroundings)


@pytest.fixture
def cloud(surroundings: Azure) -> AzureCloud:
    return AzureCloud(LOCATION)


def await_machines(cloud: AzureCloud, condition: Callable[[list[Machine]], bool]) -> list[Machine]:
    found: list[Machine] = []

    def look() -> bool:
        found[:] = cloud.list_machines("research")
        return condition(found)

    await_true(look, "the machines are so")
    return found


def are_running(count: int) -> Callable[[list[Machine]], bool]:
    return lambda found: len(found) == count and all(each.state == "running" for each in found)


# Groups and machines


def test_machines_are_told_with_group_node_address_and_state(fleet: Fleet, cloud: AzureCloud):
    scheduler = fleet.make_scheduler()
    fleet.make_group("cpu", 2)
    fleet.make_group("gpu", 1)
    found = await_machines(cloud, are_running(4))
    by_group = {each.group: each for each in found}
    assert (by_group[None].id, by_group[None].node) == (scheduler, "research-scheduler")
    assert sorted(str(each.group) for each in found) == ["None", "cpu", "cpu", "gpu"]
    assert len({each.address for each in found}) == 4
    assert all(each.address.startswith("10.0.") for each in found)
    assert all(time.time() - 60 < each.launched <= time.time() + 1 for each in found)
    assert by_group["cpu"].node.startswith("lab-cpu-")


def test_the_number_of_calls_does_not_grow_with_the_machines(fleet: Fleet, cloud: AzureCloud):
    group = fleet.make_group("cpu", 2)
    await_machines(cloud, are_running(2))
    counts = []
    for wanted in (2, 6):
        cloud.set_count(group, wanted)
        await_machines(cloud, are_running(wanted))
        fleet.forget_calls()
        cloud.list_machines("research")
        counts.append(fleet.count_calls(""))
    assert counts[0] == counts[1]
    fleet.forget_calls()
    assert cloud.count_machines([group]) == {"cpu": 6}
    assert fleet.count_calls("") == 1


def test_a_fleet_that_is_not_there_has_nothing(surroundings: Azure, cloud: AzureCloud):
    assert cloud.list_machines("research") == []
    assert cloud.find_strangers("research") == []
    assert cloud.find_leftovers("research") == []
    assert cloud.find_parts("research") == []
    assert cloud.find_openings("research") == []
    assert cloud.list_connections("research") == []
    gone = GroupResources("cpu", f"{PLACE.id}/providers/{SCALE_SETS}/gone", 1)
    assert cloud.count_machines([gone]) == {}
    assert cloud.explain_shortages([gone]) == {}
    cloud.take_on_demand(gone)


def test_groups_that_are_gone_are_left_out(fleet: Fleet, cloud: AzureCloud):
    group = fleet.make_group("cpu", 2)
    gone = GroupResources("gpu", f"{PLACE.id}/providers/{SCALE_SETS}/gone", 1)
    assert cloud.count_machines([group, gone]) == {"cpu": 2}


def test_machines_that_are_removed_are_wanted_no_more_also_where_some_have_gone(fleet: Fleet, cloud: AzureCloud):
    group = fleet.make_group("cpu", 4)
    found = await_machines(cloud, are_running(4))
    fleet.azure.change("DELETE", found[0].id)
    gone = cloud.count_machines([group])["cpu"]
    cloud.remove_machines(found[:3])
    left = await_machines(cloud, are_running(1))
    assert [each.id for each in left] == [found[3].id]
    assert (gone, cloud.count_machines([group])) == (3, {"cpu": 1})


def test_a_machine_that_is_being_deleted_is_not_asked_to_go_again(fleet: Fleet, cloud: AzureCloud):
    group = fleet.make_group("cpu", 2)
    found = await_machines(cloud, are_running(2))
    fleet.azure.control("pace", seconds={f"DELETE {MACHINES}": 60})
    cloud.remove_machines(found[:1])
    cloud.remove_machines(found[:1])
    states = {each.id: each.state for each in cloud.list_machines("research")}
    assert states == {found[0].id: "stopping", found[1].id: "running"}
    assert cloud.count_machines([group]) == {"cpu": 1}


def test_a_machine_that_is_switched_off_is_gone(fleet: Fleet, cloud: AzureCloud):
    fleet.make_scheduler()
    (machine,) = await_machines(cloud, are_running(1))
    fleet.azure.control("power", machine=machine.id, state="off")
    (machine,) = cloud.list_machines("research")
    assert machine.state == "gone"


def make_spot(fleet: Fleet, count: int, *, fallback: bool) -> GroupResources:
    mix = {"baseRegularPriorityCount": 0, "regularPriorityPercentageAboveBase": 0}
    properties = {"priorityMixPolicy": mix} if fallback else {}
    return fleet.make_group("cpu", count, profile=SPOT, properties=properties)


def test_what_the_spot_market_has_not_is_taken_on_demand_and_once(fleet: Fleet, cloud: AzureCloud):
    group = make_spot(fleet, 2, fallback=True)
    await_machines(cloud, are_running(2))
    fleet.azure.control("market", no_spot=["*"])
    cloud.set_count(group, 5)
    shortage = await_shortage(cloud, group)
    assert shortage.on_spot
    assert shortage.reason.startswith("spot machine: AllocationFailed")
    assert await_shortage(AzureCloud(LOCATION), group).on_spot  # Another process is not told why.
    cloud.take_on_demand(group)
    await_machines(cloud, are_running(5))
    fleet.forget_calls()
    cloud.take_on_demand(group)
    assert fleet.count_calls(f"PATCH {SCALE_SETS}") == 0
    assert cloud.explain_shortages([group]) == {}
    told = fleet.azure.get(group.id)
    assert told["properties"]["priorityMixPolicy"]["baseRegularPriorityCount"] == 3
    # What goes is on demand first.
    cloud.set_count(group, 3)
    await_machines(cloud, are_running(3))
    told = fleet.azure.get(group.id)
    assert (told["sku"]["capacity"], told["properties"]["priorityMixPolicy"]["baseRegularPriorityCount"]) == (3, 1)


def await_shortage(cloud: AzureCloud, group: GroupResources) -> Any:
    def look() -> Any:
        return cloud.explain_shortages([group]).get("cpu")

    return await_true(look, "Azure says what is missing")


def test_a_shortage_on_demand_is_not_the_spot_markets(fleet: Fleet, cloud: AzureCloud):
    group = make_spot(fleet, 1, fallback=True)
    await_machines(cloud, are_running(1))
    fleet.azure.control("market", no_capacity=["*"])
    cloud.set_count(group, 3)
    assert await_shortage(cloud, group).on_spot
    cloud.take_on_demand(group)
    shortage = await_true(
        lambda: next((each for each in cloud.explain_shortages([group]).values() if not each.on_spot), None),
        "Azure has none on demand either",
    )
    assert "AllocationFailed" in shortage.reason


def test_a_group_of_spot_machines_alone_takes_none_on_demand(fleet: Fleet, cloud: AzureCloud):
    group = make_spot(fleet, 1, fallback=False)
    fleet.forget_calls()
    cloud.take_on_demand(group)
    assert fleet.count_calls("PATCH") == 0


def test_a_group_that_gave_up_tries_again_when_it_is_asked_to_and_only_then(fleet: Fleet, cloud: AzureCloud):
    group = make_spot(fleet, 1, fallback=False)
    await_machines(cloud, are_running(1))
    fleet.forget_calls()
    cloud.try_again([group])
    assert fleet.count_calls("PATCH") == 0
    fleet.azure.control("market", no_spot=["*"])
    cloud.set_count(group, 2)
    await_shortage(cloud, group)
    other = AzureCloud(LOCATION)
    other.try_again([group])
    await_true(lambda: "AllocationFailed" in await_shortage(other, group).reason, "it has tried again, in vain")
    fleet.azure.control("market", no_spot=[])
    other.try_again([group])
    await_machines(cloud, are_running(2))


def test_a_count_that_a_quota_forbids_is_refused_with_what_to_do(fleet: Fleet, cloud: AzureCloud):
    group = fleet.make_group("cpu", 1)
    fleet.azure.control("quota", cores=4)
    with pytest.raises(FleetError, match=r"exceeding approved[\s\S]*Usage \+ quotas"):
        cloud.set_count(group, 50)
    assert cloud.count_machines([group]) == {"cpu": 1}


def test_the_console_is_read_and_its_address_is_told_nobody(
    fleet: Fleet, cloud: AzureCloud, caplog: pytest.LogCaptureFixture
):
    fleet.make_scheduler()
    (machine,) = await_machines(cloud, are_running(1))
    fleet.azure.control("console", machine=machine.id, text="booting\n\ndaskfleet-node: phase: booted \n")
    caplog.set_level("DEBUG")
    assert cloud.read_console(machine) == ["booting", "daskfleet-node: phase: booted"]
    assert "sig=" not in caplog.text
    fleet.azure.change("DELETE", machine.id)
    assert cloud.read_console(machine) == []


# Logs


def mark(phase: Any, moment: float, **more: Any) -> Mark:
    return Mark(phase, moment, **more)


def test_marks_of_all_nodes_come_with_one_call(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    now = time.time()
    for number in range(3):
        told = render_metadata([mark("booted", now + number), mark("registered", now + 9, worker=f"w{number}")])
        fleet.write(f"cpu/node{number}/00000", {"time": now, "line": "hello"}, marks=told)
    fleet.forget_calls()
    events = cloud.read_marks(CONTAINER, 0.0)
    assert fleet.count_calls("blob.") == 1
    assert [each.node for each in events[:3]] == ["node0", "node1", "node2"]
    assert {each.group for each in events} == {"cpu"}
    assert [parse_marks([each.message])[0].phase for each in events] == ["booted"] * 3 + ["registered"] * 3
    assert len({each.id for each in cloud.read_marks(CONTAINER, 0.0)} | {each.id for each in events}) == 6
    assert [each.time for each in cloud.read_marks(CONTAINER, now + 5)] == [pytest.approx(now + 9, abs=0.01)] * 3


def test_a_fleet_is_waited_for_by_what_its_nodes_write(fleet: Fleet, cloud: AzureCloud):
    scheduler = fleet.make_scheduler()
    group = fleet.make_group("cpu", 2)
    fleet.make_container()
    resources = Resources(LOCATION, CONTAINER, scheduler, (group,), SUBSCRIPTION)
    waiter = Waiter(cloud, "research", resources, {"cpu": 2}, Quiet())
    for machine in await_machines(cloud, are_running(3)):
        assert not waiter.look().scheduler_is_up or machine.group is not None
        name = f"{machine.group or 'scheduler'}/{machine.node}/00000"
        marks = [mark("booted", time.time()), mark("registered", time.time(), worker=f"{machine.node}-0")]
        fleet.write(name, marks=render_metadata(marks))
    outlook = waiter.look()
    assert outlook.scheduler_is_up
    assert (outlook.done, outlook.total, outlook.missing, outlook.not_launched) == (2, 2, (), {})


def test_a_machine_whose_clock_is_wrong_is_heard_nevertheless(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    long_ago = time.time() - 3600
    fleet.write("scheduler/s/00000", marks=render_metadata([mark("booted", long_ago)]))
    (event,) = cloud.read_marks(CONTAINER, 0.0)
    # The blob is new, so that the machine's clock must be wrong.
    assert event.received > time.time() - 60
    assert event.time == pytest.approx(long_ago, abs=0.01)


def test_marks_are_none_while_the_role_for_a_new_container_is_not_known_yet(
    fleet: Fleet, cloud: AzureCloud, monkeypatch: pytest.MonkeyPatch
):
    fleet.make_container()
    fleet.azure.control("person", roles=["Owner"])
    assert cloud.read_marks(CONTAINER, 0.0) == []
    with pytest.raises(FleetError, match=r"Storage Blob Data Reader on the container"):
        cloud.list_logs(CONTAINER)
    monkeypatch.setattr(logs, "ROLE_SECONDS", -1.0)
    with pytest.raises(FleetError, match=r"Storage Blob Data Reader[\s\S]*after some minutes"):
        cloud.read_marks(CONTAINER, 0.0)


def write_lines(fleet: Fleet, blob: str, begin: float, *texts: str) -> None:
    fleet.write(blob, *({"time": begin + number, "line": text} for number, text in enumerate(texts)))


def test_the_log_tells_whole_lines_since_a_moment_of_the_nodes_that_are_meant(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    now = time.time()
    write_lines(fleet, "cpu/a/00000", now - 500, "old")
    write_lines(fleet, "cpu/a/00000", now, "one", "two")
    write_lines(fleet, "cpu/b/00000", now + 0.5, "three")
    write_lines(fleet, "gpu/a/00000", now, "four")
    assert [each.message for each in cloud.read_log(CONTAINER, now - 1, prefix="cpu/")] == ["one", "three", "two"]
    assert [each.message for each in cloud.read_log(CONTAINER, now - 1, prefix="cpu/b")] == ["three"]
    assert {each.group for each in cloud.read_log(CONTAINER, now - 1)} == {"cpu", "gpu"}
    assert [each.message for each in cloud.read_log(CONTAINER, 0.0, prefix="cpu/a")] == ["old", "one", "two"]


def test_whoever_follows_the_log_reads_only_what_is_new(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    now = time.time()
    for node in range(4):
        write_lines(fleet, f"cpu/n{node}/00000", now, "begin")
    first = cloud.read_log(CONTAINER, now - 1)
    fleet.forget_calls()
    assert cloud.read_log(CONTAINER, now - 1) == first
    assert (fleet.count_calls("blob.list"), fleet.count_calls("blob.get")) == (1, 0)
    fleet.write("cpu/n2/00000", {"time": now + 3, "mark": {"phase": "failed", "time": now + 3, "detail": "no"}})
    fleet.forget_calls()
    events = cloud.read_log(CONTAINER, now - 1)
    assert fleet.count_calls("blob.get") == 1
    assert {each.id for each in first} < {each.id for each in events}
    assert parse_marks([events[-1].message])[0].detail == "no"


def test_a_long_log_is_not_read_from_its_beginning(fleet: Fleet, cloud: AzureCloud, monkeypatch: pytest.MonkeyPatch):
    fleet.make_container()
    monkeypatch.setattr(logs, "CHUNK", 2000)
    now = time.time()
    write_lines(fleet, "cpu/a/00000", now - 100_000, *(f"old {number} {'x' * 50}" for number in range(1000)))
    write_lines(fleet, "cpu/a/00000", now, *(f"new {number} {'y' * 50}" for number in range(100)))
    fleet.forget_calls()
    events = cloud.read_log(CONTAINER, now - 1)
    assert [each.message.split()[1] for each in events] == [str(number) for number in range(100)]
    assert 1 < fleet.count_calls("blob.get") < 10
    fleet.forget_calls()
    tail = cloud.read_tail(CONTAINER, "cpu", "a", 30)
    assert [each.message.split()[1] for each in tail] == [str(number) for number in range(70, 100)]
    assert 1 < fleet.count_calls("blob.get") < 5
    assert {each.id for each in tail} < {each.id for each in events}


def test_the_tail_goes_back_to_an_earlier_blob_and_is_none_of_none(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    write_lines(fleet, "cpu/a/00000", 100.0, "one", "two")
    write_lines(fleet, "cpu/a/00001", 102.0, "three")
    write_lines(fleet, "cpu/ab/00000", 102.0, "another's")
    assert [each.message for each in cloud.read_tail(CONTAINER, "cpu", "a", 2)] == ["two", "three"]
    assert [each.message for each in cloud.read_tail(CONTAINER, "cpu", "a", 9)] == ["one", "two", "three"]
    assert cloud.read_tail(CONTAINER, "cpu", "a", 0) == []
    assert cloud.read_tail(CONTAINER, "cpu", "nobody", 3) == []


def test_nodes_that_wrote_last_come_first(fleet: Fleet, cloud: AzureCloud):
    fleet.make_container()
    write_lines(fleet, "cpu/a/00000", 1.0, "one")

    def write_again() -> bool:  # Azure tells whole seconds.
        write_lines(fleet, "scheduler/s/00000", 1.0, "one")
        return cloud.list_logs(CONTAINER) == [("scheduler", "s"), ("cpu", "a")]

    await_true(write_again, "the scheduler wrote last")


# Connections


def render_connection() -> str:
    security = {"tls_ca_file": "CA", "tls_client_cert": "CERT", "tls_client_key": "KEY", "ssh_key": ""}
    connection = {
        "contract": 1,
        "fleet": "research",
        "provider": "azure",
        "access": {"mode": "private"},
        "scheduler_address": "tls://10.0.0.10:8786",
        "dashboard_url": "http://127.0.0.1:8787",
        "security": security,
        "versions": {"python": "3.11", "dask": "1", "distributed": "1", "cloudpickle": "1"},
    }
    return json.dumps({**connection, "resources": {"region": LOCATION}})


def test_a_connection_is_found_by_the_fleets_name_and_read_from_its_vault(fleet: Fleet, cloud: AzureCloud):
    fleet.make_vault(worker="w", client="no JSON")
    (stored,) = cloud.list_connections("research")
    assert stored.place == "https://df-research.vault.azure.net/secrets/client"
    assert time.time() - 60 < stored.made <= time.time() + 1
    with pytest.raises(FleetError, match="holds no connection") as caught:
        cloud.read_connection(stored)
    assert "no JSON" not in str(caught.value)


def test_a_role_that_is_not_known_yet_is_told_as_such(fleet: Fleet, cloud: AzureCloud):
    fleet.make_vault(client="{}")
    (stored,) = cloud.list_connections("research")
    fleet.azure.control("person", roles=["Owner"])
    fleet.forget_calls()
    with pytest.raises(FleetError, match=r"Key Vault Secrets User on the secret; .*after some minutes"):
        cloud.read_connection(stored)
    assert fleet.count_calls("vault.getSecret") > 2


# What is left


def make_identity(fleet: Fleet, name: str) -> dict[str, Any]:
    path = fleet.put("Microsoft.ManagedIdentity/userAssignedIdentities", name, role="worker")
    return fleet.azure.get(path)


def make_elsewhere(azure: Azure) -> str:
    """A container of somebody else's, in another resource group."""
    return azure.make_container("weatherdata", "era5")


def assign(azure: Azure, scope: str, role: str, principal: str, kind: str = "ServicePrincipal") -> str:
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    azure.call("PUT", path, render_assignment(role, principal, principalType=kind))
    return path


def test_everything_of_a_fleet_is_found_and_what_groups_make_is_told_as_theirs(fleet: Fleet, cloud: AzureCloud):
    fleet.make_scheduler()
    fleet.make_group("cpu", 1)
    fleet.make_vault(client="{}")
    identity = make_identity(fleet, "workers")
    elsewhere = make_elsewhere(fleet.azure)
    outside = assign(fleet.azure, elsewhere, READ_BLOBS, identity["properties"]["principalId"])
    assign(fleet.azure, PLACE.id, READ_BLOBS, identity["properties"]["principalId"])
    await_machines(cloud, are_running(2))
    found = cloud.find_leftovers("research")
    kinds = [each.kind for each in found]
    assert kinds == [
        "role assignment",
        "scale set",
        *["machine"] * 2,
        *["network interface"] * 2,
        *["disk"] * 2,
        "network",
        "vault",
        "identity",
        "resource group",
    ]
    assert found[0].id == outside
    assert str(found[0]) == "role assignment weatherdata/blobServices/default/containers/era5"
    made = [each for each in found if each.kind in cloud.made_by_groups]
    assert sorted((each.kind, each.group) for each in made) == [
        (kind, group) for kind in ("disk", "machine", "network interface") for group in ("", "cpu")
    ]
    held = [each for each in made if each.kind != "machine"]
    assert all(each.holder in {machine.id for machine in cloud.list_machines("research")} for each in held)


def test_all_of_a_fleet_is_removed_and_its_vault_is_purged(fleet: Fleet, cloud: AzureCloud):
    fleet.make_group("cpu", 2)
    fleet.make_vault(client="{}")
    fleet.make_container()
    identity = make_identity(fleet, "workers")
    elsewhere = make_elsewhere(fleet.azure)
    outside = assign(fleet.azure, elsewhere, READ_BLOBS, identity["properties"]["principalId"])
    cloud.remove_leftovers("research", cloud.find_leftovers("research"))
    assert cloud.find_leftovers("research") == []
    assert fleet.azure.find(PLACE.id) is None
    assert fleet.azure.find(outside) is None
    assert fleet.azure.find(elsewhere) is not None
    assert list(fleet.azure.list(f"{fleet.azure.scope}/providers/Microsoft.KeyVault/deletedVaults")) == []
    cloud.remove_leftovers("research", [Leftover("resource group", PLACE.id, PLACE.name)])


def test_a_vault_that_the_engine_has_deleted_is_left_and_purged(fleet: Fleet, cloud: AzureCloud):
    vault = fleet.make_vault(client="{}")
    fleet.azure.change("DELETE", vault)
    fleet.azure.change("DELETE", PLACE.id)
    (left,) = cloud.find_leftovers("research")
    assert str(left) == "deleted vault df-research"
    cloud.remove_leftovers("research", [left])
    assert cloud.find_leftovers("research") == []


def test_vaults_of_other_fleets_are_left_alone(fleet: Fleet, cloud: AzureCloud):
    other = Place(SUBSCRIPTION, "research-b", LOCATION)
    fleet.azure.call("PUT", other.id, {"location": LOCATION})
    vault = f"{other.id}/providers/Microsoft.KeyVault/vaults/df-other"
    fleet.azure.change("PUT", vault, {"location": LOCATION, "properties": render_vault()})
    fleet.azure.change("DELETE", vault)
    cloud.remove_leftovers("research", cloud.find_leftovers("research"))
    assert len(list(fleet.azure.list(f"{fleet.azure.scope}/providers/Microsoft.KeyVault/deletedVaults"))) == 1


def test_single_things_are_removed_without_the_rest(fleet: Fleet, cloud: AzureCloud):
    fleet.make_group("cpu", 1)
    scheduler = fleet.make_scheduler()
    await_machines(cloud, are_running(2))
    found = cloud.find_leftovers("research")
    strays = [each for each in found if each.id == scheduler or each.holder == scheduler]
    assert {each.kind for each in strays} == {"machine", "network interface", "disk"}
    cloud.remove_leftovers("research", strays)
    left = cloud.find_leftovers("research")
    assert not {each.id for each in left} & {each.id for each in strays}
    assert [each.kind for each in left if each.kind in ("scale set", "network", "resource group")] == [
        "scale set",
        "network",
        "resource group",
    ]


def render_state(cloud: AzureCloud, *kinds: str) -> dict[str, Any]:
    """The state of a stack that knows of all that it has made itself, but for these kinds."""
    types = {"scale set": cloud.group_type}
    found = cloud.find_leftovers("research")
    own = [each for each in found if not each.group or each.kind == "scale set"]
    return {
        "resources": [
            {"type": types.get(each.kind, "another"), "id": each.id}
            for each in own
            if each.kind not in (*kinds, "disk")  # A machine makes its disk itself.
        ]
    }


def test_what_machines_and_scale_sets_make_is_no_stray(fleet: Fleet, cloud: AzureCloud):
    fleet.make_scheduler()
    fleet.make_group("cpu", 2)
    fleet.make_vault(client="{}")
    await_machines(cloud, are_running(3))
    assert find_strays(cloud.find_leftovers("research"), render_state(cloud), cloud) == []
    shouted = json.loads(json.dumps(render_state(cloud)).replace("/resourceGroups/", "/RESOURCEGROUPS/"))
    assert find_strays(cloud.find_leftovers("research"), shouted, cloud) == []


def test_a_scale_set_that_no_stack_knows_of_goes_with_its_machines_alone(fleet: Fleet, cloud: AzureCloud):
    scheduler = fleet.make_scheduler()
    fleet.make_group("cpu", 2)
    await_machines(cloud, are_running(3))
    strays = find_strays(cloud.find_leftovers("research"), render_state(cloud, "scale set"), cloud)
    assert sorted(each.kind for each in strays) == [
        *["disk"] * 2,
        *["machine"] * 2,
        *["network interface"] * 2,
        "scale set",
    ]
    cloud.remove_leftovers("research", strays)
    assert [each.id for each in cloud.list_machines("research")] == [scheduler]


def test_what_would_not_go_is_named_with_what_azure_said(fleet: Fleet, cloud: AzureCloud):
    identity = make_identity(fleet, "workers")
    leftover = Leftover("identity", identity["id"], "workers")
    fleet.azure.control(
        "refuse", match="DELETE Microsoft.ManagedIdentity", count=9, status=403, code="AuthorizationFailed"
    )
    with pytest.raises(FleetError, match=r"identity workers cannot be removed: .*on purpose"):
        cloud.remove_leftovers("research", [leftover])


def test_parts_that_would_be_in_the_way_are_found_and_removed(fleet: Fleet, cloud: AzureCloud):
    vault = fleet.make_vault(worker="w")
    container = fleet.make_container()
    identity = make_identity(fleet, "workers")
    own = assign(fleet.azure, f"{vault}/secrets/worker", READ_SECRETS, identity["properties"]["principalId"])
    operator = assign(fleet.azure, container, READ_BLOBS, PERSON, "ServicePrincipal")
    stranger = fleet.azure.make_identity("stranger")
    kept = assign(fleet.azure, container, READ_BLOBS, stranger["properties"]["principalId"])
    found = cloud.find_parts("research")
    assert {each.id for each in found} == {own, operator, container, f"{vault}/secrets/worker"}
    cloud.remove_leftovers("research", [each for each in found if each.id != container])
    assert [fleet.azure.find(each) for each in (own, operator, f"{vault}/secrets/worker")] == [None] * 3
    assert fleet.azure.find(kept) is not None
    fleet.make_vault(worker="again")  # Its name is free.
    cloud.remove_leftovers("research", cloud.find_parts("research"))
    assert fleet.azure.find(container) is None


def test_a_secret_that_may_not_be_deleted_is_passed_over(fleet: Fleet, cloud: AzureCloud):
    secret = f"{fleet.make_vault(worker='w')}/secrets/worker"
    fleet.azure.control("person", roles=["Owner"])
    cloud.remove_leftovers("research", cloud.find_parts("research"))
    assert fleet.azure.find(secret) is not None


def render_rule(name: str, priority: int, **more: Any) -> dict[str, Any]:
    ends = {"sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*"}
    common = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "destinationPortRange": "22"}
    return {"name": name, "properties": {"priority": priority, **ends, **common, **more}}


def test_rules_that_others_have_made_are_found_and_closed(fleet: Fleet, cloud: AzureCloud):
    rules = [
        render_rule("clients", 200, destinationPortRange="8786"),
        render_rule("debug", 300),
        render_rule("mine-out", 310, direction="Outbound"),
        render_rule("nobody-else", 4096, access="Deny", protocol="*", destinationPortRange="*"),
    ]
    group = fleet.put("Microsoft.Network/networkSecurityGroups", "firewall", {"securityRules": rules})
    (opening,) = cloud.find_openings("research")
    assert str(opening).endswith("debug (tcp 22 from everywhere into firewall)")
    cloud.remove_leftovers("research", [opening])
    assert cloud.find_openings("research") == []
    left = fleet.azure.get(group)
    assert [each["name"] for each in left["properties"]["securityRules"]] == ["clients", "mine-out", "nobody-else"]
    assert left["tags"] == fleet.tag("network")
    cloud.remove_leftovers("research", [opening])


def test_a_resource_group_shows_that_a_fleet_is_there_by_one_call(fleet: Fleet, cloud: AzureCloud):
    cloud.find_strangers("research")
    fleet.forget_calls()
    assert cloud.find_strangers("research") == [f"resource group daskfleet-research-{LOCATION}"]
    assert fleet.count_calls("") == 1
    assert AzureCloud("northeurope").find_strangers("research") == []


# Checks


def make_spec(*groups: dict[str, Any], **more: Any) -> Any:
    workers = list(groups) or [{"name": "cpu", "instance_types": ["Standard_D4s_v5"], "count": 2}]
    data = {"name": "research", "provider": "azure", "region": LOCATION, "workers": workers}
    return parse_fleet_spec({**data, **more}, "a test")


@pytest.fixture
def image(surroundings: Azure) -> dict[str, Any]:
    """An image that fits, as a spec names it."""
    own = read_own_versions()
    tags = {
        "daskfleet-python": own.python,
        "daskfleet-dask": own.dask,
        "daskfleet-distributed": own.distributed,
        "daskfleet-cloudpickle": own.cloudpickle,
        "daskfleet-arch": "x86_64",
    }
    path = surroundings.image
    surroundings.change("PATCH", path, {"tags": tags})
    return {"gallery": "images/images", "name": "lab"}


def find_problems(cloud: AzureCloud, spec: Any) -> dict[str, str]:
    return {each.name: each.problem for each in cloud.check(spec) if not each.ok}


def test_a_fleet_that_can_be_made_has_no_problem(fleet: Fleet, cloud: AzureCloud, image: dict[str, Any]):
    spec = make_spec(image=image, zones=[1, 2])
    found = cloud.check(spec)
    assert [(each.name, each.problem) for each in found if not each.ok] == []
    told = {each.name: each.found for each in found}
    assert told["VM sizes of cpu"] == "Standard_D4s_v5 (x86_64)"
    assert told["image for x86_64"] == "lab"
    assert "in subscription daskfleet lab" in told["credentials"]


def test_everything_that_is_wrong_is_told_at_once(fleet: Fleet, cloud: AzureCloud):
    fleet.azure.control("market", restricted=["Standard_D8s_v5"])
    fleet.azure.control("quota", cores=10)
    fleet.azure.control("person", roles=["Contributor"])
    fleet.azure.control("unregister", provider="Microsoft.KeyVault")
    vpc = f"{fleet.azure.scope}/resourceGroups/shared/providers/Microsoft.Network/virtualNetworks/away"
    spec = make_spec(
        {"name": "cpu", "instance_types": ["Standard_D4s_v5", "Standard_D4ps_v5"], "count": 2},
        {"name": "big", "instance_types": ["Standard_D8s_v5"], "count": 9},
        {"name": "odd", "instance_types": ["Standard_D5s_v5"]},
        {"name": "spot", "instance_types": ["Standard_B2ms"], "spot": "only"},
        {"name": "many", "instance_types": ["Standard_D4s_v5"], "count": 1001, "spot": "fallback"},
        {"name": "t4", "instance_types": ["Standard_NC4as_T4_v3"]},
        zones=[3],
        network={"vpc": vpc, "subnets": [f"{vpc}/subnets/x"]},
        data={"read": ["abfs://era5@weather.dfs.core.windows.net"], "storage_accounts": {"weather": "shared"}},
    )
    found = find_problems(cloud, spec)
    for name, words in (
        ("services", "az provider register --namespace Microsoft.KeyVault"),
        ("permissions", "Microsoft.Authorization/roleAssignments/write"),
        ("VM sizes of cpu", "one image cannot boot on all of them"),
        ("VM sizes of big", "is not open to your subscription"),
        ("VM sizes of odd", "workers[2].instance_types[0]: 'Standard_D5s_v5' is not offered in westeurope"),
        ("VM sizes of spot", "is not to be had as a spot machine"),
        ("VM sizes of many", "1001: a scale set has 1000 machines at most"),
        ("VM sizes of t4", "none of them is to be had in zone 3"),
        ("quotas", "cores: the fleet wants"),
        ("network", "there is no such virtual network"),
        ("container era5", "there is no such storage account in the resource group shared"),
        ("image for x86_64", "daskfleet image build --provider azure --family daskfleet --arch x86_64"),
    ):
        assert words in found.pop(name), name
    assert list(found) == ["image for x86_64 with GPUs"]


def test_a_region_that_is_not_there_is_told_with_the_nearest(surroundings: Azure):
    found = find_problems(AzureCloud("westeurop"), make_spec(region="westeurop"))
    assert found == {"region": "region: 'westeurop': there is no such region; did you mean 'westeurope'?"}


def test_a_subscription_that_is_not_there_is_told(surroundings: Azure):
    other = str(uuid.uuid4())
    (problem,) = find_problems(AzureCloud(LOCATION, other), make_spec(subscription=other)).values()
    assert f"subscription: '{other}'" in problem


def test_an_image_that_is_in_another_region_is_told(fleet: Fleet, image: dict[str, Any]):
    cloud = AzureCloud("northeurope")
    found = find_problems(cloud, make_spec(region="northeurope", image=image))
    assert found == {
        "image for x86_64": "image: lab is in westeurope and not in northeurope; replicate its newest version there "
        "(`az sig image-version update --add publishingProfile.targetRegions …`)"
    }


def test_what_is_there_of_a_fleet_counts_once_in_its_quotas(fleet: Fleet, cloud: AzureCloud, image: dict[str, Any]):
    fleet.make_scheduler()
    fleet.make_group("cpu", 2, size="Standard_D4s_v5")
    await_machines(cloud, are_running(3))
    fleet.azure.control("quota", cores=10)
    assert find_problems(cloud, make_spec(image=image)) == {}
    more = make_spec({"name": "cpu", "instance_types": ["Standard_D4s_v5"], "count": 3}, image=image)
    assert "wants 4 more, and the subscription has 0 left of 10" in find_problems(cloud, more)["quotas"]


def test_the_subscription_is_settled_by_the_environment_or_the_credentials(
    surroundings: Azure, monkeypatch: pytest.MonkeyPatch
):
    assert AzureCloud(LOCATION).settle(make_spec()).account == SUBSCRIPTION
    monkeypatch.delenv("ARM_SUBSCRIPTION_ID")
    monkeypatch.setenv("AZURE_CONFIG_DIR", "/nowhere")
    cloud = AzureCloud(LOCATION)
    assert cloud.account == SUBSCRIPTION
    assert cloud.options == f"--provider azure --region {LOCATION} --subscription {SUBSCRIPTION}"


def test_what_a_stack_exports_is_read_and_what_another_version_exported_is_told(surroundings: Azure):
    cloud = AzureCloud(LOCATION)
    group = {"scale_set": f"{PLACE.id}/providers/{SCALE_SETS}/x", "workers_per_instance": 2}
    data = {
        "region": LOCATION,
        "subscription": SUBSCRIPTION,
        "resource_group": PLACE.name,
        "log": CONTAINER,
        "scheduler_instance": "s",
        "groups": {"cpu": group},
    }
    found = cloud.read_resources(data)
    assert found.groups == (GroupResources("cpu", group["scale_set"], 2),)
    assert (found.account, found.log_group) == (SUBSCRIPTION, CONTAINER)
    del data["log"]
    with pytest.raises(FleetError, match="another version of daskfleet"):
        cloud.read_resources(data)
