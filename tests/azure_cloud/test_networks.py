"""Networks, subnets, NAT gateways, public addresses, security groups, network interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from azure_cloud.conftest import LOCATION, Azure

NETWORKS = "Microsoft.Network/virtualNetworks"
GROUPS = "Microsoft.Network/networkSecurityGroups"
APPLICATIONS = "Microsoft.Network/applicationSecurityGroups"
INTERFACES = "Microsoft.Network/networkInterfaces"
ADDRESSES = "Microsoft.Network/publicIPAddresses"
GATEWAYS = "Microsoft.Network/natGateways"
STATIC = {"publicIPAllocationMethod": "Static"}
STANDARD = {"sku": {"name": "Standard"}}


def render_rule(name: str = "one", **more: Any) -> dict[str, Any]:
    properties = {
        "protocol": "Tcp",
        "access": "Allow",
        "direction": "Inbound",
        "priority": 100,
        "sourceAddressPrefix": "10.0.0.0/8",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "8786",
        **more,
    }
    return {"name": name, "properties": {key: value for key, value in properties.items() if value is not None}}


def make_address(azure: Azure, name: str = "nat") -> str:
    return str(azure.put(ADDRESSES, name, STATIC, **STANDARD)["id"])


def test_a_network_has_its_subnets_inside_and_beside(azure: Azure):
    endpoints = [{"service": "Microsoft.Storage"}, {"service": "Microsoft.KeyVault"}]
    subnet = azure.make_network(defaultOutboundAccess=False, serviceEndpoints=endpoints)
    told = azure.get(subnet)
    assert told["properties"]["addressPrefix"] == "10.0.0.0/20"
    assert told["properties"]["defaultOutboundAccess"] is False
    assert told["properties"]["serviceEndpoints"][0]["locations"] == [LOCATION]
    network = azure.place(NETWORKS, "net")
    assert [each["name"] for each in azure.list(f"{network}/subnets")] == ["nodes"]
    azure.change("PUT", f"{network}/subnets/more", {"properties": {"addressPrefix": "10.0.16.0/24"}})
    assert [each["name"] for each in azure.get(network)["properties"]["subnets"]] == ["more", "nodes"]


@pytest.mark.parametrize(
    ("subnet", "code"),
    [
        ({"addressPrefix": "10.1.0.0/20"}, "NetcfgSubnetRangeOutsideVnet"),
        ({"addressPrefix": "10.0.0.1/20"}, "InvalidCIDRNotation"),
        ({}, "SubnetAddressPrefixNotSpecified"),
        ({"addressPrefix": "10.0.0.0/20", "natGateway": {"id": "/x"}}, "LinkedInvalidPropertyId"),
        (
            {"addressPrefix": "10.0.0.0/20", "serviceEndpoints": [{"service": "Mine"}]},
            "ServiceEndpointServiceNotSupported",
        ),
    ],
)
def test_a_subnet_that_azure_would_refuse_is_refused(azure: Azure, subnet: dict[str, Any], code: str):
    properties = {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [{"name": "one", "properties": subnet}],
    }
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), {"location": LOCATION, "properties": properties})
    assert refusal.code == code


def test_subnets_do_not_overlap(azure: Azure):
    azure.make_network()
    path = f"{azure.place(NETWORKS, 'net')}/subnets/more"
    body = {"properties": {"addressPrefix": "10.0.8.0/24"}}
    assert azure.refuse("PUT", path, body).code == "NetcfgSubnetRangesOverlap"


def test_a_gateway_has_its_address_for_itself_and_goes_after_its_subnets(azure: Azure):
    address = make_address(azure)
    gateway = azure.put(GATEWAYS, "nat", {"publicIpAddresses": [{"id": address}]}, **STANDARD)["id"]
    subnet = azure.make_network(natGateway={"id": gateway})
    assert azure.get(gateway)["properties"]["subnets"] == [{"id": subnet}]
    assert azure.get(address)["properties"]["natGateway"] == {"id": gateway}
    body = {"location": LOCATION, "properties": {"publicIpAddresses": [{"id": address}]}, **STANDARD}
    assert azure.refuse("PUT", azure.place(GATEWAYS, "other"), body).code == "PublicIPAddressInUse"
    assert azure.refuse("DELETE", address).code == "PublicIPAddressCannotBeDeleted"
    assert azure.refuse("DELETE", gateway).code == "InUseNatGatewayCannotBeDeleted"
    for each in (azure.place(NETWORKS, "net"), gateway, address):
        azure.change("DELETE", each)


def test_a_reference_to_what_is_not_there_is_refused(azure: Azure):
    missing = azure.place(GATEWAYS, "missing")
    subnet = {"name": "one", "properties": {"addressPrefix": "10.0.0.0/20", "natGateway": {"id": missing}}}
    properties = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]}
    refusal = azure.refuse("PUT", azure.place(NETWORKS, "net"), {"location": LOCATION, "properties": properties})
    assert (refusal.code, missing in refusal.message) == ("InvalidResourceReference", True)


def test_a_public_address_is_static_and_standard(azure: Azure):
    path = azure.place(ADDRESSES, "one")
    assert azure.refuse("PUT", path, {"location": LOCATION, "properties": STATIC}).code == "BasicSkuPublicIpRetired"
    body = {"location": LOCATION, **STANDARD}
    assert azure.refuse("PUT", path, body).code == "StandardSkuPublicIPAddressMustBeStatic"
    address = azure.get(make_address(azure, "one"))["properties"]["ipAddress"]
    assert azure.get(make_address(azure, "two"))["properties"]["ipAddress"] != address


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"priority": 99}, "SecurityRuleInvalidPriority"),
        ({"priority": 4097}, "SecurityRuleInvalidPriority"),
        ({"destinationPortRange": "1024-70000"}, "SecurityRuleInvalidPortRange"),
        ({"destinationPortRange": None}, "SecurityRuleDestinationPortNotSpecified"),
        ({"sourceAddressPrefix": "10.0.0.1/8"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": "Everybody"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": None}, "SecurityRuleSourceAddressPrefixNotSpecified"),
        ({"sourceAddressPrefixes": ["10.0.0.0/8"]}, "SecurityRuleSourceAddressPrefixNotSpecified"),
    ],
)
def test_a_rule_that_azure_would_refuse_is_refused(azure: Azure, change: dict[str, Any], code: str):
    body = {"location": LOCATION, "properties": {"securityRules": [render_rule(**change)]}}
    assert azure.refuse("PUT", azure.place(GROUPS, "one"), body).code == code


def test_a_security_group_has_rules_of_its_own_and_those_of_every_group(azure: Azure):
    workers = azure.put(APPLICATIONS, "workers")["id"]
    rule = render_rule(sourceAddressPrefix=None, sourceApplicationSecurityGroups=[{"id": workers}])
    made = azure.put(GROUPS, "one", {"securityRules": [rule]})
    assert made["properties"]["securityRules"][0]["id"].endswith("/securityRules/one")
    assert "AllowVnetInBound" in [each["name"] for each in made["properties"]["defaultSecurityRules"]]
    same = {"location": LOCATION, "properties": {"securityRules": [rule, render_rule("two")]}}
    assert azure.refuse("PUT", azure.place(GROUPS, "one"), same).code == "SecurityRuleConflict"
    assert azure.refuse("DELETE", workers).code == "ApplicationSecurityGroupInUse"


def test_interfaces_get_addresses_that_are_free(azure: Azure):
    subnet = azure.make_network()
    first = azure.get(azure.make_interface(subnet, "first"))
    second = azure.get(azure.make_interface(subnet, "second"))
    found = [each["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] for each in (first, second)]
    assert found == ["10.0.0.4", "10.0.0.5"]
    azure.change("DELETE", first["id"])
    third = azure.get(azure.make_interface(subnet, "third"))
    assert third["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.0.0.6"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.0.0.3", "PrivateIPAddressInReservedRange"),
        ("10.0.15.255", "PrivateIPAddressInReservedRange"),
        ("10.0.16.4", "PrivateIPAddressNotInSubnet"),
        ("10.0.0.10", "PrivateIPAddressIsAllocated"),
        (None, "PrivateIPAddressNotSpecified"),
    ],
)
def test_a_static_address_must_be_free_and_of_the_subnet(azure: Azure, address: str | None, code: str):
    subnet = azure.make_network()
    static = {"privateIPAllocationMethod": "Static", "privateIPAddress": "10.0.0.10"}
    nic = azure.make_interface(subnet, "first", part=static)
    azure.make_interface(subnet, "first", part=static)
    part = {"subnet": {"id": subnet}, **static, "privateIPAddress": address}
    body = {"location": LOCATION, "properties": {"ipConfigurations": [{"name": "one", "properties": part}]}}
    assert azure.refuse("PUT", f"{nic}s", body).code == code


def test_what_an_interface_needs_goes_after_it(azure: Azure):
    workers, group = azure.put(APPLICATIONS, "workers")["id"], azure.put(GROUPS, "one", {})["id"]
    address, subnet = make_address(azure), azure.make_network()
    part = {"applicationSecurityGroups": [{"id": workers}], "publicIPAddress": {"id": address}}
    nic = azure.make_interface(subnet, part=part, networkSecurityGroup={"id": group})
    network = azure.place(NETWORKS, "net")
    codes = {
        workers: "ApplicationSecurityGroupInUse",
        group: "InUseNetworkSecurityGroupCannotBeDeleted",
        address: "PublicIPAddressCannotBeDeleted",
        subnet: "InUseSubnetCannotBeDeleted",
        network: "InUseSubnetCannotBeDeleted",
    }
    assert {each: azure.refuse("DELETE", each).code for each in codes} == codes
    emptied = {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    assert azure.refuse("PUT", network, emptied).code == "InUseSubnetCannotBeDeleted"
    assert azure.get(subnet)["properties"]["ipConfigurations"] == [{"id": f"{nic}/ipConfigurations/one"}]
    for each in (nic, *codes):
        azure.change("DELETE", each)


def test_a_subnet_has_no_more_addresses_than_its_size(azure: Azure):
    subnet = azure.make_network(addressPrefix="10.0.0.0/29")
    for name in "abc":
        azure.make_interface(subnet, name)
    part = {"name": "one", "properties": {"subnet": {"id": subnet}}}
    body = {"location": LOCATION, "properties": {"ipConfigurations": [part]}}
    assert azure.refuse("PUT", azure.place(INTERFACES, "d"), body).code == "SubnetIsFull"
