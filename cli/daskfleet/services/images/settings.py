"""What a build is given for each provider, and how packer calls it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daskfleet.errors import FleetError

PROVIDERS = ("local", "aws", "gcp", "azure")


@dataclass(frozen=True)
class Setting:
    """One option of `image build` that belongs to one provider."""

    variable: str
    """Packer's variable."""
    variables: tuple[str, ...] = ()
    """Environment variables that are taken where the option is not given, first choice first."""
    required: bool = False


SETTINGS: dict[str, dict[str, Setting]] = {
    "local": {
        "base": Setting("base_image"),
        "accelerator": Setting("accelerator"),
    },
    "aws": {
        "region": Setting("aws_region", ("AWS_REGION", "AWS_DEFAULT_REGION"), required=True),
        "instance-type": Setting("aws_instance_type"),
        "subnet": Setting("aws_subnet_id"),
    },
    "gcp": {
        "project": Setting("gcp_project", ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"), required=True),
        "zone": Setting("gcp_zone", ("CLOUDSDK_COMPUTE_ZONE",), required=True),
        "instance-type": Setting("gcp_machine_type"),
    },
    "azure": {
        "subscription": Setting(
            "azure_subscription_id", ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"), required=True
        ),
        "resource-group": Setting("azure_resource_group", required=True),
        "location": Setting("azure_location", required=True),
        "instance-type": Setting("azure_vm_size"),
    },
}
"""By provider and option, without its hyphens."""

PLACES = {"aws": "region", "gcp": "project", "azure": "subscription"}
"""The option that says where a cloud's images are."""

UNBUILDABLE = {
    ("local", "aarch64"): "on this machine images are built for x86_64 only; build those for aarch64 in a cloud",
}
"""Architectures that a provider does not build: `{(provider, architecture): why, and what to do}`."""


def check_buildable(provider: str, arch: str) -> None:
    """Refuse an architecture that the provider does not build.

    Raises:
        FleetError: with the reason and what to do.
    """
    if reason := UNBUILDABLE.get((provider, arch)):
        raise FleetError(f"--arch: '{arch}': {reason}.")


def plan_variables(provider: str, given: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """Packer's variables from the options of a provider.

    Raises:
        FleetError: every option that is missing, or belongs to another provider.
    """
    settings = SETTINGS[provider]
    problems = []
    for option, value in given.items():
        if value is not None and option not in settings:
            owners = " or ".join(name for name, options in SETTINGS.items() if option in options)
            problems.append(
                f"--{option}: {value!r}: this is for {owners}, and the provider is {provider}; leave it out"
            )
    variables = {}
    for option, setting in settings.items():
        value = given.get(option)
        if value is None:
            value = next((environment[name] for name in setting.variables if environment.get(name)), None)
        if value is not None:
            variables[setting.variable] = value
        elif setting.required:
            others = "".join(f" or ${name}" for name in setting.variables[:1])
            problems.append(f"--{option}: {provider} needs it, and nothing says it; give it{others}")
    if problems:
        raise FleetError(
            "\n".join(problems) if len(problems) == 1 else "\n  ".join(("this build cannot begin:", *problems))
        )
    return variables


def choose_place(provider: str, given: Mapping[str, str | None], environment: Mapping[str, str]) -> str | None:
    """Where a provider's images are: its option, or else what the environment says.

    Raises:
        FleetError: an option belongs to another provider.
    """
    own = PLACES.get(provider)
    for option, value in given.items():
        if value is not None and option != own:
            owner = next(name for name, place in PLACES.items() if place == option)
            raise FleetError(
                f"--{option}: {value!r}: this is for {owner}, and the provider is {provider}; leave it out, or say "
                f"--provider {owner}."
            )
    if own is None:
        return None
    names = SETTINGS[provider][own].variables
    return given.get(own) or next((environment[name] for name in names if environment.get(name)), None)
