"""How the command line asks Azure: tokens, what is refused for a moment, pages, operations. Against its stand-in."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

import daskfleet.azure
from azure_cloud.cloud import SUBSCRIPTION, TENANT
from azure_cloud.conftest import LOCATION, SCOPE, azure, first_azure, render_machine
from azure_cloud.conftest import Azure as StandIn
from azure_cloud.identity.directory import PERSON
from daskfleet.azure import MANAGER, VAULTS, Answer, Azure, Refused, explain_azure_errors
from daskfleet.errors import FleetError
from daskfleet.providers.stack.azure import machines, scale_sets
from daskfleet.providers.stack.azure.places import SCALE_SETS
from daskfleet.providers.stack.cloud import GroupResources, Machine
from sshd import find_free_port

__all__ = ["azure", "first_azure"]

CLIENT = str(uuid.uuid4())
SECRET = "of-nobody-s-business"


@pytest.fixture
def stand_in(azure: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", azure.url)
    for name, value in (("TENANT_ID", TENANT), ("CLIENT_ID", CLIENT), ("CLIENT_SECRET", SECRET)):
        monkeypatch.setenv(f"ARM_{name}", value)
    for name in daskfleet.azure.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", "/nowhere")
    monkeypatch.setattr(daskfleet.azure, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(daskfleet.azure, "POLL_SECONDS", 0.01)
    return azure


@pytest.fixture
def client(stand_in: StandIn) -> Azure:
    return Azure(SUBSCRIPTION)


def list_calls(stand_in: StandIn) -> list[str]:
    return [str(each["name"]) for each in stand_in.ask("GET", "/daskfleet/calls").check().json["calls"]]


def forget_calls(stand_in: StandIn) -> None:
    stand_in.ask("DELETE", "/daskfleet/calls").check()


# Who asks


def test_a_token_is_asked_for_once_for_each_service(stand_in: StandIn, client: Azure):
    vault = stand_in.make_vault()
    stand_in.call("PUT", f"{vault}/secrets/one", {"properties": {"value": "x"}})
    forget_calls(stand_in)
    for _ in range(3):
        assert client.find(SCOPE) is not None
        answer = client.send("GET", "https://daskfleet-lab.vault.azure.net/secrets/one?api-version=7.4", VAULTS)
        assert answer.body["value"] == "x"
    assert list_calls(stand_in).count("entra.token") == 2
    assert client.claims["oid"] == PERSON


def test_a_token_that_is_not_taken_any_more_is_renewed_once(stand_in: StandIn, client: Azure):
    client.find(SCOPE)
    client._find_token(VAULTS)
    client._tokens[MANAGER] = client._tokens[VAULTS]  # Of another service: Azure refuses it.
    assert client.find(SCOPE) is not None
    with pytest.raises(Refused) as caught:
        client.send("GET", f"{MANAGER}{SCOPE}?api-version=2022-12-01", VAULTS)
    assert caught.value.status == 401


def test_the_subscription_is_the_named_one_that_of_the_environment_or_the_only_one(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
):
    assert Azure().subscription == SUBSCRIPTION
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "second")
    assert Azure().subscription == "second"
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", "first")
    assert Azure().subscription == "first"
    assert Azure("named").scope == "/subscriptions/named"


def test_who_is_unknown_is_told_how_to_become_known(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARM_TENANT_ID", str(uuid.uuid4()))
    with pytest.raises(FleetError, match=r"does not know who you are[\s\S]*`az login`") as caught:
        Azure(SUBSCRIPTION).sign_in()
    assert SECRET not in str(caught.value)


def test_a_cloud_that_is_not_reached_is_told_with_the_network(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    client = Azure(SUBSCRIPTION)
    client.sign_in()
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", f"http://127.0.0.1:{find_free_port()}")
    other = Azure(SUBSCRIPTION)
    other._tokens[MANAGER] = client._tokens[MANAGER]
    with pytest.raises(FleetError, match=r"Azure cannot be asked: .* Look at the network"), explain_azure_errors():
        other.find(SCOPE)


# What is refused


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_refused_for_a_moment_is_asked_again(stand_in: StandIn, client: Azure, status: int):
    stand_in.control("refuse", match="GET /resourcegroups", count=3, status=status, retry_after=0)
    assert client.find(f"{SCOPE}/resourceGroups/lab") is not None
    assert list_calls(stand_in).count("GET /resourceGroups/lab") == 4


def test_what_says_to_wait_long_is_told_instead(stand_in: StandIn, client: Azure):
    client.find(SCOPE)
    stand_in.control("refuse", match="GET /resourcegroups", count=1, retry_after=3600)
    forget_calls(stand_in)
    with pytest.raises(FleetError, match="asks Azure too often just now"), explain_azure_errors():
        client.find(f"{SCOPE}/resourceGroups/lab")
    assert list_calls(stand_in) == ["GET /resourceGroups/lab"]


def test_what_is_refused_for_good_is_told_and_not_asked_again(stand_in: StandIn, client: Azure):
    client.find(SCOPE)
    stand_in.control("person", roles=["Reader"])
    forget_calls(stand_in)
    with pytest.raises(Refused, match="does not have authorization") as caught:
        client.ask("PUT", f"{SCOPE}/resourceGroups/new", body={"location": LOCATION})
    assert (caught.value.status, caught.value.code) == (403, "AuthorizationFailed")
    assert len(list_calls(stand_in)) == 1
    with pytest.raises(FleetError, match=r"what to do: this identity may not do that"), explain_azure_errors():
        raise caught.value


def test_what_is_not_there_is_none(client: Azure):
    assert client.find(f"{SCOPE}/resourceGroups/nowhere") is None


# Pages and operations


def test_a_listing_is_read_to_its_end(stand_in: StandIn, client: Azure):
    for name in ("one", "two", "three"):
        stand_in.put("Microsoft.Network/applicationSecurityGroups", name)
    stand_in.control("pace", page=1)
    forget_calls(stand_in)
    found = [each["name"] for each in client.list(f"{SCOPE}/resourceGroups/lab/resources")]
    assert sorted(found) == ["one", "three", "two"]
    assert len(list_calls(stand_in)) >= 3


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_the_end_of_an_operation_is_awaited(stand_in: StandIn, client: Azure, seconds: float):
    stand_in.control("pace", seconds={"*": seconds})
    client.change("DELETE", f"{SCOPE}/resourceGroups/lab")
    assert client.find(f"{SCOPE}/resourceGroups/lab") is None


def test_an_operation_that_fails_is_told_with_why(stand_in: StandIn, client: Azure):
    interface = stand_in.make_interface(stand_in.make_network())
    image = stand_in.image
    stand_in.control("market", no_capacity=["*"])
    path = stand_in.place("Microsoft.Compute/virtualMachines", "one")
    with pytest.raises(Refused, match="AllocationFailed: Allocation failed"):
        client.change("PUT", path, body=render_machine(image, interface))


def test_the_version_of_each_kind_is_one_that_azure_takes(client: Azure):
    group = f"{SCOPE}/resourceGroups/lab"
    for path in (
        "/subscriptions",
        f"{SCOPE}/locations",
        f"{SCOPE}/providers/Microsoft.Compute",
        f"{group}/resources",
        f"{group}/providers/Microsoft.Compute/virtualMachines",
        f"{group}/providers/Microsoft.Compute/disks",
        f"{group}/providers/Microsoft.Compute/galleries",
        f"{group}/providers/Microsoft.Network/networkInterfaces",
        f"{group}/providers/Microsoft.KeyVault/vaults",
        f"{group}/providers/Microsoft.Storage/storageAccounts",
        f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        f"{group}/providers/Microsoft.Authorization/roleAssignments",
        f"{SCOPE}/providers/Microsoft.KeyVault/deletedVaults",
        f"{SCOPE}/providers/Microsoft.Compute/skus",
        f"{SCOPE}/providers/Microsoft.Compute/locations/{LOCATION}/usages",
    ):
        client.ask("GET", path)


# What the stand-in never does


class Written:
    """Azure, as a test says, with what is asked of it written down."""

    def __init__(self, answers: dict[str, dict[str, Any]], listings: dict[str, list[dict[str, Any]]]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._answers = answers
        self._listings = listings

    def find(self, path: str) -> dict[str, Any] | None:
        return self._answers.get(path)

    def list(self, path: str, query: Any) -> list[dict[str, Any]]:
        return self._listings[path]

    def begin(self, method: str, path: str, body: Any) -> Answer:
        self.asked.append((method, path.rpartition("/")[2], body))
        return Answer(200, {})

    change = begin


def test_machines_that_could_not_be_made_make_room_for_those_on_demand():
    group = GroupResources("cpu", f"{SCOPE}/resourceGroups/g/providers/{SCALE_SETS}/x", 1)
    mix = {"baseRegularPriorityCount": 0, "regularPriorityPercentageAboveBase": 0}
    scale_set = {"sku": {"name": "Mix", "capacity": 3}, "properties": {"priorityMixPolicy": mix}}
    failed = {"code": "ProvisioningState/failed/AllocationFailed", "message": "none"}
    members = [
        {"name": "x_1", "properties": {"priority": "Spot", "provisioningState": "Succeeded"}},
        *(
            {
                "name": f"x_{number}",
                "properties": {
                    "priority": "Spot",
                    "provisioningState": "Failed",
                    "instanceView": {"statuses": [failed]},
                },
            }
            for number in (2, 3)
        ),
    ]
    machines_path = f"{SCOPE}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines"
    written: Any = Written({group.id: scale_set}, {machines_path: members})
    scale_sets.take_on_demand(written, scale_sets.Changes(written), group)
    (deleted, changed) = written.asked
    assert deleted == ("POST", "delete", {"instanceIds": ["x_2", "x_3"]})
    assert changed[:2] == ("PATCH", "x")
    assert changed[2]["sku"] == scale_set["sku"]
    assert changed[2]["properties"]["priorityMixPolicy"]["baseRegularPriorityCount"] == 2


# What must not be told


def test_the_address_of_a_console_is_in_no_error():
    class Unreached:
        """Azure, of which the address of a console is not reached."""

        def ask(self, *_: Any) -> dict[str, Any]:
            return {"serialConsoleLogBlobUri": "https://x.blob.core.windows.net/c?sig=SIGNATURE"}

        def send(self, method: str, url: str, audience: str) -> None:
            assert audience == ""
            raise OSError(f"Max retries exceeded with url: {url}")

    machine = Machine("/subscriptions/s/x", "cpu", "n", "", "running", 0.0)
    assert machines.read_console(Unreached(), machine) == []  # type: ignore[arg-type]
