"""What goes to a host for one node, as one archive: node runtime, supervisor, document and TLS material."""

from __future__ import annotations

import functools
import importlib.resources
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable

from daskfleet.providers.supervision import render_supervisor_config

RUNTIME = "runtime"
"""Folder of what runs a node."""

SUFFIXES = (".py", ".txt")
SKIPPED = ("tests", "skel", "ui", "packer", "provision", "rootfs", "base", "environment", "__pycache__")
"""What a node on a host has no use for: tests, pages, and what images are built from."""


def build_bundle(node: str, fleet: str, files: Mapping[str, str], settings: Mapping[str, str]) -> bytes:
    """The archive of a node. All of it is readable to its owner only.

    Args:
        node: name of the node.
        fleet: name of the fleet.
        files: further files, text by path: the document, the TLS material.
        settings: what `run.sh` is told.
    """
    texts = {
        "supervisord.conf": render_supervisor_config(fleet, [node]),
        "settings.sh": render_settings(settings),
        "run.sh": read_own("scripts/run.sh"),
        **files,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=3) as archive:
        for path, data in (*read_runtime().items(), *((path, text.encode()) for path, text in texts.items())):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def render_settings(settings: Mapping[str, str]) -> str:
    """Assignments for a shell. Pure."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def render_node_command(python: str, folder: str) -> str:
    """The command that runs a node, quoted for a shell; its document follows. Pure."""
    return f"{shlex.quote(python)} {shlex.quote(f'{folder}/{RUNTIME}')} node"


@functools.cache
def read_runtime() -> dict[str, bytes]:
    """What runs any node, by path."""
    found = {f"{RUNTIME}/__main__.py": read_own("runtime_main.py").encode()}
    for package in ("daskfleet_images", "supervisor"):
        found |= dict(_iterate(importlib.resources.files(package), f"{RUNTIME}/{package}"))
    return found


def read_own(path: str) -> str:
    """The text of a file of this package."""
    return (importlib.resources.files("daskfleet.providers.ssh") / path).read_text(encoding="utf-8")


def _iterate(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            if entry.name not in SKIPPED:
                yield from _iterate(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(SUFFIXES):
            yield f"{path}/{entry.name}", entry.read_bytes()
