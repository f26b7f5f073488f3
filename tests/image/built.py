"""Builds the image by the command that a person types, and keeps it until something that goes into it changes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from daskfleet_images.manifest import ImageManifest, read_manifest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "images" / "daskfleet_images"
BUILD_SECONDS = 80 * 60
PARTITION_OFFSET = 1024 * 1024
"""Where the root partition of the disk begins; see base/debian."""


@dataclass(frozen=True)
class BuiltImage:
    """The image, and the same root file system as a folder for containers."""

    disk: Path
    """qcow2"""
    manifest: ImageManifest
    boot_report: Path
    root: Path


def build_image(cache: Path) -> BuiltImage:
    """The image of this checkout; built if it is not in `cache` yet."""
    home = cache / f"image-{hash_sources()}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in cache.glob("image-*"):
            if other != home:
                shutil.rmtree(other)
        folder = find_built(home) or run_build(home)
        root = home / "root"
        if not root.is_dir():
            unpack_root(folder / "image.qcow2", root)
    return BuiltImage(folder / "image.qcow2", read_manifest(folder / "image.json"), folder / "boot.txt", root)


def hash_sources() -> str:
    """Of every file that goes into the image, or decides how it is made."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def find_built(home: Path) -> Path | None:
    """The folder of the one image in this home."""
    found = list(home.glob("images/*/*/image.json"))
    return found[0].parent if found else None


def run_build(home: Path) -> Path:
    """`daskfleet image build --provider local`, with packer's output on failure."""
    environment = {**os.environ, "DASKFLEET_HOME": str(home)}
    command = [sys.executable, "-m", "daskfleet", "image", "build", "--provider", "local", "--json"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, err = process.communicate(timeout=BUILD_SECONDS)
        except BaseException:
            process.send_signal(signal.SIGINT)  # It waits for packer to remove its machine; killed, it would not.
            process.wait()
            raise
    assert process.returncode == 0, f"{' '.join(command)}: {process.returncode}\n{out[-4000:]}\n{err[-8000:]}"
    built = json.loads(out)
    folder = find_built(home)
    assert folder is not None, built
    return folder


def unpack_root(disk: Path, root: Path) -> None:
    """The disk's root file system as a folder."""
    raw, mounted, partial = (root.with_name(name) for name in ("root.raw", "root.mounted", "root.partial"))
    shutil.rmtree(partial, ignore_errors=True)
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True, timeout=300)
    mounted.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", f"loop,offset={PARTITION_OFFSET}", raw, mounted], check=True, timeout=60)
    try:
        subprocess.run(["cp", "--archive", f"{mounted}/.", partial], check=True, timeout=300)
    finally:
        subprocess.run(["umount", mounted], check=True, timeout=60)
        raw.unlink()
    mounted.rmdir()
    partial.rename(root)
