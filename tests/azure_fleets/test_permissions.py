"""The role that the docs give: it allows every call that a fleet makes in its life, and nothing needlessly."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_calls import BLOB, ENTRA, VAULT
from azure_fleets.region import Region
from clouds.pretend import pretend_nodes
from clouds.region import open_region
from engine.engine import Engine
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


@pytest.fixture
def region(tmp_path: Path, engine: Engine) -> Iterator[Region]:
    with open_region(Region, tmp_path, engine) as region:
        yield region


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
    cli = region.cli
    make_container(region)
    changes = {
        "workers": json.dumps(
            [
                {
                    "name": "cpu",
                    "instance_types": [region.small],
                    "count": 1,
                    "spot": "fallback",
                    "placement": "cluster",
                }
            ]
        ),
        "access": "{mode: ssh, allowed_cidrs: [198.51.100.7/32]}",
        "data": '{read: ["abfs://era5@weather.dfs.core.windows.net/daily"], storage_accounts: {weather: climate}}',
    }
    file = cli.write(region.render_fleet(**changes))
    cli.ok("doctor", file, timeout=100)
    with pretend_nodes(region):
        cli.ok("up", file, "--yes", timeout=200)
        cli.ok("scale", "research", "cpu", "2", timeout=100)
    cli.ok("status", "research", timeout=60)
    cli.ok("logs", "research", timeout=60)
    cli.ok("preview", file, "--refresh", timeout=200)
    cli.run("connect", "research", *region.here(), timeout=60)
    cli.ok("down", "research", timeout=200)
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
