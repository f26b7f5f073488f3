"""Instances and their disks."""

from __future__ import annotations

from typing import Any

import pytest

from google_cloud.conftest import CLOUD_PLATFORM, PROJECT, REGION, SPOT, ZONE, Google, render_instance

KINDS = f"projects/{PROJECT}/zones/{ZONE}"
NOBODY = f"nobody@{PROJECT}.iam.gserviceaccount.com"


def boot_disk(**params: Any) -> dict[str, Any]:
    image = f"projects/{PROJECT}/global/images/family/lab"
    return {"disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": image, **params}}]}


def machine(name: str) -> dict[str, str]:
    return {"machineType": f"{KINDS}/machineTypes/{name}"}


def test_an_instance_is_told_as_google_tells_it(google: Google, subnet: str):
    email = google.make_account()
    told = google.make_instance(
        subnet,
        serviceAccounts=[{"email": email, "scopes": [CLOUD_PLATFORM]}],
        labels={"team": "x"},
        metadata={"items": [{"key": "user-data", "value": "#cloud-config"}]},
        tags={"items": ["web"]},
    )
    base = "https://www.googleapis.com/compute/v1"
    assert told["machineType"] == f"{base}/{KINDS}/machineTypes/n2-standard-2"
    assert told["zone"] == f"{base}/{KINDS}"
    [interface] = told["networkInterfaces"]
    assert (interface["name"], interface["networkIP"]) == ("nic0", "10.77.0.2")
    assert interface["network"] == f"{base}/projects/{PROJECT}/global/networks/net"
    assert told["scheduling"]["provisioningModel"] == "STANDARD"
    assert told["serviceAccounts"] == [{"email": email, "scopes": [CLOUD_PLATFORM]}]
    [disk] = told["disks"]
    assert (disk["deviceName"], disk["diskSizeGb"]) == ("persistent-disk-0", "10")
    details = google.get(f"{google.zone}/disks/one")
    assert details["sourceImage"].endswith("/global/images/lab")
    assert details["users"] == [told["selfLink"]]


def test_an_instance_is_provisioned_and_staged_before_it_runs(google: Google, subnet: str):
    google.call("POST", f"{google.zone}/instances", render_instance(subnet))
    path, seen = f"{google.zone}/instances/one", []

    def runs() -> bool:
        if (status := google.get(path)["status"]) not in seen:
            seen.append(status)
        return status == "RUNNING"

    google.await_true(runs, "it runs")
    assert seen in (["PROVISIONING", "STAGING", "RUNNING"], ["PROVISIONING", "RUNNING"], ["STAGING", "RUNNING"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"machineType": "n2-standard-2"}, "The URL is malformed"),
        ({"machineType": f"projects/{PROJECT}/zones/{REGION}-b/machineTypes/n2-standard-2"}, "of the zone"),
        (machine("n2-standard-3"), "does not exist in zone"),
        (machine("c3-standard-4"), "does not exist in zone"),
        (machine("c4a-standard-4"), "are not compatible"),
        ({"disks": []}, "Required field 'resource.disks'"),
        (boot_disk(sourceImage="projects/daskfleet-lab/global/images/none"), "cannot be found"),
        (boot_disk(sourceImage="lab"), "The URL is malformed"),
        (boot_disk(diskType="pd-balanced", diskSizeGb="5"), "cannot be smaller than the image"),
        (boot_disk(diskSizeGb="many"), "TYPE_INT64"),
        (boot_disk(labels={"Team": "x"}), "labels"),
        ({"networkInterfaces": []}, "networkInterfaces"),
        ({"networkInterfaces": [{"network": "global/networks/net"}]}, "custom subnet mode"),
        ({"networkInterfaces": [{"subnetwork": "regions/europe-west4/subnetworks/none"}]}, "was not found"),
        ({"serviceAccounts": [{"email": NOBODY, "scopes": [CLOUD_PLATFORM]}]}, "'serviceAccount' was not found"),
        ({"serviceAccounts": [{"email": NOBODY, "scopes": ["cloud-platform"]}]}, "The scope is not valid"),
        ({"labels": {"team": "x y"}}, "resource.labels"),
        ({"metadata": {"items": [{"key": "a b", "value": ""}]}}, "Keys must be"),
        ({"metadata": {"items": [{"key": "a", "value": ""}, {"key": "a", "value": ""}]}}, "must be unique"),
        ({"metadata": {"a": "b"}}, 'Unknown name "a"'),
        ({"scheduling": {**SPOT, "automaticRestart": True}}, "cannot be automatically restarted"),
        ({"scheduling": {**SPOT, "onHostMaintenance": "MIGRATE"}}, "cannot be live migrated"),
        ({"scheduling": {"instanceTerminationAction": "DELETE"}}, "instanceTerminationAction"),
        ({"scheduling": {"provisioningModel": "CHEAP"}}, "Must be one of"),
        ({"resourcePolicies": ["regions/europe-west4/resourcePolicies/none"]}, "was not found"),
        (
            {"guestAccelerators": [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]},
            "do not support live migration|has accelerators|not compatible",
        ),
    ],
)
def test_an_instance_that_google_would_refuse_is_refused(
    google: Google, subnet: str, change: dict[str, Any], words: str
):
    message = google.refuse("POST", f"{google.zone}/instances", render_instance(subnet, **change)).message
    assert any(word in message for word in words.split("|")), message
    assert google.get(f"{google.zone}/instances").get("items") is None
    assert google.get(f"{google.zone}/disks").get("items") is None


