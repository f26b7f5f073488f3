"""What the spec of a fleet in Azure becomes, where that is Azure's own."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.azure_cloud import IMAGES, OPERATOR, Azure, make_image
from components.azure_specs import NETWORK, SPECS
from components.plans import Plan
from components.plans import record_specs as record_cloud_specs

SCALE_SET = "azure-native:compute:VirtualMachineScaleSet"
MACHINE = "azure-native:compute:VirtualMachine"
MINIMAL = SPECS["minimal"][0]


def record_specs(*texts: str, images: tuple[dict[str, Any], ...] = IMAGES) -> Plan:
    return record_cloud_specs(Azure(images), *texts)


def test_everything_is_in_one_resource_group_but_roles_on_data_elsewhere() -> None:
    plan = record_specs(*SPECS["private"])
    (group,) = plan.find("azure-native:resources:ResourceGroup").values()
    assert group["resourceGroupName"] == "daskfleet-research-westeurope"
    for key, inputs in plan.resources.items():
        if key.startswith("azure-native:") and "scope" not in inputs:
            assert inputs["resourceGroupName"] == "daskfleet-research-westeurope", key


@pytest.mark.parametrize("name", SPECS)
def test_an_update_stops_no_machine_that_works(name: str) -> None:
    groups = record_specs(*SPECS[name]).find(SCALE_SET).values()
    assert groups
    assert {group["upgradePolicy"]["mode"] for group in groups} == {"Manual"}


def test_spot_that_falls_back_begins_without_a_machine_on_demand() -> None:
    (group,) = record_specs(*SPECS["spot-fallback-two-types"]).find(SCALE_SET).values()
    profile = group["virtualMachineProfile"]
    assert (profile["priority"], profile["evictionPolicy"], profile["billingProfile"]) == (
        "Spot",
        "Delete",
        {"maxPrice": -1},
    )
    assert group["priorityMixPolicy"] == {"baseRegularPriorityCount": 0, "regularPriorityPercentageAboveBase": 0}
    (usual,) = record_specs(MINIMAL).find(SCALE_SET).values()
    assert usual["virtualMachineProfile"]["priority"] == "Regular"
    assert "priorityMixPolicy" not in usual


def test_machines_that_belong_together_are_close_in_one_zone() -> None:
    plan = record_specs(*SPECS["cluster"])
    (close,) = plan.find("azure-native:compute:ProximityPlacementGroup").values()
    groups = plan.find(SCALE_SET)
    assert close["zones"] == groups["research-cpu"]["zones"] == ["1"]
    assert groups["research-more"]["zones"] == ["1", "3"]
    assert "proximityPlacementGroup" not in groups["research-more"]


def test_a_network_that_exists_is_used_and_nothing_of_it_is_made_or_changed() -> None:
    plan = record_specs(*SPECS["existing-network"])
    for kind in ("VirtualNetwork", "NatGateway", "PublicIPAddress", "Subnet"):
        assert plan.find(f"azure-native:network:{kind}") == {}
    (interface,) = plan.find("azure-native:network:NetworkInterface").values()
    (configuration,) = interface["ipConfigurations"]
    assert configuration["subnet"]["id"] == f"{NETWORK}/subnets/dask"
    assert configuration["privateIPAllocationMethod"] == "Dynamic", "which addresses are free there, nobody knows here"
    assert plan.outputs["scheduler_address"] == "tls://10.20.0.77:8786"


def test_the_machines_interfaces_are_behind_the_firewall_each_in_its_role() -> None:
    plan = record_specs(MINIMAL)
    (firewall,) = plan.find("azure-native:network:NetworkSecurityGroup").values()
    (interface,) = plan.find("azure-native:network:NetworkInterface").values()
    (group,) = plan.find(SCALE_SET).values()
    (worker,) = group["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    assert interface["networkSecurityGroup"] == worker["networkSecurityGroup"]
    targets = {rule["name"]: rule.get("destinationApplicationSecurityGroups") for rule in firewall["securityRules"]}
    assert targets["scheduler-from-workers"] == interface["ipConfigurations"][0]["applicationSecurityGroups"]
    assert targets["workers-from-workers"] == worker["ipConfigurations"][0]["applicationSecurityGroups"]


def test_machines_read_their_own_secret_and_no_other_and_delete_no_log() -> None:
    plan = record_specs(MINIMAL)
    assigned = plan.find("azure-native:authorization:RoleAssignment").values()
    own = [each for each in assigned if each["principalId"] != OPERATOR]
    secrets = {each["principalId"].rpartition("-")[2]: each for each in own if "/vaults/" in each["scope"]}
    assert {role: each["scope"].rpartition("/")[2] for role, each in secrets.items()} == {
        "scheduler": "scheduler",
        "worker": "worker",
    }
    logs = [each for each in own if each["scope"].endswith("/containers/logs")]
    assert len(own) == len(secrets) + len(logs) == 4
    assert all("blobs/delete'" in each["condition"] for each in logs)


def test_whoever_makes_a_fleet_may_read_its_logs_and_its_connection_and_nothing_else() -> None:
    assigned = record_specs(MINIMAL).find("azure-native:authorization:RoleAssignment").values()
    scopes = {each["scope"].rpartition("/")[2] for each in assigned if each["principalId"] == OPERATOR}
    assert scopes == {"logs", "client"}


def test_data_is_granted_below_its_prefix_and_nothing_wider() -> None:
    assigned = record_specs(*SPECS["private"]).find("azure-native:authorization:RoleAssignment").values()
    data = [each for each in assigned if "/weather/" in each["scope"]]
    assert {(each["scope"].rpartition("/")[2], "condition" in each) for each in data} == {
        ("results", False),
        ("climate", True),
    }


def test_logs_and_secrets_are_opened_by_roles_alone() -> None:
    plan = record_specs(MINIMAL)
    (vault,) = plan.find("azure-native:keyvault:Vault").values()
    assert vault["properties"]["enableRbacAuthorization"] is True
    assert "accessPolicies" not in vault["properties"]
    (account,) = plan.find("azure-native:storage:StorageAccount").values()
    assert (account["allowSharedKeyAccess"], account["allowBlobPublicAccess"]) == (False, False)
    assert (account["minimumTlsVersion"], account["enableHttpsTrafficOnly"]) == ("TLS1_2", True)


def test_nobody_logs_in_with_a_password() -> None:
    plan = record_specs(*SPECS["gpu"])
    profiles = [inputs["osProfile"] for inputs in plan.find(MACHINE).values()]
    profiles += [inputs["virtualMachineProfile"]["osProfile"] for inputs in plan.find(SCALE_SET).values()]
    assert len(profiles) == 4
    for profile in profiles:
        assert profile["linuxConfiguration"]["disablePasswordAuthentication"] is True
        assert "adminPassword" not in profile


def test_a_machine_that_is_not_well_is_asked_on_itself_and_made_anew() -> None:
    (group,) = record_specs(MINIMAL).find(SCALE_SET).values()
    assert group["automaticRepairsPolicy"] == {"enabled": True, "gracePeriod": "PT30M", "repairAction": "Replace"}
    (extension,) = group["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert (extension["settings"]["port"], extension["settings"]["requestPath"]) == (8788, "/health")


def test_gpus_are_those_of_the_size() -> None:
    groups = record_specs(*SPECS["gpu"]).outputs["resources"]["groups"]
    assert {name: group["workers_per_instance"] for name, group in groups.items()} == {"arm": 1, "t4": 4, "a100": 1}


def test_a_family_without_an_image_that_fits_is_told_with_the_command_that_builds_one() -> None:
    with pytest.raises(pulumi.RunError, match="daskfleet image build --provider azure --family daskfleet --arch"):
        record_specs(MINIMAL, images=(make_image(dask="2020.1.0"),))


def test_an_image_definition_that_is_not_there_is_told() -> None:
    with pytest.raises(pulumi.RunError, match="no image definition named 'climate-2020'; mend the name"):
        record_specs(f"{MINIMAL}image: {{name: climate-2020}}\n")


@pytest.mark.parametrize(("egress", "gateways", "addresses"), [("nat", 1, 0), ("public-ip", 0, 1), ("none", 0, 0)])
def test_each_way_out_costs_the_gateways_that_it_says(egress: str, gateways: int, addresses: int) -> None:
    plan = record_specs(f"{MINIMAL}network: {{egress: {egress}}}\n")
    assert len(plan.find("azure-native:network:NatGateway")) == gateways
    (group,) = plan.find(SCALE_SET).values()
    (interface,) = group["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    assert sum("publicIPAddressConfiguration" in each for each in interface["ipConfigurations"]) == addresses
    (network,) = plan.find("azure-native:network:VirtualNetwork").values()
    assert network["subnets"][0]["defaultOutboundAccess"] is False
