"""What is answered has the fields and the values that the official models have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from azure_cloud.conftest import GROUP, HEALTH, LOCATION, SCOPE, SPOT, TESTS, Azure

MODELS = {
    "Microsoft.Network/applicationSecurityGroups": "network:ApplicationSecurityGroup",
    "Microsoft.Network/natGateways": "network:NatGateway",
    "Microsoft.Network/networkInterfaces": "network:NetworkInterface",
    "Microsoft.Network/networkSecurityGroups": "network:NetworkSecurityGroup",
    "Microsoft.Network/publicIPAddresses": "network:PublicIPAddress",
    "Microsoft.Network/virtualNetworks": "network:VirtualNetwork",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "msi:Identity",
    "Microsoft.KeyVault/vaults": "keyvault:Vault",
    "Microsoft.Storage/storageAccounts": "storage:StorageAccount",
    "Microsoft.Compute/disks": "compute:Disk",
    "Microsoft.Compute/galleries": "compute:Gallery",
    "Microsoft.Compute/images": "compute:Image",
    "Microsoft.Compute/proximityPlacementGroups": "compute:ProximityPlacementGroup",
    "Microsoft.Compute/virtualMachineScaleSets": "compute:VirtualMachineScaleSet",
    "Microsoft.Compute/virtualMachines": "compute:VirtualMachine",
}
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def test_every_answer_is_of_its_model(azure: Azure, tmp_path: Path):
    address = azure.put(
        "Microsoft.Network/publicIPAddresses", "nat", {"publicIPAllocationMethod": "Static"}, sku={"name": "Standard"}
    )
    gateway = azure.put(
        "Microsoft.Network/natGateways", "nat", {"publicIpAddresses": [{"id": address["id"]}]}, sku={"name": "Standard"}
    )
    application = azure.put("Microsoft.Network/applicationSecurityGroups", "one")["id"]
    rule = {
        "protocol": "Tcp",
        "access": "Allow",
        "direction": "Inbound",
        "priority": 100,
        "sourceApplicationSecurityGroups": [{"id": application}],
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "22",
    }
    azure.put(
        "Microsoft.Network/networkSecurityGroups", "one", {"securityRules": [{"name": "one", "properties": rule}]}
    )
    azure.put("Microsoft.Compute/proximityPlacementGroups", "one", {})
    vault, identity = azure.make_vault(), azure.make_identity()
    secret, container = azure.make_secret(vault), azure.make_container()
    azure.make_network(natGateway={"id": gateway["id"]}, serviceEndpoints=[{"service": "Microsoft.Storage"}])
    azure.make_managed_image()
    image = azure.make_image()
    azure.make_scale_set_of(image, azure.get_subnet(), profile={**SPOT, **HEALTH}, zones=["1"])
    answers = [(model, each) for type_, model in MODELS.items() for each in azure.list(f"{GROUP}/providers/{type_}")]
    assert {model for model, _ in answers} == {*MODELS.values()}
    assignment = azure.grant(GROUP, READER, identity)
    machine = azure.list_members(azure.place("Microsoft.Compute/virtualMachineScaleSets", "cpu"))[0]["id"]
    more = {
        "authorization:RoleAssignment": azure.get(assignment),
        "compute:GalleryImage": azure.get(image),
        "compute:GalleryImageVersion": azure.get(f"{image}/versions/1.0.0"),
        "compute:ResourceSku": next(azure.list(f"{SCOPE}/providers/Microsoft.Compute/skus")),
        "compute:Usage": next(azure.list(f"{SCOPE}/providers/Microsoft.Compute/locations/{LOCATION}/usages")),
        "compute:VirtualMachineInstanceView": azure.get(f"{machine}/instanceView"),
        "keyvault:Secret": azure.get(secret),
        "network:Subnet": azure.get(azure.get_subnet()),
        "resource:ResourceGroup": azure.get(GROUP),
        "storage:BlobContainer": azure.get(container),
    }
    file = tmp_path / "answers.json"
    file.write_text(json.dumps([*answers, *more.items()]))
    command = [sys.executable, "-m", "azure_cloud.judge_answers", str(file)]
    judged = subprocess.run(command, cwd=TESTS, check=True, capture_output=True, text=True)
    assert json.loads(judged.stdout) == []
