"""Networks, subnets, routers, firewall rules and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from google_cloud.conftest import Google

NAT = {
    "name": "nat",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "enableDynamicPortAllocation": True,
    "minPortsPerVm": 64,
    "maxPortsPerVm": 4096,
}


def render_nat(subnet: str, **more: Any) -> dict[str, Any]:
    return {**NAT, "subnetworks": [{"name": subnet, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}], **more}


def test_a_network_is_told_with_what_google_adds(google: Google):
    network = google.make_network(description="daskfleet-fleet=one")
    told = google.get(f"{google.everywhere}/networks/net")
    assert told["selfLink"] == f"https://www.googleapis.com/compute/v1/{network}"
    assert told["kind"] == "compute#network"
    assert told["routingConfig"]["routingMode"] == "REGIONAL"
    assert len(told["id"]) == 19
    assert "subnetworks" not in told
    google.make_subnet(network)
    assert len(google.get(f"{google.everywhere}/networks/net")["subnetworks"]) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Net"}, "Must be a match of regex"),
        ({"name": "n" * 64}, "Must be a match of regex"),
        ({"name": "net-"}, "Must be a match of regex"),
        ({"nmae": "x"}, 'Unknown name "nmae"'),
        ({"mtu": 100}, "resource.mtu"),
        ({"mtu": "many"}, "resource.mtu"),
        ({"routingConfig": {"routingMode": "ALL"}}, "Must be one of GLOBAL, REGIONAL"),
        ({"routing_config": {}}, 'Unknown name "routing_config"'),
        ({"autoCreateSubnetworks": "false"}, "TYPE_BOOL"),
        ({"autoCreateSubnetworks": None}, "Legacy networks"),
    ],
)
def test_a_network_that_google_would_refuse_is_refused(google: Google, change: dict[str, Any], words: str):
    body = {"name": "net", "autoCreateSubnetworks": False, **change}
    refusal = google.refuse("POST", f"{google.everywhere}/networks", body)
    assert refusal.status == 400
    assert words in refusal.message


def test_names_are_given_once_and_parameters_are_known(google: Google):
    google.make_network()
    body = {"name": "net", "autoCreateSubnetworks": False}
    assert google.refuse("POST", f"{google.everywhere}/networks", body).status == 409
    assert "Cannot bind query parameter" in google.refuse("GET", f"{google.everywhere}/networks", fitler="x").message
    assert google.refuse("GET", f"{google.everywhere}/networks/none").status == 404
    assert google.refuse("GET", "/compute/v1/projects/nobodys-project/global/networks").status == 404


def test_the_same_request_makes_one_network(google: Google):
    body, request = {"name": "net", "autoCreateSubnetworks": False}, "6f1e0c3a-8a43-4c06-9d0e-0c1c5a3d9a11"
    first = google.call("POST", f"{google.everywhere}/networks", body, requestId=request)
    second = google.call("POST", f"{google.everywhere}/networks", body, requestId=request)
    assert first["name"] == second["name"]
    other = google.refuse("POST", f"{google.everywhere}/networks", body, requestId="x")
    assert "UUID" in other.message


def test_what_is_just_being_made_or_deleted_is_not_ready(google: Google):
    body = {"name": "net", "autoCreateSubnetworks": False}
    operation = google.call("POST", f"{google.everywhere}/networks", body)
    assert operation["status"] in ("PENDING", "RUNNING")
    path, subnet = f"{google.region}/subnetworks", {"name": "subnet", "ipCidrRange": "10.77.0.0/24"}
    network = f"projects/{google.project}/global/networks/net"
    assert "is not ready" in google.refuse("POST", path, {**subnet, "network": network}).message
    done = google.call("POST", f"{google.everywhere}/operations/{operation['name']}/wait")
    assert done["status"] == "DONE"
    google.change("POST", path, {**subnet, "network": network})
    google.call("DELETE", f"{path}/subnet")
    assert google.get(f"{path}/subnet")["name"] == "subnet"
    assert "already being used by" in google.refuse("DELETE", f"{google.everywhere}/networks/net").message


def test_things_go_in_their_order(google: Google, subnet: str):
    google.change("POST", f"{google.region}/routers", {"name": "router", "network": "global/networks/net"})
    google.change("PATCH", f"{google.region}/routers/router", {"nats": [render_nat(subnet)]})
    google.change("POST", f"{google.region}/addresses", render_address(subnet))
    words = f"is already being used by 'projects/{google.project}/regions/"
    assert words in google.refuse("DELETE", f"{google.region}/subnetworks/subnet").message
    google.change("PATCH", f"{google.region}/routers/router", {"nats": []})
    assert "addresses/inner" in google.refuse("DELETE", f"{google.region}/subnetworks/subnet").message
    google.change("DELETE", f"{google.region}/addresses/inner")
    google.change("DELETE", f"{google.region}/subnetworks/subnet")
    assert "routers/router" in google.refuse("DELETE", f"{google.everywhere}/networks/net").message
    google.change("DELETE", f"{google.region}/routers/router")
    google.change("DELETE", f"{google.everywhere}/networks/net")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ipCidrRange": "10.77.0.1/20"}, "no host bits set"),
        ({"ipCidrRange": "10.77.8.0/24"}, "conflicts with existing subnetwork 'subnet'"),
        ({"ipCidrRange": "10.99.0.0/30"}, "prefix length"),
        ({"network": "projects/daskfleet-lab/global/networks/none"}, "was not found"),
        ({"network": "net"}, "The URL is malformed"),
        ({"network": None}, "Required field 'resource.network'"),
    ],
)
def test_a_subnet_that_google_would_refuse_is_refused(google: Google, subnet: str, change: dict[str, Any], words: str):
    body = {"name": "other", "network": "global/networks/net", "ipCidrRange": "10.88.0.0/20", **change}
    assert words in google.refuse("POST", f"{google.region}/subnetworks", body).message


def test_a_subnet_grows_and_lets_machines_reach_google(google: Google, subnet: str):
    path = f"{google.region}/subnetworks/subnet"
    assert "superset" in google.refuse("POST", f"{path}/expandIpCidrRange", {"ipCidrRange": "10.77.0.0/21"}).message
    google.change("POST", f"{path}/expandIpCidrRange", {"ipCidrRange": "10.77.0.0/18"})
    google.change("POST", f"{path}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
    told = google.get(path)
    assert (told["ipCidrRange"], told["gatewayAddress"]) == ("10.77.0.0/18", "10.77.0.1")
    assert told["privateIpGoogleAccess"] is True


def test_subnets_of_an_automatic_network_come_and_go_with_it(google: Google):
    google.make_network("auto", autoCreateSubnetworks=True)
    assert len(google.get(f"{google.everywhere}/networks/auto")["subnetworks"]) == 3
    google.change("DELETE", f"{google.everywhere}/networks/auto")
    assert google.get(f"{google.region}/subnetworks").get("items") is None


def test_a_router_is_changed_by_one_after_another(google: Google, subnet: str):
    path = f"{google.region}/routers"
    google.change("POST", path, {"name": "router", "network": "global/networks/net"})
    google.call("PATCH", f"{path}/router", {"nats": [render_nat(subnet)]})
    assert "is not ready" in google.refuse("PATCH", f"{path}/router", {"description": "x"}).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minPortsPerVm": 100}, "power of two"),
        ({"maxPortsPerVm": 64}, "Must be greater than minPortsPerVm"),
        ({"enableDynamicPortAllocation": False}, "without enableDynamicPortAllocation"),
        ({"enableEndpointIndependentMapping": True}, "Cannot be combined"),
        ({"natIpAllocateOption": "MANUAL_ONLY"}, "natIps"),
        ({"subnetworks": []}, "resource.nats[0].subnetworks"),
        ({"logConfig": {"enable": True, "filter": "SOME"}}, "Must be one of"),
    ],
)
def test_a_nat_that_google_would_refuse_is_refused(google: Google, subnet: str, change: dict[str, Any], words: str):
    google.change("POST", f"{google.region}/routers", {"name": "router", "network": "global/networks/net"})
    refusal = google.refuse("PATCH", f"{google.region}/routers/router", {"nats": [render_nat(subnet, **change)]})
    assert words in refusal.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allowed": []}, "Exactly one of allowed and denied"),
        ({"denied": [{"IPProtocol": "all"}]}, "Exactly one of allowed and denied"),
        ({"allowed": [{"IPProtocol": "tpc"}]}, "well known protocol"),
        ({"allowed": [{"IPProtocol": "tcp", "ports": ["99999"]}]}, "ports[0]"),
        ({"allowed": [{"IPProtocol": "icmp", "ports": ["1"]}]}, "ports[0]"),
        ({"allowed": [{"protocol": "tcp"}]}, 'Unknown name "protocol"'),
        ({"sourceTags": ["a"], "targetServiceAccounts": ["x@example.com"]}, "Cannot be combined"),
        ({"sourceServiceAccounts": ["nobody@daskfleet-lab.iam.gserviceaccount.com"]}, "does not exist"),
        ({"sourceRanges": ["10.0.0.1/8"]}, "no host bits"),
        ({"priority": 70000}, "resource.priority"),
        ({"direction": "INWARDS"}, "Must be one of EGRESS, INGRESS"),
    ],
)
def test_a_rule_that_google_would_refuse_is_refused(google: Google, change: dict[str, Any], words: str):
    network = google.make_network()
    body = {"name": "rule", "network": network, "allowed": [{"IPProtocol": "tcp", "ports": ["8786"]}], **change}
    assert words in google.refuse("POST", f"{google.everywhere}/firewalls", body).message


def test_a_rule_changes_in_parts(google: Google):
    network = google.make_network()
    path = f"{google.everywhere}/firewalls"
    google.change("POST", path, {"name": "rule", "network": network, "allowed": [{"IPProtocol": "TCP"}]})
    told = google.get(f"{path}/rule")
    assert (told["direction"], told["priority"], told["sourceRanges"]) == ("INGRESS", 1000, ["0.0.0.0/0"])
    assert told["allowed"] == [{"IPProtocol": "tcp"}]
    google.change("PATCH", f"{path}/rule", {"sourceRanges": ["10.0.0.0/8"], "priority": 900})
    told = google.get(f"{path}/rule")
    assert (told["priority"], told["sourceRanges"], told["allowed"]) == (900, ["10.0.0.0/8"], [{"IPProtocol": "tcp"}])
    assert "cannot be changed" in google.refuse("PATCH", f"{path}/rule", {"direction": "EGRESS"}).message


def render_address(subnet: str, **more: Any) -> dict[str, Any]:
    return {"name": "inner", "addressType": "INTERNAL", "subnetwork": subnet, **more}


def test_addresses_are_of_a_subnet_and_given_once(google: Google, subnet: str):
    path = f"{google.region}/addresses"
    google.change("POST", path, render_address(subnet, labels={"team": "x"}))
    assert google.get(f"{path}/inner")["address"] == "10.77.0.2"
    for address in ("10.77.0.1", "10.78.0.5", "10.77.15.255"):
        refusal = google.refuse("POST", path, render_address(subnet, name="other", address=address))
        assert "is not usable" in refusal.message
    refusal = google.refuse("POST", path, render_address(subnet, name="other", address="10.77.0.2"))
    assert "already being used" in refusal.message
    google.change("POST", path, render_address(subnet, name="other", address="10.77.0.9"))
    google.change("POST", path, {"name": "outer"})
    assert google.get(f"{path}/outer")["addressType"] == "EXTERNAL"


def test_labels_are_given_by_who_knows_those_there(google: Google, subnet: str):
    path = f"{google.region}/addresses"
    google.change("POST", path, render_address(subnet, labels={"team": "x"}))
    told = google.get(f"{path}/inner")
    assert google.refuse("POST", f"{path}/inner/setLabels", {"labels": {"a": "b"}}).status == 412
    for wrong in ({"Team": "x"}, {"team": "X"}, {"1": "x"}, {"team": "x" * 64}, {f"k{n}": "" for n in range(65)}):
        body = {"labels": wrong, "labelFingerprint": told["labelFingerprint"]}
        assert google.refuse("POST", f"{path}/inner/setLabels", body).status == 400, wrong
    body = {"labels": {"team": "y"}, "labelFingerprint": told["labelFingerprint"]}
    google.change("POST", f"{path}/inner/setLabels", body)
    assert google.get(f"{path}/inner")["labels"] == {"team": "y"}
    assert google.refuse("POST", f"{path}/inner/setLabels", body).status == 412
