"""Fleets on this machine: processes of the user who started them, under a supervisor of their own."""

from daskfleet.providers.local.provider import LocalProvider

__all__ = ["LocalProvider"]
