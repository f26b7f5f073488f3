"""Look, before anything is made, whether Azure will let a fleet be made: everything that is wrong at once.

A handful of calls that read; nothing of them grows with the fleet.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.azure import Azure, explain_azure_errors
from daskfleet.errors import FleetError
from daskfleet.providers.stack.azure.image_check import check_image
from daskfleet.providers.stack.azure.machines import list_machines
from daskfleet.providers.stack.azure.places import ACCOUNTS, Place, is_same
from daskfleet.providers.stack.azure.quotas import find_shortages
from daskfleet.providers.stack.azure.size_checks import SCHEDULER, check_sizes, list_sizes
from daskfleet.providers.stack.azure.sizes import SizeFacts, find_mismatch, list_known, parse_sizes
from daskfleet.providers.stack.checks import guard
from daskfleet.providers.stack.cloud import Check
from daskfleet_stacks.spec import AzureFleetSpec, FleetSpec

NAMESPACES = (
    "Microsoft.Compute",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Storage",
)
"""Services that a subscription must have switched on."""

ACTIONS = ("Microsoft.Resources/subscriptions/resourceGroups/write", "Microsoft.Authorization/roleAssignments/write")
"""What whoever makes a fleet must be allowed to do, and what not everybody is who may make machines."""

LOCATION = re.compile(r"abfss?://(?P<container>[^@]+)@(?P<account>[^.]+)\.")


def check_fleet(azure: Azure, spec: FleetSpec) -> list[Check]:
    """Credentials, subscription, region, services, permissions, VM sizes, quotas, network, data, images."""
    assert isinstance(spec, AzureFleetSpec)
    credentials = guard("credentials", check_credentials, azure)
    if not credentials.ok:
        return [credentials]
    region = guard("region", check_region, azure, spec.region)
    if not region.ok:
        return [credentials, region]
    with ThreadPoolExecutor(max_workers=8) as pool:
        services = pool.submit(guard, "services", check_services, azure)
        permissions = pool.submit(guard, "permissions", check_permissions, azure)
        network = pool.submit(guard, "network", check_network, azure, spec)
        data = [
            pool.submit(guard, f"container {container}", check_container, azure, spec, account, container)
            for account, container in find_containers([*spec.data.read, *spec.data.write])
        ]
        first = [credentials, region, services.result(), permissions.result()]
        try:
            facts = read_sizes(azure, spec)
        except FleetError as error:
            return [*first, Check("VM sizes", str(error)), network.result(), *(each.result() for each in data)]
        images = [
            pool.submit(guard, "image", check_image, azure, spec.image, spec.region, arch, gpu=gpu)
            for arch, gpu in sorted(find_kinds(spec, facts))
        ]
        return [
            *first,
            *check_sizes(spec, facts),
            guard("quotas", check_quotas, azure, spec, facts),
            network.result(),
            *(each.result() for each in data),
            *(each.result() for each in images),
        ]


def check_credentials(azure: Azure) -> Check:
    """Whom Azure takes us for, and whether the subscription can be used."""
    azure.sign_in()
    with explain_azure_errors():
        found = azure.find(azure.scope)
    if found is None:
        return Check(
            "credentials",
            f"subscription: '{azure.subscription}': your credentials know of no such subscription; choose another, or "
            "log in to its tenant",
        )
    state = str(found.get("state") or "Enabled")
    if state not in ("Enabled", "PastDue", "Warned"):
        return Check("credentials", f"subscription: '{azure.subscription}': Azure calls it {state}; choose another")
    claims = azure.claims
    who = next((str(claims[key]) for key in ("upn", "unique_name", "appid", "oid") if claims.get(key)), "somebody")
    return Check("credentials", found=f"{who} in subscription {found.get('displayName') or azure.subscription}")


def check_region(azure: Azure, region: str) -> Check:
    """Whether the subscription has the region."""
    with explain_azure_errors():
        known = [str(each["name"]) for each in azure.list(f"{azure.scope}/locations")]
    if region in known:
        return Check("region", found=region)
    near = difflib.get_close_matches(region, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(known))}"
    return Check("region", f"region: '{region}': there is no such region; {hint}")


def check_services(azure: Azure) -> Check:
    """Whether the subscription has switched on what a fleet needs. One call for each service."""
    with explain_azure_errors(), ThreadPoolExecutor(max_workers=len(NAMESPACES)) as pool:
        states = pool.map(
            lambda each: azure.ask("GET", f"{azure.scope}/providers/{each}").get("registrationState"), NAMESPACES
        )
        off = [name for name, state in zip(NAMESPACES, states, strict=True) if state != "Registered"]
    how = "; ".join(f"`az provider register --namespace {each}`" for each in off)
    return Check(
        "services", f"the subscription has not switched on {', '.join(off)}: {how}" if off else "", "switched on"
    )


def check_permissions(azure: Azure) -> Check:
    """Whether whoever asks may make resource groups and assign roles in the subscription."""
    with explain_azure_errors():
        known = list(azure.list(f"{azure.scope}/providers/Microsoft.Authorization/permissions"))
    missing = [each for each in ACTIONS if not is_allowed(known, each)]
    return Check(
        "permissions",
        f"your identity may not do {', '.join(missing)} in the subscription; be an Owner, or a Contributor who is Role "
        "Based Access Control Administrator besides"
        if missing
        else "",
        "may make resource groups and assign roles",
    )


def is_allowed(permissions: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether permissions let somebody do something. Pure."""
    return any(
        _matches(each.get("actions") or (), action) and not _matches(each.get("notActions") or (), action)
        for each in permissions
    )


