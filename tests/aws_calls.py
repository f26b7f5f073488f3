"""Everything that is said to AWS in a test: `cloud_calls` for moto."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cloud_calls
from cloud_calls import Call

__all__ = ["BROKEN", "THROTTLED", "Call", "CallProxy", "Refusal", "denied"]

READING = ("Describe", "Get", "List", "Head", "Filter", "Assume", "Simulate", "Batch", "Lookup")
"""How the names of calls begin that change nothing."""

CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Refusal:
    """An answer of AWS's in place of moto's."""

    code: str
    message: str
    status: int = 400

    def render(self, call: Call) -> tuple[str, bytes]:
        if call.service in ("secretsmanager", "logs", "ssm", "tagging"):
            return "application/x-amz-json-1.1", json.dumps({"__type": self.code, "message": self.message}).encode()
        error = f"<Code>{self.code}</Code><Message>{self.message}</Message>"
        if call.service == "ec2":
            body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>0</RequestID></Response>"
        else:
            body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>0</RequestId></ErrorResponse>"
        return "text/xml", body.encode()


THROTTLED = Refusal("Throttling", "Rate exceeded")
BROKEN = Refusal("InternalFailure", "The request processing has failed", 500)


def denied(call: Call) -> Refusal:
    """The account's policy does not allow the call."""
    message = f"User: arn:aws:iam::123456789012:user/tester is not authorized to perform: {call.name}"
    return Refusal("UnauthorizedOperation" if call.service == "ec2" else "AccessDenied", message, 403)


class CallProxy(cloud_calls.CallProxy):
    """A server on the loopback interface that passes calls on to moto's and writes them down."""

    def read_call(self, number: int, method: str, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        signed = CREDENTIAL.search(headers.get("Authorization", ""))
        service = signed["service"] if signed else "unsigned"
        action, arguments = _read_action(headers, path, body)
        return Call(
            number,
            service,
            action,
            name=f"{service}:{action}",
            changes=not action.startswith(READING),
            caller=signed["key"] if signed else "",
            arguments=arguments,
        )


def _read_action(headers: Mapping[str, str], path: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a call, in whichever of AWS's protocols it is."""
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    form = parse_qs(body.decode("utf-8", "replace"))
    if "Action" in form:
        return form["Action"][0], {name: values[0] for name, values in form.items()}
    return urlsplit(path).path, {}