def test_an_image_is_for_machines_of_its_architecture(google: Google, subnet: str):
    image = google.make_image("arm", architecture="ARM64")
    hyperdisk = {"sourceImage": image, "diskType": f"{KINDS}/diskTypes/hyperdisk-balanced"}
    body = render_instance(subnet, **machine("n2-standard-2"), **boot_disk(**hyperdisk))
    assert "architecture (ARM64) is not compatible" in google.refuse("POST", f"{google.zone}/instances", body).message
    told = google.make_instance(subnet, **machine("c4a-standard-4"), **boot_disk(**hyperdisk))
    assert told["disks"][0]["architecture"] == "ARM64"


def test_gpus_come_with_types_and_are_added_to_others(google: Google, subnet: str):
    own = google.make_instance(
        subnet,
        **machine("g2-standard-4"),
        **boot_disk(diskType=f"{KINDS}/diskTypes/pd-balanced"),
        scheduling={"onHostMaintenance": "TERMINATE"},
    )
    assert own["guestAccelerators"][0]["acceleratorType"].endswith("/acceleratorTypes/nvidia-l4")
    added = google.make_instance(
        subnet,
        "two",
        **machine("n1-standard-4"),
        guestAccelerators=[{"acceleratorType": f"{KINDS}/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 2}],
        scheduling={"onHostMaintenance": "TERMINATE"},
    )
    assert added["guestAccelerators"][0]["acceleratorCount"] == 2


def test_addresses_are_reserved_taken_and_given_back(google: Google, subnet: str):
    addresses = f"{google.region}/addresses"
    google.change("POST", addresses, {"name": "inner", "addressType": "INTERNAL", "subnetwork": subnet})
    google.change("POST", addresses, {"name": "outer"})
    inner, outer = (google.get(f"{addresses}/{name}")["address"] for name in ("inner", "outer"))
    told = google.make_instance(
        subnet,
        networkInterfaces=[
            {
                "subnetwork": subnet,
                "networkIP": inner,
                "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": outer}],
            }
        ],
    )
    for name in ("inner", "outer"):
        taken = google.get(f"{addresses}/{name}")
        assert (taken["status"], taken["users"]) == ("IN_USE", [told["selfLink"]])
        assert "already being used by" in google.refuse("DELETE", f"{addresses}/{name}").message
    again = render_instance(subnet, "two", networkInterfaces=[{"subnetwork": subnet, "networkIP": inner}])
    assert "already being used" in google.refuse("POST", f"{google.zone}/instances", again).message
    google.change("DELETE", f"{google.zone}/instances/one")
    google.change("DELETE", f"{addresses}/inner")
    assert google.get(f"{addresses}/outer")["status"] == "RESERVED"


def test_an_instance_that_is_deleted_vanishes_with_its_disk(google: Google, subnet: str):
    google.make_instance(subnet)
    assert "already being used by" in google.refuse("DELETE", f"{google.zone}/disks/one").message
    assert "already being used by" in google.refuse("DELETE", f"{google.region}/subnetworks/subnet").message
    google.change("DELETE", f"{google.zone}/instances/one")
    assert google.refuse("GET", f"{google.zone}/instances/one").status == 404
    assert google.refuse("GET", f"{google.zone}/disks/one").status == 404


def test_a_disk_that_is_kept_is_attached_again(google: Google, subnet: str):
    disks = [{**boot_disk()["disks"][0], "autoDelete": False}]
    google.make_instance(subnet, disks=disks)
    google.change("DELETE", f"{google.zone}/instances/one")
    name_taken = google.refuse("POST", f"{google.zone}/instances", render_instance(subnet, disks=disks))
    assert name_taken.status == 409
    google.make_instance(subnet, disks=[{"boot": True, "source": f"zones/{ZONE}/disks/one"}])


def test_some_changes_need_a_machine_that_is_off(google: Google, subnet: str):
    google.make_instance(subnet)
    path = f"{google.zone}/instances/one"
    other = {"machineType": f"zones/{ZONE}/machineTypes/n2-standard-4"}
    assert "must be stopped" in google.refuse("POST", f"{path}/setMachineType", other).message
    google.change("POST", f"{path}/stop")
    assert google.get(path)["status"] == "TERMINATED"
    google.change("POST", f"{path}/setMachineType", other)
    google.change("POST", f"{path}/start")
    told = google.get(path)
    assert (told["status"], told["machineType"].rpartition("/")[2]) == ("RUNNING", "n2-standard-4")


