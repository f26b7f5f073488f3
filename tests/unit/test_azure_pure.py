"""What the command line makes of Azure's answers: pure functions. The calls are in `test_azure_calls` and `_cloud`."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from daskfleet.azure import (
    VERSIONS,
    Answer,
    Refused,
    find_pause,
    find_version,
    is_over,
    read_claims,
    read_refusal,
)
from daskfleet.errors import FleetError
from daskfleet.providers.stack.azure.blobs import Blob, parse_listing
from daskfleet.providers.stack.azure.checks import find_containers, find_kinds, is_allowed
from daskfleet.providers.stack.azure.image_check import DEFAULT_GALLERY, find_place_problem, find_problem
from daskfleet.providers.stack.azure.listing import ASKED, KINDS, MADE_BY_GROUPS, ORDER, read_resources
from daskfleet.providers.stack.azure.logs import parse_line, parse_lines, parse_marks, split_name
from daskfleet.providers.stack.azure.machines import describe_failure, read_addresses, read_machine, read_state
from daskfleet.providers.stack.azure.openings import OWN_RULES, describe_rule, is_opening
from daskfleet.providers.stack.azure.places import ADDRESSES, DISKS, INTERFACES, MACHINES, Place, parse_time
from daskfleet.providers.stack.azure.quotas import SCHEDULER, find_shortages
from daskfleet.providers.stack.azure.removal import is_held
from daskfleet.providers.stack.azure.scale_sets import find_group, judge_shortage, plan_count
from daskfleet.providers.stack.azure.size_checks import check_sizes
from daskfleet.providers.stack.azure.sizes import WITH_DRIVER, SizeFacts, find_mismatch, parse_sizes
from daskfleet.providers.stack.azure.subscriptions import choose_subscription, read_default_subscription
from daskfleet.providers.stack.explain import explain_failure, find_kind, is_scarce
from daskfleet_components.azure.firewall import AzureFirewall
from daskfleet_components.azure.image import DEFAULT_GALLERY as COMPONENTS_GALLERY
from daskfleet_components.azure.place import name_group
from daskfleet_components.azure.sizes import GPUS
from daskfleet_images.node.azure_marks import render_metadata
from daskfleet_images.node.marks import Mark
from daskfleet_stacks.spec import parse_fleet_spec

PLACE = Place("11111111-2222-3333-4444-555555555555", "research", "westeurope")
SCALE_SET = f"{PLACE.id}/providers/Microsoft.Compute/virtualMachineScaleSets/research-cpu1a2b3c4d"


# What the components and the command line both know


def test_both_give_a_resource_group_the_same_name():
    assert PLACE.name == name_group("research", "westeurope")


def test_both_look_in_the_same_gallery():
    assert DEFAULT_GALLERY == COMPONENTS_GALLERY


def test_both_know_the_same_sizes_with_gpus():
    assert set(GPUS) == WITH_DRIVER


def test_the_rules_of_the_components_are_no_openings():
    firewall = object.__new__(AzureFirewall)
    firewall.scheduler = firewall.workers = "group"  # type: ignore[assignment]
    firewall._args = {"client_cidrs": ["198.51.100.7/32"], "ssh_cidrs": ["198.51.100.7/32"]}  # type: ignore[typeddict-item]
    assert {str(each.name) for each in firewall._build_rules()} == OWN_RULES


# Where things are


@pytest.mark.parametrize(
    ("identifier", "is_within"),
    [
        (PLACE.id, True),
        (f"{PLACE.id.upper()}/providers/Microsoft.Compute/disks/d", True),
        (f"{PLACE.id}-b/providers/Microsoft.Compute/disks/d", False),
        ("/subscriptions/other", False),
    ],
)
def test_what_is_in_a_fleets_resource_group_whatever_the_case(identifier: str, is_within: bool):
    assert PLACE.holds(identifier) is is_within


def test_times_of_azures_are_read_with_all_their_digits():
    assert parse_time("2026-11-24T09:02:03.1234567Z") == pytest.approx(parse_time("2026-11-24T10:02:03.123456+01:00"))
    assert parse_time("2026-11-24T09:02:03") == parse_time("2026-11-24T09:02:03+00:00")
    assert find_group(SCALE_SET) == PLACE.id


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/subscriptions", "Microsoft.Resources/subscriptions"),
        ("/subscriptions/s/locations", "Microsoft.Resources/subscriptions"),
        ("/subscriptions/s/resources", "Microsoft.Resources"),
        ("/subscriptions/s/resourceGroups/g", "Microsoft.Resources"),
        ("/subscriptions/s/resourcegroups/g/resources", "Microsoft.Resources"),
        ("/subscriptions/s/providers/Microsoft.Compute", "Microsoft.Resources"),
        ("/subscriptions/s/providers/Microsoft.Compute/skus", "Microsoft.Compute/skus"),
        (f"{PLACE.id}/providers/microsoft.compute/Galleries/g/images/i", "Microsoft.Compute/galleries"),
        (f"{PLACE.id}/providers/Microsoft.Compute/virtualMachines/m/instanceView", "Microsoft.Compute"),
        (
            f"{PLACE.id}/providers/Microsoft.Storage/storageAccounts/a/providers/Microsoft.Authorization"
            "/roleAssignments/r",
            "Microsoft.Authorization",
        ),
    ],
)
def test_each_kind_is_asked_for_by_its_version(path: str, kind: str):
    assert find_version(path) == VERSIONS[kind]


# Answers


def render_answer(status: int, content: Any, **headers: str) -> Answer:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (render_answer(403, {"error": {"code": "A", "message": "no"}}), "A", "A: no"),
        (
            render_answer(403, {"error": {"code": "Forbidden", "message": "no", "innererror": {"code": "ByRbac"}}}),
            "ByRbac",
            "Forbidden: no",
        ),
        (
            render_answer(400, {"error": {"code": "A", "message": "no", "details": [{"code": "B", "message": "as"}]}}),
            "A",
            "A: no B: as",
        ),
        (
            render_answer(403, b"<Error><Code>C</Code><Message>not you\nTime</Message></Error>", x_ms_error_code="C"),
            "C",
            "not you",
        ),
        (render_answer(400, {"error": "invalid_client"}), "invalid_client", "invalid_client"),
        (render_answer(502, b"<html>"), "", "HTTP 502"),
        (render_answer(502, b"[]"), "", "HTTP 502"),
    ],
)
def test_a_refusal_is_read_whatever_its_form(answer: Answer, code: str, message: str):
    refusal = read_refusal(answer)
    assert (refusal.status, refusal.code, str(refusal)) == (answer.status, code, message)


def test_how_an_operation_goes_is_told_by_its_status_or_by_what_comes_of_it():
    assert not is_over(render_answer(200, {"status": "InProgress"}), by_status=True)
    assert is_over(render_answer(200, {"status": "Succeeded"}), by_status=True)
    assert not is_over(render_answer(202, b""), by_status=False)
    assert is_over(render_answer(204, b""), by_status=False)
    failed = {"status": "Failed", "error": {"code": "AllocationFailed", "message": "none"}}
    with pytest.raises(Refused, match="AllocationFailed: none") as caught:
        is_over(render_answer(200, failed), by_status=True)
    assert caught.value.code == "AllocationFailed"
    with pytest.raises(Refused, match="an operation was canceled"):
        is_over(render_answer(200, {"status": "Canceled"}), by_status=True)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [({}, 2.0), ({"Retry-After": "7"}, 7.0), ({"Retry-After": "Sun, 29 Nov 2026 00:00:00 GMT"}, 2.0)],
)
def test_a_pause_is_as_long_as_azure_says(headers: dict[str, str], pause: float):
    assert find_pause(headers, 2.0) == pause


def subscription(name: str, state: str = "Enabled") -> dict[str, str]:
    return {"subscriptionId": name, "displayName": f"the {name}", "state": state}


def test_the_subscription_that_is_meant_is_the_default_or_the_only_one_or_is_asked_for():
    both = [subscription("a"), subscription("b")]
    assert choose_subscription(both, "b") == "b"
    assert choose_subscription([subscription("a"), subscription("b", "Disabled")], "b") == "a"
    with pytest.raises(FleetError, match=r"ARM_SUBSCRIPTION_ID.*There are: a \(the a\), b \(the b\)"):
        choose_subscription(both, "")
    with pytest.raises(FleetError, match="no subscription that can be used"):
        choose_subscription([], "a")


def test_the_default_subscription_is_the_one_that_az_has_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    assert read_default_subscription() == ""
    file = tmp_path / "azureProfile.json"
    told = {"subscriptions": [{"id": "a", "isDefault": False}, {"id": "b", "isDefault": True}]}
    file.write_text(json.dumps(told), encoding="utf-8-sig")  # As `az` writes it.
    assert read_default_subscription() == "b"
    file.write_text("[")
    assert read_default_subscription() == ""


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.W10.c"])
def test_a_token_that_says_nothing_tells_nobody(token: str):
    assert read_claims(token) == {}


# Groups and machines


def render_machine(making: str = "Succeeded", *codes: str, **properties: Any) -> dict[str, Any]:
    view = {"instanceView": {"statuses": [{"code": code, "message": "because"} for code in codes]}} if codes else {}
    own = {"provisioningState": making, "timeCreated": "2026-11-24T09:02:03Z", **view, **properties}
    return {"id": f"{PLACE.id}/providers/{MACHINES}/m", "name": "m", "properties": own}


@pytest.mark.parametrize(
    ("machine", "state"),
    [
        (render_machine("Creating"), "starting"),
        (render_machine("Creating", "ProvisioningState/creating"), "starting"),
        (render_machine("Creating", "ProvisioningState/creating", "PowerState/running"), "running"),
        (render_machine("Succeeded", "ProvisioningState/succeeded", "PowerState/running"), "running"),
        (render_machine("Succeeded", "ProvisioningState/succeeded"), "starting"),
        (render_machine("Succeeded", "PowerState/stopped"), "gone"),
        (render_machine("Succeeded", "PowerState/deallocating"), "stopping"),
        (render_machine("Updating", "PowerState/running"), "running"),
        (render_machine("Deleting", "PowerState/running"), "stopping"),
        (render_machine("Failed", "ProvisioningState/failed/AllocationFailed"), "gone"),
        (render_machine("Succeeded"), "running"),
    ],
)
def test_azures_states_are_ours(machine: dict[str, Any], state: str):
    assert read_state(machine) == state


def test_a_machine_is_told_with_the_name_of_its_node_and_why_it_is_gone():
    failed = render_machine("Failed", "ProvisioningState/failed/AllocationFailed", osProfile={"computerName": "node"})
    machine = read_machine(failed, "cpu", {failed["id"].lower(): "10.0.0.5"})
    assert (machine.node, machine.address, machine.group) == ("node", "10.0.0.5", "cpu")
    assert (machine.reason, machine.launched) == ("AllocationFailed: because", parse_time("2026-11-24T09:02:03Z"))
    assert read_machine(render_machine(), None, {}).reason == ""


def test_an_address_is_that_of_the_interface_of_a_machine():
    attached = {
        "virtualMachine": {"id": "/X/M"},
        "ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.5"}}],
    }
    others = [{"properties": {"ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.6"}}]}}, {}]
    assert read_addresses([{"properties": attached}, *others]) == {"/x/m": "10.0.0.5"}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"code": "ProvisioningState/succeeded"}, ""),
        ({"code": "PowerState/running"}, ""),
        ({"code": "ProvisioningState/failed/SkuNotAvailable", "message": "none"}, "SkuNotAvailable: none"),
        ({"code": "ProvisioningState/failed", "message": "none"}, "none"),
        ({"code": "ProvisioningState/failed", "level": "Error", "displayStatus": "failed"}, "failed"),
    ],
)
def test_why_something_failed_is_read_from_its_view(status: dict[str, str], said: str):
    assert describe_failure({"statuses": [status]}) == said


def render_scale_set(
    capacity: int, base: int | None = None, priority: str = "Spot", state: str = "Updating"
) -> dict[str, Any]:
    mix = {"baseRegularPriorityCount": base, "regularPriorityPercentageAboveBase": 0}
    properties = {"virtualMachineProfile": {"priority": priority}, "provisioningState": state}
    policy = {} if base is None else {"priorityMixPolicy": mix}
    return {"sku": {"name": "Standard_D4s_v5", "capacity": capacity}, "properties": {**properties, **policy}}


NONE_LEFT, DENIED = "AllocationFailed: none", "LinkedAuthorizationFailed: none"


@pytest.mark.parametrize(
    ("scale_set", "failure", "there", "on_spot"),
    [
        (render_scale_set(3, 0), NONE_LEFT, 1, True),
        (render_scale_set(3), NONE_LEFT, 1, True),
        (render_scale_set(3, 2), NONE_LEFT, 1, False),  # It is asked on demand already.
        (render_scale_set(3, priority="Regular"), NONE_LEFT, 1, False),
        (render_scale_set(3, 0), DENIED, 1, False),
        (render_scale_set(3, 0), NONE_LEFT, 3, None),
        (render_scale_set(3, 0), "", 1, None),
        (render_scale_set(3, 0, state="Failed"), "", 1, True),
        (render_scale_set(3, 2, state="Failed"), "", 1, False),
    ],
)
def test_a_shortage_is_the_spot_markets_where_more_may_be_had_on_demand(
    scale_set: dict[str, Any], failure: str, there: int, on_spot: bool | None
):
    found = judge_shortage(scale_set, failure, [render_machine(priority="Spot")] * there)
    assert (None if found is None else found.on_spot) is on_spot
    if found is not None:
        assert found.reason.startswith("spot machine: ") is on_spot
        assert (failure or "the activity log of the scale set") in found.reason


def test_a_shortage_is_told_by_the_machines_where_the_scale_set_says_nothing():
    failed = render_machine("Failed", "ProvisioningState/failed/OverconstrainedAllocationRequest", priority="Spot")
    found = judge_shortage(render_scale_set(2, 0), "", [render_machine(priority="Spot"), failed])
    assert found is not None
    assert found.reason == "spot machine: OverconstrainedAllocationRequest: because"


@pytest.mark.parametrize(
    ("base", "count", "changed"),
    [(None, 1, None), (0, 1, None), (2, 6, None), (2, 3, 1), (2, 1, 0), (4, 3, 3)],
)
def test_fewer_machines_are_on_demand_first(base: int | None, count: int, changed: int | None):
    change = plan_count(render_scale_set(4, base), count)
    assert change["sku"] == {"name": "Standard_D4s_v5", "capacity": count}
    mix = change.get("properties", {}).get("priorityMixPolicy", {})
    assert mix.get("baseRegularPriorityCount") == changed


# Logs


def test_a_listing_of_blobs_is_read_with_metadata_and_where_it_goes_on():
    text = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>
    <Blob><Name>cpu/a/00000</Name><Properties><Creation-Time>Tue, 24 Nov 2026 09:02:02 GMT</Creation-Time>
    <Last-Modified>Tue, 24 Nov 2026 09:02:03 GMT</Last-Modified>
    <Content-Length>12</Content-Length></Properties><Metadata><marks>[]</marks></Metadata></Blob>
    <Blob><Name>b</Name><Properties><Creation-Time>Tue, 24 Nov 2026 09:02:03 GMT</Creation-Time>
    <Last-Modified>Tue, 24 Nov 2026 09:02:03 GMT</Last-Modified></Properties></Blob>
    </Blobs><NextMarker>more</NextMarker></EnumerationResults>"""
    blobs, marker = parse_listing(text.encode())
    moment = parse_time("2026-11-24T09:02:03Z")
    assert blobs == [Blob("cpu/a/00000", 12, moment - 1, moment, {"marks": "[]"}), Blob("b", 0, moment, moment)]
    assert marker == "more"


