"""How calls to Google Cloud are named in tests."""

from __future__ import annotations

import pytest

from google_calls import is_reading, read_action

COMPUTE = "/compute/v1/projects/lab"


@pytest.mark.parametrize(
    ("method", "path", "name", "reads"),
    [
        ("POST", f"{COMPUTE}/global/networks", "compute.networks.insert", False),
        ("GET", f"{COMPUTE}/global/networks", "compute.networks.list", True),
        ("GET", f"{COMPUTE}/global/networks/one", "compute.networks.get", True),
        ("PATCH", f"{COMPUTE}/regions/r/routers/one", "compute.routers.patch", False),
        ("DELETE", f"{COMPUTE}/zones/z/instances/one", "compute.instances.delete", False),
        ("POST", f"{COMPUTE}/zones/z/instances/one/setLabels", "compute.instances.setLabels", False),
        ("GET", f"{COMPUTE}/aggregated/instances", "compute.instances.aggregatedList", True),
        ("POST", f"{COMPUTE}/regions/r/operations/one/wait", "compute.operations.wait", True),
        ("POST", f"{COMPUTE}/regions/r/instanceGroupManagers/g/resize", "compute.instanceGroupManagers.resize", False),
        ("GET", f"{COMPUTE}/zones", "compute.zones.list", True),
        ("GET", f"{COMPUTE}/regions/r", "compute.regions.get", True),
        ("GET", COMPUTE, "compute.projects.get", True),
        ("GET", f"{COMPUTE}/getXpnHost", "compute.projects.getXpnHost", True),
        ("POST", "/v1/projects/lab/secrets", "secretmanager.secrets.create", False),
        ("GET", "/v1/projects/lab/secrets", "secretmanager.secrets.list", True),
        ("POST", "/v1/projects/lab/secrets/one:addVersion", "secretmanager.secrets.addVersion", False),
        ("GET", "/v1/projects/lab/secrets/one/versions/latest:access", "secretmanager.versions.access", True),
        ("GET", "/v1/projects/lab/secrets/one:getIamPolicy", "secretmanager.secrets.getIamPolicy", True),
        ("POST", "/v1/projects/lab/serviceAccounts", "iam.serviceAccounts.create", False),
        ("DELETE", "/v1/projects/lab/serviceAccounts/a@b.c", "iam.serviceAccounts.delete", False),
        ("POST", "/v1/projects/lab:setIamPolicy", "cloudresourcemanager.projects.setIamPolicy", False),
        ("POST", "/v1/projects/lab:getIamPolicy", "cloudresourcemanager.projects.getIamPolicy", True),
        ("GET", "/v1/projects/lab", "cloudresourcemanager.projects.get", True),
        ("POST", "/v2/entries:list", "logging.entries.list", True),
        ("POST", "/v2/entries:write", "logging.entries.write", False),
        ("GET", "/v2/projects/lab/logs", "logging.logs.list", True),
        ("DELETE", "/v2/projects/lab/logs/daskfleet%2Fr%2Ff", "logging.logs.delete", False),
        ("GET", "/storage/v1/b/data", "storage.buckets.get", True),
        ("PUT", "/storage/v1/b/data/iam", "storage.buckets.setIamPolicy", False),
        ("GET", "/storage/v1/b/data/o", "storage.objects.list", True),
        ("POST", "/token", "oauth2.token", True),
    ],
)
def test_a_call_is_named_as_googles_apis_name_it(method: str, path: str, name: str, reads: bool) -> None:
    service, action = read_action(method, path)
    assert f"{service}.{action}" == name
    assert is_reading(action) == reads
