"""Requirements files with hashes: reading them, what a node needs beside, and writing them again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

IMAGE_PYTHON = "3.11"
"""Python of the images: Debian 12's."""

NODE_NEEDS = (
    "bokeh>=3.1",
    "cloudpickle>=3.0",
    "dask>=2025.1",
    "distributed>=2025.1",
    "psutil>=5.9",
    "pydantic>=2.10",
    "pyyaml>=6.0",
)
"""What an environment must hold to run a node: what daskfleet itself requires of it."""

CLOUD_NEEDS = {
    "local": (),
    "aws": ("botocore>=1.34", "watchtower>=3.4"),
    "gcp": ("google-auth>=2.29", "requests>=2.20"),
    "azure": ("adlfs>=2024.7",),
}
"""What it must hold beside, by provider: with these a node asks its cloud for its secret and sends its log."""

STORES = ("adlfs>=2024.7", "gcsfs>=2024.10", "s3fs>=2024.10")
"""The object stores, added where they fit. With bounds: very old versions of some fit everything, and do not work."""

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ]\s*(\S+)")


@dataclass(frozen=True)
class Entry:
    """One line of a requirements file, with those that continue it."""

    text: str
    """The line, without its hashes."""
    hashes: tuple[str, ...]
    requirement: Requirement | None
    """`None` where the line is an option or names a place instead of a package."""

    @property
    def name(self) -> str:
        """The normalised name of the package; empty where there is none."""
        return canonicalize_name(self.requirement.name) if self.requirement else ""

    @property
    def is_plain(self) -> bool:
        """Whether it is written as `render_requirements` writes it."""
        return self.text == f"{self.name}=={self.version}"

    @property
    def version(self) -> str | None:
        """The one version that it allows, if it does."""
        pins = (
            [each.version for each in self.requirement.specifier if each.operator == "=="] if self.requirement else []
        )
        return pins[0] if len(pins) == 1 and not pins[0].endswith(".*") else None


@dataclass(frozen=True)
class RequirementsFile:
    """What a requirements file says."""

    entries: tuple[Entry, ...]
    options: tuple[str, ...]
    """Lines such as `--index-url …`."""

    @property
    def is_locked(self) -> bool:
        """Whether it says every package with its hashes, and refers to no other file."""
        refers = any(re.match(r"(-[rc]|--requirement|--constraint)\b", option) for option in self.options)
        return bool(self.entries) and not refers and all(entry.hashes for entry in self.entries)


def parse_requirements(text: str) -> RequirementsFile:
    """Read the text of a requirements file. Lines that name no package are kept as they are."""
    entries, options = [], []
    lines = (_COMMENT.sub("", line) for line in text.splitlines())
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        hashes = tuple(_HASH.findall(line))
        shown = " ".join(_HASH.sub("", line).split())
        if not shown:
            continue
        if shown.startswith("-") and not re.match(r"(-e|--editable)\b", shown):
            options.append(shown)
            continue
        try:
            requirement = Requirement(shown)
        except InvalidRequirement:
            requirement = None
        entries.append(Entry(shown, hashes, requirement))
    return RequirementsFile(tuple(entries), tuple(options))


def choose_entries(entries: Iterable[Entry], arch: str) -> list[Entry]:
    """Those that count on a machine of `arch` with the image's Python."""
    environment = {
        "implementation_name": "cpython",
        "implementation_version": f"{IMAGE_PYTHON}.0",
        "os_name": "posix",
        "platform_machine": arch,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{IMAGE_PYTHON}.0",
        "python_version": IMAGE_PYTHON,
        "sys_platform": "linux",
        "extra": "",
    }

    def counts(marker: Marker | None) -> bool:
        return marker is None or marker.evaluate(environment)

    return [each for each in entries if each.requirement is None or counts(each.requirement.marker)]


def find_flaws(entries: Iterable[Entry]) -> list[str]:
    """The entries that cannot go into an image, each with the reason."""
    flaws = []
    for entry in entries:
        if entry.requirement is None or entry.requirement.url:
            flaws.append(f"{_shorten(entry.text)} is a place, not a version of a package")
        elif entry.version is None:
            flaws.append(f"{_shorten(entry.text)} is not pinned to one version (name==version)")
        elif not entry.hashes:
            flaws.append(f"{_shorten(entry.text)} has no hash")
    return flaws


def find_missing(entries: Iterable[Entry], needs: Iterable[str]) -> list[str]:
    """Those of `needs` that `entries` lack."""
    names = {entry.name for entry in entries}
    return [need for need in needs if find_name(need) not in names]


def find_unfit(entries: Iterable[Entry], needs: Iterable[str]) -> list[str]:
    """What `entries` hold in a version that is too old, each with the reason."""
    versions = {entry.name: entry.version for entry in entries}
    unfit = []
    for need in needs:
        name, version = find_name(need), versions.get(find_name(need))
        if version is not None and not Requirement(need).specifier.contains(version, prereleases=True):
            unfit.append(f"{name} is {version}, and a node needs {need}")
    return unfit


def find_name(requirement: str) -> str:
    """The normalised name of the package that a requirement asks for."""
    return canonicalize_name(Requirement(requirement).name)


def find_version(entries: Iterable[Entry], name: str) -> str | None:
    """The version of a package in `entries`."""
    return next((entry.version for entry in entries if entry.name == name), None)


def render_requirements(entries: Iterable[Entry]) -> str:
    """The text of a requirements file: sorted, every entry with its hashes.

    Without markers, which have been decided, and without extras, since what they ask for stands there too.
    """
    lines = []
    for entry in sorted(entries, key=lambda each: each.name):
        hashes = (f"    --hash={each}" for each in entry.hashes)
        lines.append(" \\\n".join((f"{entry.name}=={entry.version}", *hashes)))
    return "".join(f"{line}\n" for line in lines)


def _shorten(text: str) -> str:
    text = re.sub(r"//[^/@\s]*@", "//", text)  # Credentials in an address.
    return text if len(text) <= 100 else f"{text[:99]}…"