def test_marks_in_metadata_are_events_that_stay_the_same():
    marks = [Mark("booted", 1000.0), Mark("registered", 1005.0, worker="w-0")]
    blob = Blob("cpu/node/00000", 9, 1001.0, 1003.0, {"marks": render_metadata(marks)})
    first, second = parse_marks(blob)
    assert (first.group, first.node, first.time) == ("cpu", "node", 1000.0)
    assert json.loads(second.message) == {"phase": "registered", "time": 1005.0, "worker": "w-0"}
    later = dataclasses.replace(blob, changed=9999.0)
    assert [each.id for each in parse_marks(later)] == [first.id, second.id]
    assert [each.received for each in parse_marks(later)] == [1002.0, 1005.0]
    damaged = dataclasses.replace(blob, metadata={"marks": urllib.parse.quote("[{")})
    assert list(parse_marks(damaged)) == []


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b'{"time": 5, "line": "x"}', (5.0, "x")),
        (b'{"time": 5, "mark": {"phase": "booted", "time": 4}}', (5.0, '{"phase": "booted", "time": 4}')),
        (b'me": 5, "line": "x"}', None),
        (b"[]", None),
        (b'{"time": "then", "line": "x"}', None),
        (b'{"line": "x"}', None),
        (b"\xff\xfe", None),
    ],
)
def test_a_line_of_a_log_is_read_or_passed_over(line: bytes, read: tuple[float, str] | None):
    assert parse_line(line) == read


