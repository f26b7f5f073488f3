"""The images of this machine: `$DASKFLEET_HOME/images/FAMILY/VERSION/{image.qcow2,image.json,boot.txt}`."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from daskfleet.errors import FleetError
from daskfleet.home import explain_os_errors
from daskfleet.services.images.model import Image
from daskfleet.services.images.names import find_images_folder, list_family_names, list_versions

if TYPE_CHECKING:
    from daskfleet_images.manifest import ImageManifest

DISK, MANIFEST, BOOT_REPORT = "image.qcow2", "image.json", "boot.txt"
DELETING = ".deleting"


class ImageDamaged(FleetError):
    """Files of an image are missing, or cannot be read."""


def find_folder(family: str, version: str) -> Path:
    """Where the image is, or would be."""
    return find_images_folder() / family / version


def list_images(family: str | None = None) -> list[Image]:
    """The images on this machine, by family, newest first; damaged ones too."""
    families = [family] if family is not None else list_family_names()
    return [
        describe_image(find_folder(each, version), each, version)
        for each in families
        for version in reversed(list_versions(each))
    ]


def describe_image(folder: Path, family: str, version: str) -> Image:
    """The image in `folder`, in a line; with what is wrong if something is."""
    try:
        manifest = read_manifest(folder, family, version)
    except ImageDamaged as error:
        return Image("local", family, version, str(folder), problem=str(error))
    return describe_manifest(manifest, "local", str(folder), _measure(folder))


def describe_manifest(manifest: ImageManifest, provider: str, image_id: str, size: int | None = None) -> Image:
    """The image that a manifest is of, in a line. Pure."""
    return Image(
        provider=provider,
        family=manifest.family,
        version=manifest.version,
        id=image_id,
        arch=manifest.arch,
        gpu=manifest.gpu,
        python=manifest.python,
        dask=manifest.dask,
        distributed=manifest.distributed,
        cloudpickle=manifest.cloudpickle,
        lock=manifest.lock_sha256,
        size=size,
    )


def read_manifest(folder: Path, family: str, version: str) -> ImageManifest:
    """What is in the image in `folder`.

    Raises:
        ImageDamaged: a file is missing or is not what it should be.
    """
    from daskfleet_images.manifest import ManifestError, parse_manifest

    try:
        text = (folder / MANIFEST).read_bytes()
        disk = (folder / DISK).stat()
    except OSError as error:
        name = Path(str(error.filename)).name
        raise ImageDamaged(f"{name} cannot be read: {error.strerror}") from None
    try:
        manifest = parse_manifest(text)
    except ManifestError as error:
        raise ImageDamaged(str(error)) from None
    if (manifest.family, manifest.version) != (family, version):
        raise ImageDamaged(f"{MANIFEST} is that of {manifest.family}/{manifest.version}")
    if disk.st_size == 0:
        raise ImageDamaged(f"{DISK} is empty")
    return manifest


def read_boot_report(folder: Path) -> str:
    """What the image told of its first boot; empty where it told nothing."""
    try:
        return (folder / BOOT_REPORT).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def delete_image(family: str, version: str) -> bool:
    """Remove an image, whole or damaged; returns whether there was one.

    It is out of the way at once; if this is killed half-way, the next build removes what is left.
    """
    folder = find_folder(family, version)
    gone = folder.with_name(f".{version}{DELETING}")
    with explain_os_errors(folder):
        if gone.exists():
            shutil.rmtree(gone)
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return False
        shutil.rmtree(gone)
        with contextlib.suppress(OSError):  # Other versions are in it.
            folder.parent.rmdir()
    (find_images_folder() / ".logs" / f"{family}-{version}.log").unlink(missing_ok=True)
    return True


def remove_half_deleted() -> None:
    """Remove what a killed `delete_image` has left."""
    for family in list_family_names():
        for folder in (find_images_folder() / family).glob(f".*{DELETING}"):
            shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path) -> int:
    """Bytes that the folder takes on the disk."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            total += path.stat().st_blocks * 512
    return total
