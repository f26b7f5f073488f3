"""What somebody does to a fleet in Google Cloud who knows nothing of it."""

from __future__ import annotations

from typing import Any

from gcp.audit import is_marked, list_compute
from google_client import GoogleClient
from machines.gcp.google import PROJECT, REGION

GLOBAL = f"/compute/v1/projects/{PROJECT}/global"
REGIONAL = f"/compute/v1/projects/{PROJECT}/regions/{REGION}"


def find(client: GoogleClient, fleet: str, kind: str, part: str = "") -> dict[str, Any]:
    """The fleet's first thing of a kind that has this in its name."""
    return next(
        dict(item)
        for each, item in list_compute(client, PROJECT)
        if each == kind and is_marked(item, REGION, fleet) and part in item["name"]
    )


def meddle(client: GoogleClient, fleet: str) -> set[tuple[str, str]]:
    """Delete a rule and the way out, and change how often machines are asked whether they are well."""
    rule = find(client, fleet, "firewalls", "scheduler-from")["name"]
    client.change("DELETE", f"{GLOBAL}/firewalls/{rule}")
    router = find(client, fleet, "routers")["name"]
    client.change("PATCH", f"{REGIONAL}/routers/{router}", {"nats": []})
    check = find(client, fleet, "healthChecks")["name"]
    client.change("PATCH", f"{REGIONAL}/healthChecks/{check}", {"checkIntervalSec": 60})
    return {("compute.Firewall", "delete"), ("compute.RouterNat", "delete"), ("compute.RegionHealthCheck", "update")}


def open_to_all(client: GoogleClient, fleet: str) -> str:
    """Let everybody reach every machine of the fleet's network."""
    rule = {
        "name": "by-hand",
        "network": find(client, fleet, "networks")["selfLink"],
        "direction": "INGRESS",
        "allowed": [{"IPProtocol": "tcp", "ports": ["8786"]}],
        "sourceRanges": ["0.0.0.0/0"],
    }
    client.change("POST", f"{GLOBAL}/firewalls", rule)
    return "tcp 8786 from 0.0.0.0/0"
