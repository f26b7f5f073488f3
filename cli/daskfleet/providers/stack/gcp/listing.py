"""Everything in a project that carries a fleet's mark: what `down` looks for, whatever the stack's state says.

Each service is asked itself. What has no labels says in its description whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from daskfleet.google import Google, Refused, escape, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.gcp.connections import list_secrets
from daskfleet.providers.stack.gcp.grants import BUCKET_GRANT, PROJECT_GRANT, list_grants
from daskfleet.providers.stack.gcp.marks import GROUP, Mark, read_marks


@dataclass(frozen=True)
class Listing:
    """How the things of one kind in Compute Engine are listed."""

    kind: str
    """`subnet`, as people say it."""
    path: str
    """In the project; `{region}` stands for the region."""
    has_labels: bool = False
    """Whether it can be asked for by labels."""


COMPUTE = (
    Listing("managed group", "regions/{region}/instanceGroupManagers"),
    Listing("instance", "aggregated/instances", has_labels=True),
    Listing("disk", "aggregated/disks", has_labels=True),
    Listing("instance template", "regions/{region}/instanceTemplates"),
    Listing("health check", "regions/{region}/healthChecks"),
    Listing("placement policy", "regions/{region}/resourcePolicies"),
    Listing("address", "regions/{region}/addresses", has_labels=True),
    Listing("firewall rule", "global/firewalls"),
    Listing("router", "regions/{region}/routers"),
    Listing("subnet", "regions/{region}/subnetworks"),
    Listing("network", "global/networks"),
)

ORDER = (*(each.kind for each in COMPUTE), "secret", PROJECT_GRANT, BUCKET_GRANT, "service account", "log")
"""In which the kinds can be removed: what depends on others comes before them. Grants come before the accounts: their
lines would be called otherwise after."""

RULE = "firewall rule"
LINK = "/compute/v1/"


def find_leftovers(google: Google, mark: Mark, buckets: Collection[str] = ()) -> list[Leftover]:
    """What carries the fleet's mark, in the order in which it can be removed.

    Args:
        buckets: of other projects, that the fleet's machines may use.
    """
    google.sign_in()
    questions: list[Callable[[], list[Leftover]]] = [
        *(lambda listing=listing: _list_compute(google, listing, mark) for listing in COMPUTE),
        lambda: [_read_secret(google, each) for each in list_secrets(google, mark)],
        lambda: [_read_account(google, each) for each in list_accounts(google, mark)],
        lambda: list_grants(google, mark.name_accounts(google.project), buckets),
        lambda: [read_item(RULE, each) for each in list_host_rules(google) if mark.is_on(each)],
        lambda: _list_log(google, mark),
    ]
    with explain_google_errors(), ThreadPoolExecutor(max_workers=8) as pool:
        found = [each for answer in pool.map(lambda ask: ask(), questions) for each in answer]
    return sorted(found, key=lambda each: (ORDER.index(each.kind), each.id))


def _read_secret(google: Google, secret: Mapping[str, Any]) -> Leftover:
    """A secret as the stack's state calls it: by the project's name, where Google may say its number."""
    name = find_name(secret["name"])
    return Leftover("secret", f"projects/{google.project}/secrets/{name}", name)


def _read_account(google: Google, account: Mapping[str, Any]) -> Leftover:
    email = str(account["email"])
    return Leftover("service account", f"projects/{google.project}/serviceAccounts/{email}", email)


def _list_compute(google: Google, listing: Listing, mark: Mark) -> list[Leftover]:
    path = google.compute(listing.path.format(region=mark.region))
    query = {"filter": mark.filter} if listing.has_labels else {}
    return [read_item(listing.kind, each) for each in google.list("compute", path, "items", query) if mark.is_on(each)]


def read_item(kind: str, item: Mapping[str, Any]) -> Leftover:
    """A thing of Compute Engine, by the full name that a stack knows it by. Pure."""
    users = [str(each) for each in item.get("users") or ()]
    holder = name_link(users[0]) if users and "/instances/" in users[0] else ""
    name = str(item["name"])
    return Leftover(kind, name_link(str(item["selfLink"])), name, read_marks(item).get(GROUP, ""), item, holder)


def name_link(link: str) -> str:
    """`projects/PROJECT/…` of a link to it. Pure."""
    return link.partition(LINK)[2] or link


def list_rules(google: Google) -> list[dict[str, Any]]:
    """The firewall rules that may be about the fleet's machines: of the project, and of its shared network's."""
    return [*google.list("compute", google.compute("global/firewalls"), "items"), *list_host_rules(google)]


def list_host_rules(google: Google) -> list[dict[str, Any]]:
    """The firewall rules of the project whose network this one shares; none where it shares none.

    Whoever may not look at them has made none there.
    """
    try:
        host = google.ask("compute", "GET", google.compute("getXpnHost")).get("name")
        return list(google.list("compute", f"projects/{host}/global/firewalls", "items")) if host else []
    except Refused as error:
        if error.status in (403, 404):
            return []
        raise


def list_accounts(google: Google, mark: Mark) -> list[dict[str, Any]]:
    """The service accounts whose descriptions carry the fleet's mark."""
    path = f"v1/projects/{google.project}/serviceAccounts"
    return [each for each in google.list("iam", path, "accounts", {"pageSize": 100}) if mark.is_on(each)]


def name_log(project: str, mark: Mark) -> str:
    """The fleet's log, as Google spells it."""
    return f"projects/{project}/logs/{escape(f'daskfleet/{mark.region}/{mark.fleet}')}"


def _list_log(google: Google, mark: Mark) -> list[Leftover]:
    own = name_log(google.project, mark)
    path = f"v2/projects/{google.project}/logs"
    if own in google.list("logging", path, "logNames", {"pageSize": 1000}):
        return [Leftover("log", own)]
    return []
