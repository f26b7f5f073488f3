"""What the VM sizes of a group have in common, as their names tell it: Azure's provider cannot be asked. Pure.

https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions
"""

import re
from collections.abc import Sequence

import pulumi

from daskfleet_components.kinds import InstanceKind, TypeFacts, combine
from daskfleet_images.gpu_sizes import AZURE_GPUS as GPUS

SIZE = re.compile(
    r"Standard_(?P<family>[A-Z]+)(?P<cores>\d+)(?:-\d+)?(?P<features>[a-z]*)(?:_[A-Z][A-Za-z0-9]*)*(?:_v\d+)?"
)

ARM, PREMIUM = "p", "s"
"""Letters of the features in a size's name."""

PREMIUM_DISK, STANDARD_DISK = "Premium_LRS", "StandardSSD_LRS"


def describe_size(size: str) -> TypeFacts:
    """What is known of a size.

    Raises:
        pulumi.RunError: it is no size, or one with accelerators that cannot be used.
    """
    match = SIZE.fullmatch(size)
    if match is None:
        raise pulumi.RunError(f"instance_types: {size!r} is no VM size of Azure; give one such as Standard_D8s_v5.")
    if match["family"].startswith("N") and size not in GPUS:
        raise pulumi.RunError(
            f"instance_types: {size}: the image has no driver for its accelerators, or this version does not know "
            f"them; give one of {', '.join(GPUS)}."
        )
    architecture = "aarch64" if ARM in match["features"] else "x86_64"
    return TypeFacts(size, frozenset({architecture}), GPUS.get(size, 0))


def describe_kind(sizes: Sequence[str]) -> InstanceKind:
    """What the sizes have in common.

    Raises:
        pulumi.RunError: no image can boot on all of them.
    """
    return combine([describe_size(size) for size in sizes])


def choose_disk_type(sizes: Sequence[str]) -> str:
    """The kind of disk that all of the sizes can have."""
    matches = [SIZE.fullmatch(size) for size in sizes]
    return PREMIUM_DISK if all(match and PREMIUM in match["features"] for match in matches) else STANDARD_DISK
