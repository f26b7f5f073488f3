"""Images that EC2 knows by an id, and what boots from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daskfleet_images.manifest import ImageManifest
from machines.virtual import DirectBoot


@dataclass(frozen=True)
class MachineImage:
    """What machines of an image boot from."""

    root: Path | None = None
    """Folder with the root file system: machines are containers."""
    disk: Path | None = None
    """The disk, qcow2: where there is no root file system, machines are virtual machines."""
    boot: DirectBoot | None = None
    """Kernel for a disk without a boot loader."""
    cpus: int = 1
    """Of a virtual machine."""
    memory: int = 768
    """Of a virtual machine, MiB."""

    def __post_init__(self) -> None:
        if (self.root is None) == (self.disk is None):
            raise ValueError("an image has either a root file system, for containers, or a disk, for virtual machines")


def render_facts(manifest: ImageManifest) -> dict[str, str]:
    """The tags of an image as its build gives them, without `daskfleet:`; see daskfleet.pkr.hcl."""
    return {
        "family": manifest.family,
        "version": manifest.version,
        "arch": manifest.arch,
        "gpu": "true" if manifest.gpu else "false",
        "python": ".".join(manifest.python.split(".")[:2]),
        "dask": manifest.dask,
        "distributed": manifest.distributed,
        "cloudpickle": manifest.cloudpickle,
        "lock": manifest.lock_sha256[:16],
    }


def register_image(ec2: Any, name: str, facts: Mapping[str, str], arch: str = "x86_64") -> str:
    """Make an image of one's own, with its tags; returns its id."""
    # moto's RegisterImage forgets the architecture; a copy of an image that has one keeps it.
    filters = [
        {"Name": "architecture", "Values": [{"aarch64": "arm64"}.get(arch, arch)]},
        {"Name": "virtualization-type", "Values": ["hvm"]},
    ]
    source = ec2.describe_images(Owners=["amazon"], Filters=filters)["Images"][0]["ImageId"]
    image: str = ec2.copy_image(SourceImageId=source, SourceRegion=ec2.meta.region_name, Name=name)["ImageId"]
    tags = [{"Key": f"daskfleet:{key}", "Value": value} for key, value in facts.items()]
    ec2.create_tags(Resources=[image], Tags=[{"Key": "Name", "Value": name}, *tags])
    return image
