"""What the instance types of a group have in common, as AWS tells it."""

import pulumi
import pulumi_aws as aws

from daskfleet_components.kinds import InstanceKind, TypeFacts, combine

ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""AWS's names of the architectures that images are built for, and `uname -m`'s."""


def describe_kind(instance_types: list[str], opts: pulumi.InvokeOptions, known: dict[str, TypeFacts]) -> InstanceKind:
    """What machines of any of these types have in common.

    Args:
        known: what has been asked already, so that each type is asked for once; it is added to.

    Raises:
        pulumi.RunError: AWS knows no such type, or they do not fit one another.
    """
    for each in instance_types:
        if each not in known:
            known[each] = _ask(each, opts)
    return combine([known[each] for each in instance_types])


def _ask(instance_type: str, opts: pulumi.InvokeOptions) -> TypeFacts:
    told = aws.ec2.get_instance_type(instance_type=instance_type, opts=opts)
    gpus = sum(each.count for each in told.gpuses or [] if each.manufacturer.lower() == "nvidia")
    known = {ARCHITECTURES[each] for each in told.supported_architectures if each in ARCHITECTURES}
    return TypeFacts(instance_type, frozenset(known), gpus)
