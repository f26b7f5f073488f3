"""What the command line makes of what Google answers: pure functions. The calls themselves are in `test_gcp_calls`."""

from __future__ import annotations

from typing import Any

import pytest

from daskfleet.google import Google, Refused, find_base, read_refusal
from daskfleet.providers.stack.gcp.grants import PROJECT_GRANT, find_email, find_grants, take_grant
from daskfleet.providers.stack.gcp.listing import name_link, read_item
from daskfleet.providers.stack.gcp.logs import parse_entry
from daskfleet.providers.stack.gcp.machine_types import TypeFacts, find_mismatch, parse_types
from daskfleet.providers.stack.gcp.machines import find_refusal, parse_time, read_machine, read_manager, share_count
from daskfleet.providers.stack.gcp.marks import Mark, read_marks
from daskfleet.providers.stack.gcp.openings import describe_rule, is_opening
from daskfleet.providers.stack.gcp.type_checks import check_types
from daskfleet_images.node.marks import parse_marks

MARK = Mark("research", "europe-west1")
LABELS = {"daskfleet-fleet": "research", "daskfleet-region": "europe-west1", "daskfleet-role": "worker"}
TEXT = "daskfleet-fleet=research daskfleet-region=europe-west1 daskfleet-role=network"
URL = "https://www.googleapis.com/compute/v1/projects/p"


@pytest.mark.parametrize("item", [{"labels": LABELS}, {"description": TEXT}, {"labels": {}, "description": TEXT}])
def test_a_mark_is_read_from_labels_or_from_words(item: dict[str, Any]) -> None:
    assert MARK.is_on(item)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"description": "The network of research"},
        {"labels": {**LABELS, "daskfleet-region": "us-central1"}},
        {"labels": {**LABELS, "daskfleet-fleet": "research-b"}},
        {"description": TEXT.replace("=research ", "=research-b ")},
    ],
)
def test_what_is_another_fleets_or_nobodys_carries_no_mark_of_ours(item: dict[str, Any]) -> None:
    assert not MARK.is_on(item)


@pytest.mark.parametrize(
    ("sizes", "count", "shared"),
    [
        ([3], 5, [5]),
        ([3], 0, [0]),
        ([4, 2], 6, [4, 2]),
        ([4, 2], 9, [7, 2]),
        ([4, 2], 5, [4, 1]),
        ([4, 2], 3, [3, 0]),
        ([4, 2], 0, [0, 0]),
        ([0, 2], 3, [1, 2]),
    ],
)
def test_more_machines_are_spot_and_fewer_are_on_demand_first(sizes: list[int], count: int, shared: list[int]) -> None:
    assert share_count(sizes, count) == shared


def managed(status: str | None, *errors: str) -> dict[str, Any]:
    told = [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": each} for each in errors]
    return {"instanceStatus": status, **({"lastAttempt": {"errors": {"errors": told}}} if told else {})}


def test_a_shortage_is_told_of_machines_that_are_not_there_only() -> None:
    assert find_refusal([managed("RUNNING", "long ago"), managed("PROVISIONING")]) == ""
    said = find_refusal([managed("RUNNING"), managed(None, "no more of these")])
    assert said == "ZONE_RESOURCE_POOL_EXHAUSTED: no more of these"


def instance(**changes: Any) -> dict[str, Any]:
    return {
        "name": "research-cpu-x1y2",
        "zone": f"{URL}/zones/europe-west1-b",
        "status": "RUNNING",
        "creationTimestamp": "2026-11-24T01:02:03.500-08:00",
        "labels": {**LABELS, "daskfleet-group": "cpu"},
        "networkInterfaces": [{"networkIP": "10.0.0.9"}],
        **changes,
    }


def test_an_instance_is_a_machine_by_its_full_name() -> None:
    machine = read_machine(instance(), "p")
    assert machine.id == "projects/p/zones/europe-west1-b/instances/research-cpu-x1y2"
    assert (machine.group, machine.node, machine.address) == ("cpu", "research-cpu-x1y2", "10.0.0.9")
    assert machine.launched == parse_time("2026-11-24T09:02:03.5+00:00")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("STAGING", "starting"),
        ("RUNNING", "running"),
        ("STOPPING", "stopping"),
        ("TERMINATED", "gone"),
        ("NEW", "gone"),
    ],
)
def test_googles_states_are_ours(status: str, state: str) -> None:
    assert read_machine(instance(status=status), "p").state == state


