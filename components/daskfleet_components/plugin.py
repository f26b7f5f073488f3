"""The components as a Pulumi package, for programs in other languages: `pulumi-resource-daskfleet`."""

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import Any

from pulumi.provider.experimental import component_provider_host

PACKAGE = "daskfleet"
SDKS = {"aws": "pulumi_aws", "azure": "pulumi_azure_native", "gcp": "pulumi_gcp"}
"""The package of each cloud's resources."""


def main() -> None:
    """Serve the package to Pulumi's engine."""
    components = load_components()
    if not components:
        sys.exit(
            f"no cloud's SDK is installed: pip install 'daskfleet[CLOUD]', where CLOUD is one of {', '.join(SDKS)}."
        )
    version = importlib.metadata.version(PACKAGE)
    component_provider_host(name=PACKAGE, components=components, version=version)


def load_components() -> list[Any]:
    """The component classes of every cloud whose SDK is installed."""
    return [
        component
        for cloud, sdk in SDKS.items()
        if importlib.util.find_spec(sdk) is not None
        for component in importlib.import_module(f"daskfleet_components.{cloud}").COMPONENTS
    ]
