"""Answers are what the official models of the API say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from google_cloud.conftest import CLOUD_PLATFORM, REGION, SPOT, TESTS, Google

GLOBAL = {"networks": "Network", "firewalls": "Firewall", "images": "Image", "operations": "Operation"}
REGIONAL = {
    "subnetworks": "Subnetwork",
    "routers": "Router",
    "addresses": "Address",
    "instanceTemplates": "InstanceTemplate",
    "instanceGroupManagers": "InstanceGroupManager",
    "healthChecks": "HealthCheck",
    "resourcePolicies": "ResourcePolicy",
    "operations": "Operation",
}
ZONAL = {
    "instances": "Instance",
    "disks": "Disk",
    "machineTypes": "MachineType",
    "diskTypes": "DiskType",
    "acceleratorTypes": "AcceleratorType",
    "operations": "Operation",
}
LISTS = {"ResourcePolicy": "ResourcePolicyList", "InstanceGroupManager": "RegionInstanceGroupManagerList"}
AGGREGATED = {
    "addresses",
    "disks",
    "healthChecks",
    "instanceGroupManagers",
    "instances",
    "instanceTemplates",
    "machineTypes",
    "acceleratorTypes",
    "resourcePolicies",
    "routers",
    "subnetworks",
}


def fill(google: Google, subnet: str) -> str:
    """One of everything; returns the managed group."""
    email = google.make_account()
    accounts = [{"email": email, "scopes": [CLOUD_PLATFORM]}]
    rule = {"name": "rule", "network": "global/networks/net", "allowed": [{"IPProtocol": "tcp", "ports": ["1-2"]}]}
    google.change("POST", f"{google.everywhere}/firewalls", {**rule, "targetServiceAccounts": [email]})
    nat = {
        "name": "nat",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    google.change("POST", f"{google.region}/routers", {"name": "r", "network": "global/networks/net", "nats": [nat]})
    google.change("POST", f"{google.region}/addresses", {"name": "outer", "labels": {"a": "b"}})
    placement = {"name": "close", "groupPlacementPolicy": {"collocation": "COLLOCATED"}}
    google.change("POST", f"{google.region}/resourcePolicies", placement)
    check = {"name": "health", "type": "HTTP", "httpHealthCheck": {"port": 8788}}
    google.change("POST", f"{google.region}/healthChecks", check)
    google.make_instance(
        subnet,
        serviceAccounts=accounts,
        metadata={"items": [{"key": "a", "value": "b"}]},
        networkInterfaces=[{"subnetwork": subnet, "accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}],
        resourcePolicies=[f"regions/{REGION}/resourcePolicies/close"],
    )
    template = google.make_template(subnet, serviceAccounts=accounts, scheduling=SPOT, labels={"a": "b"})
    selections = {"first": {"rank": 1, "machineTypes": ["n2-standard-2"]}}
    return google.make_group(
        template,
        autoHealingPolicies=[{"healthCheck": f"regions/{REGION}/healthChecks/health", "initialDelaySec": 60}],
        instanceFlexibilityPolicy={"instanceSelections": selections},
    )


def test_everything_is_told_in_the_words_of_the_models(google: Google, subnet: str, tmp_path: Path):
    group = fill(google, subnet)
    google.control("market", no_spot=["*"])
    google.change("POST", f"{group}/resize", size=4)
    pairs: list[tuple[str, Any]] = [
        ("Project", google.get(google.compute)),
        ("RegionList", google.get(f"{google.compute}/regions")),
        ("ZoneList", google.get(f"{google.compute}/zones")),
        ("RegionInstanceGroupManagersListInstancesResponse", google.call("POST", f"{group}/listManagedInstances")),
        ("RegionInstanceGroupManagersListErrorsResponse", google.get(f"{group}/listErrors")),
        ("SerialPortOutput", google.get(f"{google.zone}/instances/one/serialPort")),
        ("InstanceGroup", google.get(group.replace("instanceGroupManagers", "instanceGroups"))),
    ]
    for place, kinds in ((google.everywhere, GLOBAL), (google.region, REGIONAL), (google.zone, ZONAL)):
        for kind, model in kinds.items():
            answer = google.get(f"{place}/{kind}")
            assert answer["items"], kind
            pairs.append((LISTS.get(model, f"{model}List"), answer))
            pairs += [(model, google.get(f"{place}/{kind}/{item['name']}")) for item in answer["items"]]
            if kind in AGGREGATED:
                scopes = google.get(f"{google.compute}/aggregated/{kind}")
                name = {"healthChecks": "HealthChecks"}.get(kind, model)
                pairs.append((f"{name}AggregatedList", scopes))
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(pairs))
    command = [sys.executable, "-m", "google_cloud.judge_answers", str(file)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
