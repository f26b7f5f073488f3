"""Health checks of a region."""

from __future__ import annotations

from google_cloud.compute.collection import Body, Call, Collection, require_field
from google_cloud.errors import invalid, required
from google_cloud.validation import check_range

KINDS = {
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "TCP": "tcpHealthCheck",
    "SSL": "sslHealthCheck",
    "GRPC": "grpcHealthCheck",
}
SECONDS = ("checkIntervalSec", "timeoutSec")
THRESHOLDS = ("healthyThreshold", "unhealthyThreshold")
LAST_PORT = 65535


class HealthChecks(Collection):
    name, model, scope, word, prefix = "healthChecks", "HealthCheck", "regions", "health check", "Region"
    patched = frozenset({*KINDS.values(), *SECONDS, *THRESHOLDS, "description", "logConfig", "type"})

    def prepare(self, call: Call, body: Body) -> Body:
        kind = require_field(body, "type")
        for each, field in KINDS.items():
            if each != kind and field in body:
                raise invalid(f"resource.{field}", "", f"Must not be specified for a health check of type {kind}.")
        if kind not in KINDS:
            raise invalid("resource.type", kind, "It is not supported here.")
        check = {"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2, **body}
        for field in SECONDS:
            check_range(check[field], 1, 300, f"resource.{field}")
        for field in THRESHOLDS:
            check_range(check[field], 1, 10, f"resource.{field}")
        if check["timeoutSec"] > check["checkIntervalSec"]:
            raise invalid("resource.timeoutSec", check["timeoutSec"], "Must not be greater than checkIntervalSec.")
        return {**check, KINDS[kind]: prepare_probe(KINDS[kind], body.get(KINDS[kind]) or {})}


def prepare_probe(field: str, probe: Body) -> Body:
    is_http = field.startswith("http")
    usual: Body = {"proxyHeader": "NONE"} if "grpc" not in field else {}
    if is_http:
        usual |= {"port": 443 if field == "httpsHealthCheck" else 80, "requestPath": "/"}
    found = {**usual, **probe}
    if "port" not in found:
        raise required(f"resource.{field}.port")
    check_range(found["port"], 1, LAST_PORT, f"resource.{field}.port")
    if is_http and not found["requestPath"].startswith("/"):
        raise invalid(f"resource.{field}.requestPath", found["requestPath"], "Must begin with a slash.")
    return found
