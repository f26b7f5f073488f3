"""The types and functions of `azure-native` that the stand-in knows: where ARM has them, and by which models."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
PARAMETER = re.compile(r"\{(\w+)\}")
ADDED = ("subscriptionId",)
"""What the provider itself puts into paths."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A type or a function."""

    token: str
    """Without the provider's name: `network:VirtualNetwork`."""
    path: str
    body: str = ""
    """The official model of what is sent."""
    answer: str = ""
    """The official model of what comes back."""

    @property
    def module(self) -> str:
        return self.token.partition(":")[0]

    @property
    def parameters(self) -> list[str]:
        """What of the path the program says."""
        return [name for name in PARAMETER.findall(self.path) if name not in ADDED]


@dataclass(frozen=True, kw_only=True)
class Kind(Entry):
    """A resource type."""

    fixed: Collection[str] = ()
    """What cannot be changed, beside what the models say; as the real provider has it in a list of its own."""
    separate: Collection[str] = ()
    """Lists of things that may be made one by one, too: what a program does not say of them stays as it is."""


def of_group(provider: str, collection: str, parameter: str) -> str:
    """The path of what lies in a resource group."""
    return f"{GROUP}/providers/{provider}/{collection}/{{{parameter}}}"


def _kind(
    token: str,
    path: str,
    *,
    body: str = "",
    answer: str = "",
    fixed: Collection[str] = (),
    separate: Collection[str] = (),
) -> Kind:
    name = answer or token.partition(":")[2]
    return Kind(token=token, path=path, body=body or name, answer=name, fixed=fixed, separate=separate)


NETWORK, COMPUTE, STORAGE, VAULTS = "Microsoft.Network", "Microsoft.Compute", "Microsoft.Storage", "Microsoft.KeyVault"
VAULT = of_group(VAULTS, "vaults", "vaultName")
ACCOUNT = of_group(STORAGE, "storageAccounts", "accountName")
NETWORKS = of_group(NETWORK, "virtualNetworks", "virtualNetworkName")
GALLERY_IMAGE = f"{of_group(COMPUTE, 'galleries', 'galleryName')}/images/{{galleryImageName}}"

TYPES = (
    _kind("resources:ResourceGroup", GROUP, fixed=("location",)),
    _kind(
        "network:VirtualNetwork",
        NETWORKS,
        fixed=("location",),
        separate=("subnets", "virtualNetworkPeerings"),
    ),
    _kind("network:NatGateway", of_group(NETWORK, "natGateways", "natGatewayName")),
    _kind(
        "network:PublicIPAddress",
        of_group(NETWORK, "publicIPAddresses", "publicIpAddressName"),
        fixed=("location", "publicIPAddressVersion", "publicIPPrefix", "sku"),
    ),
    _kind(
        "network:NetworkSecurityGroup",
        of_group(NETWORK, "networkSecurityGroups", "networkSecurityGroupName"),
        separate=("securityRules",),
    ),
    _kind(
        "network:ApplicationSecurityGroup",
        of_group(NETWORK, "applicationSecurityGroups", "applicationSecurityGroupName"),
    ),
    _kind("network:NetworkInterface", of_group(NETWORK, "networkInterfaces", "networkInterfaceName")),
    _kind(
        "managedidentity:UserAssignedIdentity",
        of_group("Microsoft.ManagedIdentity", "userAssignedIdentities", "resourceName"),
        answer="Identity",
        fixed=("location",),
    ),
    _kind(
        "authorization:RoleAssignment",
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        body="RoleAssignmentCreateParameters",
        fixed=("principalId", "scope"),
    ),
    _kind("keyvault:Vault", VAULT, body="VaultCreateOrUpdateParameters", separate=("properties.accessPolicies",)),
    _kind("keyvault:Secret", f"{VAULT}/secrets/{{secretName}}", body="SecretCreateOrUpdateParameters"),
    _kind(
        "storage:StorageAccount",
        ACCOUNT,
        body="StorageAccountCreateParameters",
        fixed=("isHnsEnabled", "location"),
    ),
    _kind("storage:BlobContainer", f"{ACCOUNT}/blobServices/default/containers/{{containerName}}"),
    _kind("compute:VirtualMachine", of_group(COMPUTE, "virtualMachines", "vmName")),
    _kind("compute:VirtualMachineScaleSet", of_group(COMPUTE, "virtualMachineScaleSets", "vmScaleSetName")),
    _kind(
        "compute:ProximityPlacementGroup", of_group(COMPUTE, "proximityPlacementGroups", "proximityPlacementGroupName")
    ),
)
FUNCTIONS = (
    Entry(token="compute:getGalleryImage", path=GALLERY_IMAGE, answer="GalleryImage"),
    Entry(
        token="compute:getGalleryImageVersion",
        path=f"{GALLERY_IMAGE}/versions/{{galleryImageVersionName}}",
        answer="GalleryImageVersion",
    ),
    Entry(token="network:getVirtualNetwork", path=NETWORKS, answer="VirtualNetwork"),
    Entry(token="network:getSubnet", path=f"{NETWORKS}/subnets/{{subnetName}}", answer="Subnet"),
    Entry(token="storage:getStorageAccount", path=ACCOUNT, answer="StorageAccount"),
)
"""Those that read something of ARM's; `authorization:getClientConfig` asks nobody."""
