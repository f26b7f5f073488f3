"""Look, before anything is made, whether Google will let a fleet be made: everything that is wrong at once.

A handful of calls that read; nothing of them grows with the fleet.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.google import Google, Refused, explain_google_errors, find_name
from daskfleet.providers.stack.checks import guard
from daskfleet.providers.stack.cloud import Check
from daskfleet.providers.stack.gcp.grants import find_buckets
from daskfleet.providers.stack.gcp.image_check import check_image
from daskfleet.providers.stack.gcp.machine_types import TypeFacts, find_mismatch
from daskfleet.providers.stack.gcp.machines import list_machines
from daskfleet.providers.stack.gcp.marks import Mark
from daskfleet.providers.stack.gcp.quotas import SCHEDULER, find_shortages
from daskfleet.providers.stack.gcp.type_checks import (
    check_accelerator,
    check_placements,
    check_types,
    list_known,
    read_types,
)
from daskfleet_stacks.spec import FleetSpec, GcpFleetSpec


@dataclass(frozen=True)
class Service:
    """Something else than Compute Engine that a fleet needs, and a call by which it says whether it may be used."""

    name: str
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=lambda: {"pageSize": 1})


SERVICES = (
    Service("secretmanager", "GET", "v1/projects/{project}/secrets"),
    Service("iam", "GET", "v1/projects/{project}/serviceAccounts"),
    Service("cloudresourcemanager", "POST", "v1/projects/{project}:getIamPolicy", {}),
    Service("logging", "GET", "v2/projects/{project}/logs"),
)


def check_fleet(google: Google, spec: FleetSpec) -> list[Check]:
    """Credentials, project, region, services, machine types, quotas, buckets, images."""
    assert isinstance(spec, GcpFleetSpec)
    credentials = guard("credentials", check_credentials, google)
    if not credentials.ok:
        return [credentials]
    try:
        region, found = check_region(google, spec.region)
    except FleetError as error:
        return [credentials, Check("region", str(error))]
    if not region.ok:
        return [credentials, region]
    zones = [find_name(str(each)) for each in found.get("zones") or ()]
    unknown = [zone for zone in spec.zones if zone not in zones]
    if unknown:
        told = f"zones: {', '.join(unknown)}: {spec.region} has {', '.join(zones)}; give some of these"
        return [credentials, Check("zones", told)]
    zones = list(spec.zones) or zones
    wanted = list_types(spec)
    with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
        asked = [pool.submit(guard, each.name, check_service, google, each) for each in SERVICES]
        try:
            facts = read_types(google, {each for types in wanted.values() for each in types}, zones)
        except FleetError as error:
            return [credentials, region, *(each.result() for each in asked), Check("machine types", str(error))]
        services = [each.result() for each in asked]
    return [
        credentials,
        region,
        *services,
        *check_types(wanted, facts, spec.region),
        *check_placements(
            {group.name: group.instance_types for group in spec.workers if group.placement == "cluster"}, facts
        ),
        *_check_accelerators(google, spec, facts),
        guard("quotas", check_quotas, google, spec, facts, found),
        *(
            guard(f"bucket {bucket}", check_bucket, google, bucket, prefixed=prefixed)
            for bucket, prefixed in find_buckets([*spec.data.read, *spec.data.write]).items()
        ),
        *(
            guard("image", check_image, google, spec.image, arch, gpu=gpu)
            for arch, gpu in sorted(find_kinds(spec, facts))
        ),
    ]


def list_types(spec: GcpFleetSpec) -> dict[str, tuple[str, ...]]:
    """The machine types of the scheduler and of each group. Pure."""
    groups = {group.name: group.instance_types for group in spec.workers}
    return {SCHEDULER: (spec.scheduler.instance_type,), **groups}


def find_kinds(spec: GcpFleetSpec, facts: Mapping[str, TypeFacts]) -> set[tuple[str, bool]]:
    """The architectures that images are needed for, and whether they need a driver for GPUs. Pure."""
    added = {group.name for group in spec.workers if group.accelerator is not None}
    return {
        (facts[names[0]].architecture, group != SCHEDULER and (facts[names[0]].gpus > 0 or group in added))
        for group, names in list_types(spec).items()
        if all(name in facts for name in names) and not find_mismatch(list_known(names, facts))
    }


def _check_accelerators(google: Google, spec: GcpFleetSpec, facts: Mapping[str, TypeFacts]) -> list[Check]:
    checks = []
    for index, group in enumerate(spec.workers):
        if group.accelerator is not None:
            name, place, known = (
                f"GPUs of {group.name}",
                f"workers[{index}].accelerator",
                list_known(group.instance_types, facts),
            )
            checks.append(guard(name, check_accelerator, google, name, place, group.accelerator, known))
    return checks


def check_credentials(google: Google) -> Check:
    """Whom Google takes us for, and whether there is the project."""
    google.sign_in()
    with explain_google_errors():
        found = google.ask("cloudresourcemanager", "GET", f"v1/projects/{google.project}")
    state = str(found.get("lifecycleState") or "ACTIVE")
    if state != "ACTIVE":
        return Check("credentials", f"project: '{google.project}': Google calls it {state}; choose another")
    return Check("credentials", found=f"{google.identity} in project {google.project}")


def check_region(google: Google, region: str) -> tuple[Check, dict[str, Any]]:
    """Whether the project has the region, and what Google tells of it."""
    with explain_google_errors():
        try:
            found = google.ask("compute", "GET", google.compute(f"regions/{region}"))
        except Refused as error:
            if not error.is_missing:
                raise
            known = [str(each["name"]) for each in google.list("compute", google.compute("regions"), "items")]
            near = difflib.get_close_matches(region, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
            return Check("region", f"region: '{region}': there is no such region; {hint}"), {}
    return Check("region", found=region), found


def check_service(google: Google, service: Service) -> Check:
    """Whether a service may be used in the project."""
    body: dict[str, Any] | None = {} if service.method == "POST" else None
    with explain_google_errors():
        google.ask(service.name, service.method, service.path.format(project=google.project), service.query, body)
    return Check(service.name, found="can be used")


def count_own(google: Google, spec: GcpFleetSpec) -> dict[str, int]:
    """The machines of the fleet that are there already, by group."""
    machines = list_machines(google, Mark(spec.name, spec.region))
    return Counter(each.group or SCHEDULER for each in machines if each.state in ("starting", "running"))


def check_quotas(
    google: Google, spec: GcpFleetSpec, facts: Mapping[str, TypeFacts], region: Mapping[str, Any]
) -> Check:
    """Whether the project may have so many processors, GPUs and addresses in the region, beside what it has."""
    problems = find_shortages(spec, facts, region.get("quotas") or (), count_own(google, spec))
    return Check("quotas", "; ".join(problems), "enough for what is wanted")


def check_bucket(google: Google, bucket: str, *, prefixed: bool) -> Check:
    """Whether there is a bucket, and whether what is below a prefix can be granted in it."""
    name = f"bucket {bucket}"
    with explain_google_errors():
        try:
            found = google.ask("storage", "GET", f"b/{bucket}")
        except Refused as error:
            if not error.is_missing:
                raise
            return Check(name, f"data: 'gs://{bucket}': there is no such bucket; mend it")
    settings = found.get("iamConfiguration") or {}
    if prefixed and not (settings.get("uniformBucketLevelAccess") or {}).get("enabled"):
        return Check(
            name,
            f"data: 'gs://{bucket}': a prefix can be granted only where the bucket has uniform bucket-level access; "
            "switch it on, or give the whole bucket",
        )
    return Check(name, found=str(found.get("location") or "there"))
