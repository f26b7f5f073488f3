"""Microsoft.Compute."""

from __future__ import annotations

from azure_cloud.arm import Kind
from azure_cloud.compute.disks import Disks
from azure_cloud.compute.galleries import Galleries, GalleryImages, GalleryImageVersions
from azure_cloud.compute.images import Images
from azure_cloud.compute.machines import VirtualMachines
from azure_cloud.compute.placement import ProximityPlacementGroups
from azure_cloud.compute.scale_sets import VirtualMachineScaleSets

COMPUTE: tuple[type[Kind], ...] = (
    Disks,
    Galleries,
    GalleryImages,
    GalleryImageVersions,
    Images,
    ProximityPlacementGroups,
    VirtualMachineScaleSets,
    VirtualMachines,
)
