"""All resource types and functions that the stand-in knows."""

from __future__ import annotations

from collections.abc import Mapping

from stand_ins.azure import invokes
from stand_ins.azure.call import Call
from stand_ins.azure.catalog import TYPES
from stand_ins.azure.resource import AzureResource, Secret
from stand_ins.core.provider import Function
from stand_ins.core.resource import Resource

SPECIAL: Mapping[str, type[AzureResource]] = {"keyvault:Secret": Secret}
"""The types of which ARM does not do everything."""
KINDS = [SPECIAL.get(kind.token, AzureResource)(kind) for kind in TYPES]
RESOURCES: Mapping[str, Resource[Call]] = {kind.token: kind for kind in KINDS}
FUNCTIONS: Mapping[str, Function[Call]] = invokes.FUNCTIONS
