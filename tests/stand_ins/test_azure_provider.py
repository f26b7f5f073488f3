"""The provider for Azure itself, its functions, and how it speaks to Azure Resource Manager."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stand_ins import BIN
from stand_ins.azure import models
from stand_ins.azure.models import find_model
from stand_ins.azure.registry import FUNCTIONS, KINDS
from stand_ins.azure_world import (
    CLIENT,
    CONTAINER,
    FIREWALL,
    GROUP,
    GROUP_NAME,
    IMAGE,
    INPUTS,
    LOCATION,
    MACHINE,
    NETWORK,
    PRINCIPAL,
    ROOT,
    SCALE_SET,
    SECRET,
    SUBSCRIPTION,
    TENANT,
    VAULT,
    Answer,
    Arm,
    AzureWorld,
    make_token,
    refuse,
)
from stand_ins.conftest import TESTS, render_environment
from stand_ins.core.schema import SCHEMAS, load_schema
from stand_ins.core.wire import UNKNOWN, encode
from stand_ins.plugin_client import PluginClient, Refusal

CLIENT_CONFIG = "azure-native:authorization:getClientConfig"
HERE = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "clientId": CLIENT, "clientSecret": "testing"}


def start(**environment: str) -> PluginClient:
    return PluginClient("azure-native", {**render_environment(None), **environment})


def test_it_never_talks_to_azure_itself():
    with start() as plugin:
        with pytest.raises(Refusal, match=r"never talks to Azure.*ARM_METADATA_HOSTNAME"):
            plugin.configure(**HERE)
        with pytest.raises(Refusal, match=r"never talks to Azure: https://management\.azure\.com"):
            plugin.configure(**HERE, metadataHost="https://management.azure.com")
        with pytest.raises(Refusal, match="before it was configured"):
            plugin.create(GROUP, {"location": LOCATION})


def test_everything_may_come_from_the_environment(arm: Arm):
    environment = {
        "ARM_METADATA_HOSTNAME": arm.url.removeprefix("http://"),
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": TENANT,
        "ARM_CLIENT_ID": CLIENT,
        "ARM_CLIENT_SECRET": "testing",
    }
    with start(**environment) as plugin:
        plugin.configure()
        assert plugin.create(GROUP, {"location": LOCATION}, "group").id.startswith(f"{ROOT}/resourceGroups/group")
        assert plugin.invoke(CLIENT_CONFIG) == {
            "clientId": CLIENT,
            "objectId": PRINCIPAL,
            "subscriptionId": SUBSCRIPTION,
            "tenantId": TENANT,
        }
    assert [call.name for call in arm.calls if call.path.endswith("/token")] == [
        f"POST /{TENANT}/oauth2/v2.0/token"
    ] * 2, "one for each audience"


def test_a_subscription_is_required(arm: Arm):
    with start() as plugin, pytest.raises(Refusal, match="a subscription must be set"):
        plugin.configure(metadataHost=arm.url)


def test_a_machine_has_an_identity_of_its_own(arm: Arm):
    asked = []

    def give(call: Any) -> Answer | None:
        if call.path != "/identity":
            return None
        asked.append(call)
        return Answer(200, {"access_token": make_token(), "expires_in": "3600"})

    arm.interfere = give
    with start() as plugin:
        plugin.configure(
            metadataHost=arm.url, subscriptionId=SUBSCRIPTION, useMsi="true", msiEndpoint=f"{arm.url}/identity"
        )
        plugin.create(GROUP, {"location": LOCATION})
    assert len(asked) == 1


def test_without_other_credentials_the_command_line_tool_is_asked(arm: Arm, tmp_path: Path):
    tool = tmp_path / "az"
    tool.write_text(f"#!/bin/sh\necho '{json.dumps({'accessToken': make_token()})}'\n")
    with start(PATH=os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent)])) as plugin:
        plugin.configure(metadataHost=arm.url, subscriptionId=SUBSCRIPTION)
        with pytest.raises(Refusal, match="no credentials"):
            plugin.create(GROUP, {"location": LOCATION})
        tool.chmod(0o755)
        assert plugin.create(GROUP, {"location": LOCATION})["location"] == LOCATION


def test_credentials_that_are_refused_are_told(azure: PluginClient, arm: Arm):
    arm.interfere = lambda call: refuse(401, "invalid_client", "no") if call.path.endswith("/token") else None
    with pytest.raises(Refusal, match="could not acquire access token: 401"):
        azure.create(GROUP, {"location": LOCATION})


def test_settings_of_the_provider_that_would_be_ignored_are_refused(azure: PluginClient):
    answer = azure.ask("CheckConfig", news=encode({"subscriptionId": SUBSCRIPTION, "oidcToken": "x"}))
    assert [failure.property for failure in answer.failures] == ["oidcToken"]


def test_requests_have_the_path_the_version_and_the_nesting_of_arm(azure_things: AzureWorld, arm: Arm):
    inputs = INPUTS[NETWORK](azure_things)
    arm.calls.clear()
    made = azure_things.plugin.create(NETWORK, inputs)
    asked, sent, *_ = [call for call in arm.calls if "virtualNetworks" in call.path]
    assert asked.method == "GET", "first it looks whether there is one already"
    path = f"{ROOT}/resourceGroups/{GROUP_NAME}/providers/Microsoft.Network/virtualNetworks/one"
    assert (sent.method, sent.path, sent.version) == ("PUT", path, "2024-05-01")
    [subnet] = inputs["subnets"]
    name, rest = subnet["name"], {key: value for key, value in subnet.items() if key != "name"}
    assert sent.body == {
        "location": LOCATION,
        "tags": inputs["tags"],
        "properties": {
            "addressSpace": inputs["addressSpace"],
            "subnets": [{"name": name, "properties": rest}],
            "virtualNetworkPeerings": [],
        },
    }
    assert made.id == path
    assert made["subnets"] == [{**subnet, "id": f"{path}/subnets/machines"}]
    assert made["azureApiVersion"] == "2024-05-01"


def test_what_lies_deep_inside_is_nested_as_arm_has_it(azure_things: AzureWorld, arm: Arm):
    azure_things.plugin.create(SCALE_SET, INPUTS[SCALE_SET](azure_things))
    [sent] = [call.body for call in arm.calls if call.method == "PUT" and call.path.endswith("/one-cpu")]
    assert sent["identity"]["userAssignedIdentities"] == {azure_things.identity.id: {}}
    properties = sent["properties"]
    assert {"orchestrationMode", "skuProfile", "priorityMixPolicy"} <= set(properties)
    assert {"sku", "zones"} <= set(sent)
    profile = properties["virtualMachineProfile"]
    [interface] = profile["networkProfile"]["networkInterfaceConfigurations"]
    [address] = interface["properties"]["ipConfigurations"]
    assert set(interface["properties"]) == {"primary", "networkSecurityGroup", "ipConfigurations"}
    assert address["properties"]["subnet"] == {"id": azure_things.subnet}
    [extension] = profile["extensionProfile"]["extensions"]
    assert extension["properties"]["type"] == "ApplicationHealthLinux"
    assert set(extension) == {"name", "properties"}


def test_things_inside_others_have_paths_inside_theirs(azure_things: AzureWorld):
    made = azure_things.plugin.create(CONTAINER, INPUTS[CONTAINER](azure_things))
    assert made.id == f"{azure_things.account.id}/blobServices/default/containers/logs"


def test_a_secrets_value_goes_and_never_comes_back(azure_things: AzureWorld, arm: Arm):
    made = azure_things.plugin.create(SECRET, INPUTS[SECRET](azure_things))
    [sent] = [call.body for call in arm.calls if call.path == made.id and call.method == "PUT"]
    assert sent["properties"]["value"] == "s3cr3t"
    assert "value" not in made["properties"]
    assert made["properties"]["secretUri"] == "https://one-vault.vault.azure.net/secrets/worker"


def test_a_secret_is_deleted_at_its_vault(azure_things: AzureWorld, arm: Arm):
    made = azure_things.plugin.create(SECRET, INPUTS[SECRET](azure_things))
    arm.calls.clear()
    azure_things.plugin.delete(made)
    [call] = [call for call in arm.calls if call.method == "DELETE"]
    assert (call.host, call.path) == ("one-vault.vault.azure.net", "/secrets/worker")
    assert azure_things.plugin.refresh(made) is None


def test_functions_find_what_there_is(azure: PluginClient, azure_things: AzureWorld, arm: Arm):
    image = {"resourceGroupName": "images", "galleryName": "lab", "galleryImageName": "daskfleet"}
    found = azure.invoke("azure-native:compute:getGalleryImage", **image)
    assert (found["id"], found["osType"], found["tags"]) == (IMAGE, "Linux", {"daskfleet-family": "lab"})
    assert arm.calls[-1].version == "2024-03-03"
    version = azure.invoke("azure-native:compute:getGalleryImageVersion", **image, galleryImageVersionName="1.0.0")
    assert version["id"] == f"{IMAGE}/versions/1.0.0"

    name = azure_things.network["name"]
    network = {"resourceGroupName": azure_things.group, "virtualNetworkName": name}
    found = azure.invoke("azure-native:network:getVirtualNetwork", **network)
    assert found["subnets"][0]["addressPrefix"] == "10.77.0.0/20"
    arm.put(f"{azure_things.network.id}/subnets/machines", {"properties": {"addressPrefix": "10.77.0.0/20"}})
    found = azure.invoke("azure-native:network:getSubnet", **network, subnetName="machines")
    assert found["addressPrefix"] == "10.77.0.0/20"
    account = {"resourceGroupName": azure_things.group, "accountName": azure_things.account["name"]}
    found = azure.invoke("azure-native:storage:getStorageAccount", **account)
    assert found["enableHttpsTrafficOnly"] is True
    with pytest.raises(Refusal, match='Status=404 Code="ResourceNotFound"'):
        azure.invoke("azure-native:network:getSubnet", **network, subnetName="none")


def test_functions_need_all_that_the_path_has(azure: PluginClient):
    with pytest.raises(Refusal, match="missing required property 'subnetName'"):
        azure.invoke("azure-native:network:getSubnet", resourceGroupName="one", virtualNetworkName="one")


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_functions_take_what_the_sdk_says(azure: PluginClient, token: str):
    with pytest.raises(AssertionError, match="no such property"):
        azure.invoke(token, nmae="x")


def test_models_say_what_the_official_packages_say():
    program = "from stand_ins.azure.official import render_models; print(render_models(), end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TESTS)
    assert models.FILE.read_text() == done.stdout, "renew it, in tests/: python -m stand_ins.sdk"


@pytest.mark.parametrize("resource", KINDS, ids=[resource.token for resource in KINDS])
def test_models_know_every_property_of_the_sdk(resource: Any):
    assert set(resource.schema.inputs) == set(resource.inputs)
    given = resource.select_body({name: make_example(member.kind) for name, member in resource.schema.inputs.items()})
    assert list(resource.body.find_unknown(given)) == []
    # The one output that no package of this version knows.
    outputs = {*resource.schema.outputs} - {"azureApiVersion", "systemData"}
    assert outputs <= set(resource.answer.properties)


def make_example(kind: Any) -> Any:
    """Something of each property."""
    if isinstance(kind, list):
        return [make_example(kind[0])]
    if isinstance(kind, dict):
        return {key.rstrip("!~").replace("*", "key"): make_example(value) for key, value in kind.items()}
    return {"str": "x", "bool": True, "int": 1, "float": 1.5, "any": None}[kind]


def test_what_a_preview_does_not_know_is_unknown_at_every_depth(azure: PluginClient, azure_things: AzureWorld):
    planned = azure.preview(NETWORK, INPUTS[NETWORK](azure_things))
    [subnet] = planned["subnets"]
    assert (subnet["name"], subnet["id"], planned["name"]) == ("machines", UNKNOWN, UNKNOWN)
    planned = azure.preview(MACHINE, INPUTS[MACHINE](azure_things))
    assert planned["identity"]["userAssignedIdentities"] is UNKNOWN, "it comes back in another form"


def test_a_plugin_starts_without_the_sdk_and_without_azures_libraries():
    program = (
        f"import sys; sys.path.insert(0, {str(BIN.parents[1])!r}); import stand_ins.azure.plugin; "
        "print(*{'pulumi', 'pulumi_azure_native', 'azure', 'azure.mgmt', 'requests', 'pytest'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_schemas_name_the_version_of_each_api():
    schema = load_schema("azure")
    assert {entry.raw["version"] for entry in schema.resources.values()} >= {"2024-05-01", "2024-11-01"}
    assert all("version" in entry.raw for token, entry in schema.functions.items() if token != CLIENT_CONFIG)
    assert models.FILE.parent == SCHEMAS
    assert find_model("network", "Subnet").properties["addressPrefix"].path == "properties.addressPrefix"


@pytest.mark.parametrize("kind", [NETWORK, FIREWALL, VAULT])
def test_lists_of_separate_things_begin_empty(azure_things: AzureWorld, arm: Arm, kind: str):
    inputs = INPUTS[kind](azure_things)
    for name in ("subnets", "securityRules"):
        inputs.pop(name, None)
    made = azure_things.plugin.create(kind, inputs)
    sent = next(call.body["properties"] for call in arm.calls if call.method == "PUT" and call.path == made.id)
    lists = {NETWORK: ["subnets", "virtualNetworkPeerings"], FIREWALL: ["securityRules"], VAULT: ["accessPolicies"]}
    assert all(sent[name] == [] for name in lists[kind])
