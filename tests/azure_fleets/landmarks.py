"""What the suite for every cloud must know of Azure."""

from __future__ import annotations

import dataclasses

from azure_calls import BROKEN, THROTTLED, Refusal, denied
from azure_cloud.identity.directory import PERSON
from clouds.landmarks import Component, Landmarks, Refusals
from daskfleet_stacks.versions import read_own_versions
from machines.azure.azure import LOCATION

LANDMARKS = Landmarks(
    network="subscriptions/resourceGroups/write",
    subnet="virtualNetworks/write",
    machine="virtualMachines/write",
    group="virtualMachineScaleSets/write",
    template="virtualMachineScaleSets/write",
    resize="virtualMachineScaleSets/update",
    middle=("vaults/write", "userAssignedIdentities/write", "networkSecurityGroups/write", "roleAssignments/write"),
    once=("vaults/write", "roleAssignments/write", "virtualMachines/write"),
    removing=("virtualMachines/delete", "networkSecurityGroups/delete", "subscriptions/resourceGroups/delete"),
    hindered="subscriptions/resourceGroups/delete",
    denied=(
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
        "Microsoft.KeyVault/vaults/secrets/write",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.Compute/virtualMachineScaleSets/write",
    ),
    seen=(
        "Microsoft.Compute/virtualMachines/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
        "Microsoft.KeyVault/vaults/secrets/write",
        "Microsoft.Authorization/roleAssignments/write",
    ),
    expiring=("subscriptions/read", "roleAssignments/write", "virtualNetworks/write"),
    network_type="network.VirtualNetwork",
    group_type="compute.VirtualMachineScaleSet",
    types=("network.VirtualNetwork", "compute.VirtualMachine", "compute.VirtualMachineScaleSet"),
    scheduler_type="Standard_D2s_v5",
    other_architecture="Standard_D2ps_v5",
    gpu_type="Standard_NC4as_T4_v3",
    no_type="Standard_X9_v9",
    type_words="VM sizes",
    addresses="10.78.",
)

REFUSALS = Refusals(
    throttled=THROTTLED,
    broken=BROKEN,
    expired=Refusal(
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time '11/29/2026 0:00:00 AM' is earlier than current UTC time '11/29/2026 0:00:01 "
        "AM'.",
        401,
    ),
    denied=denied,
    denied_words=lambda name: f"to perform action '{name}'",
    expired_words="Renew them|az login",
    no_spot_words="spot machine: AllocationFailed",
    shortages={
        "capacity": (
            Refusal(
                "SkuNotAvailable",
                "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: "
                "Standard_D2s_v5' is currently not available in location 'westeurope'. Please try another size or "
                "deploy to a different location or different zone.",
                409,
            ),
            "the cloud has no such machine free now",
        ),
        "quota": (
            Refusal(
                "OperationNotAllowed",
                "Operation could not be completed as it results in exceeding approved Total Regional Cores quota. "
                "Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 1, "
                "Current Usage: 0, Additional Required: 2, (Minimum) New Limit Required: 2.",
                409,
            ),
            "a quota of the subscription is used up",
        ),
    },
)

COMPONENT = Component(
    kind="daskfleet:AzureFleet",
    groups="scaleSets",
    tags="tags",
    properties={
        "location": LOCATION,
        "schedulerInstanceType": LANDMARKS.scheduler_type,
        "zones": ["1", "2"],
        "versions": dataclasses.asdict(read_own_versions()),
        "operator": PERSON,
        "operatorType": "ServicePrincipal",
    },
    config={"azure-native:location": LOCATION},
    spec={"zones": [1, 2]},
)
