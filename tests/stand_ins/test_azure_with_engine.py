"""The real engine and the real SDK with the stand-in for Azure: a fleet comes, stays, changes and goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_azure_native as azure
import pytest
from pulumi import automation

from daskfleet_stacks.azure import deploy_azure
from daskfleet_stacks.spec import AzureFleetSpec, parse_fleet_yaml
from engine.engine import Engine
from stand_ins import stand_in_path
from stand_ins.azure_world import CLIENT, GROUP_NAME, IMAGE, LOCATION, ROLE, ROOT, SUBSCRIPTION, TAGS, TENANT, Arm

SECRET = "s3cr3t"


class Settings:
    """What a test changes between two updates."""

    def __init__(self, **values: Any) -> None:
        self.sizes = ["Standard_D4s_v5", "Standard_D4as_v5"]
        self.count = 2
        self.address = "10.77.0.10"
        self.location = LOCATION
        self.__dict__.update(values)


def build_fleet(settings: Settings) -> None:
    """A network, a scheduler, a group of workers: what the components of a fleet use."""
    who = azure.authorization.get_client_config_output()
    image = azure.compute.get_gallery_image_output(
        resource_group_name="images", gallery_name="lab", gallery_image_name="daskfleet"
    )
    group = azure.resources.ResourceGroup("one", resource_group_name=GROUP_NAME, location=LOCATION, tags=TAGS)
    here: Any = {"resource_group_name": group.name, "tags": TAGS}

    address = azure.network.PublicIPAddress(
        "nat", **here, sku={"name": "Standard"}, public_ip_allocation_method="Static"
    )
    nat = azure.network.NatGateway("nat", **here, sku={"name": "Standard"}, public_ip_addresses=[{"id": address.id}])
    network = azure.network.VirtualNetwork(
        "net",
        **here,
        address_space={"address_prefixes": ["10.77.0.0/16"]},
        subnets=[
            {
                "name": "machines",
                "address_prefix": "10.77.0.0/20",
                "default_outbound_access": False,
                "nat_gateway": {"id": nat.id},
            }
        ],
    )
    subnet = network.subnets.apply(lambda subnets: subnets[0].id if subnets else "")
    workers = azure.network.ApplicationSecurityGroup("workers", **here)
    firewall = azure.network.NetworkSecurityGroup(
        "dask",
        **here,
        security_rules=[
            {
                "name": "workers",
                "priority": 100,
                "direction": "Inbound",
                "access": "Allow",
                "protocol": "Tcp",
                "source_application_security_groups": [{"id": workers.id}],
                "source_port_range": "*",
                "destination_address_prefix": "*",
                "destination_port_range": "8786",
            }
        ],
    )
    identity = azure.managedidentity.UserAssignedIdentity("worker", **here)
    vault = azure.keyvault.Vault(
        "vault",
        **here,
        vault_name="one-vault",
        properties={
            "tenant_id": who.tenant_id,
            "sku": {"family": "A", "name": "standard"},
            "enable_rbac_authorization": True,
        },
    )
    secret = azure.keyvault.Secret(
        "worker",
        **here,
        vault_name=vault.name,
        secret_name="worker",
        properties={"value": pulumi.Output.secret(SECRET)},
    )
    azure.authorization.RoleAssignment(
        "worker",
        scope=secret.id,
        principal_id=identity.principal_id,
        principal_type="ServicePrincipal",
        role_definition_id=ROLE,
    )
    logs = azure.storage.StorageAccount(
        "logs", **here, account_name="onelogs", kind="StorageV2", sku={"name": "Standard_LRS"}
    )
    azure.storage.BlobContainer("logs", resource_group_name=group.name, account_name=logs.name, container_name="logs")

    interface = azure.network.NetworkInterface(
        "scheduler",
        **here,
        ip_configurations=[
            {
                "name": "primary",
                "subnet": {"id": subnet},
                "private_ip_allocation_method": "Static",
                "private_ip_address": settings.address,
            }
        ],
        network_security_group={"id": firewall.id},
    )
    scheduler = azure.compute.VirtualMachine(
        "scheduler",
        **here,
        location=settings.location,
        hardware_profile={"vm_size": "Standard_D4s_v5"},
        identity={"type": "UserAssigned", "user_assigned_identities": [identity.id]},
        network_profile={"network_interfaces": [{"id": interface.id, "delete_option": "Delete"}]},
        os_profile={"admin_username": "daskfleet", "computer_name": "scheduler", "custom_data": "I2Nsb3VkLWNvbmZpZwo="},
        storage_profile={
            "image_reference": {"id": image.id},
            "os_disk": {"create_option": "FromImage", "delete_option": "Delete", "disk_size_gb": 40},
        },
    )
    azure.compute.VirtualMachineScaleSet(
        "cpu",
        **here,
        orchestration_mode="Flexible",
        platform_fault_domain_count=1,
        sku={"name": "Mix", "capacity": settings.count},
        sku_profile={
            "allocation_strategy": "Prioritized",
            "vm_sizes": [{"name": name, "rank": rank} for rank, name in enumerate(settings.sizes)],
        },
        identity={"type": "UserAssigned", "user_assigned_identities": [identity.id]},
        virtual_machine_profile={
            "priority": "Spot",
            "billing_profile": {"max_price": -1},
            "network_profile": {
                "network_api_version": "2020-11-01",
                "network_interface_configurations": [
                    {
                        "name": "primary",
                        "primary": True,
                        "ip_configurations": [{"name": "primary", "subnet": {"id": subnet}}],
                    }
                ],
            },
            "storage_profile": {"image_reference": {"id": image.id}},
        },
        opts=pulumi.ResourceOptions(ignore_changes=["sku.capacity"]),
    )
    pulumi.export("scheduler", interface.ip_configurations.apply(lambda found: found[0].private_ip_address))
    pulumi.export("secret", secret.properties.secret_uri)
    pulumi.export("network", network.id)
    pulumi.export("machine", scheduler.name)


class Deployment:
    """A stack of one program, with the state of its own."""

    def __init__(self, engine: Engine, arm: Arm, home: Path) -> None:
        self.home = home
        environment = engine.environment(home)
        clean = {key: value for key, value in environment.items() if not key.startswith(("ARM_", "AZURE_"))}
        self.environment = {
            **clean,
            "ARM_METADATA_HOSTNAME": arm.url,
            "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
            "ARM_TENANT_ID": TENANT,
            "ARM_CLIENT_ID": CLIENT,
            "ARM_CLIENT_SECRET": "testing",
            "PATH": stand_in_path(environment["PATH"]),
        }
        self.command = automation.PulumiCommand(root=str(engine.home))

    def stack(self, program: Callable[[], None]) -> automation.Stack:
        options = automation.LocalWorkspaceOptions(env_vars=self.environment, pulumi_command=self.command)
        return automation.create_or_select_stack("dev", "tests", program, opts=options)

    @property
    def state(self) -> str:
        return (self.home / "state" / ".pulumi" / "stacks" / "tests" / "dev.json").read_text()


@pytest.fixture
def deployment(engine: Engine, arm: Arm, tmp_path: Path) -> Deployment:
    return Deployment(engine, arm, tmp_path)


def changes(result: Any) -> dict[str, int]:
    """How many resources are made, changed, left…"""
    found = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    return {str(getattr(key, "value", key)): count for key, count in found.items()}


def test_a_fleet_is_previewed_made_found_unchanged_and_taken_down(deployment: Deployment, arm: Arm):
    before = set(arm.things)
    stack = deployment.stack(lambda: build_fleet(Settings()))
    assert set(changes(stack.preview())) == {"create"}
    assert [call.name for call in arm.calls if call.changes] == []

    made = stack.up()
    assert set(changes(made)) == {"create"}
    assert made.outputs["scheduler"].value == "10.77.0.10"
    assert made.outputs["secret"].value == "https://one-vault.vault.azure.net/secrets/worker"
    assert made.outputs["network"].value.startswith(f"{ROOT}/resourceGroups/{GROUP_NAME}/")
    assert SECRET not in deployment.state, "a secret is in clear in the state"

    assert set(changes(stack.preview())) == {"same"}
    assert set(changes(stack.refresh())) == {"same"}
    assert set(changes(stack.preview())) == {"same"}
    assert len(arm.things) > len(before)

    assert set(changes(stack.destroy())) == {"delete"}
    assert set(arm.things) == before


def test_a_fleet_changes_in_place_where_it_can(deployment: Deployment, arm: Arm):
    settings = Settings()
    stack = deployment.stack(lambda: build_fleet(settings))
    total = sum(changes(stack.up()).values())
    settings.sizes = ["Standard_D4s_v5", "Standard_E4s_v5"]
    settings.count = 1  # which belongs to the group now
    arm.clear()
    assert changes(stack.up()) == {"update": 1, "same": total - 1}
    [sent] = [call.body for call in arm.calls if call.changes]
    assert sent["sku"] == {"name": "Mix", "capacity": 2}
    assert sent["properties"]["skuProfile"]["vmSizes"][1] == {"name": "Standard_E4s_v5", "rank": 1}

    settings.location = "northeurope"
    planned = changes(stack.preview())
    done = changes(stack.up())
    assert done == planned == {"replace": 1, "same": total - 1}
    assert set(changes(stack.preview())) == {"same"}
    stack.destroy()


def test_what_somebody_changed_is_found_by_a_refresh_and_put_right(deployment: Deployment, arm: Arm):
    stack = deployment.stack(lambda: build_fleet(Settings()))
    total = sum(changes(stack.up()).values())
    [scale_set] = [thing for path, thing in arm.things.items() if "virtualmachinescalesets" in path]
    [firewall] = [thing for path, thing in arm.things.items() if "networksecuritygroups" in path]
    scale_set["sku"]["capacity"] = 5
    firewall["properties"]["securityRules"][0]["properties"]["sourcePortRange"] = "1"
    assert changes(stack.refresh()) == {"update": 2, "same": total - 2}
    assert changes(stack.preview()) == {"update": 1, "same": total - 1}
    arm.clear()
    stack.up()
    [sent] = [call.body for call in arm.calls if call.changes]
    assert sent["properties"]["securityRules"][0]["properties"]["sourcePortRange"] == "*"
    stack.destroy()


VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
FLEET = """
name: one
provider: azure
region: westeurope
zones: [1, 2]
workers:
  - {name: cpu, instance_types: [Standard_D8s_v5, Standard_D8as_v5], count: 2, spot: fallback, placement: cluster}
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
image: {gallery: images/lab, name: daskfleet}
"""


def test_the_projects_own_fleet_comes_is_found_unchanged_and_goes(deployment: Deployment, arm: Arm):
    tags = {f"daskfleet-{package}": version for package, version in VERSIONS.items()}
    arm.things[IMAGE.lower()]["tags"] = {**tags, "daskfleet-arch": "x86_64"}
    before = set(arm.things)
    spec = parse_fleet_yaml(FLEET)
    assert isinstance(spec, AzureFleetSpec)
    stack = deployment.stack(lambda: deploy_azure(spec, VERSIONS))
    made = stack.up()
    assert made.outputs["scheduler_address"].value == "tls://10.0.0.10:8786"
    assert made.outputs["access"].value["host"] == "198.51.100.99"
    assert made.outputs["security"].secret
    group = made.outputs["resources"].value["groups"]["cpu"]
    assert "/virtualMachineScaleSets/" in group["scale_set"]
    assert "PRIVATE KEY" not in deployment.state, "a key is in clear in the state"
    sent = json.dumps([call.body for call in arm.calls if "/secrets/" not in call.path])
    for plain in (sent, sent.replace("\\n", "\n")):
        assert "PRIVATE KEY" not in plain
    assert set(changes(stack.refresh())) == {"same"}
    assert set(changes(stack.preview())) == {"same"}
    stack.destroy()
    assert set(arm.things) == before
