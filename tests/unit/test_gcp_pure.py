"""What the command line makes of Google Cloud's answers."""

from __future__ import annotations

from typing import Any

import pytest

from daskfleet.providers.stack.explain import explain_failure, find_action, find_kind, is_scarce
from daskfleet.providers.stack.gcp.checks import find_kinds
from daskfleet.providers.stack.gcp.grants import (
    BUCKET_GRANT,
    PROJECT_GRANT,
    find_buckets,
    find_email,
    find_grants,
)
from daskfleet.providers.stack.gcp.image_check import find_problem
from daskfleet.providers.stack.gcp.listing import name_log
from daskfleet.providers.stack.gcp.machine_types import TypeFacts
from daskfleet.providers.stack.gcp.machines import (
    find_newest_error,
)
from daskfleet.providers.stack.gcp.marks import Mark, read_marks
from daskfleet.providers.stack.gcp.quotas import SCHEDULER, find_shortages, name_gpus, name_processors
from daskfleet.providers.stack.gcp.type_checks import check_placements, judge_accelerator
from daskfleet.providers.stack.redact import redact
from daskfleet.services.images.gcp import describe as describe_image
from daskfleet_components.gcp.labels import build_labels, describe, name_account
from daskfleet_components.gcp.labels import name_log as name_component_log
from daskfleet_stacks.spec import parse_fleet_spec
from daskfleet_stacks.spec.gcp import GcpAccelerator

MARK = Mark("research", "europe-west1")
ZONES = "projects/p/zones/europe-west1-"
EXHAUSTED = {
    "code": "ZONE_RESOURCE_POOL_EXHAUSTED",
    "message": "The zone 'projects/p/zones/europe-west1-b' does not have enough resources available to fulfill the "
    "request.",
}


# Marks


def test_the_components_and_the_command_line_mean_the_same_marks():
    labels = build_labels("research", "europe-west1", "worker", group="cpu", extra={"team": "climate"})
    text = describe("research", "europe-west1", "worker", group="cpu")
    assert MARK.is_on({"labels": labels})
    assert MARK.is_on({"description": text})
    assert read_marks({"description": text})["daskfleet-group"] == "cpu"
    accounts = {name_account("research", "europe-west1", role) for role in ("scheduler", "worker")}
    assert MARK.name_accounts("p-1234") == {f"{each}@p-1234.iam.gserviceaccount.com" for each in accounts}
    assert name_log("p-1234", MARK).replace("%2F", "/") == name_component_log("p-1234", "research", "europe-west1")


@pytest.mark.parametrize(("fleet", "region"), [("research-b", "europe-west1"), ("research", "europe-west4")])
def test_a_fleet_of_another_name_or_region_is_another_fleet(fleet: str, region: str):
    assert not MARK.is_on({"labels": build_labels(fleet, region, "worker")})
    assert not MARK.is_on({"description": describe(fleet, region, "worker")})


def test_accounts_of_a_project_in_an_own_domain_are_spelt_the_other_way_round():
    assert all(
        each.endswith("@lab.example.com.iam.gserviceaccount.com") for each in MARK.name_accounts("example.com:lab")
    )


# Groups and machines


def test_an_error_is_over_once_a_machine_was_made_after_it():
    errors = [
        {"timestamp": "2026-11-28T10:00:00Z", "error": {"code": "OLD", "message": "old"}},
        {"timestamp": "2026-11-28T10:05:00Z", "error": EXHAUSTED},
    ]
    assert find_newest_error(errors, 0.0).startswith("ZONE_RESOURCE_POOL_EXHAUSTED")
    assert find_newest_error(errors, 1795861000.0) == ""
    assert find_newest_error([], 0.0) == ""


@pytest.mark.parametrize(
    ("said", "scarce"),
    [
        (f"{EXHAUSTED['code']}: {EXHAUSTED['message']}", True),
        ("QUOTA_EXCEEDED: Quota 'PREEMPTIBLE_CPUS' exceeded.  Limit: 8.0 in region europe-west1.", True),
        ("PERMISSION_DENIED: Required 'compute.images.useReadOnly' permission for 'projects/p/global/images/x'", False),
    ],
)
def test_on_demand_machines_help_where_something_is_scarce_only(said: str, scarce: bool):
    assert is_scarce(said, "gcp") is scarce


# What is left


ACCOUNT = "df-worker-0123456789ab@p.iam.gserviceaccount.com"


