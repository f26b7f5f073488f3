"""What machines of an image boot from, and what an image says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
