"""Health checks of a region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import one, same_fields, words
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource

HTTP = same_fields("host port portName portSpecification proxyHeader requestPath response")
TCP = same_fields("port portName portSpecification proxyHeader request response")
KINDS = {
    "httpHealthCheck": "HTTP",
    "httpsHealthCheck": "HTTPS",
    "http2HealthCheck": "HTTP2",
    "sslHealthCheck": "SSL",
    "tcpHealthCheck": "TCP",
}


class RegionHealthCheck(ComputeResource):
    token = "gcp:compute/regionHealthCheck:RegionHealthCheck"
    label = "RegionHealthCheck"
    collection = "healthChecks"
    scope = "region"
    body_fields = same_fields(
        "checkIntervalSec description healthyThreshold timeoutSec unhealthyThreshold",
        logConfig=one(same_fields("enable")),
        **{name: one(HTTP if "http" in name else TCP) for name in KINDS},
    )
    inputs = {**body_fields, **same_fields("name project region deletionPolicy")}
    told = same_fields("creationTimestamp healthCheckId=id:digits selfLink type")
    links = ("region",)
    lenient = ("portSpecification",)
    replaces = words("name project region")
    patched = (*body_fields,)
    method = "PUT"
    defaults = {"checkIntervalSec": 5, "healthyThreshold": 2, "timeoutSec": 5, "unhealthyThreshold": 2}
    inner_defaults = {
        name: {"proxyHeader": "NONE", **({"requestPath": "/"} if "http" in name else {})} for name in KINDS
    }
    exactly_one = ((*KINDS, "grpcHealthCheck", "grpcTlsHealthCheck"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        interval, timeout = given.get("checkIntervalSec", 5), given.get("timeoutSec", 5)
        if is_known(interval) and is_known(timeout) and timeout > interval:
            yield Problem("timeoutSec", f"timeout_sec ({timeout}) must be at most check_interval_sec ({interval})")

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        return {**super().body(call, given), "type": next(kind for name, kind in KINDS.items() if given.get(name))}

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        return {"logConfig": {"enable": False}, **super().describe(call, answer, known)}
