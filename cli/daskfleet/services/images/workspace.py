"""Where an image is built: a folder that is there while the build lives, and no longer.

A lock is held on a file in it, by this process and by packer, which inherits it. The kernel frees it when the last of
them is gone, however it went, so the next build can tell what is left over.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import explain_os_errors, make_private_folder
from daskfleet.services.images.names import check_family, choose_version, find_images_folder, list_versions
from daskfleet.services.images.store import BOOT_REPORT, MANIFEST, find_folder, read_manifest, remove_half_deleted

KEPT_LOGS = 20


@dataclass(frozen=True)
class Workspace:
    """The folder of one build."""

    folder: Path
    family: str
    version: str
    lock: int
    """Descriptor that packer is to inherit."""

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def seed(self) -> Path:
        return self.folder / "seed"

    @property
    def output(self) -> Path:
        """What packer makes; it must not be there before."""
        return self.folder / "output"

    @property
    def report(self) -> Path:
        """Where packer puts what the image tells of itself: its manifest, and how it booted."""
        return self.folder / "report"

    @property
    def log(self) -> Path:
        return find_images_folder() / ".logs" / f"{self.family}-{self.version}.log"

    def keep(self) -> Path:
        """Take the image into the store, if it is whole; returns its folder.

        Raises:
            FleetError: it is not whole.
        """
        folder = find_folder(self.family, self.version)
        with explain_os_errors(folder):
            for name in (MANIFEST, BOOT_REPORT):
                if (self.report / name).exists():
                    (self.report / name).replace(self.output / name)
            read_manifest(self.output, self.family, self.version)
            make_private_folder(folder.parent)
            for path in (*self.output.iterdir(), self.output):
                _flush(path)
            self.output.rename(folder)
            _flush(folder.parent)
        return folder


@contextlib.contextmanager
def open_workspace(family: str, now: datetime.datetime) -> Iterator[Workspace]:
    """A folder for a build of `family` that begins `now`; gone at the end. What killed builds have left goes first."""
    check_family(family)
    partial = find_images_folder() / ".partial"
    make_private_folder(partial)
    make_private_folder(find_images_folder() / ".logs")
    with _hold(find_images_folder() / ".lock"):
        remove_leftovers(partial)
        prefix = f"{family}-"
        building = {each.name.removeprefix(prefix) for each in partial.iterdir() if each.name.startswith(prefix)}
        version = choose_version(now, building | set(list_versions(family)))
        folder = partial / f"{family}-{version}"
        make_private_folder(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    space = Workspace(folder, family, version, descriptor)
    try:
        os.close(os.open(space.log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        yield space
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            if space.log.stat().st_size == 0:
                space.log.unlink()


def remove_leftovers(partial: Path) -> None:
    """Remove the folders of builds that live no more, what killed deletions left, and old logs."""
    for folder in partial.iterdir():
        if folder.is_dir() and not _is_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)
    remove_half_deleted()
    logs = sorted((partial.parent / ".logs").glob("*.log"), key=lambda path: path.stat().st_mtime)
    for log in logs[:-KEPT_LOGS]:
        log.unlink(missing_ok=True)


def _is_alive(folder: Path) -> bool:
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextlib.contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, for moments only."""
    with explain_os_errors(path), path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _flush(path: Path) -> None:
    """Have the disk hold what was written to `path`, before anything else says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_room(folder: Path, needed: int) -> None:
    """Refuse where the disk has less than `needed` bytes free.

    Raises:
        FleetError: it has.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FleetError(
            f"{folder} has {free / 2**30:.1f} GiB free, and a build needs about {needed / 2**30:.0f} GiB; make room, "
            "or set "
            "DASKFLEET_HOME to another disk."
        )
