"""The provider itself: its configuration, and what it adds to all resources."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

from stand_ins.azure.call import Call, Settings
from stand_ins.azure.credentials import find_identity
from stand_ins.azure.errors import ApiError, OperationFailed
from stand_ins.azure.provider import AzureNativeProvider
from stand_ins.azure.registry import FUNCTIONS, RESOURCES
from stand_ins.core.errors import Refused
from stand_ins.core.server import serve
from stand_ins.core.shapes import words
from stand_ins.core.wire import UNKNOWN, Unknown

USUAL_SECONDS = 120.0
"""For what the engine says no time for: shorter than the real provider's, as tests are."""
GROUPS = "2020-10-01"
"""The version of the API by which the real provider asks where a resource group is."""
MICROSOFT = re.compile(r"(azure|windows|microsoftonline|microsoft|chinacloudapi|usgovcloudapi)\.(com|net|us|cn)")


class AzureNative(AzureNativeProvider):
    """`pulumi-azure-native`."""

    name = "azure"
    version = "3.29.0"
    resources = RESOURCES
    functions = FUNCTIONS
    config_supported = words("clientId clientSecret location metadataHost msiEndpoint subscriptionId tenantId useMsi")
    config_ignored = words("disableInstanceDiscovery disablePulumiPartnerId environment partnerId")

    settings: Settings | None = None

    def configure(self, config: Mapping[str, Any]) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        endpoint = find_endpoint(config)
        session = requests.Session()
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=64))
        subscription = config.get("subscriptionId") or os.environ.get("ARM_SUBSCRIPTION_ID")
        if not subscription:
            raise Refused("a subscription must be set: `azure-native:subscriptionId` or ARM_SUBSCRIPTION_ID")
        identity = find_identity(config, session, endpoint)
        self.settings = Settings(session, endpoint, identity, str(subscription), config.get("location"))

    def call(self, properties: Mapping[str, Any], seconds: float | None = None) -> Call:
        return Call(
            settings=self._settings(),
            deadline=time.monotonic() + (seconds or USUAL_SECONDS),
            cancelled=self.cancelled,
        )

    def _settings(self) -> Settings:
        if self.settings is None:
            raise Refused("the provider was asked before it was configured")
        return self.settings

    def default_location(self, given: Mapping[str, Any], olds: Mapping[str, Any]) -> Any:
        settings = self._settings()
        if known := olds.get("location") or settings.location:
            return known
        group = given.get("resourceGroupName")
        if group is None or isinstance(group, Unknown):
            return UNKNOWN if group else None
        with settings.lock:
            if group not in settings.locations:
                path = f"/subscriptions/{settings.subscription}/resourceGroups/{group}"
                try:
                    settings.locations[group] = self.call({}).send("GET", path, GROUPS).body["location"]
                except ApiError:  # what needs a location is then refused for that
                    return None
            return settings.locations[group]

    def explain(self, error: Exception, doing: str) -> str | None:
        from requests import RequestException

        if isinstance(error, ApiError | OperationFailed | RequestException):
            return f"{doing}: {error}"
        return None


def find_endpoint(config: Mapping[str, Any]) -> str:
    """Where Azure is, by what tells the real provider where a cloud describes itself."""
    given = config.get("metadataHost") or os.environ.get("ARM_METADATA_HOSTNAME")
    if not given:
        raise Refused(
            "the stand-in for azure never talks to Azure, and nobody said where else it may: set "
            "ARM_METADATA_HOSTNAME or the provider's `metadataHost` to an address, `http://127.0.0.1:8080`"
        )
    url = given if "://" in given else f"http://{given}"
    if MICROSOFT.search(url):
        raise Refused(f"the stand-in for azure never talks to Azure: {url}")
    return str(url).rstrip("/")


def main() -> None:
    """Serve as the engine's plugin."""
    serve(AzureNative())
