"""What Google Cloud still has of a fleet, by another way than that of the command that says "nothing left".

Every list of every service is read whole, and looked through here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google_client import GoogleClient

AGGREGATED = (
    "instances",
    "disks",
    "addresses",
    "subnetworks",
    "routers",
    "instanceTemplates",
    "instanceGroupManagers",
    "healthChecks",
    "resourcePolicies",
)
GLOBAL = ("networks", "firewalls", "images", "instanceTemplates", "healthChecks")
FLEET, REGION = "daskfleet-fleet", "daskfleet-region"


@dataclass(frozen=True)
class Found:
    """One thing of a fleet."""

    kind: str
    name: str


def find_tagged(client: GoogleClient, project: str, region: str, fleet: str) -> list[str]:
    """The names of everything that is marked as the fleet's, or is of its service accounts."""
    return [each.name for each in audit(client, project, region, fleet)]


def take_stock(client: GoogleClient, project: str, region: str, fleet: str) -> Counter[str]:
    """How many things of each kind there are; and the parts of routers, templates and rules."""
    stock = Counter(each.kind for each in audit(client, project, region, fleet))
    for kind, item in list_compute(client, project):
        if is_marked(item, region, fleet):
            stock["nat"] += len(item.get("nats") or ()) if kind == "routers" else 0
            stock["range"] += len(item.get("sourceRanges") or ()) if kind == "firewalls" else 0
    return stock


def audit(client: GoogleClient, project: str, region: str, fleet: str) -> list[Found]:
    """Everything, each thing once."""
    found = [
        Found(kind, item["name"]) for kind, item in list_compute(client, project) if is_marked(item, region, fleet)
    ]
    secrets = list(client.list(f"/v1/projects/{project}/secrets", "secrets"))
    found += [Found("secrets", last(each["name"])) for each in secrets if is_marked(each, region, fleet)]
    accounts = list(client.list(f"/v1/projects/{project}/serviceAccounts", "accounts"))
    found += [Found("accounts", each["email"]) for each in accounts if is_marked(each, region, fleet)]
    found += [Found("grants", text) for text in list_grants(client, project, region, fleet)]
    logs = client.list(f"/v2/projects/{project}/logs", "logNames")
    found += [Found("logs", each) for each in logs if unquote(each).endswith(f"/logs/daskfleet/{region}/{fleet}")]
    return sorted(found, key=lambda each: (each.kind, each.name))


def list_compute(client: GoogleClient, project: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All of Compute Engine's things that a fleet may have."""
    base = f"/compute/v1/projects/{project}"
    seen = set()
    for kind in AGGREGATED:
        for _, scope in client.list(f"{base}/aggregated/{kind}"):
            for item in scope.get(kind) or ():
                seen.add(item["selfLink"])
                yield kind, item
    for kind in GLOBAL:
        for item in client.list(f"{base}/global/{kind}"):
            if item["selfLink"] not in seen:
                yield kind, item


def list_grants(client: GoogleClient, project: str, region: str, fleet: str) -> Iterator[str]:
    """What the project and its buckets let the fleet's service accounts do, also where these are gone.

    Accounts have names that follow from the fleet's; what secrets let them do goes with the secrets.
    """
    digest = hashlib.sha256(f"{region}/{fleet}".encode()).hexdigest()[:12]
    policies = {"project": client.call("POST", f"/v1/projects/{project}:getIamPolicy", {})}
    for bucket in client.list("/storage/v1/b", project=project):
        policies[bucket["name"]] = client.call("GET", f"/storage/v1/b/{bucket['name']}/iam")
    for where, policy in policies.items():
        for binding in policy.get("bindings") or ():
            for member in binding["members"]:
                if f"-{digest}@" in member:
                    yield f"{where}: {binding['role']} of {member}"


def is_marked(item: Mapping[str, Any], region: str, fleet: str) -> bool:
    """Whether labels, or the words of the description, say that it is the fleet's."""
    words = dict(word.partition("=")[::2] for word in (item.get("description") or "").split())
    mark = {**words, **(item.get("labels") or {})}
    return mark.get(FLEET) == fleet and mark.get(REGION) == region


def last(name: str) -> str:
    return name.rpartition("/")[2]
