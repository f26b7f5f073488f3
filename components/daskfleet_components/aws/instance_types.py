"""What the instance types of a group have in common, as AWS tells it."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""AWS's names of the architectures that images are built for, and `uname -m`'s."""


@dataclass(frozen=True)
class InstanceKind:
    """What machines of one group have in common."""

    architecture: str
    """`x86_64` or `aarch64`."""
    gpus: int
    """NVIDIA GPUs that each has at least; 0 where none has any."""


@dataclass(frozen=True)
class TypeFacts:
    """What AWS tells of one type."""

    name: str
    architectures: frozenset[str]
    gpus: int


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


def combine(facts: list[TypeFacts]) -> InstanceKind:
    """What the types have in common. Pure.

    Raises:
        pulumi.RunError: no image can boot on all of them.
    """
    names = ", ".join(each.name for each in facts)
    common = frozenset.intersection(*(each.architectures for each in facts))
    if not common:
        told = "; ".join(f"{each.name} is {' or '.join(sorted(each.architectures)) or 'neither'}" for each in facts)
        raise pulumi.RunError(
            f"instance_types: {names}: they are of different architectures ({told}), and one image cannot boot on all "
            "of them; put them into groups of their own."
        )
    if len({each.gpus > 0 for each in facts}) > 1:
        told = "; ".join(f"{each.name} has {each.gpus}" for each in facts)
        raise pulumi.RunError(
            f"instance_types: {names}: some have GPUs and some have none ({told}); put them into groups of their own."
        )
    return InstanceKind("x86_64" if "x86_64" in common else "aarch64", min(each.gpus for each in facts))


def _ask(instance_type: str, opts: pulumi.InvokeOptions) -> TypeFacts:
    told = aws.ec2.get_instance_type(instance_type=instance_type, opts=opts)
    gpus = sum(each.count for each in told.gpuses or [] if each.manufacturer.lower() == "nvidia")
    known = {ARCHITECTURES[each] for each in told.supported_architectures if each in ARCHITECTURES}
    return TypeFacts(instance_type, frozenset(known), gpus)
