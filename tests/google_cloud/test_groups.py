"""Templates and managed groups."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from google_cloud.conftest import PROJECT, REGION, SPOT, Google, render_group, render_properties

SELECTIONS = {
    "first": {"rank": 1, "machineTypes": ["n2-standard-2"]},
    "then": {"rank": 2, "machineTypes": ["n2d-standard-2", "e2-standard-2"]},
}
FLEXIBLE = {"instanceFlexibilityPolicy": {"instanceSelections": SELECTIONS}}
UPDATE = render_group("")["updatePolicy"]


@pytest.fixture
def template(google: Google, subnet: str) -> str:
    return google.make_template(subnet, labels={"daskfleet-group": "cpu"})


@pytest.fixture
def spot_template(google: Google, subnet: str) -> str:
    return google.make_template(subnet, "spot", scheduling=SPOT)


def list_instances(google: Google) -> list[dict[str, Any]]:
    scopes = google.get(f"{google.compute}/aggregated/instances")["items"]
    return [item for scope in scopes.values() for item in scope.get("instances", ())]


def kind_of(instance: dict[str, Any]) -> str:
    return str(instance["machineType"]).rpartition("/")[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"machineType": f"zones/{REGION}-a/machineTypes/n2-standard-2"}, "It must be a name"),
        ({"machineType": "n2-standard-3"}, "No such machine type"),
        ({"networkInterfaces": [{"subnetwork": f"regions/{REGION}/subnetworks/none"}]}, "was not found"),
        ({"networkInterfaces": []}, "networkInterfaces"),
        ({"disks": []}, "disks"),
        ({"resourcePolicies": ["regions/x/resourcePolicies/y"]}, "It must be a name"),
        ({"scheduling": {**SPOT, "automaticRestart": True}}, "cannot be automatically restarted"),
        ({"labels": {"A": "b"}}, "resource.properties.labels"),
        ({"zone": "x"}, 'Unknown name "zone"'),
    ],
)
def test_a_template_that_google_would_refuse_is_refused(
    google: Google, subnet: str, change: dict[str, Any], words: str
):
    body = {"name": "template", "properties": {**render_properties(subnet), **change}}
    assert words in google.refuse("POST", f"{google.region}/instanceTemplates", body).message


def test_a_template_never_changes(google: Google, template: str):
    path = f"/compute/v1/{template}"
    assert google.get(path)["properties"]["machineType"] == "n2-standard-2"
    assert google.refuse("PATCH", path, {"description": "x"}).status == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versions": [], "instanceTemplate": None}, "resource.instanceTemplate"),
        ({"versions": [{"instanceTemplate": f"regions/{REGION}/instanceTemplates/none"}]}, "was not found"),
        ({"targetSize": None}, "Required field 'resource.targetSize'"),
        ({"targetSize": -1}, "targetSize"),
        ({"baseInstanceName": "One"}, "baseInstanceName"),
        ({"distributionPolicy": {"targetShape": "ROUND"}}, "Must be one of"),
        ({"distributionPolicy": {"zones": [{"zone": "zones/us-central1-a"}]}}, "Must be a zone of the region"),
        ({**FLEXIBLE, "distributionPolicy": {"targetShape": "EVEN"}}, "not supported with target distribution shape"),
        (
            {"instanceFlexibilityPolicy": {"instanceSelections": {"a": {"machineTypes": ["n2-standard-3"]}}}},
            "no such machine type",
        ),
        (
            {"instanceFlexibilityPolicy": {"instanceSelections": [{"name": "a", "machineTypes": ["n2-standard-2"]}]}},
            "instanceSelections",
        ),
        ({"updatePolicy": {**UPDATE, "maxSurge": {"fixed": 1}}}, "at least equal to the number of zones (3)"),
        ({"updatePolicy": {**UPDATE, "maxSurge": {"fixed": 0}}}, "cannot both be 0"),
        ({"updatePolicy": {**UPDATE, "instanceRedistributionType": "PROACTIVE"}}, "redistribution must be disabled"),
        ({"updatePolicy": {**UPDATE, "instanceRedistributionType": "SOME"}}, "Must be one of NONE, PROACTIVE"),
        ({"updatePolicy": {**UPDATE, "maxSurge": {"fixed": 3, "percent": 10}}}, "Exactly one of"),
        ({"autoHealingPolicies": [{"initialDelaySec": 300}]}, "healthCheck"),
        ({"autoHealingPolicies": [{"healthCheck": f"regions/{REGION}/healthChecks/no"}]}, "was not found"),
    ],
)
def test_a_group_that_google_would_refuse_is_refused(google: Google, template: str, change: dict[str, Any], words: str):
    body = {**render_group(template), **change}
    assert words in google.refuse("POST", f"{google.region}/instanceGroupManagers", body).message


def test_a_group_comes_to_its_size_with_the_templates_machines(google: Google, template: str):
    group = google.make_group(template, size=3)
    members = google.await_stable(group)
    assert [(each["currentAction"], each["instanceStatus"]) for each in members] == [("NONE", "RUNNING")] * 3
    told = google.get(group)
    assert (told["targetSize"], told["currentActions"]["none"]) == (3, 3)
    assert told["status"]["versionTarget"]["isReached"]
    instances = list_instances(google)
    assert {item["name"][:8] for item in instances} == {"one-cpu-"}
    assert len({item["zone"] for item in instances}) == 3
    assert all(item["labels"] == {"daskfleet-group": "cpu"} for item in instances)
    metadata = {item["key"]: item["value"] for item in instances[0]["metadata"]["items"]}
    assert metadata["created-by"] == f"projects/123456789012/regions/{REGION}/instanceGroupManagers/cpu"
    assert metadata["instance-template"].endswith("/instanceTemplates/template")


def test_machines_of_the_best_type_that_there_is_come_first(google: Google, spot_template: str):
    google.control("market", no_spot=["n2-standard-2"])
    group = google.make_group(spot_template, **FLEXIBLE)
    members = google.await_stable(group)
    assert [kind_of(item) for item in list_instances(google)] == ["n2d-standard-2"] * 2
    assert members[0]["propertiesFromFlexibilityPolicy"] == {"machineType": "n2d-standard-2"}
    google.control("market")
    google.change("POST", f"{group}/resize", size=3)
    google.await_stable(group)
    assert Counter(map(kind_of, list_instances(google))) == {"n2d-standard-2": 2, "n2-standard-2": 1}


def test_what_cannot_be_had_is_told_and_comes_when_it_can(google: Google, spot_template: str):
    google.control("market", no_spot=["*"])
    group = google.make_group(spot_template)
    members = google.list_members(group)
    errors = [each["lastAttempt"]["errors"]["errors"][0] for each in members]
    assert {error["code"] for error in errors} == {"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"}
    assert all("creation failed" in error["message"] and "spot" in error["message"] for error in errors)
    assert {each["currentAction"] for each in members} == {"CREATING"}
    listed = google.get(f"{group}/listErrors")["items"]
    assert listed[0]["error"]["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    assert listed[0]["instanceActionDetails"]["action"] == "CREATING"
    assert not google.get(group)["status"]["isStable"]
    google.control("market")
    google.await_stable(group)


def test_quotas_end_a_groups_growth(google: Google, template: str):
    google.control("quota", N2_CPUS=5)
    group = google.make_group(template, size=3)
    google.await_true(lambda: google.get(group)["currentActions"]["none"] == 2, "two run")
    assert google.get(f"{group}/listErrors")["items"][0]["error"]["code"] == "QUOTA_EXCEEDED"


def test_a_machine_that_is_gone_or_off_comes_again_under_its_name(google: Google, template: str):
    group = google.make_group(template, size=1)
    [member] = google.await_stable(group)
    zone, name, ids = member["instance"].split("/")[-3], member["name"], [member["id"]]

    def comes_again() -> None:
        google.await_true(lambda: google.list_members(group)[0].get("id") not in (None, *ids), "it comes again")
        [again] = google.await_stable(group)
        assert again["instance"] == member["instance"]
        ids.append(again["id"])

    google.control("power", zone=zone, instance=name, state="off")
    comes_again()
    google.change("DELETE", f"{google.compute}/zones/{zone}/instances/{name}")
    comes_again()
    google.change("POST", f"{group}/recreateInstances", {"instances": [f"zones/{zone}/instances/{name}"]})
    comes_again()
    assert google.get(group)["targetSize"] == 1


def test_a_preempted_machine_comes_again(google: Google, spot_template: str):
    group = google.make_group(spot_template, size=1)
    [member] = google.await_stable(group)
    zone = member["instance"].split("/")[-3]
    google.control("preempt", zone=zone, instance=member["name"], seconds=0.05)
    google.await_true(lambda: google.list_members(group)[0].get("id") != member["id"], "another one comes")
    assert google.await_stable(group)[0]["name"] == member["name"]


def test_an_unhealthy_machine_is_replaced(google: Google, template: str):
    check = {"name": "health", "type": "HTTP", "httpHealthCheck": {"port": 8788, "requestPath": "/health"}}
    google.change("POST", f"{google.region}/healthChecks", check)
    healing = [{"healthCheck": f"regions/{REGION}/healthChecks/health", "initialDelaySec": 300}]
    group = google.make_group(template, size=1, autoHealingPolicies=healing)
    [member] = google.await_stable(group)
    assert member["instanceHealth"][0]["detailedHealthState"] == "HEALTHY"
    assert "already being used by" in google.refuse("DELETE", f"{google.region}/healthChecks/health").message
    zone = member["instance"].split("/")[-3]
    google.control("health", zone=zone, instance=member["name"], state="UNHEALTHY")
    google.await_true(lambda: google.list_members(group)[0].get("id") != member["id"], "another one comes")


def test_a_group_shrinks_by_its_newest_or_by_the_named_ones(google: Google, template: str):
    group = google.make_group(template, size=2)
    first = {each["name"] for each in google.await_stable(group)}
    google.change("POST", f"{group}/resize", size=3)
    google.await_stable(group)
    google.change("POST", f"{group}/resize", size=2)
    assert {each["name"] for each in google.await_stable(group)} == first
    chosen = google.list_members(group)[0]
    google.change("POST", f"{group}/deleteInstances", {"instances": [chosen["instance"]]})
    assert google.get(group)["targetSize"] == 1
    assert {each["name"] for each in google.await_stable(group)} == first - {chosen["name"]}
    refusal = google.refuse("POST", f"{group}/deleteInstances", {"instances": [chosen["instance"]]})
    assert "not a member" in refusal.message
    body = {"instances": [chosen["instance"]], "skipInstancesOnValidationError": True}
    google.change("POST", f"{group}/deleteInstances", body)


def test_another_template_is_for_new_machines_unless_all_are_to_be_replaced(google: Google, template: str, subnet: str):
    group = google.make_group(template, size=2)
    google.await_stable(group)
    other = google.make_template(subnet, "other", labels={"daskfleet-group": "other"})
    google.change("PATCH", group, {"versions": [{"instanceTemplate": other}]})
    google.change("POST", f"{group}/resize", size=3)
    google.await_stable(group)
    assert Counter(item["labels"]["daskfleet-group"] for item in list_instances(google)) == {"cpu": 2, "other": 1}
    assert not google.get(group)["status"]["versionTarget"]["isReached"]
    assert "instanceGroupManagers/cpu" in google.refuse("DELETE", f"/compute/v1/{other}").message
    google.change("PATCH", group, {"updatePolicy": {"type": "PROACTIVE"}})
    google.await_true(lambda: google.get(group)["status"]["versionTarget"]["isReached"], "all are replaced")
    assert Counter(item["labels"]["daskfleet-group"] for item in list_instances(google)) == {"other": 3}


def test_a_group_changes_in_parts(google: Google, template: str):
    group = google.make_group(template, size=0, **FLEXIBLE)
    told = google.get(group)
    change = {
        "instanceFlexibilityPolicy": {"instanceSelections": {"then": None, "last": {"machineTypes": ["e2-standard-4"]}}}
    }
    google.change("PATCH", group, {**change, "fingerprint": told["fingerprint"]})
    selections = google.get(group)["instanceFlexibilityPolicy"]["instanceSelections"]
    assert set(selections) == {"first", "last"}
    assert google.refuse("PATCH", group, {"targetSize": 1, "fingerprint": told["fingerprint"]}).status == 412
    zones = {"distributionPolicy": {"zones": [{"zone": f"zones/{REGION}-a"}]}}
    assert "Zones cannot be changed" in google.refuse("PATCH", group, zones).message
    assert "cannot be changed" in google.refuse("PATCH", group, {"baseInstanceName": "other"}).message


def test_a_template_is_set_and_machines_are_let_go(google: Google, template: str, subnet: str):
    group = google.make_group(template, size=2)
    chosen = google.await_stable(group)[0]
    other = google.make_template(subnet, "other")
    google.change("POST", f"{group}/setInstanceTemplate", {"instanceTemplate": other})
    assert google.get(group)["versions"][0]["instanceTemplate"].endswith("/instanceTemplates/other")
    google.change("POST", f"{group}/abandonInstances", {"instances": [chosen["instance"]]})
    assert google.get(group)["targetSize"] == 1
    google.change("DELETE", group)
    assert [item["name"] for item in list_instances(google)] == [chosen["name"]]


def test_a_group_goes_with_its_machines_and_then_its_template(google: Google, template: str):
    group = google.make_group(template)
    google.await_stable(group)
    assert f"'projects/{PROJECT}/regions/" in google.refuse("DELETE", f"/compute/v1/{template}").message
    google.change("DELETE", group)
    assert list_instances(google) == []
    google.change("DELETE", f"/compute/v1/{template}")


def test_a_template_may_name_what_is_gone_and_its_group_tells(google: Google, subnet: str):
    email = google.make_account()
    account = [{"email": email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}]
    template = google.make_template(subnet, serviceAccounts=account)
    google.call("DELETE", f"/v1/projects/{PROJECT}/serviceAccounts/{email}")
    group = google.make_group(template, size=1)
    [member] = google.list_members(group)
    assert "'serviceAccount' was not found" in member["lastAttempt"]["errors"]["errors"][0]["message"]


def test_one_zone_is_kept_to(google: Google, template: str):
    group = google.make_group(template, size=3, distributionPolicy={"targetShape": "ANY_SINGLE_ZONE"})
    google.await_stable(group)
    assert len({item["zone"] for item in list_instances(google)}) == 1