def test_metadata_and_tags_are_given_by_who_knows_those_there(google: Google, subnet: str):
    told = google.make_instance(subnet)
    path = f"{google.zone}/instances/one"
    for method, field, items in (
        ("setMetadata", "metadata", [{"key": "a", "value": "b"}]),
        ("setTags", "tags", ["web"]),
    ):
        assert google.refuse("POST", f"{path}/{method}", {"items": items}).status == 412
        google.change("POST", f"{path}/{method}", {"items": items, "fingerprint": told[field]["fingerprint"]})
        assert google.get(path)[field]["items"] == items


def test_a_protected_instance_stays(google: Google, subnet: str):
    google.make_instance(subnet, deletionProtection=True)
    path = f"{google.zone}/instances/one"
    assert "protected against deletion" in google.refuse("DELETE", path).message
    google.change("POST", f"{path}/setDeletionProtection", deletionProtection="false")
    google.change("DELETE", path)


def test_what_there_is_no_capacity_or_quota_for_ends_the_operation_in_googles_words(google: Google, subnet: str):
    path = f"{google.zone}/instances"
    google.control("market", no_capacity=["n2-standard-2"])
    refusal = google.refuse("POST", path, render_instance(subnet))
    assert refusal.status == 503
    assert refusal.message.startswith("ZONE_RESOURCE_POOL_EXHAUSTED: The zone 'projects/")
    google.control("market", no_spot=["n2-standard-2"])
    assert "spot" in google.refuse("POST", path, render_instance(subnet, scheduling=SPOT)).message.lower()
    google.make_instance(subnet)
    google.control("quota", N2_CPUS=3)
    refusal = google.refuse("POST", path, render_instance(subnet, "two"))
    assert (refusal.status, refusal.message[:14]) == (403, "QUOTA_EXCEEDED")
    [quota] = [each for each in google.get(google.region)["quotas"] if each["metric"] == "N2_CPUS"]
    assert (quota["limit"], quota["usage"]) == (3.0, 2.0)
    assert [item["name"] for item in google.get(path)["items"]] == ["one"]


def test_what_a_machine_writes_is_on_its_serial_port(google: Google, subnet: str):
    google.make_instance(subnet)
    path = f"{google.zone}/instances/one/serialPort"
    assert google.get(path)["contents"] == ""
    google.control("console", zone=ZONE, instance="one", text="hello\nworld\n")
    told = google.get(path, start=6)
    assert (told["contents"], told["start"], told["next"]) == ("world\n", "6", "12")
    assert google.refuse("POST", "/daskfleet/console", {"zone": ZONE, "instance": "no", "text": ""}).status == 404


def test_a_machine_that_ends_is_terminated(google: Google, subnet: str):
    google.make_instance(subnet)
    google.control("power", zone=ZONE, instance="one", state="off")
    assert google.get(f"{google.zone}/instances/one")["status"] == "TERMINATED"


def test_a_spot_vm_is_taken_away_when_its_machine_is_off(google: Google, subnet: str):
    google.make_instance(subnet)
    refusal = google.refuse("POST", "/daskfleet/preempt", {"zone": ZONE, "instance": "one"})
    assert "no Spot VM" in refusal.message
    for name, action in (("two", "DELETE"), ("three", "STOP")):
        google.make_instance(subnet, name, scheduling={**SPOT, "instanceTerminationAction": action})
        google.control("preempt", zone=ZONE, instance=name)
        assert google.get(f"{google.zone}/instances/{name}")["status"] == "STOPPING"
        google.control("power", zone=ZONE, instance=name, state="off")
    assert google.refuse("GET", f"{google.zone}/instances/two").status == 404
    assert google.get(f"{google.zone}/instances/three")["status"] == "TERMINATED"
    kinds = {item["operationType"]: item["user"] for item in google.get(f"{google.zone}/operations")["items"]}
    assert kinds["compute.instances.preempted"] == "system"


def test_machines_close_together_are_of_types_that_can_be(google: Google, subnet: str):
    policies = f"{google.region}/resourcePolicies"
    google.change("POST", policies, {"name": "close", "groupPlacementPolicy": {"collocation": "COLLOCATED"}})
    policy = {"resourcePolicies": [f"regions/{REGION}/resourcePolicies/close"]}
    e2 = render_instance(subnet, **machine("e2-standard-2"), **policy)
    assert "not supported by placement policies" in google.refuse("POST", f"{google.zone}/instances", e2).message
    google.make_instance(subnet, **policy)
    assert "already being used by" in google.refuse("DELETE", f"{policies}/close").message