def test_lines_are_called_by_where_they_begin():
    blob = Blob("cpu/n/00000", 100, 0.0, 0.0)
    lines = b'{"time": 1, "line": "a"}\n{"time": 2, "line": "b"}\n'
    whole = parse_lines(blob, lines, 0)
    cut = parse_lines(blob, lines[3:], 3)
    assert [each.message for each in whole] == ["a", "b"]
    assert cut == whole[1:]
    assert split_name("stray") == ("stray", "")


# What is left


def test_what_scale_sets_make_is_told_with_its_group_and_its_machine():
    machine, interface = f"{PLACE.id}/providers/{MACHINES}/m", f"{PLACE.id}/providers/{INTERFACES}/i"
    resources = [
        {
            "id": SCALE_SET,
            "name": "research-cpu1a2b3c4d",
            "type": "microsoft.compute/virtualMachineScaleSets",
            "tags": {"daskfleet:group": "cpu"},
        },
        {"id": machine, "name": "m", "type": MACHINES},
        {"id": "/x/alert", "name": "alert", "type": "Microsoft.Insights/alerts"},
    ]
    asked = {
        MACHINES: [{"id": machine, "name": "m", "properties": {"virtualMachineScaleSet": {"id": SCALE_SET.upper()}}}],
        INTERFACES: [{"id": interface, "name": "i", "properties": {"virtualMachine": {"id": machine.upper()}}}],
        DISKS: [{"id": "/d", "name": "d", "managedBy": machine}, {"id": "/loose", "name": "loose"}],
        ADDRESSES: [
            {"id": "/a", "name": "a", "properties": {"ipConfiguration": {"id": f"{interface}/ipConfigurations/one"}}}
        ],
    }
    found = {each.name: each for each in read_resources(resources, asked)}
    assert set(found) == {"research-cpu1a2b3c4d", "m", "i", "d", "loose", "a"}
    assert {name for name, each in found.items() if each.group == "cpu"} == {"research-cpu1a2b3c4d", "m", "i", "d", "a"}
    assert [found[name].holder for name in ("i", "d", "a")] == [machine] * 3
    assert (found["loose"].holder, found["m"].holder) == ("", "")


