"""What Azure describes, as machines and as a packet filter; and what machines ask, as programs on this computer."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from azure_cloud.client import AzureClient
from azure_cloud.network.security_groups import DEFAULTS, describe_default
from harness import await_true
from machines.azure import certificate
from machines.azure.azure import render_hosts
from machines.azure.health import HEALTHY, UNHEALTHY, Check, Health, judge, parse_check
from machines.azure.instances import AzureInstance, parse_instance
from machines.azure.metadata import render_metadata
from machines.azure.security_groups import find_rest, plan_filter
from machines.launching.packet_filter import EVERY_PORT, Rule
from machines.metadata_service import PROGRAMS
from sshd import find_free_port

TESTS = Path(__file__).parents[1]
GROUP = "/subscriptions/s/resourceGroups/daskfleet-research-westeurope/providers"
NETWORK = f"{GROUP}/Microsoft.Network/virtualNetworks/research"
SECURITY_GROUP = f"{GROUP}/Microsoft.Network/networkSecurityGroups/research"
SCHEDULERS, WORKERS = (
    f"{GROUP}/Microsoft.Network/applicationSecurityGroups/{name}" for name in ("scheduler", "worker")
)
CLIENT, STRANGER = "0f0e0d0c-1111-2222-3333-444455556666", "0f0e0d0c-1111-2222-3333-444455557777"
EVERYTHING = Rule("-1", EVERY_PORT, ("0.0.0.0/0",), ())
NOTHING = replace(EVERYTHING, verdict="drop")
DESCRIBED: dict[str, Any] = {
    "id": f"{GROUP}/Microsoft.Compute/virtualMachines/research-cpu_0a1b2c3d",
    "vmId": "5fac0dba-b813-4e77-a4c9-027d2f6c72f9",
    "name": "research-cpu_0a1b2c3d",
    "computerName": "research-cpu-C9MB0V",
    "group": "daskfleet-research-westeurope",
    "power": "running",
    "state": "Succeeded",
    "location": "westeurope",
    "zone": "1",
    "size": "Standard_D4s_v5",
    "priority": "Spot",
    "image": f"{GROUP}/Microsoft.Compute/galleries/daskfleet/images/daskfleet",
    "tags": {"daskfleet:fleet": "research"},
    "scaleSet": f"{GROUP}/Microsoft.Compute/virtualMachineScaleSets/research-cpu",
    "customData": base64.b64encode(b"#cloud-config\n").decode(),
    "adminUsername": "fleet",
    "publicKeys": ["ssh-ed25519 AAAA fleet"],
    "identities": [{"id": "x", "principalId": "y", "clientId": CLIENT}],
    "interfaces": [
        {
            "address": "10.78.0.7",
            "subnet": f"{NETWORK}/subnets/machines",
            "networkSecurityGroup": SECURITY_GROUP,
            "applicationSecurityGroups": [WORKERS],
            "mac": "60-45-BD-01-02-03",
        }
    ],
    "health": {"settings": {"port": 8788}, "repairs": {}},
    "terminateNotification": {"enable": True, "notBeforeTimeout": "PT5M"},
}


def test_an_instance_is_what_azure_describes():
    instance = parse_instance(DESCRIBED)
    assert (instance.id, instance.runs) == ("5fac0dba-b813-4e77-a4c9-027d2f6c72f9", True)
    assert (instance.name, instance.vm) == ("research-cpu-C9MB0V", "research-cpu_0a1b2c3d")
    assert (instance.group, instance.network, instance.zone) == ("research-cpu", NETWORK.lower(), "1")
    assert (instance.type, instance.image, instance.address) == (
        "Standard_D4s_v5",
        f"{GROUP}/Microsoft.Compute/galleries/daskfleet/images/daskfleet",
        "10.78.0.7",
    )
    assert (instance.security_group, instance.application_groups) == (SECURITY_GROUP, (WORKERS,))
    assert (instance.user_data, instance.public_keys) == ("#cloud-config\n", ("ssh-ed25519 AAAA fleet",))
    assert instance.clients == (CLIENT,)


def test_an_instance_of_nobodys_may_be_off_and_have_no_user_data():
    alone = {**DESCRIBED, "scaleSet": None, "customData": None, "identities": [], "health": None}
    for power, is_off in (
        ("running", False),
        ("starting", False),
        ("stopped", True),
        ("deallocated", True),
        (None, True),
    ):
        instance = parse_instance({**alone, "power": power})
        assert (instance.runs, instance.is_off) == (power == "running", is_off)
        assert (instance.group, instance.user_data, instance.clients) == (None, None, ())
    with pytest.raises(ValueError, match="no text in Base64"):
        parse_instance({**alone, "customData": "#cloud-config"}).user_data  # noqa: B018 - it raises


def test_one_that_is_deleted_goes_on_while_it_is_warned_and_no_longer():
    assert parse_instance({**DESCRIBED, "state": "Deleting"}).runs
    gone = parse_instance({**DESCRIBED, "state": "Deleting", "terminateNotification": None})
    assert (gone.runs, gone.is_off, gone.state) == (False, False, "leaving")


# Security groups


def make(identity: str, address: str, *groups: str, network: str = NETWORK, **changes: Any) -> AzureInstance:
    named = {"id": identity, "name": identity, "state": "running", "image": "", "type": "", "zone": "", "resource": ""}
    given = {"security_group": SECURITY_GROUP, "subnet": f"{network}/subnets/machines", **changes}
    return AzureInstance(**named, vm=identity, address=address, application_groups=groups, **given)


SCHEDULER, WORKER = make("1", "10.78.0.10", SCHEDULERS), make("2", "10.78.0.7", WORKERS)
NETWORKS = [{"id": NETWORK, "properties": {"addressSpace": {"addressPrefixes": ["10.78.0.0/16"]}}}]
ELSEWHERE = Rule("-1", EVERY_PORT, (), (f"not in {NETWORK.lower()}",), "drop")


def rule(priority: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "priority": priority,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": "8786",
        "sourceAddressPrefixes": [],
        "destinationAddressPrefixes": [],
    }
    return {"name": f"rule-{priority}", "properties": {**usual, **changes}}


def security_group(*rules: dict[str, Any]) -> dict[str, Any]:
    defaults = [describe_default(SECURITY_GROUP, *each) for each in DEFAULTS]
    return {"id": SECURITY_GROUP, "properties": {"securityRules": list(rules), "defaultSecurityRules": defaults}}


DENY = rule(
    4096,
    access="Deny",
    protocol="*",
    sourceAddressPrefix="*",
    destinationAddressPrefix="*",
    destinationPortRange="*",
)


def test_rules_for_application_groups_let_machines_of_one_in_to_those_of_another_and_nobody_else():
    group = security_group(
        DENY,
        rule(
            100,
            sourceApplicationSecurityGroups=[{"id": WORKERS}],
            destinationApplicationSecurityGroups=[{"id": SCHEDULERS}],
        ),
        rule(
            120,
            sourceApplicationSecurityGroups=[{"id": WORKERS}],
            destinationApplicationSecurityGroups=[{"id": WORKERS.upper()}],
            destinationPortRange="1024-65535",
        ),
    )
    plan = plan_filter([group], NETWORKS, [SCHEDULER, WORKER])
    scheduler, worker = (plan.policies[str(each.address)].ingress for each in (SCHEDULER, WORKER))
    assert scheduler[:3] == (ELSEWHERE, Rule("tcp", (8786, 8786), (), (WORKERS.lower(),)), NOTHING)
    assert worker[:3] == (ELSEWHERE, Rule("tcp", (1024, 65535), (), (WORKERS.lower(),)), NOTHING)
    assert plan.groups == {SCHEDULERS.lower(): ["10.78.0.10"], WORKERS.lower(): ["10.78.0.7"]}


def test_without_rules_of_its_own_a_group_lets_the_network_in_and_everything_out():
    policy = plan_filter([security_group()], NETWORKS, [WORKER]).policies["10.78.0.7"]
    network = Rule("-1", EVERY_PORT, ("10.78.0.0/16",), ())
    assert policy.ingress == (ELSEWHERE, network, Rule("-1", EVERY_PORT, (), ()), NOTHING)
    assert policy.egress == (
        ELSEWHERE,
        network,
        Rule("-1", EVERY_PORT, find_rest(("10.78.0.0/16",)), ()),
        NOTHING,
    )


def test_rules_for_addresses_are_for_the_machines_that_have_them_in_the_order_of_priorities():
    group = security_group(
        rule(300, sourceAddressPrefixes=["10.0.0.0/8", "fd00::/8"], destinationAddressPrefix="10.78.0.0/24"),
        rule(
            200,
            access="Deny",
            protocol="Icmp",
            sourceAddressPrefix="Internet",
            destinationAddressPrefix="VirtualNetwork",
            destinationPortRange="*",
        ),
        rule(250, sourceAddressPrefix="*", destinationAddressPrefix="10.78.9.0/24"),
        rule(210, sourceAddressPrefix="Storage", destinationAddressPrefix="*", destinationPortRanges=["22", "80-81"]),
    )
    policy = plan_filter([group], NETWORKS, [WORKER]).policies["10.78.0.7"]
    assert policy.ingress[1:5] == (
        Rule("icmp", EVERY_PORT, find_rest(("10.78.0.0/16",)), (), "drop"),
        Rule("tcp", (8786, 8786), (), ()),
        Rule("tcp", (22, 22), (), ()),
        Rule("tcp", (80, 81), (), ()),
    )
    assert policy.ingress[5] == Rule("tcp", (8786, 8786), ("10.0.0.0/8",), ())


def test_a_machine_without_a_security_group_is_open_within_its_network():
    other = make("3", "10.79.0.5", network=f"{NETWORK}-2", security_group=None)
    plan = plan_filter([security_group()], NETWORKS, [WORKER, other])
    first = Rule("-1", EVERY_PORT, (), (f"not in {NETWORK.lower()}-2",), "drop")
    assert plan.policies["10.79.0.5"].ingress == plan.policies["10.79.0.5"].egress == (first, EVERYTHING)
    assert plan.groups[f"not in {NETWORK.lower()}"] == ["10.79.0.5"]


def test_what_is_left_of_all_addresses_is_without_those_that_are_taken():
    rest = find_rest(("128.0.0.0/1", "64.0.0.0/2"))
    assert rest == ("0.0.0.0/2",)


# Health

CHECK = Check(8788, "/health", 30, 3)


def tell_all(*answers: str) -> list[str]:
    """What Azure is told after answers, one after another."""
    health, told = Health(), []
    for number, answer in enumerate(answers):
        if judge(health, CHECK, answer, now=30.0 * number):
            told.append(answer)
    return told


def test_a_check_is_what_the_extension_is_set_to():
    settings = {"protocol": "http", "port": 8788, "requestPath": "/health"}
    assert parse_check({**settings, "intervalInSeconds": 30, "numberOfProbes": 3}) == CHECK
    assert parse_check(settings) == Check(8788, "/health", 5, 1)


def test_azure_is_told_once_of_what_a_machine_says_several_times_without_a_break():
    assert tell_all(HEALTHY, HEALTHY) == []
    assert tell_all(HEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY) == [HEALTHY]
    wavering = (UNHEALTHY, UNHEALTHY, HEALTHY)
    assert tell_all(*wavering, *wavering, *wavering) == []
    assert tell_all(*[HEALTHY] * 3, *wavering, *[UNHEALTHY] * 3, *[HEALTHY] * 3) == [HEALTHY, UNHEALTHY, HEALTHY]


# What machines ask


@contextlib.contextmanager
def running(*command: str, ready: Any) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *command], cwd=TESTS)
    try:
        await_true(lambda: process.poll() is not None or is_there(ready), f"{command[0]} answers", timeout=60)
        yield
    finally:
        process.kill()
        process.wait()


def is_there(ask: Any) -> bool:
    try:
        ask()
    except (OSError, requests.ConnectionError):
        return False
    return True


@pytest.fixture(scope="module")
def client() -> Iterator[AzureClient]:
    """Azure's stand-in."""
    port = find_free_port()
    client = AzureClient(f"http://127.0.0.1:{port}")
    with running("-m", "azure_cloud", str(port), ready=lambda: client.call("GET", "/subscriptions")):
        yield client


