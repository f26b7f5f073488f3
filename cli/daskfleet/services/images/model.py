"""One image, as the lists of all providers tell it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from daskfleet.services.images.names import VERSION_FORMAT


@dataclass(frozen=True)
class Image:
    """An image that has been built. Where it is damaged, only `provider`, `family`, `version` and `id` are known."""

    provider: str
    family: str
    version: str
    """When its build began, UTC: `YYYYMMDDHHMM`."""
    id: str
    """How the provider calls it: a path on this machine, or a cloud's identifier."""
    arch: str = ""
    """`x86_64` or `aarch64`."""
    gpu: bool = False
    python: str = ""
    dask: str = ""
    distributed: str = ""
    cloudpickle: str = ""
    lock: str = ""
    """SHA-256 of the requirements that its environment was made from."""
    size: int | None = None
    """Bytes that it takes; a cloud tells the size of its disk."""
    problem: str = ""
    """What is wrong with it; empty where nothing is."""

    @property
    def name(self) -> str:
        """`FAMILY/VERSION`."""
        return f"{self.family}/{self.version}"

    @property
    def created(self) -> datetime.datetime | None:
        """When its build began; `None` where its version does not say it."""
        try:
            return datetime.datetime.strptime(self.version, VERSION_FORMAT).replace(tzinfo=datetime.UTC)
        except ValueError:
            return None

    def as_dict(self) -> dict[str, Any]:
        """The image as data."""
        return dataclasses.asdict(self)


def order_images(images: Iterable[Image]) -> list[Image]:
    """By family, and within a family the newest first. Pure."""
    newest_first = sorted(images, key=lambda image: image.version, reverse=True)
    return sorted(newest_first, key=lambda image: image.family)
