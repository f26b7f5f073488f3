"""What is in storage accounts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass
class Blob:
    """One blob."""

    name: str
    kind: str
    """`BlockBlob` or `AppendBlob`."""
    content: bytearray
    created: float
    changed: float
    metadata: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    blocks: int = 0
    """Of an append blob."""
    etag: str = field(default_factory=lambda: uuid.uuid4().hex[:15].upper())

    def touch(self, now: float) -> None:
        """It has changed."""
        self.changed, self.etag = now, uuid.uuid4().hex[:15].upper()


MOST_BLOCKS = 50_000


class Contents:
    """Blobs by the identifiers of their containers, and by name."""

    def __init__(self) -> None:
        self.most_blocks = MOST_BLOCKS
        """Of an append blob."""
        self._blobs: dict[str, dict[str, Blob]] = {}

    def find(self, container: str) -> dict[str, Blob]:
        """The blobs of a container."""
        return self._blobs.setdefault(container.lower(), {})

    def drop(self, container: str) -> None:
        self._blobs.pop(container.lower(), None)