def test_an_instance_says_which_managed_group_made_it() -> None:
    made_by = {"key": "created-by", "value": "projects/1/regions/r/instanceGroupManagers/research-cpu-4e17a0c"}
    assert read_manager(instance(metadata={"items": [made_by]})) == "research-cpu-4e17a0c"
    assert read_manager(instance()) == ""


POLICY = {
    "bindings": [
        {"role": "roles/owner", "members": ["user:somebody@example.org"]},
        {
            "role": "roles/logging.logWriter",
            "members": [
                "serviceAccount:df-worker@p.iam.gserviceaccount.com",
                "deleted:serviceAccount:df-scheduler@p.iam.gserviceaccount.com?uid=1",
                "serviceAccount:other@p.iam.gserviceaccount.com",
            ],
        },
    ]
}
OURS = {"df-worker@p.iam.gserviceaccount.com", "df-scheduler@p.iam.gserviceaccount.com"}


def test_grants_are_found_by_the_fleets_identities_also_when_these_are_gone() -> None:
    found = list(find_grants(POLICY, OURS, PROJECT_GRANT, "p"))
    assert [each.id for each in found] == [
        "p/roles/logging.logWriter/serviceAccount:df-worker@p.iam.gserviceaccount.com",
        "p/roles/logging.logWriter/deleted:serviceAccount:df-scheduler@p.iam.gserviceaccount.com?uid=1",
    ]
    assert find_email("user:somebody@example.org") == ""


def test_a_grant_is_taken_out_and_no_other_is() -> None:
    policy: dict[str, Any] = {"bindings": [dict(each) for each in POLICY["bindings"]], "etag": "x"}
    for grant in find_grants(POLICY, OURS, PROJECT_GRANT, "p"):
        assert take_grant(policy, grant.details)
        assert not take_grant(policy, grant.details)
    assert policy == {
        "bindings": [
            POLICY["bindings"][0],
            {
                "role": "roles/logging.logWriter",
                "members": ["serviceAccount:other@p.iam.gserviceaccount.com"],
            },
        ],
        "etag": "x",
        "version": 3,
    }


def test_a_mark_in_the_log_is_the_line_that_the_node_wrote() -> None:
    event = parse_entry(
        {
            "insertId": "a",
            "timestamp": "2026-11-24T09:02:03.123456789Z",
            "labels": {"daskfleet-group": "cpu", "daskfleet-node": "research-cpu-x1y2"},
            "jsonPayload": {"time": 1763975000.5, "phase": "registered", "worker": "research-cpu-x1y2-0"},
        }
    )
    assert event.message.startswith('{"phase"')
    (mark,) = parse_marks([event.message])
    assert (mark.phase, mark.worker) == ("registered", "research-cpu-x1y2-0")
    assert (event.group, event.node, event.id) == ("cpu", "research-cpu-x1y2", "a")


RULE = {
    "network": f"{URL}/global/networks/research-network-1",
    "direction": "INGRESS",
    "allowed": [{"IPProtocol": "tcp", "ports": ["22", "8786"]}],
    "sourceRanges": ["0.0.0.0/0"],
}


def test_an_opening_is_told_in_words() -> None:
    assert describe_rule(RULE) == "tcp 22 8786 from 0.0.0.0/0 into research-network-1"


@pytest.mark.parametrize(
    ("changes", "opens"),
    [
        ({}, True),
        ({"disabled": True}, False),
        ({"direction": "EGRESS"}, False),
        ({"allowed": [], "denied": [{"IPProtocol": "all"}]}, False),
        ({"network": f"{URL}/global/networks/shared"}, False),
        ({"network": f"{URL}/global/networks/shared", "targetServiceAccounts": ["df-worker@p"]}, True),
    ],
)
def test_what_opens_the_fleet_is_told_from_what_does_not(changes: dict[str, Any], opens: bool) -> None:
    assert is_opening({**RULE, **changes}, {RULE["network"]}, {"df-worker@p"}) is opens


