"""What the spec of a fleet in Google Cloud becomes, where that is Google's own."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.gcp_cloud import IMAGES, ZONES, Gcp, make_image
from components.gcp_specs import SPECS
from components.plans import Plan
from components.plans import record_specs as record_cloud_specs

MANAGER = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager"
TEMPLATE = "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate"
MINIMAL = SPECS["minimal"][0]


def record_specs(*texts: str, images: tuple[dict[str, Any], ...] = IMAGES) -> Plan:
    return record_cloud_specs(Gcp(images), *texts)


def test_a_group_that_falls_back_has_a_spot_group_and_an_empty_one_on_demand_beside() -> None:
    plan = record_specs(*SPECS["spot-fallback-two-types"])
    managers = plan.find(MANAGER)
    assert {name: manager["targetSize"] for name, manager in managers.items()} == {
        "research-cpu": 20,
        "research-cpu-on-demand": 0,
    }
    models = {name: each["scheduling"]["provisioningModel"] for name, each in plan.find(TEMPLATE).items()}
    assert models == {"research-cpu": "SPOT", "research-cpu-on-demand": "STANDARD"}
    assert len({manager["baseInstanceName"] for manager in managers.values()}) == 2
    exported = plan.outputs["resources"]["groups"]["cpu"]["instance_group_managers"]
    assert [each.rpartition("-")[0] for each in exported] == ["research-cpu", "research-cpu-on-demand"]


def test_the_types_of_a_group_are_tried_in_their_order() -> None:
    manager = record_specs(*SPECS["spot-fallback-two-types"]).find(MANAGER)["research-cpu"]
    selections = manager["instanceFlexibilityPolicy"]["instanceSelections"]
    assert [(each["rank"], each["machineTypes"]) for each in selections] == [
        (1, ["n2-standard-8"]),
        (2, ["n2d-standard-8"]),
    ]


@pytest.mark.parametrize("name", SPECS)
def test_an_update_stops_no_machine_that_works(name: str) -> None:
    managers = record_specs(*SPECS[name]).find(MANAGER).values()
    assert managers
    for manager in managers:
        policy = manager["updatePolicy"]
        assert (policy["type"], policy["instanceRedistributionType"]) == ("OPPORTUNISTIC", "NONE")


def test_machines_are_in_the_zones_that_have_all_of_their_types() -> None:
    managers = record_specs(*SPECS["gpu"]).find(MANAGER)
    assert managers["research-arm"]["distributionPolicyZones"] == list(ZONES[1:])
    assert managers["research-l4"]["distributionPolicyZones"] == [ZONES[0]]
    assert managers["research-t4"]["distributionPolicyZones"] == list(ZONES)


def test_machines_are_in_the_named_zones_only() -> None:
    plan = record_specs(f"{MINIMAL}zones: [europe-west1-c]\n")
    assert plan.find(MANAGER)["research-cpu"]["distributionPolicyZones"] == ["europe-west1-c"]
    assert plan.find("gcp:compute/instance:Instance")["research-scheduler"]["zone"] == "europe-west1-c"


def test_zones_that_there_are_not_are_refused() -> None:
    with pytest.raises(pulumi.RunError, match="zones: europe-west1-x: europe-west1 has europe-west1-b"):
        record_specs(f"{MINIMAL}zones: [europe-west1-x]\n")


def test_types_that_no_zone_has_together_are_refused() -> None:
    with pytest.raises(pulumi.RunError, match="no zone of europe-west1 has all of them"):
        record_specs(MINIMAL.replace("[n2-standard-8]", "[g2-standard-24, g2-standard-48]"))


def test_gpus_are_those_of_the_type_or_those_that_are_added() -> None:
    plan = record_specs(*SPECS["gpu"])
    templates = plan.find(TEMPLATE)
    assert templates["research-l4"].get("guestAccelerators", []) == []
    assert templates["research-t4"]["guestAccelerators"] == [{"count": 2, "type": "nvidia-tesla-t4"}]
    assert templates["research-t4"]["scheduling"]["onHostMaintenance"] == "TERMINATE"
    groups = plan.outputs["resources"]["groups"]
    assert {name: group["workers_per_instance"] for name, group in groups.items()} == {"arm": 1, "l4": 2, "t4": 2}


def test_gpus_are_not_added_to_types_that_have_some() -> None:
    with pytest.raises(pulumi.RunError, match="these have GPUs of their own; leave out accelerator"):
        record_specs(
            MINIMAL.replace("[n2-standard-8]", "[g2-standard-4], accelerator: {type: nvidia-tesla-t4, count: 1}")
        )


def test_a_network_of_a_shared_vpc_is_used_and_its_project_holds_the_rules() -> None:
    plan = record_specs(*SPECS["shared-vpc"])
    for kind in ("network:Network", "subnetwork:Subnetwork", "router:Router", "routerNat:RouterNat"):
        assert plan.find(f"gcp:compute/{kind}") == {}
    rules = plan.find("gcp:compute/firewall:Firewall").values()
    assert {rule["project"] for rule in rules} == {"host-project"}
    assert {rule["network"] for rule in rules} == {"projects/host-project/global/networks/shared"}


def test_machines_read_their_own_secret_and_no_other_and_write_logs() -> None:
    plan = record_specs(*SPECS["minimal"])
    members = plan.find("gcp:secretmanager/secretIamMember:SecretIamMember").values()
    assert sorted((each["secretId"].rpartition("-")[2], each["member"].split("-")[1]) for each in members) == [
        ("scheduler", "scheduler"),
        ("worker", "worker"),
    ]
    granted = plan.find("gcp:projects/iAMMember:IAMMember").values()
    assert {each["role"] for each in granted} == {"roles/logging.logWriter"}


def test_data_is_granted_below_its_prefix_and_nothing_wider() -> None:
    plan = record_specs(*SPECS["private"])
    grants = plan.find("gcp:storage/bucketIAMMember:BucketIAMMember").values()
    assert {(each["bucket"], each["role"], "condition" in each) for each in grants} == {
        ("results", "roles/storage.objectUser", False),
        ("climate", "roles/storage.objectViewer", True),
    }
    conditions = {each["condition"]["expression"] for each in grants if "condition" in each}
    assert conditions == {
        'resource.name.startsWith("projects/_/buckets/climate/objects/era5/") || '
        'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("era5/")'
    }


def test_the_newest_image_that_fits_is_taken() -> None:
    old, new = make_image(11), make_image(20)
    other = make_image(21, dask="2020-1-0")
    plan = record_specs(MINIMAL, images=(new, old, other))
    (template,) = plan.find(TEMPLATE).values()
    assert template["disks"][0]["sourceImage"] == "projects/climate-dask/global/images/daskfleet-20"


def test_a_family_without_an_image_that_fits_is_told_with_the_command_that_builds_one() -> None:
    with pytest.raises(pulumi.RunError, match="daskfleet image build --provider gcp --family daskfleet --arch x86_64"):
        record_specs(MINIMAL, images=(make_image(21, dask="2020-1-0"),))


@pytest.mark.parametrize(("egress", "gateways", "addresses"), [("nat", 1, 0), ("public-ip", 0, 1), ("none", 0, 0)])
def test_each_way_out_costs_the_gateways_that_it_says(egress: str, gateways: int, addresses: int) -> None:
    plan = record_specs(f"{MINIMAL}network: {{egress: {egress}}}\n")
    assert len(plan.find("gcp:compute/routerNat:RouterNat")) == gateways
    (template,) = plan.find(TEMPLATE).values()
    assert len(template["networkInterfaces"][0].get("accessConfigs", [])) == addresses