def test_everything_that_can_be_left_has_its_place_in_the_order():
    assert set(KINDS.values()) | set(MADE_BY_GROUPS) <= set(ORDER)
    assert set(ASKED) <= set(KINDS)


@pytest.mark.parametrize(
    ("status", "code", "held"),
    [
        (409, "Conflict", True),
        (400, "NicInUse", True),
        (400, "InUseSubnetCannotBeDeleted", True),
        (409, "ScopeLocked", False),
        (403, "AuthorizationFailed", False),
    ],
)
def test_what_holds_on_to_a_thing_is_told_from_what_never_lets_it_go(status: int, code: str, held: bool):
    assert is_held(Refused(status, code, "no")) is held


def rule(**properties: Any) -> dict[str, Any]:
    usual = {"access": "Allow", "direction": "Inbound", "protocol": "Tcp", "destinationPortRange": "22"}
    return {"name": properties.pop("name", "debug"), "properties": {**usual, **properties}}


@pytest.mark.parametrize(
    ("changes", "opens"),
    [({}, True), ({"access": "Deny"}, False), ({"direction": "Outbound"}, False), ({"name": "clients"}, False)],
)
def test_what_opens_the_fleet_is_told_from_what_does_not(changes: dict[str, Any], opens: bool):
    assert is_opening(rule(**changes)) is opens