def test_a_disk_is_held_by_its_machine() -> None:
    disk = {
        "name": "d",
        "selfLink": f"{URL}/zones/z/disks/d",
        "users": [f"{URL}/zones/z/instances/i"],
        "labels": {**LABELS, "daskfleet-group": "cpu"},
    }
    found = read_item("disk", disk)
    assert (found.id, found.holder, found.group) == (
        "projects/p/zones/z/disks/d",
        "projects/p/zones/z/instances/i",
        "cpu",
    )
    assert name_link("projects/p/zones/z/disks/d") == "projects/p/zones/z/disks/d"
    assert read_marks(disk)["daskfleet-role"] == "worker"


def make_type(name: str, zone: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "zone": f"{URL}/zones/{zone}", "guestCpus": 8, "architecture": "X86_64", **changes}


L4 = [{"guestAcceleratorType": "nvidia-l4", "guestAcceleratorCount": 1}]


def test_types_are_what_the_regions_zones_tell_of_them() -> None:
    answers = [
        make_type("n2-standard-8", "europe-west1-b"),
        make_type("n2-standard-8", "europe-west1-c"),
        make_type("n2-standard-8", "us-central1-a"),
        make_type("g2-standard-8", "europe-west1-b", accelerators=L4),
    ]
    facts = parse_types(answers, ["europe-west1-b", "europe-west1-c"])
    assert facts["n2-standard-8"].zones == {"europe-west1-b", "europe-west1-c"}
    assert (facts["g2-standard-8"].gpus, facts["g2-standard-8"].describe()) == (1, "x86_64 with 1 GPU")


def test_types_that_do_not_fit_one_another_are_told_with_what_they_are() -> None:
    both = frozenset("bc")
    n2, g2 = TypeFacts("n2", "x86_64", 0, 8, both), TypeFacts("g2", "x86_64", 1, 8, both)
    arm, far = TypeFacts("c4a", "aarch64", 0, 8, both), TypeFacts("far", "x86_64", 0, 8, frozenset("d"))
    assert find_mismatch([n2]) == ""
    assert "one image cannot boot on all" in find_mismatch([n2, arm])
    assert "g2 is x86_64 with 1 GPU" in find_mismatch([n2, g2])
    assert "no zone has all of them (n2: b, c; far: d)" in find_mismatch([n2, far])
    (scheduler, cpu) = check_types({"scheduler": ("n2",), "cpu": ("n2", "gone")}, {"n2": n2}, "europe-west1")
    assert scheduler.ok
    assert cpu.problem.startswith("workers[0].instance_types[1]: 'gone' is not offered in europe-west1")


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (
            {"error": {"code": 400, "message": "used", "errors": [{"reason": "resourceInUseByAnotherResource"}]}},
            "resourceInUseByAnotherResource",
            "used",
        ),
        ({"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, "PERMISSION_DENIED", "no"),
        (
            {"error": {"message": "off", "status": "X", "details": [{"reason": "SERVICE_DISABLED"}]}},
            "SERVICE_DISABLED",
            "off",
        ),
        ({"error": "invalid_grant"}, "", "invalid_grant"),
        ([], "", "Bad Gateway"),
    ],
)
def test_a_refusal_is_read_whatever_its_form(content: Any, reason: str, message: str) -> None:
    refusal = read_refusal(400, content, "Bad Gateway")
    assert (refusal.reason, str(refusal)) == (reason, message)


def test_a_policy_that_others_change_meanwhile_is_read_again() -> None:
    policies = [{"n": 1}, {"n": 2}, {"n": 3}]
    written = []

    def write(policy: dict[str, Any]) -> None:
        if policy["n"] < 3:
            raise Refused(409, "aborted", "somebody was faster")
        written.append(policy)

    Google("p").change_policy(lambda: policies.pop(0), write, lambda policy: True)
    assert written == [{"n": 3}]


def test_a_policy_that_has_nothing_to_change_is_not_written() -> None:
    Google("p").change_policy(dict, pytest.fail, lambda policy: False)


def test_a_service_is_where_gclouds_own_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_base("iam") == "https://iam.googleapis.com/"
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", "http://127.0.0.1:1/compute/v1")
    assert find_base("compute") == "http://127.0.0.1:1/compute/v1/"