def make_policy() -> dict[str, Any]:
    condition = {"title": "below", "expression": "true"}
    return {
        "etag": "x",
        "bindings": [
            {"role": "roles/logging.logWriter", "members": ["user:a@example.com", f"serviceAccount:{ACCOUNT}"]},
            {"role": "roles/viewer", "members": [f"deleted:serviceAccount:{ACCOUNT}?uid=12"]},
            {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{ACCOUNT}"], "condition": condition},
        ],
    }


def test_grants_are_found_by_the_account_also_where_it_is_gone_and_are_called_as_in_the_stack():
    found = [each.id for each in find_grants(make_policy(), {ACCOUNT}, PROJECT_GRANT, "p")]
    assert found == [
        f"p/roles/logging.logWriter/serviceAccount:{ACCOUNT}",
        f"p/roles/viewer/deleted:serviceAccount:{ACCOUNT}?uid=12",
        f"p/roles/storage.objectViewer/serviceAccount:{ACCOUNT}/below//true",
    ]
    on_bucket = next(find_grants(make_policy(), {ACCOUNT}, BUCKET_GRANT, "data"))
    assert on_bucket.id == f"b/data/roles/logging.logWriter/serviceAccount:{ACCOUNT}"
    assert list(find_grants(make_policy(), {"other@p.iam.gserviceaccount.com"}, PROJECT_GRANT, "p")) == []
    assert find_email("user:a@example.com") == ""


# Checks


def make_facts(name: str, cpus: int = 8, gpus: int = 0, accelerator: str = "", zones: str = "bc") -> TypeFacts:
    return TypeFacts(name, "x86_64", gpus, cpus, frozenset(f"europe-west1-{each}" for each in zones), accelerator)


def make_spec(*groups: dict[str, Any], **more: Any) -> Any:
    data = {
        "name": "research",
        "provider": "gcp",
        "project": "p-1234",
        "region": "europe-west1",
        "workers": list(groups),
    }
    return parse_fleet_spec({**data, **more}, "a test")


FACTS = {
    each.name: each
    for each in (
        make_facts("e2-standard-2", 2),
        make_facts("n2-standard-8"),
        make_facts("n2d-standard-8"),
        make_facts("g2-standard-8", gpus=1, accelerator="nvidia-l4"),
    )
}


def test_images_are_needed_for_each_kind_of_machine():
    n1 = {"name": "t4", "instance_types": ["n1-standard-8"], "accelerator": {"type": "nvidia-tesla-t4"}}
    spec = make_spec({"name": "cpu", "instance_types": ["n2-standard-8"]}, n1)
    facts = {**FACTS, "n1-standard-8": make_facts("n1-standard-8")}
    assert find_kinds(spec, facts) == {("x86_64", False), ("x86_64", True)}


@pytest.mark.parametrize(("name", "fits"), [("n2-standard-8", True), ("e2-standard-2", False)])
def test_series_that_cannot_be_close_together_are_told(name: str, fits: bool):
    (check,) = check_placements({"cpu": (name,)}, FACTS)
    assert check.ok is fits


@pytest.mark.parametrize(
    ("count", "offers", "problem"),
    [
        (1, [{"zone": f"{ZONES}b", "maximumCardsPerInstance": 4}], ""),
        (8, [{"zone": f"{ZONES}b", "maximumCardsPerInstance": 4}], "at most 4"),
        (1, [], "is not offered"),
    ],
)
def test_gpus_that_cannot_be_added_are_told(count: int, offers: list[dict[str, Any]], problem: str):
    wanted = GcpAccelerator(type="nvidia-tesla-t4", count=count)
    check = judge_accelerator("GPUs of gpu", "workers[0].accelerator", wanted, offers, {"europe-west1-b"})
    assert problem in check.problem
    assert check.ok is (not problem)


def test_the_quotas_that_things_count_for():
    assert [name_processors(each) for each in ("e2-standard-2", "n2d-standard-8")] == ["CPUS", "N2D_CPUS"]
    assert name_gpus("nvidia-tesla-t4") == "NVIDIA_T4_GPUS"
    assert name_gpus("nvidia-a100-80gb") == "NVIDIA_A100_80GB_GPUS"


def quota(metric: str, limit: float, usage: float = 0.0) -> dict[str, Any]:
    return {"metric": metric, "limit": limit, "usage": usage}


CPU = {"name": "cpu", "instance_types": ["n2-standard-8"], "count": 10}


@pytest.mark.parametrize(
    ("group", "quotas", "there", "metrics"),
    [
        (CPU, [quota("N2_CPUS", 80)], {}, []),
        (CPU, [quota("N2_CPUS", 79)], {}, ["N2_CPUS"]),
        (CPU, [quota("N2_CPUS", 100, 40)], {}, ["N2_CPUS"]),
        (CPU, [quota("N2_CPUS", 100, 80)], {"cpu": 10, SCHEDULER: 1}, []),  # What is used is its own.
        (CPU, [quota("CPUS", 1)], {}, ["CPUS"]),  # The scheduler.
        (CPU, [quota("N2_CPUS", -1)], {}, []),
        ({**CPU, "spot": "only"}, [quota("N2_CPUS", 8), quota("PREEMPTIBLE_CPUS", 80)], {}, []),
        ({**CPU, "spot": "only"}, [quota("N2_CPUS", 8), quota("PREEMPTIBLE_CPUS", 0)], {}, ["N2_CPUS"]),
        ({**CPU, "spot": "fallback"}, [quota("N2_CPUS", 8), quota("PREEMPTIBLE_CPUS", 8)], {}, []),
        ({**CPU, "instance_types": ["n2-standard-8", "n2d-standard-8"]}, [quota("N2_CPUS", 8)], {}, []),
        (
            {**CPU, "instance_types": ["g2-standard-8"]},
            [quota("G2_CPUS", 800), quota("NVIDIA_L4_GPUS", 4)],
            {},
            ["NVIDIA_L4_GPUS"],
        ),
    ],
)
def test_quotas_that_would_be_exceeded_are_told(
    group: dict[str, Any], quotas: list[dict[str, Any]], there: dict[str, int], metrics: list[str]
):
    found = find_shortages(make_spec(group), FACTS, quotas, there)
    assert [each.partition(":")[0] for each in found] == metrics


def test_public_addresses_count_where_machines_have_some():
    spec = make_spec(CPU, network={"egress": "public-ip"})
    (problem,) = find_shortages(spec, FACTS, [quota("IN_USE_ADDRESSES", 8, 2)], {})
    assert problem.startswith("IN_USE_ADDRESSES: the fleet wants 11 more, and the project has 6 left of 8")


def test_buckets_are_told_once_and_whether_a_prefix_is_granted_in_them():
    found = find_buckets(["gs://a", "gs://b/x", "gs://b", "gs://a/"])
    assert found == {"a": False, "b": True}


@pytest.mark.parametrize(
    ("labels", "gpu", "problem"),
    [
        ({}, False, ""),
        ({"daskfleet-gpu": "true"}, True, ""),
        ({}, True, "holds no driver"),
        ({"daskfleet-arch": "aarch64"}, False, "is for aarch64, and the machine types are x86_64"),
        ({"daskfleet-dask": ""}, False, "lacks the labels daskfleet-dask,"),
    ],
)
def test_an_image_that_machines_cannot_boot_is_told(labels: dict[str, str], gpu: bool, problem: str):
    facts = {
        "arch": "x86_64",
        "python": "3-11-2",
        "dask": "2026-1-0",
        "distributed": "2026-1-0",
        "cloudpickle": "3-1-0",
    }
    own = {f"daskfleet-{key}": value for key, value in facts.items()}
    held = describe_image("p", {"name": "x", "labels": {**own, **labels}})
    found = find_problem(held, "x", "x86_64", gpu=gpu)
    assert problem in found
    assert bool(found) is bool(problem)


# Failures


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("googleapi: Error 403: Required 'compute.routers.insert' permission for 'projects/p', forbidden", "denied"),
        ("googleapi: Error 403: Permission 'iam.serviceAccounts.create' denied on resource, forbidden", "denied"),
        (
            "googleapi: Error 403: Secret Manager API has not been used in project 1 or it is disabled. Details: "
            '[{"reason": "SERVICE_DISABLED"}]',
            "denied",
        ),
        ("googleapi: Error 403: Quota 'CPUS' exceeded. Limit: 1.0 in region europe-west4., quotaExceeded", "quota"),
        ("googleapi: Error 403: Quota 'CPUS' exceeded. PERMISSION_DENIED, quotaExceeded", "quota"),
        (f"RESOURCE_EXHAUSTED {EXHAUSTED['code']}: {EXHAUSTED['message']}", "capacity"),
        ("googleapi: Error 429: Quota exceeded for quota metric 'Queries', rateLimitExceeded", "throttled"),
        ("googleapi: Error 401: Request had invalid authentication credentials., authError", "credentials"),
        ('oauth2: "invalid_grant" "reauth related error (invalid_rapt)"', "credentials"),
        ("google: could not find default credentials.", "credentials"),
        ("The API requires a quota project, which is not set by default.", "credentials"),
    ],
)
def test_failures_of_googles_are_told_apart(text: str, kind: str):
    found = find_kind(text, "gcp")
    assert found is not None
    assert found.kind == kind


def test_the_permission_that_is_missing_is_named():
    text = "googleapi: Error 403: Required 'compute.routers.insert' permission for 'projects/p', forbidden"
    assert find_action(text) == "compute.routers.insert"
    assert explain_failure([text], "gcp").startswith("compute.routers.insert was refused: ")
    disabled = explain_failure(
        ["googleapi: Error 403: Cloud IAM API has not been used in project 1, accessNotConfigured"], "gcp"
    )
    assert "gcloud services enable" in disabled


def test_tokens_of_googles_are_taken_out():
    text = 'Authorization: Bearer ya29.a0AfB_by-xyz123 and {"refresh_token": "1//0abc", "client_secret": "GOCSPX-x"}'
    told = redact(text)
    for secret in ("ya29", "a0AfB", "1//0abc", "GOCSPX"):
        assert secret not in told
