"""Fleets in a cloud: each a stack that the Pulumi engine makes; groups and logs are asked of the cloud itself."""

from daskfleet.providers.stack.provider import StackProvider

__all__ = ["StackProvider"]
