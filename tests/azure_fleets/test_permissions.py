"""The role that the docs give: it allows every call that a fleet makes in its life, and nothing needlessly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from azure_calls import BLOB, ENTRA, VAULT
from azure_fleets.region import Region
from clouds.fleets import live_through
from machines.azure.azure import LOCATION, SCOPE, SUBSCRIPTION

ROLE = Path(__file__).parents[2] / "docs/_data/azure-role.json"

OTHERWISE = {
    "Microsoft.KeyVault/locations/operations/read": "Microsoft.KeyVault/locations/operationResults/read",
    "Microsoft.Resources/locations/operations/read": "Microsoft.Resources/subscriptions/operationresults/read",
    "Microsoft.Storage/locations/operationResults/read": "Microsoft.Storage/operations/read",
}
"""What is needed to hear how something ended, where it is called otherwise."""

BESIDES = {
    "Microsoft.Compute/disks/write": "machines have disks",
    "Microsoft.Compute/galleries/images/versions/read": "machines boot an image",
    "Microsoft.Compute/proximityPlacementGroups/read": "machines are close together",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action": "machines are given an identity",
    "Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action": "interfaces are of a group",
    "Microsoft.Network/applicationSecurityGroups/joinNetworkSecurityRule/action": "rules name groups",
    "Microsoft.Network/natGateways/join/action": "the subnet has a way out",
    "Microsoft.Network/networkInterfaces/join/action": "the scheduler's machine has an interface",
    "Microsoft.Network/networkSecurityGroups/join/action": "interfaces have a firewall",
    "Microsoft.Network/publicIPAddresses/join/action": "NAT gateway and scheduler have public addresses",
    "Microsoft.Network/virtualNetworks/subnets/join/action": "machines are in a subnet",
}
"""What Azure asks for besides what is called, and why."""

UNSEEN = {
    "Microsoft.Compute/disks/delete": "the stack's state is lost",
    "Microsoft.Compute/disks/read": "the stack's state is lost",
    "Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action": "a machine does not come up",
    "Microsoft.Compute/virtualMachineScaleSets/delete/action": "a group gets fewer machines, and some are idle",
    "Microsoft.Network/virtualNetworks/subnets/read": "machines are in a network that exists",
}
"""What the life below may not call, and why it is allowed all the same."""


def make_container(region: Region) -> None:
    """A container of somebody's, in a resource group of his."""
    group = f"{SCOPE}/resourceGroups/climate"
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/weather"
    region.client.call("PUT", group, {"location": LOCATION})
    rendered = {"location": LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
    region.client.call("PUT", account, rendered)
    region.client.call("PUT", f"{account}/blobServices/default/containers/era5", {"properties": {}})


@pytest.mark.slow
def test_the_role_allows_what_a_fleets_life_needs_and_nothing_without_a_reason(region: Region) -> None:
    make_container(region)
    data = '{read: ["abfs://era5@weather.dfs.core.windows.net/daily"], storage_accounts: {weather: climate}}'
    live_through(region, data=data)
    actions = {
        OTHERWISE.get(call.name, call.name)
        for call in region.proxy.calls
        if call.service not in (VAULT, BLOB, ENTRA)  # What is said to them, the fleet's own roles allow.
    }
    wanted = {
        "Name": "daskfleet",
        "IsCustom": True,
        "Description": "Make Dask fleets, change and remove them.",
        "Actions": sorted({*actions, *BESIDES, *UNSEEN}),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/SUBSCRIPTION"],
    }
    if os.environ.get("DASKFLEET_UPDATE_GOLDEN") == "1":
        ROLE.write_text(json.dumps(wanted, indent=2) + "\n")
    assert json.loads(ROLE.read_text()) == wanted


def test_no_permission_is_wider_than_one_kind_of_call() -> None:
    text = ROLE.read_text()
    assert "*" not in text
    assert SUBSCRIPTION not in text
    for action in json.loads(text)["Actions"]:
        assert action.startswith("Microsoft.")
        assert action.count("/") >= 2
