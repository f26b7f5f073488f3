"""How a fleet's things are marked in Google Cloud: by labels, and where a thing has none, by its description. Pure."""

import hashlib
from collections.abc import Mapping

from daskfleet_components.naming import limit_name

FLEET = "daskfleet-fleet"
REGION = "daskfleet-region"
ROLE = "daskfleet-role"
GROUP = "daskfleet-group"

BASE_NAME_LIMIT = 58
"""Longest beginning of the names of a managed group's instances, to which it adds a hyphen and four characters."""


def build_labels(
    fleet: str, region: str, role: str, *, group: str | None = None, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The labels of one thing of a fleet. Labels of the person come first: ours cannot be changed by them.

    Networks, secrets and identities are a project's, not a region's: so the region is part of the mark.

    Args:
        role: what it is for: `scheduler`, `worker`, `client`, `network`.
        group: its worker group, where it is of one.
        extra: the labels that the fleet's spec asks for.
    """
    own = {FLEET: fleet, REGION: region, ROLE: role}
    return {**(extra or {}), **own, **({GROUP: group} if group is not None else {})}


def describe(fleet: str, region: str, role: str, *, group: str | None = None) -> str:
    """The same mark as the description of a thing that has no labels."""
    return " ".join(f"{key}={value}" for key, value in build_labels(fleet, region, role, group=group).items())


def name_account(fleet: str, region: str, role: str) -> str:
    """The id of a role's service account: at most 30 characters, the same for the same fleet, another for others."""
    digest = hashlib.sha256(f"{region}/{fleet}".encode()).hexdigest()[:12]
    return f"df-{role}-{digest}"


def name_secret(fleet: str, region: str, role: str) -> str:
    """The id of a role's secret."""
    return f"daskfleet-{region}-{fleet}-{role}"


def name_log(project: str, fleet: str, region: str) -> str:
    """The fleet's log in Cloud Logging."""
    return f"projects/{project}/logs/daskfleet/{region}/{fleet}"


def name_instances(fleet: str, group: str, suffix: str = "") -> str:
    """How the names of a group's instances begin; `suffix` tells those of its second managed group apart."""
    return limit_name(f"{fleet}-{group}", BASE_NAME_LIMIT + 8 - len(suffix)) + suffix
