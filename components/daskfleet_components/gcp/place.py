"""Where a fleet is in Google Cloud: a project and a region, as the provider of its resources says."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp


@dataclass(frozen=True)
class Place:
    """A region of a project."""

    project: str
    region: str


def find_place(name: str, opts: pulumi.InvokeOptions) -> Place:
    """The place of the provider's resources.

    Raises:
        pulumi.RunError: the provider says no project, or no region.
    """
    config: Any = gcp.organizations.get_client_config(opts=opts)
    for key, value, remedy in (
        ("project", config.project, "GOOGLE_CLOUD_PROJECT or the configuration `gcp:project`"),
        ("region", config.region, "GOOGLE_REGION or the configuration `gcp:region`"),
    ):
        if not value:
            raise pulumi.RunError(f"{name}: {key}: nothing says which; give {remedy}, or a provider that has it.")
    return Place(str(config.project), str(config.region))
