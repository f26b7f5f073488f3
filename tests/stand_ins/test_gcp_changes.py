"""What changes in place and what makes another one in Google Cloud, as the real provider decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from google_calls import Call
from google_calls import Refusal as Answer
from harness import await_true
from stand_ins.conftest import Google
from stand_ins.core.wire import UNKNOWN, plain
from stand_ins.gcp_world import (
    ACCOUNT,
    ADDRESS,
    BUCKET_MEMBER,
    FIREWALL,
    GROUP,
    HEALTH_CHECK,
    INPUTS,
    INSTANCE,
    LABELS,
    METADATA,
    NAT,
    NETWORK,
    POLICY,
    PROJECT,
    PROJECT_MEMBER,
    REGION,
    ROUTER,
    SECRET,
    SECRET_MEMBER,
    SECRET_VERSION,
    SUBNETWORK,
    TEMPLATE,
    ZONE,
    GcpWorld,
)
from stand_ins.plugin_client import Made, PluginClient, Refusal

Change = Callable[[GcpWorld], dict[str, Any]]


def disk(world: GcpWorld, **params: Any) -> dict[str, Any]:
    """The boot disk of the instance in `INPUTS`, another one."""
    boot = INPUTS[INSTANCE](world)["bootDisk"]
    return {"bootDisk": {**boot, "initializeParams": {**boot["initializeParams"], **params}}}


def interface(world: GcpWorld, **more: Any) -> dict[str, Any]:
    """The interface of the instance in `INPUTS`, another one."""
    [given] = INPUTS[INSTANCE](world)["networkInterfaces"]
    return {"networkInterfaces": [{key: value for key, value in {**given, **more}.items() if value is not None}]}


def make_address(world: GcpWorld) -> str:
    return str(world.plugin.create(ADDRESS, {}, "another")["address"])


def make_account(world: GcpWorld) -> str:
    return str(world.plugin.create(ACCOUNT, {"accountId": "one-another"}, "another")["email"])


REPLACED: list[tuple[str, str, Change]] = [
    (NETWORK, "autoCreateSubnetworks", lambda world: {"autoCreateSubnetworks": True}),
    (NETWORK, "description", lambda world: {"description": "other"}),
    (NETWORK, "project", lambda world: {"project": "other"}),
    (SUBNETWORK, "ipCidrRange", lambda world: {"ipCidrRange": "10.77.128.0/20"}),
    (SUBNETWORK, "region", lambda world: {"region": "us-central1"}),
    (SUBNETWORK, "network", lambda world: {"network": "other"}),
    (ROUTER, "network", lambda world: {"network": "other"}),
    (NAT, "router", lambda world: {"router": "other"}),
    (FIREWALL, "direction", lambda world: {"direction": "EGRESS", "sourceRanges": None, "sourceServiceAccounts": None}),
    (ACCOUNT, "accountId", lambda world: {"accountId": "another-one"}),
    (PROJECT_MEMBER, "role", lambda world: {"role": "roles/viewer"}),
    (SECRET, "replication", lambda world: {"replication": {"auto": {}}}),
    (SECRET, "secretId", lambda world: {"secretId": "other"}),
    (SECRET_VERSION, "secretData", lambda world: {"secretData": "0th3r"}),
    (SECRET_MEMBER, "member", lambda world: {"member": "user:a@example.com"}),
    (BUCKET_MEMBER, "condition", lambda world: {"condition": None}),
    (ADDRESS, "description", lambda world: {"description": "other"}),
    (INSTANCE, "zone", lambda world: {"zone": f"{REGION}-c"}),
    (INSTANCE, "bootDisk", lambda world: disk(world, image=f"projects/{PROJECT}/global/images/other")),
    (INSTANCE, "bootDisk", lambda world: disk(world, size=20)),
    (INSTANCE, "networkInterfaces", lambda world: interface(world, networkIp="10.77.0.11")),
    (INSTANCE, "guestAccelerators", lambda world: {"guestAccelerators": [{"type": "nvidia-tesla-t4", "count": 1}]}),
    (
        INSTANCE,
        "scheduling",
        lambda world: {"scheduling": {"preemptible": True, "automaticRestart": False, "provisioningModel": "SPOT"}},
    ),
    (TEMPLATE, "machineType", lambda world: {"machineType": "n2-standard-8"}),
    (TEMPLATE, "metadata", lambda world: {"metadata": {**METADATA, "user-data": "other"}}),
    (TEMPLATE, "effectiveLabels", lambda world: {"labels": {"team": "other"}}),
    (TEMPLATE, "disks", lambda world: {"disks": [{"sourceImage": "other/other"}]}),
    (GROUP, "baseInstanceName", lambda world: {"baseInstanceName": "other"}),
    (GROUP, "distributionPolicyZones", lambda world: {"distributionPolicyZones": [ZONE]}),
    (HEALTH_CHECK, "region", lambda world: {"region": "us-central1"}),
    (
        POLICY,
        "groupPlacementPolicy",
        lambda world: {"groupPlacementPolicy": {"collocation": "COLLOCATED", "vmCount": 2}},
    ),
]

UPDATED: list[tuple[str, str, Change]] = [
    (NETWORK, "routingMode", lambda world: {"routingMode": "GLOBAL"}),
    (SUBNETWORK, "ipCidrRange", lambda world: {"ipCidrRange": "10.77.64.0/18"}),
    (SUBNETWORK, "privateIpGoogleAccess", lambda world: {"privateIpGoogleAccess": False}),
    (ROUTER, "description", lambda world: {"description": "other"}),
    (NAT, "minPortsPerVm", lambda world: {"minPortsPerVm": 128}),
    (NAT, "logConfig", lambda world: {"logConfig": None}),
    (FIREWALL, "allows", lambda world: {"allows": [{"protocol": "tcp", "ports": ["22"]}]}),
    (FIREWALL, "sourceRanges", lambda world: {"sourceRanges": None}),
    (FIREWALL, "priority", lambda world: {"priority": 900}),
    (FIREWALL, "description", lambda world: {"description": "other"}),
    (ACCOUNT, "displayName", lambda world: {"displayName": "other"}),
    (ACCOUNT, "description", lambda world: {"description": "other"}),
    (SECRET, "labels", lambda world: {"labels": {"team": "other"}}),
    (SECRET_VERSION, "enabled", lambda world: {"enabled": False}),
    (ADDRESS, "labels", lambda world: {"labels": {"team": "other"}}),
    (INSTANCE, "machineType", lambda world: {"machineType": "n2-standard-8"}),
    (INSTANCE, "labels", lambda world: {"labels": {"team": "other"}}),
    (INSTANCE, "metadata", lambda world: {"metadata": {"user-data": "other"}}),
    (INSTANCE, "description", lambda world: {"description": "other"}),
    (INSTANCE, "canIpForward", lambda world: {"canIpForward": True}),
    (INSTANCE, "deletionProtection", lambda world: {"deletionProtection": True}),
    (INSTANCE, "tags", lambda world: {"tags": ["a", "b"]}),
    (INSTANCE, "bootDisk", lambda world: disk(world, size=50)),
    (INSTANCE, "bootDisk", lambda world: disk(world, labels={"team": "other"})),
    (INSTANCE, "networkInterfaces", lambda world: interface(world, accessConfigs=[{"natIp": make_address(world)}])),
    (INSTANCE, "networkInterfaces", lambda world: interface(world, accessConfigs=None)),
    (
        INSTANCE,
        "serviceAccount",
        lambda world: {"serviceAccount": {"email": make_account(world), "scopes": ["cloud-platform"]}},
    ),
    (INSTANCE, "shieldedInstanceConfig", lambda world: {"shieldedInstanceConfig": {"enableSecureBoot": True}}),
    (INSTANCE, "scheduling", lambda world: {"scheduling": {"onHostMaintenance": "TERMINATE"}}),
    (GROUP, "targetSize", lambda world: {"targetSize": 4}),
    (GROUP, "versions", lambda world: {"versions": [{"instanceTemplate": world.make_template("other").id}]}),
    (
        GROUP,
        "updatePolicy",
        lambda world: {
            "updatePolicy": {
                "type": "PROACTIVE",
                "minimalAction": "REPLACE",
                "maxUnavailableFixed": 3,
                "maxSurgeFixed": 0,
            }
        },
    ),
    (
        GROUP,
        "autoHealingPolicies",
        lambda world: {"autoHealingPolicies": {"healthCheck": world.check.id, "initialDelaySec": 60}},
    ),
    (
        GROUP,
        "instanceFlexibilityPolicy",
        lambda world: {
            "instanceFlexibilityPolicy": {"instanceSelections": [{"name": "then", "machineTypes": ["e2-standard-4"]}]}
        },
    ),
    (HEALTH_CHECK, "checkIntervalSec", lambda world: {"checkIntervalSec": 20}),
    (HEALTH_CHECK, "httpHealthCheck", lambda world: {"httpHealthCheck": {"port": 8789, "requestPath": "/health"}}),
    (POLICY, "description", lambda world: {"description": "other"}),
]


def apply(inputs: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**inputs, **change}.items() if value is not None}


def make_machine(gcp: PluginClient, google: Google, inputs: dict[str, Any]) -> Made:
    """A machine that has come so far that it runs."""
    made = gcp.create(INSTANCE, inputs)
    path = f"/compute/v1/{made.id}"
    await_true(lambda: google.client.call("GET", path)["status"] == "RUNNING", "the machine runs")
    return made


def heads(paths: Any) -> set[str]:
    return {path.partition(".")[0].partition("[")[0] for path in paths}


def number(cases: list[tuple[str, str, Change]]) -> list[str]:
    return [f"{kind.rpartition(':')[2]}-{name}-{index}" for index, (kind, name, _) in enumerate(cases)]


@pytest.mark.parametrize(("kind", "name", "change"), REPLACED, ids=number(REPLACED))
def test_another_one_is_made_for(gcp: PluginClient, gcp_things: GcpWorld, kind: str, name: str, change: Change):
    inputs = INPUTS[kind](gcp_things)
    made = gcp.create(kind, inputs)
    difference = gcp.diff(made, apply(inputs, change(gcp_things)))
    assert name in heads(difference.replaces)


@pytest.mark.parametrize(("kind", "name", "change"), UPDATED, ids=number(UPDATED))
def test_in_place_changes(
    gcp: PluginClient, gcp_things: GcpWorld, google: Google, kind: str, name: str, change: Change
):
    inputs = INPUTS[kind](gcp_things)
    made = make_machine(gcp, google, inputs) if kind == INSTANCE else gcp.create(kind, inputs)
    changed = apply(inputs, change(gcp_things))
    difference = gcp.diff(made, changed)
    assert difference.replaces == []
    assert name in heads(difference.paths)

    planned = plain(gcp.update(made, changed, preview=True).state)
    updated = gcp.update(made, changed)
    for key, value in planned.items():
        if value is not UNKNOWN and key in changed and not isinstance(value, list | dict):
            assert updated[key] == value, f"{key} came out otherwise than the preview said"
    assert gcp.diff(updated, changed).paths == {}
    refreshed = gcp.refresh(updated)
    assert refreshed is not None
    assert gcp.diff(refreshed, changed).paths == {}
    gcp.update(refreshed, apply(changed, {"deletionProtection": False} if kind == INSTANCE else {}))


def test_the_size_of_a_group_changes_by_resize_and_else_by_a_patch_of_what_changed(
    gcp: PluginClient, gcp_things: GcpWorld, google: Google
):
    inputs = INPUTS[GROUP](gcp_things)
    made = gcp.create(GROUP, inputs)
    google.calls.clear()
    resized = gcp.update(made, {**inputs, "targetSize": 3})
    assert [call.action for call in google.calls.calls if call.changes] == ["instanceGroupManagers.resize"]
    google.calls.clear()
    template = gcp_things.make_template("other").id
    gcp.update(resized, {**inputs, "targetSize": 3, "versions": [{"instanceTemplate": template}]})
    [patch] = [call for call in google.calls.calls if call.action == "instanceGroupManagers.patch"]
    assert set(patch.arguments) == {"versions", "fingerprint"}


def test_a_group_may_be_waited_for(gcp: PluginClient, gcp_things: GcpWorld):
    made = gcp.create(GROUP, {**INPUTS[GROUP](gcp_things), "waitForInstances": True})
    assert made["statuses"][0]["isStable"]


def test_a_machine_that_runs_is_not_stopped_unasked(gcp: PluginClient, gcp_things: GcpWorld, google: Google):
    inputs = {**INPUTS[INSTANCE](gcp_things), "allowStoppingForUpdate": False}
    made = make_machine(gcp, google, inputs)
    with pytest.raises(Refusal, match="requires stopping it"):
        gcp.update(made, {**inputs, "machineType": "n2-standard-8"})


def test_a_machine_runs_again_once_it_has_changed(gcp: PluginClient, gcp_things: GcpWorld, google: Google):
    inputs = INPUTS[INSTANCE](gcp_things)
    made = make_machine(gcp, google, inputs)
    google.calls.clear()
    updated = gcp.update(made, {**inputs, "machineType": "n2-standard-8"})
    assert [call.action for call in google.calls.calls if call.changes] == [
        "instances.stop",
        "instances.setMachineType",
        "instances.start",
    ]
    assert updated["machineType"] == "n2-standard-8"
    assert updated["currentStatus"] in ("STAGING", "RUNNING")


def test_a_protected_machine_stays(gcp: PluginClient, gcp_things: GcpWorld):
    inputs = {**INPUTS[INSTANCE](gcp_things), "deletionProtection": True}
    made = gcp.create(INSTANCE, inputs)
    with pytest.raises(Refusal, match="Deletion Protection is enabled"):
        gcp.delete(made)


def test_labels_of_pulumi_and_of_the_program_are_told_apart(gcp: PluginClient, google: Google, gcp_things: GcpWorld):
    inputs = INPUTS[SECRET](gcp_things)
    made = gcp.create(SECRET, inputs)
    assert made["labels"] == LABELS
    assert made["pulumiLabels"] == made["effectiveLabels"] == {**LABELS, "goog-pulumi-provisioned": "true"}
    path = f"/v1/{made.id}"
    there = {**made["effectiveLabels"], "owner": "somebody"}
    google.client.call("PATCH", path, {"labels": there}, updateMask="labels")
    refreshed = gcp.refresh(made)
    assert refreshed is not None
    assert refreshed["labels"] == LABELS
    assert refreshed["effectiveLabels"] == there
    assert gcp.diff(refreshed, inputs).paths == {}
    difference = gcp.diff(refreshed, {**inputs, "labels": {"team": "other"}})
    assert heads(difference.paths) == {"labels", "pulumiLabels", "effectiveLabels"}
    assert gcp.update(refreshed, {**inputs, "labels": {"team": "other"}})["effectiveLabels"] == {
        "team": "other",
        "owner": "somebody",
        "goog-pulumi-provisioned": "true",
    }


def test_no_label_is_added_where_the_provider_is_told_so(gcp: PluginClient, google: Google, gcp_things: GcpWorld):
    gcp.configure(project=PROJECT, region=REGION, addPulumiAttributionLabel=False, **google.endpoints)
    made = gcp.create(SECRET, INPUTS[SECRET](gcp_things))
    assert made["pulumiLabels"] == made["effectiveLabels"] == LABELS
    gcp.configure(project=PROJECT, region=REGION, defaultLabels={"more": "x"}, **google.endpoints)
    difference = gcp.diff(made, INPUTS[SECRET](gcp_things))
    assert difference.paths == {"effectiveLabels.more": "ADD", "pulumiLabels.more": "ADD"}


def test_a_policy_that_somebody_else_writes_meanwhile_is_read_again(
    gcp: PluginClient, gcp_things: GcpWorld, google: Google
):
    inputs = INPUTS[PROJECT_MEMBER](gcp_things)
    conflict = Answer("ABORTED", "There were concurrent policy changes.", 409)
    google.calls.clear()
    google.calls.interfere = lambda call: (
        conflict if call.action == "projects.setIamPolicy" and google.calls.count(action=call.action) < 3 else None
    )
    gcp.create(PROJECT_MEMBER, inputs)
    assert google.calls.count(action="projects.setIamPolicy") == 3
    assert google.calls.count(action="projects.getIamPolicy") == 4


def test_members_of_one_role_do_not_take_each_other_along(gcp: PluginClient, gcp_things: GcpWorld):
    inputs = INPUTS[PROJECT_MEMBER](gcp_things)
    first = gcp.create(PROJECT_MEMBER, inputs)
    other = gcp.create(PROJECT_MEMBER, {**inputs, "member": f"serviceAccount:{make_account(gcp_things)}"})
    gcp.delete(first)
    assert gcp.refresh(first) is None
    assert gcp.refresh(other) is not None


@pytest.mark.parametrize("status", [429, 503])
def test_what_passes_is_tried_again(gcp: PluginClient, google: Google, status: int):
    answer = Answer("UNAVAILABLE", "later", status)
    google.calls.interfere = lambda call: (
        answer if call.action == "networks.insert" and google.calls.count(action=call.action) < 3 else None
    )
    gcp.create(NETWORK, {})
    assert google.calls.count(action="networks.insert") == 3


def test_what_is_not_allowed_is_told_at_once_in_googles_words(gcp: PluginClient, google: Google):
    def deny(call: Call) -> Answer | None:
        refusal = Answer("PERMISSION_DENIED", "Required 'compute.networks.create' permission", 403, "forbidden")
        return refusal if call.action == "networks.insert" else None

    google.calls.interfere = deny
    words = r"creating Network: googleapi: Error 403: Required 'compute\.networks\.create' permission, forbidden"
    with pytest.raises(Refusal, match=words):
        gcp.create(NETWORK, {})
    assert google.calls.count(action="networks.insert") == 1


def test_what_is_in_use_stays(gcp: PluginClient, gcp_things: GcpWorld):
    assert gcp_things.subnet
    with pytest.raises(Refusal, match="already being used by"):
        gcp.delete(gcp_things.network)


def test_names_are_made_once_and_kept(gcp: PluginClient):
    made = gcp.create(NETWORK, {}, "My-Net")
    assert made["name"].startswith("my-net-")
    assert len(made["name"]) == len("my-net-") + 7
    assert made["autoCreateSubnetworks"]
    assert gcp.diff(made, {}).paths == {}
    assert gcp.diff(made, {"name": "mine"}).replaces == ["name"]
    with pytest.raises(AssertionError, match="longer than 63"):
        gcp.create(NETWORK, {}, "n" * 60)


def test_one_of_a_given_name_goes_before_the_other_is_made(gcp: PluginClient):
    made = gcp.create(NETWORK, {"name": "mine", "description": "one"})
    assert gcp.diff(made, {"name": "mine", "description": "two"}).delete_first
    free = gcp.create(NETWORK, {"description": "one"}, "other")
    assert not gcp.diff(free, {"description": "two"}).delete_first


def test_a_thing_may_be_abandoned_or_kept(gcp: PluginClient):
    made = gcp.create(NETWORK, {"deletionPolicy": "ABANDON"})
    gcp.delete(made)
    kept = gcp.refresh(made)
    assert kept is not None
    kept = gcp.update(kept, {"deletionPolicy": "PREVENT"})
    with pytest.raises(Refusal, match="cannot destroy"):
        gcp.delete(kept)


@pytest.mark.parametrize(
    ("kind", "change", "name"),
    [
        (FIREWALL, {"sourceRanges": None, "sourceServiceAccounts": None}, "sourceRanges"),
        (FIREWALL, {"denies": [{"protocol": "tcp"}]}, "denies"),
        (FIREWALL, {"sourceTags": ["a"]}, "sourceTags"),
        (SECRET, {"secretId": "a/b"}, "secretId"),
        (ACCOUNT, {"accountId": "one"}, "accountId"),
        (PROJECT_MEMBER, {"member": "somebody"}, "member"),
        (HEALTH_CHECK, {"timeoutSec": 11}, "timeoutSec"),
        (SUBNETWORK, {"ipCidrRange": "10.0.0.1/20"}, "ipCidrRange"),
        (NETWORK, {"deletionPolicy": "NEVER"}, "deletionPolicy"),
        (NETWORK, {"mtu": 1500, "networkProfile": "x"}, "networkProfile"),
        (
            GROUP,
            {
                "updatePolicy": {
                    "type": "PROACTIVE",
                    "minimalAction": "REPLACE",
                    "maxSurgeFixed": 1,
                    "maxSurgePercent": 1,
                }
            },
            "updatePolicy.maxSurgeFixed",
        ),
    ],
)
def test_what_the_real_provider_refuses_is_refused(
    gcp: PluginClient, gcp_things: GcpWorld, kind: str, change: dict[str, Any], name: str
):
    failures = gcp.check_failures(kind, apply(INPUTS[kind](gcp_things), change))
    assert name in failures