@pytest.fixture
def metadata(tmp_path: Path, client: AzureClient) -> Iterator[Metadata]:
    """The metadata service, for which this computer is a machine."""
    url = f"http://127.0.0.1:{find_free_port()}/metadata"
    port = url.rpartition(":")[2].partition("/")[0]
    service = Metadata(url, tmp_path / "instances.json")
    files = (str(service.file), str(tmp_path / "log"))
    service.tell(clients=())
    program = (str(PROGRAMS / "azure.py"), "127.0.0.1", port, *files, f"{client.url}/daskfleet/token")
    with running(*program, ready=lambda: requests.get(url, timeout=5)):
        yield service


class Metadata:
    def __init__(self, url: str, file: Path) -> None:
        self.url = url
        self.file = file

    def tell(self, clients: tuple[str, ...], **events: str) -> None:
        instance = replace(parse_instance(DESCRIBED), clients=clients)
        self.file.write_text(json.dumps({"127.0.0.1": render_metadata(instance, "westeurope", "s", events)}))

    def ask(self, path: str, headers: dict[str, str] | None = None, **query: str) -> tuple[int, str]:
        query = {name.replace("_", "-", 1) if name == "api_version" else name: value for name, value in query.items()}
        headers = {"Metadata": "true"} if headers is None else headers
        answer = requests.get(f"{self.url}/{path}", params=query, headers=headers, timeout=10)
        return answer.status_code, answer.text


