"""Locations: a part of what Azure has."""

from __future__ import annotations

import re

from azure_cloud.errors import AzureError

LOCATIONS = {
    "westeurope": ("West Europe", ("1", "2", "3")),
    "northeurope": ("North Europe", ("1", "2", "3")),
    "germanywestcentral": ("Germany West Central", ("1", "2", "3")),
    "swedencentral": ("Sweden Central", ("1", "2", "3")),
    "eastus": ("East US", ("1", "2", "3")),
    "eastus2": ("East US 2", ("1", "2", "3")),
    "westus": ("West US", ()),
}
"""Their names as people read them, and their zones."""


def normalise(text: str) -> str:
    """`westeurope` of `West Europe`."""
    return re.sub(r"\s", "", text).lower()


def check_location(text: str, type_: str) -> str:
    name = normalise(text)
    if name not in LOCATIONS:
        known = ", ".join(LOCATIONS)
        message = (
            f"The provided location '{text}' is not available for resource type '{type_}'. List of "
            f"available regions: {known}."
        )
        raise AzureError(400, "LocationNotAvailableForResourceType", message)
    return name


def check_zones(zones: list[str], location: str) -> None:
    known = LOCATIONS[location][1]
    for zone in zones:
        if zone not in known:
            message = (
                f"The zone(s) '{zone}' for resource in location '{location}' is not supported. The "
                f"supported zones for location are '{','.join(known)}'"
            )
            raise AzureError(400, "InvalidAvailabilityZone", message)