def test_an_opening_is_told_in_words():
    several = rule(sourceAddressPrefixes=["10.0.0.0/8", "192.0.2.1"], destinationPortRanges=["80", "443"])
    assert describe_rule(several, "firewall") == "tcp 22 80 443 from 10.0.0.0/8, 192.0.2.1 into firewall"
    everything = rule(protocol="*", destinationPortRange="*", sourceAddressPrefix="*")
    assert describe_rule(everything, "firewall") == "everything from everywhere into firewall"
    group = rule(sourceApplicationSecurityGroups=[{"id": "/x/others"}])
    assert describe_rule(group, "firewall") == "tcp 22 from others into firewall"


# Checks


def make_spec(*groups: dict[str, Any], **more: Any) -> Any:
    data = {"name": "research", "provider": "azure", "region": "westeurope", "workers": list(groups)}
    return parse_fleet_spec({**data, **more}, "a test")


CPU = {"name": "cpu", "instance_types": ["Standard_D4s_v5"], "count": 10}
FACTS = {
    each.name: each
    for each in (
        SizeFacts("Standard_D2s_v5", "x86_64", 0, 2, "standardDSv5Family", frozenset("123")),
        SizeFacts("Standard_D4s_v5", "x86_64", 0, 4, "standardDSv5Family", frozenset("123")),
        SizeFacts("Standard_D4as_v5", "x86_64", 0, 4, "standardDASv5Family", frozenset("12")),
        SizeFacts("Standard_D4ps_v5", "aarch64", 0, 4, "standardDPSv5Family", frozenset("1")),
        SizeFacts("Standard_NC4as_T4_v3", "x86_64", 1, 4, "Standard NCASv3_T4 Family", frozenset("12")),
        SizeFacts("Standard_A2_v2", "x86_64", 0, 2, "standardAv2Family", frozenset("1"), is_modern=False),
        SizeFacts("Standard_NV6ads_A10_v5", "x86_64", 1, 6, "StandardNVADSA10v5Family", frozenset("1")),
    )
}