def test_the_metadata_service_tells_a_machine_who_it_is(metadata: Metadata):
    version = {"api_version": "2021-02-01"}
    assert metadata.ask("instance/compute/name", **version, format="text") == (200, "research-cpu_0a1b2c3d")
    address = "instance/network/interface/0/ipv4/ipAddress/0/privateIpAddress"
    assert metadata.ask(address, **version, format="text") == (200, "10.78.0.7")
    status, text = metadata.ask("instance", **version)
    assert (status, json.loads(text)["compute"]["vmId"]) == (200, "5fac0dba-b813-4e77-a4c9-027d2f6c72f9")
    assert metadata.ask("instance", **version, format="text") == (200, "compute/\nnetwork/")
    assert metadata.ask("instance/compute/nothing", **version, format="text")[0] == 404


def test_the_metadata_service_refuses_who_does_not_ask_as_one_must(metadata: Metadata):
    asked = {"api_version": "2021-02-01", "format": "text"}
    refused = [
        metadata.ask("instance/compute/name", {}, **asked),
        metadata.ask("instance/compute/name", {"Metadata": "true", "X-Forwarded-For": "x"}, **asked),
        metadata.ask("instance/compute/name", format="text"),
        metadata.ask("instance/compute/name", api_version="2021-02-01"),
    ]
    assert [status for status, _ in refused] == [400] * 4
    assert metadata.ask("nothing", **asked)[0] == 404
    metadata.file.write_text("{}")
    assert metadata.ask("instance/compute/name", **asked)[0] == 404


