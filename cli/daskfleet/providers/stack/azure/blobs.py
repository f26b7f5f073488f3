"""Blobs of a container: what there is, with its metadata, and parts of it.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import email.utils
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from daskfleet.azure import STORAGE, Azure, Refused

VERSION = {"x-ms-version": "2023-11-03"}
OUT_OF_RANGE = 416


@dataclass(frozen=True)
class Blob:
    """One blob."""

    name: str
    size: int
    """Bytes."""
    created: float
    """When it was made, by Azure's clock; whole seconds since the epoch."""
    changed: float
    """When it or its metadata was last written."""
    metadata: dict[str, str] = field(default_factory=dict)


def list_blobs(azure: Azure, container: str, prefix: str = "") -> Iterator[Blob]:
    """The blobs whose names begin so, in the order of their names, 5,000 with a call.

    Args:
        container: `https://ACCOUNT.blob.core.windows.net/CONTAINER`.
    """
    query = {"restype": "container", "comp": "list", "include": "metadata"}
    if prefix:
        query["prefix"] = prefix
    while True:
        answer = azure.send("GET", f"{container}?{urlencode(query)}", STORAGE, headers=VERSION)
        blobs, marker = parse_listing(answer.content)
        yield from blobs
        if not marker:
            return
        query["marker"] = marker


def parse_listing(content: bytes) -> tuple[list[Blob], str]:
    """The blobs of a page, and by what the next one is asked for. Pure."""
    root = ElementTree.fromstring(content)  # noqa: S314 - of Azure's storage
    blobs = [_parse_blob(each) for each in root.iterfind("Blobs/Blob")]
    return blobs, root.findtext("NextMarker") or ""


def _parse_blob(element: ElementTree.Element) -> Blob:
    metadata = element.find("Metadata")
    created, changed = (
        email.utils.parsedate_to_datetime(element.findtext(f"Properties/{name}") or "").timestamp()
        for name in ("Creation-Time", "Last-Modified")
    )
    return Blob(
        element.findtext("Name") or "",
        int(element.findtext("Properties/Content-Length") or 0),
        created,
        changed,
        {each.tag.lower(): each.text or "" for each in (() if metadata is None else metadata)},
    )


def read_blob(azure: Azure, container: str, name: str, begin: int, end: int) -> bytes:
    """What is in a blob from one byte to before another; less where it ends earlier, or is gone."""
    if end <= begin:
        return b""
    headers = {**VERSION, "x-ms-range": f"bytes={begin}-{end - 1}"}
    try:
        return azure.send("GET", f"{container}/{quote(name)}", STORAGE, headers=headers).content
    except Refused as error:
        if error.is_missing or error.status == OUT_OF_RANGE:
            return b""
        raise