def render_size(name: str, **more: Any) -> dict[str, Any]:
    capabilities = {
        "vCPUs": "64",
        "vCPUsAvailable": "32",
        "CpuArchitectureType": "Arm64",
        "LowPriorityCapable": "False",
        "HyperVGenerations": "V1",
    }
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": "family",
        "locations": ["WestEurope"],
        "locationInfo": [{"location": "westeurope", "zones": ["2", "1", "3"]}],
        "capabilities": [{"name": key, "value": value} for key, value in capabilities.items()],
        "restrictions": [],
        **more,
    }


def test_sizes_are_what_the_region_tells_of_them():
    answers = [
        render_size("Standard_X64-32ps_v5"),
        render_size("Standard_D4s_v5", locations=["eastus"]),
        render_size("Standard_D2s_v5", resourceType="disks"),
    ]
    facts = parse_sizes(answers, ["Standard_X64-32ps_v5", "Standard_D4s_v5", "Standard_D2s_v5"], "westeurope")
    expected = SizeFacts("Standard_X64-32ps_v5", "aarch64", 0, 32, "family", frozenset("123"), "", False, False)
    assert facts == {"Standard_X64-32ps_v5": expected}


def test_what_a_subscription_may_not_have_is_read():
    somewhere = {"type": "Location", "restrictionInfo": {"locations": ["eastus"]}, "reasonCode": "No"}
    zone = {"type": "Zone", "restrictionInfo": {"locations": ["westeurope"], "zones": ["2"]}, "reasonCode": "No"}
    facts = parse_sizes([render_size("x", restrictions=[somewhere, zone])], ["x"], "westeurope")["x"]
    assert (facts.refused, facts.zones) == ("", frozenset("13"))
    here = {"type": "Location", "values": ["westeurope"], "reasonCode": "NotAvailableForSubscription"}
    assert parse_sizes([render_size("x", restrictions=[here])], ["x"], "westeurope")["x"].refused


def test_sizes_that_do_not_fit_one_another_are_told_with_what_they_are():
    assert find_mismatch([FACTS["Standard_D4s_v5"], FACTS["Standard_D4as_v5"]]) == ""
    assert "Standard_D4ps_v5 is aarch64" in find_mismatch([FACTS["Standard_D4s_v5"], FACTS["Standard_D4ps_v5"]])
    assert "x86_64 with 1 GPU" in find_mismatch([FACTS["Standard_D4s_v5"], FACTS["Standard_NC4as_T4_v3"]])


