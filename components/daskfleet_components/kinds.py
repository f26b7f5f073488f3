"""What the machines of one worker group have in common, whatever the cloud calls their types. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class InstanceKind:
    """What machines of one group have in common."""

    architecture: str
    """`x86_64` or `aarch64`."""
    gpus: int
    """NVIDIA GPUs that each has at least; 0 where none has any."""

    @property
    def image_key(self) -> tuple[str, bool]:
        """By which the images of a fleet are told apart."""
        return self.architecture, self.gpus > 0


@dataclass(frozen=True)
class TypeFacts:
    """What a cloud tells of one type."""

    name: str
    architectures: frozenset[str]
    gpus: int


def combine(facts: Sequence[TypeFacts]) -> InstanceKind:
    """What the types have in common.

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
