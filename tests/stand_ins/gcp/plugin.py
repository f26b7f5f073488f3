"""The provider itself: its configuration, and what it adds to all resources."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.provider import Provider
from stand_ins.core.resource import Resource
from stand_ins.core.server import serve
from stand_ins.core.shapes import words
from stand_ins.core.wire import Unknown
from stand_ins.gcp import labels, links
from stand_ins.gcp.call import SERVICES, Call, Settings, endpoint_variable
from stand_ins.gcp.credentials import find_credentials
from stand_ins.gcp.errors import ApiError, OperationFailed
from stand_ins.gcp.registry import FUNCTIONS, RESOURCES

USUAL_SECONDS = 120.0
"""For what a resource type says no time for, and the engine neither: shorter than the real provider's, as tests are."""
PLACES = {
    "project": ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
    "region": ("GOOGLE_REGION", "GCLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"),
    "zone": ("GOOGLE_ZONE", "GCLOUD_ZONE", "CLOUDSDK_COMPUTE_ZONE"),
}
"""The environment's variables for what the provider's properties do not say."""


class Gcp(Provider[Call]):
    """`pulumi-gcp`."""

    name = "gcp"
    version = "10.2.0"
    resources = RESOURCES
    functions = FUNCTIONS
    config_supported = words(
        "accessToken addPulumiAttributionLabel credentials defaultLabels project "
        "pulumiAttributionLabelAdditionStrategy region zone computeCustomEndpoint iamBetaCustomEndpoint "
        "iamCustomEndpoint resourceManagerCustomEndpoint secretManagerCustomEndpoint storageCustomEndpoint"
    )
    config_ignored = words(
        "batching billingProject disableGooglePartnerName googlePartnerName pollInterval requestReason requestTimeout "
        "userProjectOverride"
    )

    settings: Settings | None = None

    def configure(self, config: Mapping[str, Any]) -> None:
        from google.auth.transport.requests import AuthorizedSession
        from requests.adapters import HTTPAdapter

        endpoints = dict(find_endpoints(config))
        if not endpoints:
            raise Refused(
                "the stand-in for gcp never talks to Google, and nobody said where else it may: set "
                "GOOGLE_COMPUTE_CUSTOM_ENDPOINT and the like, or the provider's `computeCustomEndpoint` and the like"
            )
        credentials, project = find_credentials(config)
        session = AuthorizedSession(credentials, refresh_status_codes=(401,))
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=64))
        strategy = config.get("pulumiAttributionLabelAdditionStrategy") or "CREATION_ONLY"
        self.settings = Settings(
            session,
            endpoints,
            self._find_place("project", config) or project,
            self._find_place("region", config),
            self._find_place("zone", config),
            config.get("defaultLabels") or {},
            strategy if config.get("addPulumiAttributionLabel", True) else None,
        )

    def _find_place(self, name: str, config: Mapping[str, Any]) -> str | None:
        variables = (os.environ.get(variable) for variable in PLACES[name])
        found = config.get(name) or next(filter(None, variables), None)
        return links.last(found) if found else None

    def call(self, properties: Mapping[str, Any], seconds: float | None = None) -> Call:
        settings = self._settings()
        zone = known_text(properties.get("zone")) or settings.zone or ""
        region = known_text(properties.get("region")) or settings.region or zone.rpartition("-")[0]
        return Call(
            settings=settings,
            project=known_text(properties.get("project")) or settings.project or "",
            region=links.last(region),
            zone=links.last(zone),
            deadline=time.monotonic() + (seconds or USUAL_SECONDS),
            cancelled=self.cancelled,
        )

    def _settings(self) -> Settings:
        if self.settings is None:
            raise Refused("the provider was asked before it was configured")
        return self.settings

    def plan(self, resource: Resource[Call], given: dict[str, Any], state: Mapping[str, Any]) -> None:
        """Project, region and zone of the provider, and all labels, so that a change of any of them is one."""
        members = self.schema.resources[resource.token]
        settings = self._settings()
        here = {"project": settings.project, "region": settings.region, "zone": settings.zone}
        for name, place in here.items():
            if name in members.inputs and name in resource.inputs and given.get(name) is None:
                if not place:
                    raise Refused(f"{resource.label}: {name}: required field is not set")
                given[name] = place
        if "deletionPolicy" in members.inputs and given.get("deletionPolicy") is None:
            given["deletionPolicy"] = "DELETE"
        if "pulumiLabels" in members.outputs:
            given |= labels.plan(settings, given, state)

    def describe(self, call: Call, resource: Resource[Call], found: dict[str, Any], known: Mapping[str, Any]) -> None:
        schema = self.schema.resources[resource.token]
        if "deletionPolicy" in schema.inputs:
            found["deletionPolicy"] = known.get("deletionPolicy") or "DELETE"
        if "pulumiLabels" in schema.outputs:
            found |= labels.describe(found.pop("effectiveLabels", {}), known)

    def explain(self, error: Exception, doing: str) -> str | None:
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        if isinstance(error, ApiError | OperationFailed | GoogleAuthError | RequestException):
            return f"{doing}: {error}"
        return None


def known_text(value: Any) -> str | None:
    """`value`, where it is there and known."""
    return None if value is None or isinstance(value, Unknown) else str(value)


def find_endpoints(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each service is, as far as somebody said so."""
    for service, names in SERVICES.items():
        given = [config.get(f"{name}CustomEndpoint") or os.environ.get(endpoint_variable(name)) for name in names]
        if url := next(filter(None, given), None):
            if "googleapis.com" in url:
                raise Refused(f"the stand-in for gcp never talks to Google: {url}")
            yield service, url if url.endswith("/") else f"{url}/"


def main() -> None:
    """Serve as the engine's plugin."""
    serve(Gcp())
