"""Resource Manager: groups, tags, versions, operations, lists, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from azure_cloud.client import AzureClient
from azure_cloud.conftest import GROUP, LOCATION, SCOPE, Azure

NETWORKS = "Microsoft.Network/virtualNetworks"
SPACE = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}


def test_a_group_is_made_told_and_removed_with_all_that_is_in_it(azure: Azure):
    azure.make_scale_set()
    azure.make_vault()
    azure.change("DELETE", GROUP)
    assert azure.find(GROUP) is None
    assert {each["id"].split("/")[4] for each in azure.list(f"{SCOPE}/resources")} == {"images"}
    assert azure.refuse("GET", f"{GROUP}/providers/{NETWORKS}/net").code == "ResourceGroupNotFound"
    assert azure.refuse("DELETE", GROUP).code == "ResourceGroupNotFound"


def test_a_group_whose_subnet_is_used_from_outside_is_not_removed(azure: Azure):
    subnet = azure.make_network()
    azure.make_group("other")
    nic = f"{SCOPE}/resourceGroups/other/providers/Microsoft.Network/networkInterfaces/nic"
    part = {"name": "one", "properties": {"subnet": {"id": subnet}}}
    azure.change("PUT", nic, {"location": LOCATION, "properties": {"ipConfigurations": [part]}})
    assert azure.refuse("DELETE", GROUP).code == "ResourceGroupDeletionBlocked"
    azure.change("DELETE", nic)
    azure.change("DELETE", GROUP)


def test_nothing_is_made_in_a_group_that_is_being_removed(azure: Azure):
    azure.control("pace", seconds={"DELETE Microsoft.Resources/resourceGroups": 30})
    azure.call("DELETE", GROUP)
    assert azure.get(GROUP)["properties"]["provisioningState"] == "Deleting"
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), {"location": LOCATION, "properties": SPACE})
    assert (refusal.status, refusal.code) == (409, "ResourceGroupBeingDeleted")
    assert azure.refuse("PUT", GROUP, {"location": LOCATION}).code == "ResourceGroupBeingDeleted"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"location": LOCATION, "nmae": "x"}, "Could not find member 'nmae' on object of type 'VirtualNetwork'"),
        ({"location": LOCATION, "id": "/x", "name": "x"}, "'name' of 'VirtualNetwork' is read-only"),
        ({"location": LOCATION, "properties": {**SPACE, "flowTimeoutInMinutes": "5"}}, "must be a int"),
        ({"location": LOCATION, "properties": {**SPACE, "provisioningState": "Succeeded"}}, "is read-only"),
        ({"location": LOCATION, "properties": {"addressSpace": ["10.0.0.0/16"]}}, "must be an object"),
        ({"location": LOCATION, "tags": {"a": 1}}, "must be a str"),
        ({"properties": SPACE}, "location property is required"),
        ({"location": "Atlantis", "properties": SPACE}, "List of available regions"),
        ({"location": LOCATION, "properties": SPACE, "tags": {"a/b": "c"}}, "tag name"),
        ({"location": LOCATION, "properties": SPACE, "tags": {"a": "b" * 257}}, "longer than 256"),
        ({"location": LOCATION, "properties": SPACE, "tags": {str(index): "" for index in range(51)}}, "At most 50"),
    ],
)
def test_a_body_that_azure_would_refuse_is_refused(azure: Azure, body: dict[str, Any], words: str):
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), body)
    assert refusal.status == 400
    assert words in refusal.message


def test_every_fault_of_a_body_is_told(azure: Azure):
    body = {"location": 1, "wrong": 2}
    error = azure.ask("PUT", azure.place(NETWORKS, "net") + "?api-version=2024-05-01", body).json["error"]
    assert error["code"] == "InvalidRequestContent"
    assert len(error["details"]) == 2


def test_a_value_that_no_enumeration_has_and_a_missing_field_are_refused(azure: Azure):
    rule = {"name": "one", "properties": {"protocol": "Sctp", "access": "Allow", "direction": "Inbound"}}
    body = {"location": LOCATION, "properties": {"securityRules": [rule]}}
    target = azure.place("Microsoft.Network/networkSecurityGroups", "one") + "?api-version=2024-05-01"
    messages = [each["message"] for each in azure.ask("PUT", target, body).json["error"]["details"]]
    assert any("cannot be 'Sctp'" in message for message in messages)
    assert any("'priority' not found" in message for message in messages)


def test_a_version_must_be_given_and_be_one_of_the_types(azure: Azure):
    assert azure.ask("GET", GROUP).json["error"]["code"] == "MissingApiVersionParameter"
    refusal = azure.refuse("GET", azure.place(NETWORKS, "net"), api_version="2021-07-01")
    assert (refusal.status, refusal.code) == (400, "NoRegisteredProviderFound")


def test_who_says_nothing_of_himself_is_refused(azure: Azure):
    reply = AzureClient(azure.url, "").ask("GET", f"{GROUP}?api-version=2024-03-01")
    assert (reply.status, reply.json["error"]["code"]) == (401, "AuthenticationFailed")


def test_what_is_not_there_is_told_in_azures_words(azure: Azure):
    refusal = azure.refuse("GET", azure.place(NETWORKS, "net"))
    assert (refusal.status, refusal.code) == (404, "ResourceNotFound")
    assert f"'{NETWORKS}/net' under resource group 'lab'" in refusal.message
    assert azure.refuse("GET", azure.place("Microsoft.Network/dreams", "one")).code == "InvalidResourceType"
    assert azure.ask("DELETE", azure.place(NETWORKS, "net") + "?api-version=2024-05-01").status == 204
    assert azure.refuse("GET", "/subscriptions/other/resourceGroups/lab").code == "SubscriptionNotFound"


def test_letters_case_does_not_count_in_identifiers(azure: Azure):
    azure.make_network()
    assert azure.get(azure.place(NETWORKS, "net").replace("lab", "LAB"))["name"] == "net"
    assert azure.get(azure.place(NETWORKS.lower(), "NET"))["id"] == azure.place(NETWORKS, "net")


def test_an_operation_is_told_while_it_takes_its_time(azure: Azure):
    azure.control("pace", seconds={NETWORKS: 0.3}, retry_after=2)
    path = azure.place(NETWORKS, "net")
    reply = azure.ask("PUT", f"{path}?api-version=2024-05-01", {"location": LOCATION, "properties": SPACE})
    assert (reply.status, reply.headers["retry-after"]) == (201, "2")
    assert reply.json["properties"]["provisioningState"] == "Creating"
    operation = reply.headers["azure-asyncoperation"].removeprefix(azure.url)
    assert azure.ask("GET", operation).json["status"] == "InProgress"
    azure.await_true(lambda: azure.ask("GET", operation).json["status"] == "Succeeded", "it has ended")
    assert azure.get(path)["properties"]["provisioningState"] == "Succeeded"
    reply = azure.ask("DELETE", f"{path}?api-version=2024-05-01")
    assert reply.status == 202
    result = reply.headers["location"].removeprefix(azure.url)
    assert azure.ask("GET", result).status == 202
    azure.await_true(lambda: azure.ask("GET", result).status == 204, "it has been deleted")
    assert azure.find(path) is None


def test_what_is_not_ready_cannot_be_used_yet(azure: Azure):
    azure.control("pace", seconds={"Microsoft.Network/natGateways": 30})
    path = azure.place("Microsoft.Network/natGateways", "nat")
    azure.call("PUT", path, {"location": LOCATION, "sku": {"name": "Standard"}})
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.0.0.0/20", "natGateway": {"id": path}}}
    body = {"location": LOCATION, "properties": {**SPACE, "subnets": [subnet]}}
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), body)
    assert (refusal.status, refusal.code) == (429, "RetryableError")


def test_lists_come_in_pages_and_by_scope(azure: Azure):
    azure.make_group("other")
    for group, name in (("lab", "a"), ("lab", "b"), ("other", "c")):
        place = f"{SCOPE}/resourceGroups/{group}/providers/{NETWORKS}/{name}"
        azure.change("PUT", place, {"location": LOCATION, "properties": SPACE})
    azure.control("pace", page=1)
    assert [each["name"] for each in azure.list(f"{GROUP}/providers/{NETWORKS}")] == ["a", "b"]
    assert [each["name"] for each in azure.list(f"{SCOPE}/providers/{NETWORKS}")] == ["a", "b", "c"]
    assert azure.refuse("GET", f"{SCOPE}/providers/{NETWORKS}", **{"$skiptoken": "x"}).code == "InvalidSkipToken"
    missing = f"{SCOPE}/resourceGroups/missing/providers/{NETWORKS}"
    assert azure.refuse("GET", missing).code == "ResourceGroupNotFound"


def test_resources_are_found_by_their_tags_and_types(azure: Azure):
    azure.put(NETWORKS, "a", SPACE, tags={"daskfleet:fleet": "one", "Name": "a"})
    azure.put("Microsoft.Network/applicationSecurityGroups", "b", tags={"daskfleet:fleet": "one"})
    azure.put("Microsoft.Network/applicationSecurityGroups", "c", tags={"daskfleet:fleet": "two"})

    def find(question: str) -> list[str]:
        return [each["name"] for each in azure.list(f"{SCOPE}/resources", _filter=question)]

    assert find("tagName eq 'daskfleet:fleet' and tagValue eq 'one'") == ["b", "a"]
    assert find("tagName eq 'name'") == ["a"]
    assert find(f"resourceType eq '{NETWORKS}' and resourceGroup eq 'LAB'") == ["a"]
    assert azure.refuse("GET", f"{SCOPE}/resources", _filter="colour eq 'blue'").code == "InvalidFilterInQueryString"
    azure.make_group("tagged", **{"daskfleet:fleet": "one"})
    groups = azure.list(f"{SCOPE}/resourcegroups", _filter="tagName eq 'daskfleet:fleet' and tagValue eq 'one'")
    assert [each["name"] for each in groups] == ["tagged"]


def test_tags_change_as_a_whole_and_a_location_never(azure: Azure):
    azure.put(NETWORKS, "net", SPACE, tags={"a": "b", "c": "d"})
    path = azure.place(NETWORKS, "net")
    assert azure.change("PATCH", path, {"tags": {"e": "f"}})["tags"] == {"e": "f"}
    refusal = azure.refuse("PUT", path, {"location": "northeurope", "properties": SPACE})
    assert (refusal.status, refusal.code) == (409, "InvalidResourceLocation")
    assert azure.refuse("PUT", GROUP, {"location": "northeurope"}).code == "InvalidResourceGroupLocation"


def test_a_groups_tags_change(azure: Azure):
    assert azure.call("PATCH", GROUP, {"tags": {"a": "b"}})["tags"] == {"a": "b"}
    assert azure.get(GROUP)["tags"] == {"a": "b"}
    assert azure.refuse("PUT", f"{SCOPE}/resourceGroups/a b", {"location": LOCATION}).code == "InvalidResourceGroup"


def test_a_change_may_ask_for_what_it_has_seen(azure: Azure):
    azure.put(NETWORKS, "net", SPACE)
    target = f"{azure.place(NETWORKS, 'net')}?api-version=2024-05-01"
    etag = azure.ask("GET", target).json["etag"]
    body = {"location": LOCATION, "properties": SPACE}
    assert azure.ask("PUT", target, body, If_Match=etag).status == 200
    assert azure.ask("PUT", target, body, If_Match=etag).status == 412
    assert azure.ask("PUT", target, body, If_None_Match="*").status == 412


def test_requests_are_refused_on_purpose(azure: Azure):
    azure.control("refuse", match="LIST Microsoft.Network", count=1, retry_after=7)
    reply = azure.ask("GET", f"{SCOPE}/providers/{NETWORKS}?api-version=2024-05-01")
    assert (reply.status, reply.headers["retry-after"], reply.json["error"]["code"]) == (429, "7", "TooManyRequests")
    assert list(azure.list(f"{SCOPE}/providers/{NETWORKS}")) == []
    azure.control("refuse", match="", count=1, status=503, code="ServerBusy")
    assert azure.refuse("GET", GROUP).code == "ServerBusy"


def test_calls_are_told_by_their_names(azure: Azure):
    azure.client.ask("DELETE", "/daskfleet/calls")
    azure.make_network()
    names = [each["name"] for each in azure.client.ask("GET", "/daskfleet/calls").json["calls"]]
    assert names[0] == f"PUT {NETWORKS}"
    assert f"GET {NETWORKS}" in names


def test_a_copy_goes_on_by_itself(azure: Azure):
    azure.make_network()
    copy = azure.copy()
    azure.change("DELETE", azure.place(NETWORKS, "net"))
    assert copy.get(azure.place(NETWORKS, "net"))["name"] == "net"
    copy.control("end")


def test_the_subscription_its_locations_and_providers_are_told(azure: Azure):
    assert azure.get(SCOPE)["state"] == "Enabled"
    assert LOCATION in [each["name"] for each in azure.list(f"{SCOPE}/locations")]


def test_a_provider_is_of_use_when_it_is_registered(azure: Azure):
    provider, version = f"{SCOPE}/providers/Microsoft.Network", "2024-03-01"
    azure.control("unregister", provider="Microsoft.Network")
    assert azure.get(provider, api_version=version)["registrationState"] == "NotRegistered"
    body = {"location": LOCATION, "properties": SPACE}
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), body)
    assert (refusal.status, refusal.code) == (409, "MissingSubscriptionRegistration")
    told = azure.call("POST", f"{provider}/register", api_version=version)
    assert told["registrationState"] == "Registered"
    azure.put(NETWORKS, "net", SPACE)
