"""Blobs, as their accounts answer.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

from azure_cloud.errors import AzureError
from azure_cloud.identity import access
from azure_cloud.identity.directory import STORAGE
from azure_cloud.identity.roles import BLOBS, CONTAINERS
from azure_cloud.storage import listing
from azure_cloud.storage.accounts import CONTAINER, TYPE
from azure_cloud.storage.contents import Blob
from azure_cloud.store import Record
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

VERSION = re.compile(r"20\d\d-\d\d-\d\d")
LEAST_VERSION = "2017-11-09"
"""From which on tokens are taken."""
MOST_METADATA = 8 * 1024
MOST_APPENDED = 100 * 1024 * 1024
META = "x-ms-meta-"
META_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Visit:
    """One request to one account."""

    cloud: Cloud
    request: Request
    account: Record
    caller: str
    container: str
    blob: str = ""

    @property
    def scope(self) -> str:
        """Identifier of the container."""
        return f"{self.account.id}/blobServices/default/containers/{self.container}"

    def require(self, actions: Iterable[str], operation: str = "") -> None:
        """Refuse a caller whose roles allow none of these actions."""
        query = self.request.query
        attributes = {
            "resource:name": self.container,
            "resource:path": self.blob,
            "request:prefix": query.get("prefix", ""),
            "suboperation": operation,
        }
        for action in actions:
            kind = BLOBS if action.startswith(BLOBS) else CONTAINERS
            is_data = kind == BLOBS
            if access.is_allowed(self.cloud, self.caller, action, self.scope, is_data=is_data, attributes=attributes):
                return
        message = "This request is not authorized to perform this operation using this permission."
        raise AzureError(403, "AuthorizationPermissionMismatch", message)

    def find_blobs(self) -> dict[str, Blob]:
        if self.cloud.store.find(self.scope, CONTAINER) is None:
            raise AzureError(404, "ContainerNotFound", "The specified container does not exist.")
        return self.cloud.contents.find(self.scope)

    def require_blob(self) -> Blob:
        found = self.find_blobs().get(self.blob)
        if found is None:
            raise AzureError(404, "BlobNotFound", "The specified blob does not exist.")
        return found


def route(cloud: Cloud, request: Request, account: str, path: str) -> tuple[str, Callable[[], Answer]]:
    """What a request is called, and what answers it."""
    container, _, blob = path.strip("/").partition("/")
    query, method = request.query, request.method
    if blob:
        key = (method, query.get("comp", ""))
        names: dict[tuple[str, str], tuple[str, Callable[[Visit], Answer]]] = {
            ("PUT", ""): ("blob.put", put),
            ("PUT", "appendblock"): ("blob.appendBlock", append),
            ("PUT", "metadata"): ("blob.setMetadata", set_metadata),
            ("GET", ""): ("blob.get", read),
            ("HEAD", ""): ("blob.getProperties", read),
            ("GET", "metadata"): ("blob.getMetadata", read_metadata),
            ("HEAD", "metadata"): ("blob.getMetadata", read_metadata),
            ("DELETE", ""): ("blob.delete", delete),
        }
    else:
        key = (method, query.get("comp", "") if query.get("restype") == "container" else "?")
        names = {
            ("GET", "list"): ("blob.list", list_blobs),
            ("GET", ""): ("container.getProperties", read_container),
            ("HEAD", ""): ("container.getProperties", read_container),
        }
    if key not in names:
        raise AzureError(400, "InvalidQueryParameterValue", f"The stand-in has no {method} {request.target} of blobs.")
    name, function = names[key]
    return name, lambda: enter(cloud, request, account, unquote(container), unquote(blob), function)


def enter(
    cloud: Cloud, request: Request, name: str, container: str, blob: str, function: Callable[[Visit], Answer]
) -> Answer:
    account = next((each for each in cloud.store.select(TYPE) if each.name == name), None)
    if account is None:
        raise AzureError(404, "AccountNotFound", f"There is no storage account {name}: its name does not resolve.")
    if not request.token:
        message = (
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
        )
        raise AzureError(401, "NoAuthenticationInformation", message)
    version = request.headers.get("x-ms-version", "")
    if not VERSION.fullmatch(version) or version < LEAST_VERSION:
        raise AzureError(400, "InvalidHeaderValue", f"x-ms-version: {version!r} is none that takes tokens.")
    caller = access.find_caller(cloud, request, (*STORAGE, f"https://{name}.blob.core.windows.net"))
    answer = function(Visit(cloud, request, account, caller, container, blob))
    headers = {
        "x-ms-version": version,
        "x-ms-request-id": str(uuid.uuid4()),
        "Date": formatdate(cloud.now, usegmt=True),
    }
    return Answer(answer.body, answer.status, answer.content_type, {**headers, **answer.headers})


# Blobs


def put(visit: Visit) -> Answer:
    """Put Blob."""
    visit.require(
        (f"{BLOBS}/write",) if visit.blob in visit.find_blobs() else (f"{BLOBS}/write", f"{BLOBS}/add/action")
    )
    headers, body = visit.request.headers, visit.request.body
    kind = headers.get("x-ms-blob-type", "")
    if kind not in ("BlockBlob", "AppendBlob"):
        raise AzureError(400, "InvalidHeaderValue", f"x-ms-blob-type: {kind!r} is neither BlockBlob nor AppendBlob.")
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise AzureError(411, "MissingContentLengthHeader", "Content-Length HTTP header is missing.")
    if kind == "AppendBlob" and body:
        raise AzureError(400, "InvalidHeaderValue", "An append blob is made empty: Content-Length must be 0.")
    check_conditions(visit, visit.find_blobs().get(visit.blob))
    metadata = read_meta(visit.request)
    now = visit.cloud.now
    content_type = headers.get("x-ms-blob-content-type") or headers.get("content-type") or "application/octet-stream"
    blob = Blob(visit.blob, kind, bytearray(body), now, now, metadata, content_type)
    visit.find_blobs()[visit.blob] = blob
    return Answer(b"", 201, headers=mark(blob))


def append(visit: Visit) -> Answer:
    """Append Block."""
    visit.require((f"{BLOBS}/add/action", f"{BLOBS}/write"))
    blob, headers, data = visit.require_blob(), visit.request.headers, visit.request.body
    if blob.kind != "AppendBlob":
        raise AzureError(409, "InvalidBlobType", "The blob type is invalid for this operation.")
    check_conditions(visit, blob)
    position = headers.get("x-ms-blob-condition-appendpos")
    if position is not None and int(position) != len(blob.content):
        message = "The append position condition specified was not met."
        raise AzureError(412, "AppendPositionConditionNotMet", message)
    most = headers.get("x-ms-blob-condition-maxsize")
    if most is not None and len(blob.content) + len(data) > int(most):
        raise AzureError(412, "MaxBlobSizeConditionNotMet", "The max blob size condition specified was not met.")
    if not data:
        raise AzureError(400, "InvalidHeaderValue", "Content-Length: a block must not be empty.")
    if len(data) > MOST_APPENDED:
        raise AzureError(
            413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
        )
    if blob.blocks >= visit.cloud.contents.most_blocks:
        message = "The committed block count cannot exceed the maximum limit of 50,000 blocks."
        raise AzureError(409, "BlockCountExceedsLimit", message)
    offset = len(blob.content)
    blob.content += data
    blob.blocks += 1
    blob.touch(visit.cloud.now)
    more = {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(blob.blocks)}
    return Answer(b"", 201, headers={**mark(blob), **more})


def set_metadata(visit: Visit) -> Answer:
    """Set Blob Metadata: all of it."""
    visit.require((f"{BLOBS}/write",))
    blob = visit.require_blob()
    check_conditions(visit, blob)
    blob.metadata = read_meta(visit.request)
    blob.touch(visit.cloud.now)
    return Answer(b"", 200, headers=mark(blob))


def read_metadata(visit: Visit) -> Answer:
    visit.require((f"{BLOBS}/read",))
    blob = visit.require_blob()
    return Answer(b"", 200, headers={**mark(blob), **render_meta(blob)})


def read(visit: Visit) -> Answer:
    """Get Blob, all of it or a range; of Get Blob Properties only the head is sent."""
    visit.require((f"{BLOBS}/read",))
    blob = visit.require_blob()
    check_conditions(visit, blob)
    headers = {**mark(blob), **render_meta(blob), "x-ms-blob-type": blob.kind, "Accept-Ranges": "bytes"}
    if blob.kind == "AppendBlob":
        headers["x-ms-blob-committed-block-count"] = str(blob.blocks)
    wanted = visit.request.headers.get("x-ms-range") or visit.request.headers.get("range")
    found = RANGE.fullmatch(wanted) if wanted and visit.request.method == "GET" else None
    if found is None:
        return Answer(bytes(blob.content), 200, blob.content_type, headers)
    size, start = len(blob.content), int(found[1])
    end = min(int(found[2] or size - 1), size - 1)
    if start >= size or end < start:
        more = {"Content-Range": f"bytes */{size}"}
        raise AzureError(
            416, "InvalidRange", "The range specified is invalid for the current size of the resource.", headers=more
        )
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(bytes(blob.content[start : end + 1]), 206, blob.content_type, headers)


def delete(visit: Visit) -> Answer:
    visit.require((f"{BLOBS}/delete",))
    check_conditions(visit, visit.require_blob())
    del visit.find_blobs()[visit.blob]
    return Answer(b"", 202)


# Containers


def list_blobs(visit: Visit) -> Answer:
    visit.require((f"{BLOBS}/read",), "Blob.List")
    text = listing.render(visit.find_blobs(), visit.request.query, visit.account.name, visit.container)
    return Answer(text.encode(), 200, "application/xml")


def read_container(visit: Visit) -> Answer:
    visit.require((f"{CONTAINERS}/read",))
    visit.find_blobs()
    record = visit.cloud.store.find(visit.scope, CONTAINER)
    assert record is not None
    return Answer(
        b"", 200, headers={"ETag": f'"{record.etag}"', "Last-Modified": formatdate(record.changed, usegmt=True)}
    )


# Parts


def mark(blob: Blob) -> dict[str, str]:
    return {"ETag": f'"0x{blob.etag}"', "Last-Modified": formatdate(blob.changed, usegmt=True)}


def render_meta(blob: Blob) -> dict[str, str]:
    return {f"{META}{name}": value for name, value in blob.metadata.items()}


def read_meta(request: Request) -> dict[str, str]:
    """The metadata that a request's head has."""
    found = {name.removeprefix(META): value for name, value in request.headers.items() if name.startswith(META)}
    for name, value in found.items():
        if not META_NAME.fullmatch(name) or not value.isascii():
            raise AzureError(
                400, "InvalidMetadata", f"The metadata {name!r} is invalid: it is no identifier, or not of ASCII."
            )
    if sum(len(name) + len(value) for name, value in found.items()) > MOST_METADATA:
        raise AzureError(
            400, "MetadataTooLarge", "The size of the specified metadata exceeds the maximum size permitted."
        )
    return found


def check_conditions(visit: Visit, blob: Blob | None) -> None:
    wanted, unwanted = (visit.request.headers.get(name) for name in ("if-match", "if-none-match"))
    etag = None if blob is None else f'"0x{blob.etag}"'
    if unwanted == "*" and blob is not None and visit.request.method == "PUT":
        raise AzureError(409, "BlobAlreadyExists", "The specified blob already exists.")
    if (wanted is not None and wanted != "*" and wanted != etag) or (wanted == "*" and blob is None):
        raise AzureError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")


def refuse(error: AzureError) -> Answer:
    """As an account refuses: in XML."""
    codes = {
        "ExpiredAuthenticationToken": "InvalidAuthenticationInfo",
        "InvalidAuthenticationTokenAudience": "InvalidAuthenticationInfo",
    }
    code = codes.get(error.code, error.code)
    headers = {**error.headers, "x-ms-error-code": code}
    if error.status == 401:
        headers["WWW-Authenticate"] = (
            "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id=https://storage.azure.com"
        )
    told = f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>"
    text = f'<?xml version="1.0" encoding="utf-8"?><Error>{told}</Error>'
    return Answer(text.encode(), error.status, "application/xml", headers)
