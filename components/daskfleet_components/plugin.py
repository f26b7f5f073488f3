"""The components as a Pulumi package, for programs in other languages: `pulumi-resource-daskfleet`."""

import importlib.metadata

from pulumi.provider.experimental import component_provider_host

from daskfleet_components.aws import COMPONENTS

PACKAGE = "daskfleet"


def main() -> None:
    """Serve the package to Pulumi's engine."""
    version = importlib.metadata.version(PACKAGE)
    component_provider_host(name=PACKAGE, components=list(COMPONENTS), version=version)
