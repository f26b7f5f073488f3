"""Scale sets: their machines, sizes, zones, Spot, repairs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from azure_cloud.conftest import (
    GROUP,
    HEALTH,
    MACHINES,
    SCALE_SETS,
    SPOT,
    Azure,
    render_profile,
    render_scale_set,
    render_system,
)

INTERFACES = "Microsoft.Network/networkInterfaces"
DISKS = "Microsoft.Compute/disks"
REPAIRS = {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT30M", "repairAction": "Replace"}}


def mix(*sizes: str) -> dict[str, Any]:
    ranked = [{"name": size, "rank": rank} for rank, size in enumerate(sizes)]
    return {"skuProfile": {"vmSizes": ranked, "allocationStrategy": "Prioritized"}}


def read_capacity(azure: Azure, scale_set: str) -> int:
    return int(azure.get(scale_set)["sku"]["capacity"])


def scale(azure: Azure, scale_set: str, capacity: int) -> None:
    azure.change("PATCH", scale_set, {"sku": {"capacity": capacity}})


def list_names(azure: Azure, scale_set: str) -> set[str]:
    return {each["name"] for each in azure.list_members(scale_set)}


def test_a_scale_sets_machines_are_machines_like_others(azure: Azure):
    scale_set = azure.make_scale_set(zones=["1", "2"], tags={"daskfleet:group": "cpu"})
    members = azure.list_members(scale_set)
    assert all(each["name"].startswith("cpu_") and len(each["name"]) == 12 for each in members)
    assert Counter(each["zones"][0] for each in members) == {"1": 1, "2": 1}
    assert members[0]["tags"] == {"daskfleet:group": "cpu"}
    interfaces = list(azure.list(f"{GROUP}/providers/{INTERFACES}"))
    assert [each["tags"] for each in interfaces] == [{"of": "nic"}] * 2
    assert len(list(azure.list(f"{GROUP}/providers/{DISKS}"))) == 2
    told = azure.client.ask("GET", "/daskfleet/machines").json["machines"]
    assert {each["scaleSet"] for each in told} == {scale_set}
    assert all(each["computerName"].startswith("lab-cpu-") for each in told)
    assert "customData" not in azure.get(scale_set)["properties"]["virtualMachineProfile"]["osProfile"]


def test_machines_are_told_with_what_they_are_at_this_moment(azure: Azure):
    scale_set = azure.make_scale_set(profile=HEALTH)
    everything = azure.list(f"{azure.scope}/providers/{MACHINES}", statusOnly="true")
    views = [each["properties"]["instanceView"] for each in everything]
    assert {view["vmHealth"]["status"]["code"] for view in views} == {"HealthState/healthy"}
    summary = azure.get(f"{scale_set}/instanceView")["virtualMachine"]["statusesSummary"]
    assert summary == [{"code": "ProvisioningState/succeeded", "count": 2}]


def test_a_capacity_is_come_to_and_the_newest_go_first(azure: Azure):
    scale_set = azure.make_scale_set(capacity=2)
    first = list_names(azure, scale_set)
    scale(azure, scale_set, 4)
    assert len(list_names(azure, scale_set)) == 4
    scale(azure, scale_set, 2)
    azure.await_true(lambda: list_names(azure, scale_set) == first, "the first two are left")
    scale(azure, scale_set, 0)
    azure.await_true(lambda: list(azure.list(f"{GROUP}/providers/{INTERFACES}")) == [], "nothing is left")
    assert list(azure.list(f"{GROUP}/providers/{DISKS}")) == []


def test_a_machine_that_is_deleted_is_one_less(azure: Azure):
    scale_set = azure.make_scale_set(capacity=3)
    chosen = azure.list_members(scale_set)[0]
    azure.change("DELETE", chosen["id"])
    assert (read_capacity(azure, scale_set), len(list_names(azure, scale_set))) == (2, 2)
    name = azure.list_members(scale_set)[0]["name"]
    azure.change("POST", f"{scale_set}/delete", {"instanceIds": [name]})
    assert read_capacity(azure, scale_set) == 1
    azure.await_true(lambda: len(list_names(azure, scale_set)) == 1, "one is left")
    refusal = azure.refuse("POST", f"{scale_set}/delete", {"instanceIds": [name]})
    assert "not an active" in refusal.message


def test_a_machine_that_is_let_go_is_gone_when_it_is_off(azure: Azure):
    scale_set = azure.make_scale_set(capacity=2)
    azure.control("pace", seconds={f"DELETE {MACHINES}": 30})
    name = azure.list_members(scale_set)[0]["name"]
    azure.call("POST", f"{scale_set}/delete", {"instanceIds": [name]})
    assert azure.get(azure.place(MACHINES, name))["properties"]["provisioningState"] == "Deleting"
    azure.control("power", machine=name, state="off")
    assert azure.find(azure.place(MACHINES, name)) is None
    assert read_capacity(azure, scale_set) == 1


def test_a_scale_set_goes_with_its_machines(azure: Azure):
    scale_set = azure.make_scale_set()
    azure.change("DELETE", scale_set)
    for type_ in (MACHINES, INTERFACES, DISKS):
        assert list(azure.list(f"{GROUP}/providers/{type_}")) == []


def test_sizes_are_taken_by_their_ranks(azure: Azure):
    azure.control("market", no_capacity=["Standard_D4s_v5"])
    sizes = mix("Standard_D4s_v5", "Standard_D2s_v5")
    scale_set = azure.make_scale_set(size="Mix", properties=sizes)
    found = [each["properties"]["hardwareProfile"]["vmSize"] for each in azure.list_members(scale_set)]
    assert found == ["Standard_D2s_v5"] * 2
    azure.control("market")
    scale(azure, scale_set, 3)
    found = [each["properties"]["hardwareProfile"]["vmSize"] for each in azure.list_members(scale_set)]
    assert Counter(found) == {"Standard_D2s_v5": 2, "Standard_D4s_v5": 1}


def test_what_is_not_to_be_had_is_tried_when_the_scale_set_changes(azure: Azure):
    azure.control("market", no_spot=["*"])
    body = render_scale_set(azure.image, azure.make_network(), 2, profile=SPOT)
    path = azure.place(SCALE_SETS, "cpu")
    assert azure.refuse("PUT", path, body).code == "AllocationFailed"
    told = azure.get(path)
    assert (told["properties"]["provisioningState"], told["sku"]["capacity"]) == ("Failed", 2)
    assert azure.list_members(path) == []
    statuses = azure.get(f"{path}/instanceView")["statuses"]
    assert statuses[0]["code"] == "ProvisioningState/failed/AllocationFailed"
    azure.control("market")
    scale(azure, path, 2)
    assert len(azure.list_members(path)) == 2


def test_machines_that_are_no_spot_machines_come_where_they_are_wanted(azure: Azure):
    policy = {"priorityMixPolicy": {"baseRegularPriorityCount": 0, "regularPriorityPercentageAboveBase": 0}}
    scale_set = azure.make_scale_set(capacity=1, profile=SPOT, properties=policy)
    azure.control("market", no_spot=["*"])
    assert azure.refuse("PATCH", scale_set, {"sku": {"capacity": 3}}).code == "AllocationFailed"
    raised = {"properties": {"priorityMixPolicy": {"baseRegularPriorityCount": 2}}}
    azure.change("PATCH", scale_set, raised)
    found = Counter(each["properties"].get("priority", "Regular") for each in azure.list_members(scale_set))
    assert found == {"Spot": 1, "Regular": 2}


def test_machines_that_a_mix_has_too_many_of_go_first(azure: Azure):
    azure.control("market", no_spot=["*"])
    policy = {"priorityMixPolicy": {"baseRegularPriorityCount": 2, "regularPriorityPercentageAboveBase": 0}}
    scale_set = azure.make_scale_set(capacity=2, profile=SPOT, properties=policy)
    azure.control("market")
    scale(azure, scale_set, 4)
    lower = {"properties": {"priorityMixPolicy": {"baseRegularPriorityCount": 0}}, "sku": {"capacity": 2}}
    azure.change("PATCH", scale_set, lower)
    azure.await_true(lambda: len(azure.list_members(scale_set)) == 2, "two are left")
    assert [each["properties"]["priority"] for each in azure.list_members(scale_set)] == ["Spot"] * 2


def test_a_share_of_the_machines_is_no_spot_machines(azure: Azure):
    policy = {"priorityMixPolicy": {"baseRegularPriorityCount": 2, "regularPriorityPercentageAboveBase": 50}}
    scale_set = azure.make_scale_set(capacity=6, profile=SPOT, properties=policy)
    found = Counter(each["properties"].get("priority", "Regular") for each in azure.list_members(scale_set))
    assert found == {"Regular": 4, "Spot": 2}


def test_an_evicted_machine_is_one_less(azure: Azure):
    scale_set = azure.make_scale_set(profile=SPOT)
    chosen = azure.list_members(scale_set)[0]
    azure.control("evict", machine=chosen["id"], seconds=0)
    azure.await_true(lambda: azure.find(chosen["id"]) is None, "it is gone")
    assert read_capacity(azure, scale_set) == 1


def test_an_evicted_machine_comes_again_where_it_is_restored(azure: Azure):
    scale_set = azure.make_scale_set(profile=SPOT, properties={"spotRestorePolicy": {"enabled": True}})
    before = list_names(azure, scale_set)
    azure.control("evict", machine=sorted(before)[0], seconds=0)
    azure.await_true(lambda: len(list_names(azure, scale_set) - before) == 1, "there is another one")
    assert read_capacity(azure, scale_set) == 2


def test_a_machine_that_is_unwell_is_replaced_after_the_grace_period(azure: Azure):
    scale_set = azure.make_scale_set(profile=HEALTH, properties=REPAIRS)
    before = list_names(azure, scale_set)
    chosen = sorted(before)[0]
    azure.control("health", machine=chosen, state="Unhealthy")
    view = azure.get(f"{azure.place(MACHINES, chosen)}/instanceView")
    assert view["vmHealth"]["status"]["code"] == "HealthState/unhealthy"
    assert list_names(azure, scale_set) == before
    azure.control("pace", grace=0)
    azure.control("health", machine=chosen, state="Unhealthy")
    azure.await_true(lambda: chosen not in list_names(azure, scale_set), "it is replaced")
    assert (len(list_names(azure, scale_set)), read_capacity(azure, scale_set)) == (2, 2)


def test_a_quota_ends_what_a_scale_set_gets(azure: Azure):
    azure.control("quota", standardDSv5Family=3)
    sizes = mix("Standard_D2s_v5", "Standard_E2s_v5")
    scale_set = azure.make_scale_set(size="Mix", properties=sizes)
    found = [each["properties"]["hardwareProfile"]["vmSize"] for each in azure.list_members(scale_set)]
    assert Counter(found) == {"Standard_D2s_v5": 1, "Standard_E2s_v5": 1}
    body = render_scale_set(azure.image, azure.get_subnet(), 2)
    assert azure.refuse("PUT", azure.place(SCALE_SETS, "two"), body).code == "OperationNotAllowed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": "Mix"}, "skuProfile go together"),
        ({"properties": mix("Standard_D2s_v5")}, "skuProfile go together"),
        ({"size": "Mix", "properties": mix("Standard_D2s_v5", "Standard_D2ps_v5")}, "CPU Architecture"),
        ({"properties": {"platformFaultDomainCount": None}}, "platformFaultDomainCount"),
        ({"properties": {"orchestrationMode": "Uniform"}}, "only the orchestrationMode flexible"),
        ({"properties": {"singlePlacementGroup": True}}, "singlePlacementGroup"),
        ({"properties": {"priorityMixPolicy": {"baseRegularPriorityCount": 1}}}, "priorityMixPolicy"),
        ({"properties": REPAIRS}, "health extension was not specified"),
        ({"properties": {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT5M"}}}, "PT10M"),
        ({"profile": {"osProfile": render_system(computerNamePrefix="a_b")}}, "computerNamePrefix"),
        ({"profile": {"evictionPolicy": "Delete"}}, "only on Azure Spot"),
        (
            {
                "profile": {
                    "scheduledEventsProfile": {
                        "terminateNotificationProfile": {"enable": True, "notBeforeTimeout": "PT20M"}
                    }
                }
            },
            "from PT5M to PT15M",
        ),
        ({"zones": ["4"]}, "zone(s) '4'"),
        ({"spot": True}, "Could not find member 'spot'"),
    ],
)
def test_a_scale_set_that_azure_would_refuse_is_refused(azure: Azure, change: dict[str, Any], words: str):
    body = render_scale_set(azure.image, azure.make_network(), 1, **change)
    refusal = azure.refuse("PUT", azure.place(SCALE_SETS, "cpu"), body)
    assert words.lower() in refusal.message.lower()


def test_a_scale_set_needs_the_version_of_the_networks_api(azure: Azure):
    image, subnet = azure.image, azure.make_network()
    network = render_profile(image, subnet)["networkProfile"]
    del network["networkApiVersion"]
    body = render_scale_set(image, subnet, 1, profile={"networkProfile": network})
    assert "networkApiVersion" in azure.refuse("PUT", azure.place(SCALE_SETS, "cpu"), body).message


def test_machines_that_are_close_are_in_one_zone(azure: Azure):
    azure.put("Microsoft.Compute/proximityPlacementGroups", "close", {})
    place = {"proximityPlacementGroup": {"id": azure.place("Microsoft.Compute/proximityPlacementGroups", "close")}}
    scale_set = azure.make_scale_set(properties=place, zones=["1"])
    group = azure.get(place["proximityPlacementGroup"]["id"])
    assert [each["id"] for each in group["properties"]["virtualMachineScaleSets"]] == [scale_set]
    assert azure.refuse("DELETE", group["id"]).code == "OperationNotAllowed"
    image = azure.image
    body = render_scale_set(image, azure.get_subnet(), 1, properties=place, zones=["1", "2"])
    assert "one zone at most" in azure.refuse("PUT", azure.place(SCALE_SETS, "two"), body).message


def test_a_change_of_the_profile_is_for_new_machines(azure: Azure):
    scale_set = azure.make_scale_set(capacity=1)
    other = {"properties": {"virtualMachineProfile": {"osProfile": {"customData": "b3RoZXI="}}}}
    azure.change("PATCH", scale_set, other)
    scale(azure, scale_set, 2)
    told = azure.client.ask("GET", "/daskfleet/machines").json["machines"]
    assert len({each["customData"] for each in told}) == 2
