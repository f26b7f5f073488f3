"""Machines with GPUs that the image has a driver for, where a cloud does not say which GPUs they have. Pure."""

from __future__ import annotations

AZURE_GPUS = {
    "Standard_NC4as_T4_v3": 1,
    "Standard_NC8as_T4_v3": 1,
    "Standard_NC16as_T4_v3": 1,
    "Standard_NC64as_T4_v3": 4,
    "Standard_NC24ads_A100_v4": 1,
    "Standard_NC48ads_A100_v4": 2,
    "Standard_NC96ads_A100_v4": 4,
    "Standard_NC40ads_H100_v5": 1,
    "Standard_NC80adis_H100_v5": 2,
}
"""NVIDIA GPUs of VM sizes: https://learn.microsoft.com/azure/virtual-machines/sizes/overview,
GPU accelerated. Those of NV need NVIDIA's vGPU driver, those of ND its Fabric Manager, or they are of another maker."""
