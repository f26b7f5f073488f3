"""Cloud Logging: lists of entries and of logs. What writes entries is in `entries`.

https://cloud.google.com/logging/docs/reference/v2/rest
"""

from __future__ import annotations

import re
from typing import Any

from google_cloud import access
from google_cloud.errors import ApiError
from google_cloud.filters import LOGS, parse_filter
from google_cloud.routing import Call, Routes
from google_cloud.services import entries
from google_cloud.services.entries import normalize
from google_cloud.services.pages import list_page
from google_cloud.validation import judge_shape

ASKED = {
    "resourceNames": [str],
    "projectIds": [str],
    "filter": str,
    "orderBy": str,
    "pageSize": int,
    "pageToken": str,
}
ORDERS = ("", "timestamp", "timestamp asc", "timestamp desc")


def register(routes: Routes) -> None:
    entries.register(routes)
    routes.add("POST", "/v2/entries:list", "logging.entries.list", list_entries, "")
    path = "/v2/projects/{project}/logs"
    routes.add("GET", path, "logging.logs.list", list_logs, "pageSize pageToken resourceNames")
    routes.add("DELETE", f"{path}/{{log}}", "logging.logs.delete", delete, "")


def list_entries(call: Call) -> dict[str, Any]:
    body = call.json()
    judge_shape(body, ASKED)
    names = [*(body.get("resourceNames") or ()), *(f"projects/{each}" for each in body.get("projectIds") or ())]
    if not names or not all(re.fullmatch(r"projects/[^/]+", each) for each in names):
        raise ApiError(400, f"Invalid resource names: {names}; the stand-in knows projects only")
    for each in names:
        access.require(call.caller, call.route.id, "logging.logEntries.list", [each])
    order = body.get("orderBy") or ""
    if order not in ORDERS:
        raise ApiError(400, f"Invalid orderBy: {order!r}.")
    test = parse_filter(body.get("filter") or "", LOGS)
    prefixes = tuple(f"{each}/logs/" for each in names)
    known = call.world.services.entries.values()
    found = [each for each in known if each.body["logName"].startswith(prefixes) and test(each.body)]
    found.sort(key=lambda each: (each.moment, each.body["insertId"]), reverse=order.endswith("desc"))
    return list_page("entries", [each.body for each in found], body, "pageSize", 50, 1000)


def list_logs(call: Call) -> dict[str, Any]:
    prefix = f"projects/{call.project}/logs/"
    known = {each.body["logName"] for each in call.world.services.entries.values()}
    names = sorted(each for each in known if each.startswith(prefix))
    return list_page("logNames", names, call.query, "pageSize", 50, 1000)


def delete(call: Call) -> dict[str, Any]:
    name = normalize(f"projects/{call.project}/logs/{call.args['log']}")
    services = call.world.services
    left = {key: each for key, each in services.entries.items() if each.body["logName"] != name}
    if len(left) == len(services.entries):
        raise ApiError(404, f"Log {name} does not exist.", "notFound")
    services.entries = left
    return {}
