"""Machines that Google Cloud launches, in a network: see `GcpCloud`."""

from __future__ import annotations

from machines.gcp.cloud import GcpCloud
from machines.gcp.google import GOOGLE_PORT, PROBER_ADDRESS, Google, start_google

__all__ = ["GOOGLE_PORT", "PROBER_ADDRESS", "GcpCloud", "Google", "start_google"]
