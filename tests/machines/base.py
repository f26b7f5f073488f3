"""A small Debian for machines that test only what runs them: a root file system, and a disk made from it.

Machines that test an image get that image instead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kept import keep
from machines.requirements import find_missing
from machines.virtual import DirectBoot

ROOT_VARIABLE = "DASKFLEET_MACHINE_ROOT"
"""Environment variable with a folder to use instead of making one."""

PACKAGES = (
    "cloud-init",
    "dbus",
    "initramfs-tools",
    "iproute2",
    "linux-image-cloud-amd64",
    "python3",
    "systemd-sysv",
    "udev",
)
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "isofs", "ext4")
"""The initial RAM disk is read and unpacked at every boot, which takes seconds where that is emulated."""

DISK_BYTES = 3 << 30


def require_base_root(cache: Path) -> Path:
    """The folder of the root file system, made if it is not in `cache` yet (a minute, and Debian's packages).

    Skips the test, with the reason, where that cannot be.
    """
    if ROOT_VARIABLE in os.environ:
        return Path(os.environ[ROOT_VARIABLE])
    made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return keep(cache, "debian", f"debian-{made_by}", make_base_root)


def make_base_root(root: Path) -> None:
    """Make the root file system; of what an interrupted one has left, nothing is used."""
    if missing := find_missing("mmdebstrap"):
        pytest.skip(f"a root file system needs {', '.join(missing)}, or {ROOT_VARIABLE} with the path of one")
    shutil.rmtree(root, ignore_errors=True)
    initramfs = f"printf '%s\\n' {' '.join(MODULES)} >\"$1/etc/initramfs-tools/modules\""
    hooks = (
        '--setup-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"',
        "--setup-hook=echo 'MODULES=list' >\"$1/etc/initramfs-tools/conf.d/modules\"",
        f"--customize-hook={initramfs}",
        '--customize-hook=chroot "$1" update-initramfs -u',
        '--customize-hook=chroot "$1" systemctl enable --quiet systemd-networkd',
        "--customize-hook=echo 'locale: false' >\"$1/etc/cloud/cloud.cfg.d/90-no-locale.cfg\"",
        '--customize-hook=rm -f "$1/etc/hostname"; : >"$1/etc/machine-id"',
    )
    include = f"--include={','.join(PACKAGES)}"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", include, *hooks, "bookworm", str(root)]
    subprocess.run(command, check=True)


def make_base_disk(root: Path, disk: Path) -> Path:
    """Make a disk without a boot loader from the root file system, and return it."""
    raw = disk.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(root), str(raw)], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(disk)], check=True)
    raw.unlink()
    return disk


def find_kernel(root: Path) -> DirectBoot:
    """The kernel of the root file system, for a disk that is made from it."""
    return DirectBoot(next((root / "boot").glob("vmlinuz-*")), next((root / "boot").glob("initrd.img-*")))
