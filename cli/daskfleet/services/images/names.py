"""Names of images, `FAMILY/VERSION`, and how a shell completes them. Light: it runs at every press of the key."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import NAME, find_home

VERSION = re.compile(r"\d{12}")
VERSION_FORMAT = "%Y%m%d%H%M"


def find_images_folder() -> Path:
    """Where the images of this machine are, and what belongs to building them."""
    return find_home() / "images"


def check_family(family: str) -> None:
    """Refuse a word that cannot be the name of a family."""
    if not NAME.fullmatch(family):
        raise FleetError(
            f"family: {family[:60]!r} is no name of an image family: it has 1 to 40 lower-case letters a to z, digits "
            "and "
            "hyphens, begins with a letter and does not end with a hyphen; choose another name."
        )


def parse_image_name(text: str) -> tuple[str, str | None]:
    """The family and the version in `FAMILY` or `FAMILY/VERSION`.

    Raises:
        FleetError: it is neither; so nothing outside the folder of images can be meant.
    """
    family, slash, version = text.partition("/")
    check_family(family)
    if slash and not VERSION.fullmatch(version):
        raise FleetError(
            f"{text[:80]!r}: a version is the time of its build in UTC, twelve digits such as 202601311530; "
            "`daskfleet image list` shows them."
        )
    return family, version or None


def choose_version(now: datetime.datetime, taken: set[str]) -> str:
    """The version of a build that begins `now`: its minute, or the first after it that is not `taken`."""
    minute = now.astimezone(datetime.UTC)
    while (version := minute.strftime(VERSION_FORMAT)) in taken:
        minute += datetime.timedelta(minutes=1)
    return version


def list_family_names() -> list[str]:
    """The families that this machine has images of, sorted."""
    return [name for name in _list_folders(find_images_folder()) if NAME.fullmatch(name)]


def list_versions(family: str) -> list[str]:
    """The versions of a family that are on this machine, oldest first."""
    return [name for name in _list_folders(find_images_folder() / family) if VERSION.fullmatch(name)]


def _list_folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FleetError(
            f"{folder} cannot be read: {error.strerror}. Mend that, or set DASKFLEET_HOME to another folder."
        ) from None


def complete_families(incomplete: str) -> list[str]:
    """The families on this machine that begin with `incomplete`."""
    try:
        return [name for name in list_family_names() if name.startswith(incomplete)]
    except FleetError:
        return []


def complete_images(incomplete: str) -> list[str]:
    """The families that begin with `incomplete`; after a slash, the versions."""
    try:
        families = [name for name in list_family_names() if name.startswith(incomplete.partition("/")[0])]
        names = [f"{family}/{version}" for family in families for version in reversed(list_versions(family))]
    except FleetError:
        return []
    if "/" not in incomplete and len(families) > 1:
        return families
    return [name for name in names if name.startswith(incomplete)]
