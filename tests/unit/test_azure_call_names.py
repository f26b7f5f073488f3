"""How calls to Azure are named in tests, and how they are refused."""

from __future__ import annotations

import http.client
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest

from azure_calls import BROKEN, THROTTLED, CallProxy, Refusal, denied, is_reading, read_action

SCOPE = "/subscriptions/s"
GROUP = f"{SCOPE}/resourceGroups/g"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
AUTHORIZATION = "providers/Microsoft.Authorization"


@pytest.mark.parametrize(
    ("method", "path", "name", "reads"),
    [
        ("GET", SCOPE, "Microsoft.Resources/subscriptions/read", True),
        ("GET", f"{SCOPE}/resources?$filter=x", "Microsoft.Resources/subscriptions/resources/read", True),
        ("PUT", GROUP, "Microsoft.Resources/subscriptions/resourceGroups/write", False),
        ("DELETE", f"{SCOPE}/resourcegroups/g", "Microsoft.Resources/subscriptions/resourceGroups/delete", False),
        ("GET", f"{GROUP}/resources", "Microsoft.Resources/subscriptions/resourceGroups/resources/read", True),
        ("GET", f"{SCOPE}/providers/Microsoft.Compute", "Microsoft.Resources/subscriptions/providers/read", True),
        ("POST", f"{SCOPE}/providers/Microsoft.Compute/register", "Microsoft.Compute/register/action", False),
        ("PUT", f"{NETWORK}/virtualNetworks/n", "Microsoft.Network/virtualNetworks/write", False),
        ("GET", f"{NETWORK}/virtualNetworks", "Microsoft.Network/virtualNetworks/read", True),
        ("GET", f"{NETWORK}/virtualNetworks/n/subnets/s", "Microsoft.Network/virtualNetworks/subnets/read", True),
        ("PATCH", f"{COMPUTE}/virtualMachineScaleSets/s", "Microsoft.Compute/virtualMachineScaleSets/update", False),
        (
            "POST",
            f"{COMPUTE}/virtualMachineScaleSets/s/delete",
            "Microsoft.Compute/virtualMachineScaleSets/delete/action",
            False,
        ),
        (
            "GET",
            f"{COMPUTE}/virtualMachines/m/instanceView",
            "Microsoft.Compute/virtualMachines/instanceView/read",
            True,
        ),
        (
            "POST",
            f"{COMPUTE}/virtualMachines/m/retrieveBootDiagnosticsData",
            "Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action",
            True,
        ),
        ("GET", f"{SCOPE}/providers/Microsoft.Compute/skus", "Microsoft.Compute/skus/read", True),
        (
            "GET",
            f"{SCOPE}/providers/Microsoft.Compute/locations/westeurope/operations/o",
            "Microsoft.Compute/locations/operations/read",
            True,
        ),
        ("PUT", f"{VAULT}/secrets/worker", "Microsoft.KeyVault/vaults/secrets/write", False),
        (
            "POST",
            f"{SCOPE}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/v/purge",
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            False,
        ),
        (
            "POST",
            f"{SCOPE}/providers/Microsoft.KeyVault/checkNameAvailability",
            "Microsoft.KeyVault/checkNameAvailability/action",
            True,
        ),
        (
            "PUT",
            f"{VAULT}/secrets/worker/{AUTHORIZATION}/roleAssignments/r",
            "Microsoft.Authorization/roleAssignments/write",
            False,
        ),
        ("POST", "/tenant/oauth2/v2.0/token", "entra/token", True),
        ("GET", "/tenant/v2.0/.well-known/openid-configuration", "entra/discovery", True),
        ("GET", "/vault/v/secrets/client?api-version=7.4", "vault/getSecret/action", True),
        ("DELETE", "/vault/v/secrets/client", "vault/delete", False),
        ("DELETE", "/vault/v/deletedsecrets/client", "vault/purge/action", False),
        ("GET", "/blob/a/logs?restype=container&comp=list", "blob/blobs/read", True),
        ("GET", "/blob/a/logs/cpu/node/00000", "blob/blobs/read", True),
        ("GET", "/blob/a/logs?restype=container", "blob/read", True),
        ("PUT", "/blob/a/logs/cpu/node/00000?comp=appendblock", "blob/blobs/add/action", False),
        ("GET", "/boot-diagnostics/m/serialconsole.log?sig=x", "blob/blobs/read", True),
    ],
)
def test_a_call_is_named_as_azures_permissions_are(method: str, path: str, name: str, reads: bool) -> None:
    service, action = read_action(method, path)
    assert f"{service}/{action}" == name
    assert is_reading(action) == reads


