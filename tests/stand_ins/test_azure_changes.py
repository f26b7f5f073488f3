"""What changes in place and what makes another one in Azure, as the real provider decides it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stand_ins.azure_world import (
    ACCOUNT,
    ADDRESS,
    APPLICATION,
    ASSIGNMENT,
    CONTAINER,
    FIREWALL,
    GROUP,
    GROUP_NAME,
    IDENTITY,
    INPUTS,
    INTERFACE,
    LOCATION,
    MACHINE,
    NAT,
    NETWORK,
    PLACEMENT,
    ROOT,
    SCALE_SET,
    SECRET,
    TAGS,
    VAULT,
    Arm,
    AzureWorld,
    refuse,
    settings,
)
from stand_ins.conftest import render_environment
from stand_ins.core.wire import UNKNOWN
from stand_ins.plugin_client import PluginClient, Refusal

Change = Callable[[AzureWorld], dict[str, Any]]


def deep(kind: str, path: str, value: Any) -> Change:
    """The inputs of `kind` in `INPUTS`, with another value at `path`."""

    def change(world: AzureWorld) -> dict[str, Any]:
        inputs = INPUTS[kind](world)
        *places, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        inner: Any = inputs
        for place in places:
            inner = inner[place]
        inner[last] = value
        return inputs

    return change


def other_group(world: AzureWorld) -> dict[str, Any]:
    return {"resourceGroupName": "other"}


REPLACED: list[tuple[str, str, Change]] = [
    (GROUP, "location", lambda world: {"location": "northeurope"}),
    (GROUP, "resourceGroupName", other_group),
    (NETWORK, "virtualNetworkName", lambda world: {"virtualNetworkName": "other"}),
    (NETWORK, "resourceGroupName", other_group),
    (NETWORK, "location", lambda world: {"location": "northeurope"}),
    (ADDRESS, "sku.name", lambda world: {"sku": {"name": "Basic", "tier": "Regional"}}),
    (ADDRESS, "publicIPAddressVersion", lambda world: {"publicIPAddressVersion": "IPv6"}),
    (IDENTITY, "location", lambda world: {"location": "northeurope"}),
    (ASSIGNMENT, "principalId", lambda world: {"principalId": "other"}),
    (ASSIGNMENT, "scope", lambda world: {"scope": world.vault.id}),
    (ASSIGNMENT, "roleAssignmentName", lambda world: {"roleAssignmentName": str(uuid.uuid4())}),
    (VAULT, "vaultName", lambda world: {"vaultName": "other"}),
    (SECRET, "secretName", lambda world: {"secretName": "client"}),
    (SECRET, "vaultName", lambda world: {"vaultName": "other"}),
    (ACCOUNT, "isHnsEnabled", lambda world: {"isHnsEnabled": True}),
    (ACCOUNT, "location", lambda world: {"location": "northeurope"}),
    (CONTAINER, "containerName", lambda world: {"containerName": "other"}),
    (MACHINE, "location", lambda world: {"location": "northeurope"}),
    (MACHINE, "vmName", lambda world: {"vmName": "other"}),
    (SCALE_SET, "location", lambda world: {"location": "northeurope"}),
    (PLACEMENT, "location", lambda world: {"location": "northeurope"}),
]

UPDATED: list[tuple[str, str, Change]] = [
    (GROUP, "tags.team", lambda world: {"tags": {**TAGS, "team": "x"}}),
    (NETWORK, "subnets[0].defaultOutboundAccess", deep(NETWORK, "subnets.0.defaultOutboundAccess", True)),
    (NETWORK, "addressSpace.addressPrefixes[1]", deep(NETWORK, "addressSpace.addressPrefixes", ["10.77.0.0/16", "x"])),
    (NAT, "idleTimeoutInMinutes", lambda world: {"idleTimeoutInMinutes": 20}),
    (ADDRESS, "tags", lambda world: {"tags": None}),
    (FIREWALL, "securityRules[0].destinationPortRange", deep(FIREWALL, "securityRules.0.destinationPortRange", "22")),
    (FIREWALL, "securityRules[1]", lambda world: {"securityRules": INPUTS[FIREWALL](world)["securityRules"][:1]}),
    (APPLICATION, "tags.Name", lambda world: {"tags": {**TAGS, "Name": "other"}}),
    (INTERFACE, "networkSecurityGroup", lambda world: {"networkSecurityGroup": None}),
    (
        INTERFACE,
        "ipConfigurations[0].privateIPAddress",
        deep(INTERFACE, "ipConfigurations.0.privateIPAddress", "10.77.0.11"),
    ),
    (IDENTITY, "tags.Name", lambda world: {"tags": {**TAGS, "Name": "other"}}),
    (ASSIGNMENT, "description", lambda world: {"description": "other"}),
    (VAULT, "properties.softDeleteRetentionInDays", deep(VAULT, "properties.softDeleteRetentionInDays", 90)),
    (SECRET, "properties.value", deep(SECRET, "properties.value", "0th3r")),
    (ACCOUNT, "sku.name", lambda world: {"sku": {"name": "Standard_ZRS"}}),
    (ACCOUNT, "allowSharedKeyAccess", lambda world: {"allowSharedKeyAccess": True}),
    (CONTAINER, "metadata.fleet", lambda world: {"metadata": {"fleet": "two"}}),
    (MACHINE, "hardwareProfile.vmSize", lambda world: {"hardwareProfile": {"vmSize": "Standard_D8s_v5"}}),
    (MACHINE, "osProfile.customData", deep(MACHINE, "osProfile.customData", "b3RoZXI=")),
    (SCALE_SET, "sku.capacity", lambda world: {"sku": {"name": "Mix", "capacity": 4}}),
    (
        SCALE_SET,
        "skuProfile.vmSizes[1].name",
        deep(SCALE_SET, "skuProfile.vmSizes.1.name", "Standard_E4s_v5"),
    ),
    (
        SCALE_SET,
        "virtualMachineProfile.extensionProfile.extensions[0].settings.port",
        deep(SCALE_SET, "virtualMachineProfile.extensionProfile.extensions.0.settings.port", 8789),
    ),
    (PLACEMENT, "intent", lambda world: {"intent": {"vmSizes": ["Standard_D4s_v5"]}}),
]


def apply(inputs: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**inputs, **change}.items() if value is not None}


def number(cases: list[tuple[str, str, Change]]) -> list[str]:
    return [f"{kind.rpartition(':')[2]}-{name}" for kind, name, _ in cases]


@pytest.mark.parametrize(("kind", "name", "change"), REPLACED, ids=number(REPLACED))
def test_another_one_is_made_for(azure: PluginClient, azure_things: AzureWorld, kind: str, name: str, change: Change):
    inputs = INPUTS[kind](azure_things)
    made = azure.create(kind, inputs)
    difference = azure.diff(made, apply(inputs, change(azure_things)))
    assert difference.replaces == [name]
    assert difference.delete_first, "it has the name that the program gave"


@pytest.mark.parametrize(("kind", "name", "change"), UPDATED, ids=number(UPDATED))
def test_in_place_changes(
    azure: PluginClient, azure_things: AzureWorld, arm: Arm, kind: str, name: str, change: Change
):
    inputs = INPUTS[kind](azure_things)
    made = azure.create(kind, inputs)
    changed = apply(inputs, change(azure_things))
    difference = azure.diff(made, changed)
    assert difference.replaces == []
    assert list(difference.paths) == [name]

    arm.clear()
    updated = azure.update(made, changed)
    assert [call.name for call in arm.calls if call.changes] == [f"PUT {made.id}"]
    assert azure.diff(updated, changed).paths == {}
    refreshed = azure.refresh(updated)
    assert refreshed is not None
    assert azure.diff(refreshed, changed).paths == {}


def test_a_preview_of_an_update_knows_what_is_said_and_what_never_changes(
    azure: PluginClient, azure_things: AzureWorld
):
    inputs = INPUTS[NETWORK](azure_things)
    made = azure.create(NETWORK, inputs)
    planned = azure.update(made, {**inputs, "tags": {"team": "x"}}, preview=True).state
    assert (planned["name"], planned["location"], planned["tags"]) == ("one", LOCATION, {"team": "x"})
    assert planned["provisioningState"] is UNKNOWN
    assert planned["subnets"][0]["id"] is UNKNOWN, "so that whatever has it may change, too"


def test_what_azure_decides_is_no_change(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[ACCOUNT](azure_things)
    made = azure.create(ACCOUNT, inputs)
    arm.things[made.id.lower()]["properties"]["accessTier"] = "Hot"
    assert azure.diff(made, inputs).paths == {}
    first = azure.refresh(made)
    assert first is not None
    assert first["accessTier"] == "Hot"
    # What was not there the last time counts as changed by somebody, as with the real provider.
    assert azure.diff(first, inputs).paths == {"accessTier": "DELETE"}
    again = azure.refresh(azure.update(first, inputs))
    assert again is not None


def test_a_refresh_finds_what_somebody_changed(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[FIREWALL](azure_things)
    made = azure.create(FIREWALL, inputs)
    rules = arm.things[made.id.lower()]["properties"]["securityRules"]
    rules[0]["properties"]["destinationPortRange"] = "*"
    refreshed = azure.refresh(made)
    assert refreshed is not None
    assert azure.diff(refreshed, inputs).paths == {"securityRules[0].destinationPortRange": "UPDATE"}
    azure.update(refreshed, inputs)
    rules = arm.things[made.id.lower()]["properties"]["securityRules"]
    assert rules[0]["properties"]["destinationPortRange"] == "8786"


def test_a_refresh_keeps_how_a_program_spells_things(azure: PluginClient, azure_things: AzureWorld):
    inputs = {**INPUTS[MACHINE](azure_things), "location": "West Europe"}
    made = azure.create(MACHINE, inputs)
    refreshed = azure.refresh(made)
    assert refreshed is not None
    assert refreshed.inputs == made.inputs
    assert azure.diff(refreshed, {**inputs, "location": "westeurope"}).paths == {}


def test_separate_things_that_the_program_does_not_speak_of_stay(
    azure: PluginClient, azure_things: AzureWorld, arm: Arm
):
    inputs = {key: value for key, value in INPUTS[NETWORK](azure_things).items() if key != "subnets"}
    made = azure.create(NETWORK, inputs)
    theirs = {"name": "theirs", "properties": {"addressPrefix": "10.77.32.0/20"}}
    arm.things[made.id.lower()]["properties"]["subnets"] = [theirs]
    refreshed = azure.refresh(made)
    assert refreshed is not None
    assert refreshed["subnets"] == [{"name": "theirs", "addressPrefix": "10.77.32.0/20"}]
    assert azure.diff(refreshed, inputs).paths == {}
    azure.update(refreshed, {**inputs, "tags": {"team": "x"}})
    [kept] = arm.things[made.id.lower()]["properties"]["subnets"]
    assert kept["properties"] == theirs["properties"]


def test_names_are_made_once_and_kept(azure: PluginClient, azure_things: AzureWorld):
    inputs = {key: value for key, value in INPUTS[ADDRESS](azure_things).items() if key != "publicIpAddressName"}
    made = azure.create(ADDRESS, inputs, "My-Address")
    assert made["name"].startswith("My-Address")
    assert len(made["name"]) == len("My-Address") + 8
    assert azure.diff(made, inputs).paths == {}
    difference = azure.diff(made, {**inputs, "publicIPAddressVersion": "IPv6"})
    assert difference.replaces == ["publicIPAddressVersion"]
    assert not difference.delete_first, "the other one has another name"


def test_things_inside_others_are_named_as_in_the_program_and_role_assignments_by_guids(
    azure: PluginClient, azure_things: AzureWorld
):
    secret = {key: value for key, value in INPUTS[SECRET](azure_things).items() if key != "secretName"}
    assert azure.create(SECRET, secret, "client")["name"] == "client"
    assignment = {key: value for key, value in INPUTS[ASSIGNMENT](azure_things).items() if key != "roleAssignmentName"}
    made = azure.create(ASSIGNMENT, assignment)
    assert str(uuid.UUID(made["name"])) == made["name"]
    assert not azure.diff(made, {**assignment, "principalId": "other"}).delete_first


def test_a_location_comes_from_the_resource_group_or_from_the_provider(
    azure: PluginClient, azure_things: AzureWorld, arm: Arm
):
    inputs = {"resourceGroupName": azure_things.group}
    made = azure.create(APPLICATION, inputs)
    assert made["location"] == LOCATION
    assert azure.diff(made, inputs).paths == {}
    unknown = azure.check(APPLICATION, {"resourceGroupName": UNKNOWN})
    assert unknown["location"] is UNKNOWN
    elsewhere = azure.check(APPLICATION, {"resourceGroupName": "none"})
    assert "location" not in elsewhere


def test_what_exists_already_is_not_taken_over(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[IDENTITY](azure_things)
    azure.create(IDENTITY, inputs)
    arm.clear()
    with pytest.raises(Refusal, match="cannot create already existing resource '/subscriptions/"):
        azure.create(IDENTITY, inputs)
    assert [call for call in arm.calls if call.changes] == []


def test_an_operation_that_fails_once_it_was_accepted_leaves_something_to_remember(
    azure: PluginClient, azure_things: AzureWorld, arm: Arm
):
    path = f"{ROOT}/resourceGroups/{GROUP_NAME}/providers/Microsoft.Compute/virtualMachines/one-scheduler"
    inputs = INPUTS[MACHINE](azure_things)
    arm.fail[path.lower()] = "there is no capacity"
    with pytest.raises(Refusal, match='Code="AllocationFailed" Message="there is no capacity"') as refusal:
        azure.create(MACHINE, inputs)
    assert refusal.value.remembered.id == path
    assert refusal.value.remembered.properties["name"] == "one-scheduler"


def test_what_takes_too_long_is_remembered(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[APPLICATION](azure_things)
    arm.polls = 1000
    with pytest.raises(Refusal, match="timeout while waiting for") as refusal:
        azure.create(APPLICATION, inputs, timeout=0.3)
    assert refusal.value.remembered.id.endswith("/applicationSecurityGroups/one")


def test_what_is_cancelled_on_its_way_is_remembered(arm: Arm):
    with PluginClient("azure-native", render_environment(None)) as plugin:
        plugin.configure(**settings(arm))
        inputs = INPUTS[APPLICATION](AzureWorld(plugin))
        arm.polls = 1000
        arm.interfere = lambda call: plugin.cancel() if "/operations/" in call.path else None
        with pytest.raises(Refusal, match="the operation was cancelled") as refusal:
            plugin.create(APPLICATION, inputs)
    assert refusal.value.remembered.id.endswith("/applicationSecurityGroups/one")
    assert refusal.value.remembered.properties["applicationSecurityGroupName"] == "one"


def test_what_is_refused_at_once_is_told_in_azures_words(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[IDENTITY](azure_things)
    answer = refuse(403, "AuthorizationFailed", "The client does not have authorization")
    arm.interfere = lambda call: answer if call.method == "PUT" else None
    with pytest.raises(Refusal, match=r'Status=403 Code="AuthorizationFailed" Message="The client does') as refusal:
        azure.create(IDENTITY, inputs)
    assert refusal.value.remembered is None
    assert len([call for call in arm.calls if call.path.endswith("/userAssignedIdentities/one")]) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(429, "TooManyRequests"), (503, "ServerBusy"), (409, "AnotherOperationInProgress")]
)
def test_what_passes_is_tried_again(azure: PluginClient, arm: Arm, status: int, code: str):
    attempts = []

    def interfere(call: Any) -> Any:
        if call.method != "PUT":
            return None
        attempts.append(call)
        return refuse(status, code, "later") if len(attempts) < 3 else None

    arm.interfere = interfere
    azure.create(GROUP, {"location": LOCATION})
    assert len(attempts) == 3


def test_what_does_not_pass_is_tried_four_times(azure: PluginClient, arm: Arm):
    arm.interfere = lambda call: refuse(503, "ServerBusy", "later") if call.method == "PUT" else None
    with pytest.raises(Refusal, match='Code="ServerBusy"'):
        azure.create(GROUP, {"location": LOCATION})
    assert len([call for call in arm.calls if call.method == "PUT"]) == 4


def test_what_azure_does_not_keep_is_told(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[SCALE_SET](azure_things)
    path = f"{ROOT}/resourceGroups/{GROUP_NAME}/providers/Microsoft.Compute/virtualMachineScaleSets/one-cpu"

    def forget(call: Any) -> None:
        if call.path == path and path.lower() in arm.things:
            arm.things[path.lower()]["properties"].pop("priorityMixPolicy", None)

    arm.interfere = forget
    with pytest.raises(Refusal, match="what the cloud says of priorityMixPolicy is not what was asked for") as refusal:
        azure.create(SCALE_SET, inputs)
    assert refusal.value.remembered.id == path


def test_deleting_waits_until_it_is_gone_and_takes_all_of_a_group(
    azure: PluginClient, azure_things: AzureWorld, arm: Arm
):
    network = azure_things.network
    arm.clear()
    arm.polls = 2
    azure.delete(network)
    assert [call.method for call in arm.calls] == ["DELETE", "GET", "GET", "GET"], "the operation goes on for a while"
    azure.create(IDENTITY, INPUTS[IDENTITY](azure_things))
    group = azure.find(GROUP, f"{ROOT}/resourceGroups/{GROUP_NAME}")
    assert group is not None
    azure.delete(group)
    assert [path for path in arm.things if GROUP_NAME in path] == []


def test_an_import_takes_names_from_the_id(azure: PluginClient, azure_things: AzureWorld):
    made = azure.create(CONTAINER, INPUTS[CONTAINER](azure_things))
    found = azure.find(CONTAINER, made.id)
    assert found is not None
    assert found.inputs == {key: value for key, value in made.inputs.items() if not key.startswith("azureApi")}
    with pytest.raises(Refusal, match="does not match"):
        azure.find(NETWORK, made.id)
    assert azure.find(CONTAINER, f"{made.id}x") is None


@pytest.mark.parametrize(
    ("kind", "change", "name"),
    [
        (NETWORK, {"addressSpace": {"addressPrefix": ["x"]}}, "addressSpace.addressPrefix"),
        (NETWORK, {"subnets": [{"properties": {}}]}, "subnets[0].properties"),
        (ADDRESS, {"sku": "Standard"}, "sku"),
        (SCALE_SET, {"sku": {"capacity": "2"}}, "sku.capacity"),
        (FIREWALL, {"securityRules": [{"priority": 100}]}, "securityRules[0].access"),
        (ASSIGNMENT, {"principalId": None}, "principalId"),
        (VAULT, {"properties": {"sku": {"family": "A", "name": "standard"}}}, "properties.tenantId"),
    ],
)
def test_what_the_real_provider_refuses_is_refused(
    azure: PluginClient, azure_things: AzureWorld, kind: str, change: dict[str, Any], name: str
):
    assert name in azure.check_failures(kind, apply(INPUTS[kind](azure_things), change))
