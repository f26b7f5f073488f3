"""What the labels of an image say, in the clouds whose labels hold no dots and no colons. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daskfleet.services.images.model import Image, order_images

PREFIX = "daskfleet-"
VERSIONS = ("python", "dask", "distributed", "cloudpickle")
"""Facts in whose labels the dots are hyphens."""


def read_labels(provider: str, identifier: str, labels: Mapping[str, str], size: int | None, problem: str) -> Image:
    """The image with these labels.

    Args:
        size: bytes of its disk.
        problem: what is wrong with it; empty where nothing is.
    """
    facts = {key.removeprefix(PREFIX): value for key, value in labels.items() if key.startswith(PREFIX)}
    return Image(
        provider=provider,
        family=facts.get("family", ""),
        version=facts.get("version", ""),
        id=identifier,
        arch=facts.get("arch", ""),
        gpu=facts.get("gpu") == "true",
        lock=facts.get("lock", ""),
        size=size,
        problem=problem,
        **{package: facts.get(package, "").replace("-", ".") for package in VERSIONS},
    )


def choose(images: Iterable[Image], family: str | None, version: str | None) -> list[Image]:
    """Those of a family and a version, where they are named; by family, newest first."""
    found = [each for each in images if each.family and family in (None, each.family)]
    return order_images(each for each in found if version in (None, each.version))
