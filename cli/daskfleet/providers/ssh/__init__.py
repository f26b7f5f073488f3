"""Fleets on machines that are reached by SSH."""

from daskfleet.providers.ssh.provider import SshProvider

__all__ = ["SshProvider"]