def test_a_machine_gets_tokens_of_its_own_identities_only(metadata: Metadata, client: AzureClient):
    group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/tokens"
    client.call("PUT", group, {"location": "westeurope"})
    own, other = (
        client.change(
            "PUT",
            f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            {"location": "westeurope"},
        )["properties"]["clientId"]
        for name in ("own", "other")
    )
    metadata.tell((own,))
    asked = {"api_version": "2018-02-01", "resource": "https://vault.azure.net"}
    status, text = metadata.ask("identity/oauth2/token", **asked, client_id=own)
    token = json.loads(text)
    assert (status, token["token_type"], token["client_id"]) == (200, "Bearer", own)
    assert int(token["expires_in"]) > 3600
    reader = AzureClient(client.url, token["access_token"])
    told = reader.ask("GET", "/vault/nothing/secrets/x?api-version=7.4")
    assert told.status == 404  # It is known who asks.
    assert metadata.ask("identity/oauth2/token", **asked)[0] == 200
    for clients, given, words in (
        ((own,), {**asked, "client_id": other}, "Identity not found"),
        ((), asked, "Identity not found"),
        ((own, other), asked, "Multiple user assigned identities exist"),
        ((own,), {"api_version": "2018-02-01"}, "'resource' is missing"),
        ((STRANGER,), asked, "Identity not found"),
    ):
        metadata.tell(clients)
        status, text = metadata.ask("identity/oauth2/token", **given)
        assert (status, json.loads(text)["error"]) == (400, "invalid_request")
        assert words in json.loads(text)["error_description"]