@pytest.mark.parametrize(
    ("sizes", "more", "problem"),
    [
        (["Standard_D4s_v5"], {}, ""),
        (["Standard_D4ps_v5", "Standard_D4ps_v5"], {"zones": [1]}, ""),
        (["Standard_D4as_v5", "Standard_D4s_v5"], {"zones": [1, 2, 3]}, ""),
        (["Standard_D4as_v5"], {"zones": [1, 2, 3]}, "in zone 3 of westeurope (Standard_D4as_v5: 1, 2)"),
        (["Standard_NV6ads_A10_v5"], {}, "no driver for"),
        (["Standard_A2_v2"], {}, "of the first generation only"),
        (["Standard_D4s_v9"], {}, "workers[0].instance_types[0]: 'Standard_D4s_v9' is not offered in westeurope"),
    ],
)
def test_sizes_that_cannot_be_had_are_told_with_their_place(sizes: list[str], more: dict[str, Any], problem: str):
    _, check = check_sizes(make_spec({"name": "cpu", "instance_types": sizes}, **more), FACTS)
    assert problem in check.problem
    assert check.ok is (not problem)


def test_images_are_needed_for_each_kind_of_machine():
    groups = ({**CPU, "name": "arm", "instance_types": ["Standard_D4ps_v5"]}, CPU)
    gpu = {"name": "gpu", "instance_types": ["Standard_NC4as_T4_v3"]}
    unknown = {"name": "odd", "instance_types": ["Standard_D4s_v9"]}
    kinds = find_kinds(make_spec(*groups, gpu, unknown), FACTS)
    assert kinds == {("x86_64", False), ("aarch64", False), ("x86_64", True)}


def usage(name: str, limit: float, used: float = 0.0) -> dict[str, Any]:
    return {"name": {"value": name, "localizedValue": name}, "limit": limit, "currentValue": used}


@pytest.mark.parametrize(
    ("group", "usages", "there", "quotas"),
    [
        (CPU, [usage("cores", 42)], {}, []),
        (CPU, [usage("cores", 41)], {}, ["cores"]),
        (CPU, [usage("Cores", 60, 20)], {}, ["Cores"]),
        (CPU, [usage("cores", 50, 42)], {"cpu": 10, SCHEDULER: 1}, []),  # What is used is its own.
        (CPU, [usage("standardDSv5Family", 41)], {}, ["standardDSv5Family"]),
        (CPU, [usage("virtualMachines", 10)], {}, ["virtualMachines"]),
        (CPU, [usage("cores", -1)], {}, []),
        ({**CPU, "spot": "only"}, [usage("cores", 2), usage("lowPriorityCores", 40)], {}, []),
        ({**CPU, "spot": "only"}, [usage("cores", 2), usage("lowPriorityCores", 39)], {}, ["lowPriorityCores"]),
        ({**CPU, "spot": "fallback"}, [usage("cores", 2), usage("lowPriorityCores", 3)], {}, []),
        (
            {**CPU, "instance_types": ["Standard_D4s_v5", "Standard_D4as_v5"]},
            [usage("standardDSv5Family", 2), usage("cores", 41)],
            {},
            ["cores"],
        ),
    ],
)
def test_quotas_that_would_be_exceeded_are_told(
    group: dict[str, Any], usages: list[dict[str, Any]], there: dict[str, int], quotas: list[str]
):
    found = find_shortages(make_spec(group), FACTS, usages, there)
    assert [each.partition(":")[0] for each in found] == quotas


OWNER = {"actions": ["*"], "notActions": []}
CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
ADMINISTRATOR = {"actions": ["Microsoft.Authorization/roleAssignments/write"], "notActions": []}


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [([OWNER], True), ([CONTRIBUTOR], False), ([CONTRIBUTOR, ADMINISTRATOR], True), ([], False)],
)
def test_what_a_role_does_not_allow_another_may(permissions: list[dict[str, Any]], allowed: bool):
    assert is_allowed(permissions, "Microsoft.Authorization/roleAssignments/write") is allowed


