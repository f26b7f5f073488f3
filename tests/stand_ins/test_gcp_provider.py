"""The provider for Google Cloud itself, and its functions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from stand_ins import BIN
from stand_ins.conftest import Google, render_environment
from stand_ins.core.schema import load_schema
from stand_ins.core.wire import Secret, encode
from stand_ins.gcp.registry import FUNCTIONS
from stand_ins.gcp_world import (
    NETWORK,
    PROJECT,
    REGION,
    SECRET_VERSION,
    SUBNETWORK,
    ZONE,
    GcpWorld,
)
from stand_ins.plugin_client import PluginClient, Refusal

CLIENT_CONFIG = "gcp:organizations/getClientConfig:getClientConfig"
ZONES = "gcp:compute/getZones:getZones"
MACHINE_TYPES = "gcp:compute/getMachineTypes:getMachineTypes"
IMAGE = "gcp:compute/getImage:getImage"
IMAGES = "gcp:compute/getImages:getImages"


def test_it_never_talks_to_google_itself():
    with PluginClient("gcp", {**render_environment(None), "GOOGLE_OAUTH_ACCESS_TOKEN": "testing"}) as plugin:
        with pytest.raises(Refusal, match="never talks to Google"):
            plugin.configure(project=PROJECT)
        with pytest.raises(Refusal, match="never talks to Google"):
            plugin.configure(project=PROJECT, computeCustomEndpoint="https://compute.googleapis.com/compute/v1/")
        plugin.configure(project=PROJECT, storageCustomEndpoint="http://127.0.0.1:9/storage/v1/")
        with pytest.raises(Refusal, match="GOOGLE_COMPUTE_CUSTOM_ENDPOINT"):
            plugin.create(NETWORK, {})


def test_everything_may_come_from_the_environment(google: Google):
    with PluginClient("gcp", {**render_environment(None), **google.environment}) as plugin:
        plugin.configure()
        found = plugin.invoke(CLIENT_CONFIG)
        assert (found["project"], found["region"], found["zone"]) == (PROJECT, REGION, ZONE)
        assert plugin.create(NETWORK, {})["project"] == PROJECT


def test_credentials_are_required(google: Google, tmp_path: Any):
    environment = {**render_environment(None), **google.environment, "HOME": str(tmp_path), "NO_GCE_CHECK": "true"}
    del environment["GOOGLE_OAUTH_ACCESS_TOKEN"]
    with PluginClient("gcp", environment) as plugin:
        with pytest.raises(Refusal, match="No credentials loaded"):
            plugin.configure()
        plugin.configure(accessToken=Secret("testing"))
        plugin.create(NETWORK, {})


def test_a_project_and_a_region_are_required(google: Google):
    environment = {**render_environment(None), "GOOGLE_OAUTH_ACCESS_TOKEN": "testing"}
    with PluginClient("gcp", environment) as plugin:
        plugin.configure(**google.endpoints)
        with pytest.raises(Refusal, match="project: required field is not set"):
            plugin.create(NETWORK, {})
        made = plugin.create(NETWORK, {"project": PROJECT, "autoCreateSubnetworks": False})
        inputs = {"network": made.id, "ipCidrRange": "10.77.0.0/24", "project": PROJECT}
        with pytest.raises(Refusal, match="region: required field is not set"):
            plugin.create(SUBNETWORK, inputs)
        assert plugin.create(SUBNETWORK, {**inputs, "region": REGION})["region"] == REGION


def test_settings_of_the_provider_that_would_be_ignored_are_refused(gcp: PluginClient):
    answer = gcp.ask("CheckConfig", news=encode({"project": PROJECT, "impersonateServiceAccount": "a@example.com"}))
    assert [failure.property for failure in answer.failures] == ["impersonateServiceAccount"]


def test_ids_and_links_are_those_of_the_real_provider(gcp: PluginClient, gcp_things: GcpWorld):
    subnet = gcp_things.subnet
    assert subnet.id == f"projects/{PROJECT}/regions/{REGION}/subnetworks/{subnet['name']}"
    assert subnet["selfLink"].endswith(f"/compute/v1/{subnet.id}")
    account = gcp_things.account
    assert account["email"] == f"one-worker@{PROJECT}.iam.gserviceaccount.com"
    assert account["member"] == f"serviceAccount:{account['email']}"
    assert account.id == account["name"] == f"projects/{PROJECT}/serviceAccounts/{account['email']}"
    assert gcp_things.secret.id == f"projects/{PROJECT}/secrets/one-worker"


def test_secrets_stay_secret(gcp: PluginClient, gcp_things: GcpWorld):
    made = gcp.create(SECRET_VERSION, {"secret": gcp_things.secret.id, "secretData": "s3cr3t"})
    assert made.state["secretData"] == Secret("s3cr3t")
    refreshed = gcp.refresh(made)
    assert refreshed is not None
    assert refreshed.state["secretData"] == Secret("s3cr3t")


def test_zones_of_the_region(gcp: PluginClient):
    found = gcp.invoke(ZONES)
    assert ZONE in found["names"]
    assert all(name.startswith(REGION) for name in found["names"])
    assert gcp.invoke(ZONES, region=REGION, status="DOWN")["names"] == []


def test_machine_types(gcp: PluginClient):
    found = gcp.invoke(MACHINE_TYPES, filter='name = "n2-standard-4"', zone=ZONE)
    [kind] = found["machineTypes"]
    assert (kind["name"], kind["guestCpus"], kind["memoryMb"]) == ("n2-standard-4", 4, 16384)


def test_images(gcp: PluginClient):
    by_family = gcp.invoke(IMAGE, family="lab", project=PROJECT)
    by_name = gcp.invoke(IMAGE, name="lab-x86-64", project=PROJECT)
    assert by_family["id"] == by_name["id"] == f"projects/{PROJECT}/global/images/lab-x86-64"
    newest = gcp.invoke(IMAGE, filter="family = lab", mostRecent=True)
    assert newest["name"] == "lab-x86-64"
    assert [image["name"] for image in gcp.invoke(IMAGES, filter="family = lab")["images"]] == ["lab-x86-64"]
    with pytest.raises(Refusal, match="Error 404"):
        gcp.invoke(IMAGE, name="none")


ARGUMENTS: dict[str, dict[str, Any]] = {
    IMAGE: {"name": "lab-x86-64"},
    MACHINE_TYPES: {"zone": ZONE},
    "gcp:compute/getNetwork:getNetwork": {"name": "net"},
    "gcp:compute/getSubnetwork:getSubnetwork": {"name": "subnet"},
    "gcp:organizations/getProject:getProject": {"projectId": PROJECT},
}


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_answers_have_the_names_of_the_sdk(gcp: PluginClient, token: str):
    network = gcp.create(NETWORK, {"name": "net", "autoCreateSubnetworks": False})
    gcp.create(SUBNETWORK, {"name": "subnet", "network": network.id, "ipCidrRange": "10.77.0.0/24"})
    found = gcp.invoke(token, **ARGUMENTS.get(token, {}))
    assert set(found) <= set(load_schema("gcp").functions[token].outputs)
    with pytest.raises(AssertionError, match="no such property"):
        gcp.invoke(token, **ARGUMENTS.get(token, {}), nmae="x")


def test_a_plugin_starts_without_the_sdk_and_without_googles_libraries():
    program = (
        f"import sys; sys.path.insert(0, {str(BIN.parents[1])!r}); import stand_ins.gcp.plugin; "
        "print(*{'pulumi', 'pulumi_gcp', 'google.auth', 'requests', 'pytest'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
