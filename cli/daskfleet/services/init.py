"""A fleet file to begin with."""

from __future__ import annotations

import importlib.resources
import os

CIDR_TO_FILL_IN = "YOUR.ADDRESS/32"
"""Refused until somebody has written a network: which one is right, nobody but the person knows."""

DEFAULT_REGIONS = {"aws": "eu-west-1", "gcp": "europe-west1", "azure": "westeurope"}


def render_fleet_file(provider: str, name: str, file: str, *, cpus: int, region: str | None = None) -> str:
    """The text of a commented `fleet.yaml`.

    Args:
        cpus: cores of this machine, for a fleet on it.
        region: where a fleet in a cloud is to be, if that is known.
    """
    template = importlib.resources.files("daskfleet.services") / "templates" / f"{provider}.yaml"
    return template.read_text(encoding="utf-8").format(
        name=name,
        file=file,
        count=min(cpus, 4),
        threads=max(1, cpus // min(cpus, 4)),
        region=region or DEFAULT_REGIONS.get(provider, ""),
        cidr=CIDR_TO_FILL_IN,
    )


def find_region(provider: str) -> str | None:
    """The region of a cloud that the environment or the profile says; nothing is asked."""
    if provider == "aws":
        return _find_aws_region()
    if provider == "gcp":  # Of gcloud, and of the Pulumi provider.
        return os.environ.get("CLOUDSDK_COMPUTE_REGION") or os.environ.get("GOOGLE_REGION")
    if provider == "azure":  # Of az, and of the Pulumi provider.
        return os.environ.get("AZURE_DEFAULTS_LOCATION") or os.environ.get("ARM_LOCATION")
    return None


def _find_aws_region() -> str | None:
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        return None
    try:
        region = botocore.session.Session().get_config_variable("region")
    except botocore.exceptions.BotoCoreError:
        return None
    return str(region) if region else None
