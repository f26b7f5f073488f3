"""How Azure is reached: one pool of connections for all services, and who asks."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

CONNECTIONS = 32
VARIABLE = "ARM_METADATA_HOSTNAME"


def open_session() -> requests.Session:
    """Connections to Azure; where `ARM_METADATA_HOSTNAME` is an address, to what is there and says that it is Azure."""
    for each in ("azure", "msal", "requests", "urllib3"):
        # They write down what is asked, and addresses that whoever knows them may read; what fails is told anyway.
        logging.getLogger(each).setLevel(logging.ERROR)
    session = requests.Session()
    address = find_stand_in()
    pool: dict[str, Any] = {"pool_connections": CONNECTIONS, "pool_maxsize": CONNECTIONS}
    adapter = Redirected(address, **pool) if address else HTTPAdapter(**pool)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


def open_credential(session: requests.Session, service_principal: Sequence[str]) -> Any:
    """Who asks.

    Args:
        service_principal: tenant, client and secret; where one is empty, azure-identity looks for somebody.
    """
    from azure.core.pipeline.transport import RequestsTransport
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    options: dict[str, Any] = {}
    if find_stand_in():
        options["transport"] = RequestsTransport(session=session, session_owner=False)
    if all(service_principal):
        return ClientSecretCredential(*service_principal, **options)
    return DefaultAzureCredential(**options)


def find_stand_in() -> str:
    """Where all of Azure's services are instead of where they are; empty where they are there.

    The engine's provider heeds the variable, too; for a sovereign cloud it is a host's name, and no address.
    """
    given = os.environ.get(VARIABLE, "")
    return given.rstrip("/") if "://" in given else ""


class Redirected(HTTPAdapter):
    """Sends everything to one address, which tells by the header `Host` whom it is for."""

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(**options)
        self._address = address

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        request.headers["Host"] = urlsplit(str(request.url)).netloc
        request.url = f"{self._address}{request.path_url}"
        return super().send(request, *arguments, **{**options, "proxies": {}})