def test_what_is_scheduled_for_a_machine_is_told_with_its_name(metadata: Metadata):
    version = {"api_version": "2020-07-01"}
    assert json.loads(metadata.ask("scheduledevents", **version)[1]) == {"DocumentIncarnation": 1, "Events": []}
    metadata.tell((), Preempt="Sun, 29 Nov 2026 01:00:00 GMT")
    told = json.loads(metadata.ask("scheduledevents", **version)[1])
    (event,) = told["Events"]
    assert told["DocumentIncarnation"] == 2
    assert uuid.UUID(event.pop("EventId"))
    assert event == {
        "EventStatus": "Scheduled",
        "EventType": "Preempt",
        "ResourceType": "VirtualMachine",
        "Resources": ["research-cpu_0a1b2c3d"],
        "NotBefore": "Sun, 29 Nov 2026 01:00:00 GMT",
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }


def test_vaults_and_accounts_are_asked_by_their_own_names_over_https(tmp_path: Path, client: AzureClient):
    issued = certificate.issue()
    (tmp_path / "chain.pem").write_text(issued.chain)
    (tmp_path / "authority.pem").write_text(issued.authority)
    port = find_free_port()
    behind = client.url.rpartition(":")[2]
    program = (str(TESTS / "machines/azure/https.py"), "127.0.0.1", str(port), str(tmp_path / "chain.pem"))

    def ask(host: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() as session:
            session.mount("https://", Resolved(host, port))
            return session.get(f"https://{host}{path}", timeout=10, **options)

    trusted = {"verify": str(tmp_path / "authority.pem")}
    secret = "/secrets/worker?api-version=7.4"
    with running(*program, "127.0.0.1", behind, ready=lambda: ask("df-lab.vault.azure.net", secret, **trusted)):
        told = ask("df-lab.vault.azure.net", secret, **trusted)
        assert (told.status_code, told.json()["error"]["code"]) == (404, "VaultNotFound")
        told = ask("dflab.blob.core.windows.net", "/logs?restype=container&comp=list", **trusted)
        assert (told.status_code, told.headers["x-ms-error-code"]) == (404, "AccountNotFound")
        for host, options in (("df-lab.vault.azure.net", {}), ("management.azure.com", trusted)):
            with pytest.raises(requests.exceptions.SSLError):
                ask(host, secret, **options)


class Resolved(requests.adapters.HTTPAdapter):
    """Finds a host on the loopback interface, as /etc/hosts says it to machines."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host = host
        self._port = port

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        self.poolmanager.connection_pool_kw |= {"server_hostname": self._host, "assert_hostname": self._host}
        request.headers["Host"] = self._host
        request.url = f"https://127.0.0.1:{self._port}{request.path_url}"
        return super().send(request, *arguments, **options)


def test_machines_find_vaults_and_accounts_in_their_hosts_file():
    text = render_hosts("10.78.0.1", ["df-lab.vault.azure.net", "dflab.blob.core.windows.net"])
    assert text.splitlines()[2:] == ["10.78.0.1 df-lab.vault.azure.net", "10.78.0.1 dflab.blob.core.windows.net"]
    assert text.startswith("127.0.0.1 localhost\n")
