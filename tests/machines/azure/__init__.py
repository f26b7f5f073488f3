"""Machines that Azure launches, in a network: see `AzureCloud`."""

from __future__ import annotations

from machines.azure.azure import AZURE_PORT, HTTPS_PORT, Azure, start_azure
from machines.azure.cloud import AzureCloud

__all__ = ["AZURE_PORT", "HTTPS_PORT", "Azure", "AzureCloud", "start_azure"]