def _matches(patterns: Iterable[str], action: str) -> bool:
    return any(
        re.fullmatch(".*".join(map(re.escape, each.split("*"))), action, re.IGNORECASE) is not None for each in patterns
    )


def read_sizes(azure: Azure, spec: AzureFleetSpec) -> dict[str, SizeFacts]:
    """What Azure tells of those of the fleet's sizes that the region has."""
    names = {each for several in list_sizes(spec).values() for each in several}
    query = {"$filter": f"location eq '{spec.region}'"}
    with explain_azure_errors():
        return parse_sizes(azure.list(f"{azure.scope}/providers/Microsoft.Compute/skus", query), names, spec.region)


def find_kinds(spec: AzureFleetSpec, facts: Mapping[str, SizeFacts]) -> set[tuple[str, bool]]:
    """The architectures that images are needed for, and whether they need a driver for GPUs. Pure."""
    return {
        (facts[names[0]].architecture, group != SCHEDULER and facts[names[0]].gpus > 0)
        for group, names in list_sizes(spec).items()
        if all(name in facts for name in names) and not find_mismatch(list_known(names, facts))
    }


def check_quotas(azure: Azure, spec: AzureFleetSpec, facts: Mapping[str, SizeFacts]) -> Check:
    """Whether the subscription may have so many processors and machines in the region, beside what it has."""
    machines = list_machines(azure, Place(azure.subscription, spec.name, spec.region))
    there = Counter(each.group or SCHEDULER for each in machines if each.state in ("starting", "running"))
    with explain_azure_errors():
        usages = list(azure.list(f"{azure.scope}/providers/Microsoft.Compute/locations/{spec.region}/usages"))
    problems = find_shortages(spec, facts, usages, there)
    return Check("quotas", "; ".join(problems), "enough for what is wanted")


def check_network(azure: Azure, spec: AzureFleetSpec) -> Check:
    """Whether there is the subnet that a fleet is to be in, in its region."""
    if spec.network.vpc is None or not spec.network.subnets:
        return Check("network", found=f"its own, {spec.network.cidr}")
    subnet = spec.network.subnets[0]
    with explain_azure_errors():
        network, found = azure.find(spec.network.vpc), azure.find(subnet)
    if network is None:
        return Check("network", f"network.vpc: '{spec.network.vpc}': there is no such virtual network; mend it")
    if not is_same(str(network.get("location")), spec.region):
        return Check(
            "network",
            f"network.vpc: the virtual network is in {network.get('location')}, and the fleet in {spec.region}; give "
            "one of its region",
        )
    if found is None:
        return Check("network", f"network.subnets[0]: '{subnet}': there is no such subnet; mend it")
    return Check("network", found=f"{found['name']} of {network['name']}")


def find_containers(locations: Iterable[str]) -> list[tuple[str, str]]:
    """Account and container of each location, once. Pure."""
    matches = (LOCATION.match(each) for each in locations)
    return list(dict.fromkeys((match["account"], match["container"]) for match in matches if match is not None))


def check_container(azure: Azure, spec: AzureFleetSpec, account: str, container: str) -> Check:
    """Whether there is a container that the fleet is to use."""
    name = f"container {container}"
    group = spec.data.storage_accounts[account]
    place = f"{azure.scope}/resourceGroups/{group}/providers/{ACCOUNTS}/{account}"
    with explain_azure_errors():
        if azure.find(place) is None:
            return Check(
                name,
                f"data.storage_accounts: '{account}': there is no such storage account in the resource group {group}; "
                "mend it",
            )
        if azure.find(f"{place}/blobServices/default/containers/{container}") is None:
            return Check(name, f"data: '{container}@{account}': there is no such container; mend it")
    return Check(name, found=f"in {account}")