def test_vaults_and_accounts_are_told_by_their_hosts() -> None:
    assert read_action("GET", "/secrets/client", "df-lab.vault.azure.net") == ("vault", "getSecret/action")
    assert read_action("GET", "/secrets", "df-lab.vault.azure.net:443") == ("vault", "readMetadata/action")
    assert read_action("GET", "/logs/cpu/node/00000", "dflab.blob.core.windows.net") == ("blob", "blobs/read")


class Upstream(BaseHTTPRequestHandler):
    """Answers everything alike."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_PATCH = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy() -> Iterator[CallProxy]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            with CallProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join()


def ask(proxy: CallProxy, method: str, path: str, host: str = "lab") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_a_change_of_something_is_the_same_permission_as_making_it(proxy: CallProxy) -> None:
    path = f"{COMPUTE}/virtualMachineScaleSets/s"
    for method in ("PUT", "PATCH"):
        assert ask(proxy, method, path)[0] == 200
    made, changed = proxy.calls
    assert made.name == changed.name == "Microsoft.Compute/virtualMachineScaleSets/write"
    assert (made.action, changed.action) == ("virtualMachineScaleSets/write", "virtualMachineScaleSets/update")
    assert made.changes
    assert changed.changes


def test_who_asks_too_often_is_told_when_to_ask_again(proxy: CallProxy) -> None:
    proxy.interfere = lambda call: THROTTLED
    status, headers, body = ask(proxy, "GET", GROUP)
    assert (status, headers["Retry-After"]) == (429, "1")
    assert json.loads(body)["error"]["code"] == "TooManyRequests"
    proxy.interfere = lambda call: BROKEN
    status, headers, body = ask(proxy, "GET", GROUP)
    assert (status, json.loads(body)["error"]["code"]) == (500, "InternalServerError")
    assert "Retry-After" not in headers


def test_a_denied_call_is_named_in_the_words_of_its_service(proxy: CallProxy) -> None:
    proxy.interfere = denied
    status, _, body = ask(proxy, "PATCH", f"{COMPUTE}/virtualMachineScaleSets/s")
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (403, "AuthorizationFailed")
    assert "perform action 'Microsoft.Compute/virtualMachineScaleSets/write'" in error["message"]

    status, _, body = ask(proxy, "GET", "/secrets/client", "df-lab.vault.azure.net")
    error = json.loads(body)["error"]
    assert (status, error["code"], error["innererror"]) == (403, "Forbidden", {"code": "ForbiddenByRbac"})
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'" in error["message"]

    status, headers, body = ask(proxy, "GET", "/blob/a/logs?restype=container&comp=list")
    assert (status, headers["Content-Type"]) == (403, "application/xml")
    assert ElementTree.fromstring(body.decode()).findtext("Code") == "AuthorizationPermissionMismatch"


def test_who_gets_no_token_is_told_why(proxy: CallProxy) -> None:
    proxy.interfere = lambda call: Refusal("ExpiredAuthenticationToken", "It is over.", 401)
    status, _, body = ask(proxy, "POST", "/tenant/oauth2/v2.0/token")
    told = {"error": "invalid_grant", "error_description": "ExpiredAuthenticationToken: It is over."}
    assert (status, json.loads(body)) == (401, told)
