"""Look, before anything is made, whether AWS will let a fleet be made: everything that is wrong at once.

A handful of calls that read; nothing of them grows with the fleet.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from daskfleet.errors import FleetError
from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors
from daskfleet.providers.stack.aws.image_check import check_image
from daskfleet.providers.stack.aws.instance_types import TypeFacts, combine, parse_type
from daskfleet.providers.stack.checks import guard
from daskfleet.providers.stack.cloud import Check
from daskfleet_stacks.spec import AwsFleetSpec, FleetSpec
from daskfleet_stacks.spec.aws import AwsWorkerGroup

SCHEDULER = "scheduler"


def check_fleet(clients: Clients, spec: FleetSpec) -> list[Check]:
    """Credentials, region, instance types, images; without credentials, what can be told without them."""
    assert isinstance(spec, AwsFleetSpec)
    region = check_region(clients.region)
    if not region.ok:
        return [region]
    credentials = guard("credentials", lambda: check_credentials(clients))
    if not credentials.ok:
        return [credentials, region]
    wanted: dict[str, tuple[str, ...]] = {SCHEDULER: (spec.scheduler.instance_type,)}
    wanted |= {group.name: group.instance_types for group in spec.workers}
    with ThreadPoolExecutor(max_workers=2) as pool:
        is_open = pool.submit(guard, "region", lambda: check_region_is_open(clients))
        try:
            facts = read_types(clients, {each for types in wanted.values() for each in types})
        except FleetError as error:
            return [credentials, is_open.result(), Check("instance types", str(error))]
    types = check_types(wanted, facts, clients.region)
    types += check_placements({group.name: group.instance_types for group in clustered(spec)}, facts)
    kinds = {
        (kind.architecture, kind.gpus > 0 and group != SCHEDULER)
        for group, names in wanted.items()
        if all(name in facts for name in names) and (kind := combine([facts[name] for name in names])) is not None
    }
    images = [
        guard("image", lambda arch=arch, gpu=gpu: check_image(clients, spec.image, arch, gpu=gpu))  # type: ignore[misc]
        for arch, gpu in sorted(kinds)
    ]
    return [credentials, is_open.result(), *types, *images]


def check_region(region: str) -> Check:
    """Whether there is such a region, as far as the SDK knows: nothing is asked."""
    try:
        import boto3
    except ImportError:
        return Check("region", "boto3 is not installed: pip install 'daskfleet[aws]'")
    session = boto3.Session()
    known = [each for part in session.get_available_partitions() for each in session.get_available_regions("ec2", part)]
    near = difflib.get_close_matches(region, known, n=1)
    if region in known or not near:  # A region that is newer than the SDK.
        return Check("region", found=region)
    return Check("region", f"region: '{region}': there is no such region; did you mean '{near[0]}'?")


def check_credentials(clients: Clients) -> Check:
    """Who AWS takes us for."""
    with explain_aws_errors():
        answer = clients.get("sts").get_caller_identity()
    return Check("credentials", found=str(answer.get("Arn", "")))


def check_region_is_open(clients: Clients) -> Check:
    """Whether the account uses the region."""
    with explain_aws_errors():
        answer = clients.get("ec2").describe_regions(RegionNames=[clients.region], AllRegions=True)
    status = next((str(each.get("OptInStatus", "")) for each in answer["Regions"]), "")
    if status == "not-opted-in":
        return Check(
            "region",
            f"region: '{clients.region}': this account has not enabled it; enable it in the account's settings",
        )
    return Check("region", found=clients.region)


def read_types(clients: Clients, names: Iterable[str]) -> dict[str, TypeFacts]:
    """What AWS tells of those of the instance types that the region offers."""
    wanted = sorted(set(names))
    client = clients.get("ec2")
    with explain_aws_errors():
        pages = client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="region", Filters=[{"Name": "instance-type", "Values": wanted}]
        )
        offered = sorted(
            {each["InstanceType"] for page in pages for each in page["InstanceTypeOfferings"]} & set(wanted)
        )
        if not offered:
            return {}
        details = client.get_paginator("describe_instance_types").paginate(InstanceTypes=offered)
        return {each["InstanceType"]: parse_type(each) for page in details for each in page["InstanceTypes"]}


def check_types(wanted: Mapping[str, tuple[str, ...]], facts: Mapping[str, TypeFacts], region: str) -> list[Check]:
    """Whether each machine's instance types are offered and fit one another. Pure."""
    checks = []
    for index, (group, names) in enumerate(wanted.items()):
        place = "scheduler.instance_type" if group == SCHEDULER else f"workers[{index - 1}].instance_types"
        problems = [
            _describe_missing(place, position, name, facts, region)
            for position, name in enumerate(names)
            if name not in facts
        ]
        known = [facts[name] for name in names if name in facts]
        if not problems and combine(known) is None:
            told = "; ".join(f"{each.name} is {each.describe()}" for each in known)
            problems.append(
                f"{place}: one image cannot boot on all of them ({told}); put them into groups of their own"
            )
        found = ", ".join(f"{each.name} ({each.describe()})" for each in known)
        checks.append(Check(f"instance types of {group}", "; ".join(problems), found))
    return checks


def clustered(spec: AwsFleetSpec) -> list[AwsWorkerGroup]:
    """The groups whose machines are close together. Pure."""
    return [group for group in spec.workers if group.placement == "cluster"]


def check_placements(wanted: Mapping[str, tuple[str, ...]], facts: Mapping[str, TypeFacts]) -> list[Check]:
    """Whether instance types may be in a cluster placement group. Pure."""
    checks = []
    for group, names in wanted.items():
        wrong = [name for name in names if name in facts and "cluster" not in facts[name].placements]
        problem = (
            f"placement: 'cluster': machines of {', '.join(wrong)} cannot be close together; choose other types, or "
            "leave it out"
        )
        checks.append(Check(f"placement of {group}", problem if wrong else "", "close together, in one zone"))
    return checks


def _describe_missing(place: str, position: int, name: str, facts: Mapping[str, TypeFacts], region: str) -> str:
    index = "" if place.startswith(SCHEDULER) else f"[{position}]"
    return f"{place}{index}: '{name}' is not offered in {region}; choose another type, or another region"
