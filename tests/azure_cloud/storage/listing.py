"""Lists of blobs, in XML.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from xml.sax.saxutils import escape, quoteattr

from azure_cloud.errors import AzureError
from azure_cloud.storage.contents import Blob

MOST = 5000
INCLUDED = {"metadata", "copy", "deleted", "snapshots", "tags", "uncommittedblobs", "versions"}


def render(blobs: Mapping[str, Blob], query: Mapping[str, str], account: str, container: str) -> str:
    """The page of a list that is asked for."""
    included = {each for each in query.get("include", "").split(",") if each}
    if not included <= INCLUDED:
        raise AzureError(400, "InvalidQueryParameterValue", f"include: {sorted(included - INCLUDED)} is unknown.")
    most = min(int(query.get("maxresults", MOST)), MOST)
    if most < 1:
        raise AzureError(400, "OutOfRangeQueryParameterValue", "maxresults must be at least 1.")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    start = read_marker(query.get("marker", ""))
    entries = [each for each in list_entries(sorted(blobs), prefix, delimiter) if each >= start]
    page, rest = entries[:most], entries[most:]
    items = [
        render_blob(blobs[name], with_metadata="metadata" in included)
        if name in blobs
        else f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
        for name in page
    ]
    marker = base64.b64encode(rest[0].encode()).decode() if rest else ""
    place = quoteattr(f"https://{account}.blob.core.windows.net/")
    head = "".join(
        f"<{name}>{escape(text)}</{name}>"
        for name, text in (
            ("Prefix", prefix),
            ("Marker", query.get("marker", "")),
            ("MaxResults", query.get("maxresults", "")),
            ("Delimiter", delimiter),
        )
        if text
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint={place} '
        f"ContainerName={quoteattr(container)}>{head}<Blobs>{''.join(items)}</Blobs>"
        f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
    )


def list_entries(names: list[str], prefix: str, delimiter: str) -> Iterator[str]:
    """Names of blobs, and what names have in common up to the delimiter."""
    last = ""
    for name in names:
        if not name.startswith(prefix):
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        entry = name if end < 0 else name[: end + len(delimiter)]
        if entry != last:
            yield entry
        last = entry


def render_blob(blob: Blob, *, with_metadata: bool) -> str:
    properties = {
        "Creation-Time": formatdate(blob.created, usegmt=True),
        "Last-Modified": formatdate(blob.changed, usegmt=True),
        "Etag": f"0x{blob.etag}",
        "Content-Length": str(len(blob.content)),
        "Content-Type": blob.content_type,
        "BlobType": blob.kind,
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    told = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in properties.items())
    metadata = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in blob.metadata.items())
    more = f"<Metadata>{metadata}</Metadata>" if with_metadata else ""
    return f"<Blob><Name>{escape(blob.name)}</Name><Properties>{told}</Properties>{more}</Blob>"


def read_marker(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise AzureError(400, "InvalidQueryParameterValue", "The marker is invalid.") from None
