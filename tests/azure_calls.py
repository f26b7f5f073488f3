"""Everything that is said to Azure in a test: `cloud_calls` for its stand-in.

Calls are named as Azure's permissions are, `Microsoft.Network/virtualNetworks/write`. Their actions are what follows
the namespace, `virtualNetworks/write`; a PATCH is `virtualNetworks/update`, which has no permission of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import cloud_calls
from cloud_calls import Call

__all__ = ["BROKEN", "THROTTLED", "Call", "CallProxy", "Refusal", "denied"]

ENTRA, VAULT, BLOB = "entra", "vault", "blob"
"""Services besides those of Azure Resource Manager, which are called by their namespaces."""

VAULT_HOST, VAULT_PATH = re.compile(r"[\w-]+\.vault\.azure\.net(?::\d+)?"), re.compile(r"/vault/[\w-]+(?P<rest>/.*)")
BLOB_HOST, BLOB_PATH = re.compile(r"\w+\.blob\.core\.windows\.net(?::\d+)?"), re.compile(r"/blob/\w+(?P<rest>/.*)")
TOKEN = re.compile(r"/[^/]+/oauth2/v2\.0/token")
DISCOVERY = re.compile(r"/common/discovery/instance|/[^/]+/(?:v2\.0/)?\.well-known/openid-configuration")
CONSOLE = re.compile(r"/boot-diagnostics/.+")

VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "update", "DELETE": "delete"}
READING_VERBS = ("read", "token", "discovery")
READING_ACTIONS = ("retrieveBootDiagnosticsData", "checkNameAvailability", "getSecret", "readMetadata")
"""What of calls changes nothing, by the last part of their names; where that is `action`, by the one before."""

SECRETS = "Microsoft.KeyVault/vaults/secrets"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
SPELT = {"resourcegroups": "resourceGroups"}
"""Parts of paths that clients spell otherwise than permissions do."""


@dataclass(frozen=True)
class Refusal:
    """An answer of Azure's in place of its stand-in's."""

    code: str
    """`AuthorizationFailed`."""
    message: str
    status: int = 400
    reason: str = ""
    """`ForbiddenByRbac`, as vaults have it within."""

    def render(self, call: Call) -> tuple[str, bytes]:
        kind = "application/json; charset=utf-8"
        if call.service == BLOB:
            inner = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
            return "application/xml", f'<?xml version="1.0" encoding="utf-8"?><Error>{inner}</Error>'.encode()
        if call.service == ENTRA:
            told = {"error": "invalid_grant", "error_description": f"{self.code}: {self.message}"}
            return kind, json.dumps(told).encode()
        reason = {"innererror": {"code": self.reason}} if self.reason else {}
        return kind, json.dumps({"error": {"code": self.code, "message": self.message, **reason}}).encode()


THROTTLED = Refusal("TooManyRequests", "The request is being throttled as the limit has been reached.", 429)
BROKEN = Refusal("InternalServerError", "The server encountered an internal error. Please retry the request.", 500)


def denied(call: Call) -> Refusal:
    """The caller has no role that allows the call."""
    if call.service == BLOB:
        message = f"This request is not authorized to perform this operation using this permission: {call.name}"
        return Refusal("AuthorizationPermissionMismatch", message, 403)
    if call.service == VAULT:
        message = f"Caller is not authorized to perform action on resource.\r\nAction: '{call.name}'"
        return Refusal("Forbidden", message, 403, "ForbiddenByRbac")
    message = (
        f"The client 'tester' with object id 'tester' does not have authorization to perform action '{call.name}' over "
        "scope '/subscriptions/lab' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials."
    )
    return Refusal("AuthorizationFailed", message, 403)


class CallProxy(cloud_calls.CallProxy):
    """A server on the loopback interface that passes calls on to the stand-in of Azure and writes them down."""

    def __init__(self, upstream: str, host: str = "127.0.0.1") -> None:
        super().__init__(upstream, host)
        self._server.RequestHandlerClass = _Handler

    def read_call(self, number: int, method: str, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        service, action = read_action(method, path, headers.get("Host", ""))
        permission = re.sub("/update$", "/write", action)
        data = {VAULT: SECRETS, BLOB: CONTAINERS}.get(service, service)
        return Call(
            number,
            service,
            action,
            name=f"{data}/{permission}",
            changes=not is_reading(action),
            caller=headers.get("Authorization", "").removeprefix("Bearer "),
            arguments=_parse(body),
        )


class _Handler(cloud_calls._Handler):
    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Who asks too often is told when to ask again."""
        more = {"Retry-After": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        super().answer(status, {**more, **headers}, body)


def is_reading(action: str) -> bool:
    *_, before, verb = ("", *action.split("/"))
    return verb in READING_VERBS or (verb == "action" and before in READING_ACTIONS)


def read_action(method: str, target: str, host: str = "") -> tuple[str, str]:
    """The service and the name of a call, `Microsoft.Network` and `virtualNetworks/write`.

    Args:
        target: path and query.
        host: whom it was sent to: vaults and storage accounts have hosts of their own.
    """
    path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
    if VAULT_HOST.fullmatch(host) or (found := VAULT_PATH.fullmatch(path)):
        return VAULT, _name_of_secrets(method, path if VAULT_HOST.fullmatch(host) else found["rest"])
    if BLOB_HOST.fullmatch(host) or BLOB_PATH.fullmatch(path):
        return BLOB, _name_of_blobs(method, query)
    if TOKEN.fullmatch(path):
        return ENTRA, "token"
    if DISCOVERY.fullmatch(path):
        return ENTRA, "discovery"
    if CONSOLE.fullmatch(path):
        return BLOB, "blobs/read"  # Of an account that is Azure's own.
    scope, found_provider, rest = path.rpartition("/providers/")
    if not found_provider:
        return "Microsoft.Resources", _join(method, path.strip("/").split("/"))
    namespace, *words = rest.split("/")
    if not words:
        return "Microsoft.Resources", _join(method, [*scope.strip("/").split("/"), "providers", namespace])
    return namespace, _join(method, words)


def _join(method: str, words: list[str]) -> str:
    """Types and names in turn, of which the types are said; a POST ends with what is done."""
    kinds = [SPELT.get(each.lower(), each) for each in words[::2]]
    return "/".join([*kinds, "action" if method == "POST" else VERBS[method]])


def _name_of_secrets(method: str, path: str) -> str:
    kind, *rest = path.strip("/").split("/")
    if kind == "deletedsecrets":
        return "purge/action"
    if method == "GET":
        return "getSecret/action" if rest else "readMetadata/action"
    return VERBS[method]


def _name_of_blobs(method: str, query: Mapping[str, list[str]]) -> str:
    if query.get("comp") == ["appendblock"]:
        return "blobs/add/action"
    if query.get("restype") == ["container"] and query.get("comp") != ["list"]:
        return VERBS[method]
    return f"blobs/{VERBS[method]}"


def _parse(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