def test_containers_are_told_once():
    one = "abfs://era5@weather.dfs.core.windows.net"
    assert find_containers([one, f"{one}/below", "abfss://other@weather.dfs.core.windows.net"]) == [
        ("weather", "era5"),
        ("weather", "other"),
    ]


@pytest.mark.parametrize(
    ("tags", "gpu", "problem"),
    [
        ({}, False, ""),
        ({"daskfleet-gpu": "true"}, True, ""),
        ({}, True, "holds no driver"),
        ({"daskfleet-arch": "aarch64"}, False, "is for aarch64, and the VM sizes are x86_64"),
        ({"daskfleet-dask": ""}, False, "lacks the tags daskfleet-dask,"),
    ],
)
def test_an_image_that_machines_cannot_boot_is_told(tags: dict[str, str], gpu: bool, problem: str):
    facts = {
        "arch": "x86_64",
        "python": "3.11.2",
        "dask": "2026.1.0",
        "distributed": "2026.1.0",
        "cloudpickle": "3.1.0",
    }
    own = {f"daskfleet-{key}": value for key, value in facts.items()}
    found = find_problem({**own, **tags}, "x", "x86_64", gpu=gpu)
    assert problem in found
    assert bool(found) is bool(problem)


def version(*regions: str, state: str = "Succeeded", **profile: Any) -> dict[str, Any]:
    publishing = {"targetRegions": [{"name": each} for each in regions], **profile}
    return {"location": "westeurope", "properties": {"provisioningState": state, "publishingProfile": publishing}}


@pytest.mark.parametrize(
    ("versions", "problem"),
    [
        ([version("West Europe")], ""),
        ([version()], ""),
        ([version("East US"), version("West Europe")], ""),
        ([version("East US")], "is in eastus and not in westeurope"),
        ([], "has no version yet"),
        ([version("West Europe", state="Creating")], "has no version yet"),
        ([version("West Europe", excludeFromLatest=True)], "has no version yet"),
    ],
)
def test_an_image_without_a_version_in_the_region_is_told(versions: list[dict[str, Any]], problem: str):
    found = find_place_problem(versions, "x", "westeurope")
    assert problem in found
    assert bool(found) is bool(problem)


# Failures


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "AllocationFailed: Allocation failed. We do not have sufficient capacity for the requested VM size",
            "capacity",
        ),
        ("ZonalAllocationFailed: Allocation failed.", "capacity"),
        ("OverconstrainedAllocationRequest: Create or update VM failed", "capacity"),
        ("SkuNotAvailable: The requested size is currently not available", "capacity"),
        ("OperationNotAllowed: it results in exceeding approved Total Regional Cores quota.", "quota"),
        ("QuotaExceeded: Operation could not be completed", "quota"),
        ("TooManyRequests: The request is being throttled", "throttled"),
        ("AADSTS7000222: The provided client secret keys are expired", "credentials"),
        ("InvalidAuthenticationTokenTenant: The access token is from the wrong issuer", "credentials"),
        ("ExpiredAuthenticationToken: The access token has expired", "credentials"),
        ("MissingSubscriptionRegistration: The subscription is not registered to use namespace", "denied"),
        ("AuthorizationFailed: The client does not have authorization to perform action", "denied"),
        ("ScopeLocked: The scope cannot perform delete operation", "denied"),
    ],
)
def test_failures_of_azures_are_told_apart(text: str, kind: str):
    found = find_kind(text, "azure")
    assert found is not None
    assert found.kind == kind
    assert is_scarce(text, "azure") is (kind in ("capacity", "quota"))


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("ForbiddenByRbac Caller is not authorized", "Key Vault Secrets User"),
        ("AuthorizationPermissionMismatch This request is not authorized", "Storage Blob Data Reader"),
    ],
)
def test_the_role_that_is_missing_is_named(text: str, role: str):
    found = find_kind(text, "azure")
    assert found is not None
    assert role in found.remedy


def test_what_is_refused_is_named():
    text = "AuthorizationFailed: x does not have authorization to perform action 'Microsoft.KeyVault/vaults/write' over"
    assert explain_failure([text], "azure").startswith("Microsoft.KeyVault/vaults/write was refused: ")
