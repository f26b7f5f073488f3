"""What is uploaded to Cloud Storage, each object whole in one request.

https://cloud.google.com/storage/docs/uploading-objects
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google_cloud.errors import ApiError
from google_cloud.validation import Map, judge_shape

if TYPE_CHECKING:
    from google_cloud.routing import Call

OCTETS = "application/octet-stream"
TOLD = {"name": str, "contentType": str, "metadata": Map(str), "cacheControl": str, "contentEncoding": str}


@dataclass(frozen=True)
class Upload:
    """What is uploaded."""

    kind: str
    """Of its content."""
    content: bytes
    told: dict[str, Any] = field(default_factory=dict)
    """What is told of it beside."""


def find_name(call: Call) -> str:
    """The name of what is uploaded."""
    name = call.query.get("name") or read_upload(call).told.get("name")
    if not name:
        raise ApiError(400, "Required", "required")
    return str(name)


def read_upload(call: Call) -> Upload:
    match call.query.get("uploadType"):
        case "media":
            return Upload(call.request.headers.get("content-type", OCTETS), call.request.body)
        case "multipart":
            return split_parts(call.request.headers.get("content-type", ""), call.request.body)
        case other:
            text = f"the stand-in knows no uploads of type {other!r}, only media and multipart"
            raise ApiError(501, text, "notImplemented")


def split_parts(kind: str, body: bytes) -> Upload:
    """What is told of an object, and its content: the two parts of one body."""
    found = re.search(r"""boundary=["']?([^"';]+)""", kind)
    if not kind.startswith("multipart/related") or found is None:
        raise ApiError(400, "Invalid multipart request: no boundary.")
    parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]
    if len(parts) != 2:
        raise ApiError(400, f"Invalid multipart request with {len(parts)} mime parts.")
    pairs = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        headers = email.parser.BytesHeaderParser(policy=email.policy.HTTP).parsebytes(head.lstrip(b"\r\n"))
        pairs.append((headers.get("content-type", OCTETS), content))
    try:
        told = json.loads(pairs[0][1])
    except ValueError:
        raise ApiError(400, "Parse Error", "parseError") from None
    judge_shape(told, TOLD)
    return Upload(str(told.get("contentType") or pairs[1][0]), pairs[1][1], told)
