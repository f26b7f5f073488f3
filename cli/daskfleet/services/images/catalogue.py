"""The images there are, of whichever provider."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.services.images import store
from daskfleet.services.images.choose import find_defaults
from daskfleet.services.images.model import Image
from daskfleet.services.images.settings import PROVIDERS
from daskfleet_stacks.connection import Versions


def check_provider(provider: str) -> None:
    """Refuse a provider that there is not.

    Raises:
        FleetError: with what there is.
    """
    if provider not in PROVIDERS:
        near = difflib.get_close_matches(provider, PROVIDERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(PROVIDERS)}"
        raise FleetError(f"--provider: '{provider}': there is no such provider; {hint}")


def list_images(provider: str, place: str | None = None, family: str | None = None) -> list[Image]:
    """The images of a provider, by family, newest first.

    Args:
        place: the region, the project or the subscription that they are in; see `settings.PLACES`.

    Raises:
        FleetError: the provider cannot be asked.
    """
    check_provider(provider)
    if provider == "local":
        return store.list_images(family)
    cloud = load_cloud(provider)
    found: list[Image] = cloud.list_images(cloud.connect(place), family)
    return found


def delete_images(provider: str, place: str | None, family: str, version: str) -> list[str]:
    """Remove an image and what belongs to it; returns what was removed.

    Raises:
        FleetError: the provider cannot be asked.
    """
    if provider == "local":
        store.delete_image(family, version)
        return [f"{family}/{version}"]
    cloud = load_cloud(provider)
    removed: list[str] = cloud.delete_images(cloud.connect(place), family, version)
    return removed


def load_cloud(provider: str) -> Any:
    """The module for a cloud's images: `connect`, `list_images`, `delete_images`."""
    return importlib.import_module(f"daskfleet.services.images.{provider}")


def find_image(images: list[Image], family: str, version: str | None, client: Versions) -> Image:
    """The image of that name; without a version, the default of the family for `client`, or else its newest. Pure.

    Raises:
        FleetError: there is none, with what there is.
    """
    candidates = [each for each in images if each.family == family]
    if version is not None:
        found = [each for each in candidates if each.version == version]
        if found:
            return found[0]
        if candidates:
            there = ", ".join(each.version for each in candidates[:5])
            raise FleetError(f"there is no image {family}/{version}; of this family there is: {there}.")
    if not candidates:
        families = sorted({each.family for each in images})
        near = difflib.get_close_matches(family, families, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(families) or 'none at all'}."
        raise FleetError(f"there is no image of the family '{family}'; {hint} `daskfleet image build` makes one.")
    defaults = find_defaults(candidates, client)
    return next((each for each in candidates if each.id in defaults), candidates[0])


def read_details(image: Image) -> dict[str, Any]:
    """What is inside, beyond a line: from the manifest where it is on this machine.

    Returns:
        `base`, `built`, `daskfleet`, `packages` and `boot_report`; empty for a cloud's image, whose tags hold no more
        than the line, and for a damaged one.
    """
    if image.provider != "local" or image.problem:
        return {}
    folder = store.find_folder(image.family, image.version)
    manifest = store.read_manifest(folder, image.family, image.version)
    details = manifest.model_dump(mode="json", include={"base", "built", "daskfleet", "packages"})
    return {**details, "boot_report": store.read_boot_report(folder)}
