"""Machines that AWS launches, in a network: see `AwsCloud`."""

from __future__ import annotations

from machines.aws.cloud import AwsCloud

__all__ = ["AwsCloud"]
