"""The functions: looking up what exists already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.shapes import from_api, many, same_fields
from stand_ins.gcp import links
from stand_ins.gcp.call import Call

Given = Mapping[str, Any]
MACHINE_TYPE = same_fields(
    "architecture description guestCpus isSharedCpus=isSharedCpu maximumPersistentDisks "
    "maximumPersistentDisksSizeGb:digits memoryMb name selfLink",
    accelerators=many(same_fields("guestAcceleratorCount guestAcceleratorType")),
)
IMAGE = same_fields(
    "archiveSizeBytes:digits creationTimestamp description diskSizeGb:digits family imageId=id:digits labels name "
    "selfLink sourceDisk sourceDiskId sourceImageId"
)


def get_client_config(call: Call, given: Given) -> dict[str, Any]:
    settings = call.settings
    credentials = settings.session.credentials
    if not credentials.valid:
        from google.auth.transport.requests import Request

        credentials.refresh(Request())
    project, region, zone = settings.project or "", settings.region or "", settings.zone or ""
    return {
        "accessToken": credentials.token,
        "defaultLabels": dict(settings.labels),
        "id": f'projects/"{project}"/regions/"{region}"/zones/"{zone}"',
        "project": project,
        "region": region,
        "zone": zone,
    }


def get_zones(call: Call, given: Given) -> dict[str, Any]:
    region = _need("region", given.get("region") or call.region)
    status = given.get("status")
    zones = [zone for zone in call.list(f"projects/{call.project}/zones") if links.last(zone["region"]) == region]
    names = sorted(zone["name"] for zone in zones if status in (None, zone["status"]))
    found = {"id": f"projects/{call.project}/regions/{region}", "names": names, "project": call.project}
    return {**found, "region": region, **({"status": status} if status else {})}


def get_machine_types(call: Call, given: Given) -> dict[str, Any]:
    zone = _need("zone", call.zone)
    query = {"filter": given["filter"]} if given.get("filter") else {}
    place = f"projects/{call.project}/zones/{zone}"
    return {
        **({"filter": given["filter"]} if query else {}),
        "id": f"{place}/machineTypes",
        "machineTypes": [_describe_type(item) for item in call.list(f"{place}/machineTypes", query)],
        "project": call.project,
        "zone": zone,
    }


def _describe_type(answer: Mapping[str, Any]) -> dict[str, Any]:
    found = from_api(MACHINE_TYPE, answer)
    gone = answer.get("deprecated")
    return {**found, "deprecateds": [from_api(same_fields("replacement state"), gone)] if gone else []}


def get_images(call: Call, given: Given) -> dict[str, Any]:
    query = {"filter": given["filter"]} if given.get("filter") else {}
    path = f"projects/{call.project}/global/images"
    images = [from_api(IMAGE, item) for item in call.list(path, query)]
    return {**query, "id": path, "images": images, "project": call.project}


def get_image(call: Call, given: Given) -> dict[str, Any]:
    path = f"projects/{call.project}/global/images"
    ways = [name for name in ("name", "family", "filter") if given.get(name)]
    if len(ways) != 1:
        raise Refused("one of name, family or filters must be set")
    match ways[0]:
        case "name":
            image = call.send("compute", "GET", f"{path}/{given['name']}")
        case "family":
            image = call.send("compute", "GET", f"{path}/family/{given['family']}")
        case _:
            image = _choose(list(call.list(path, {"filter": given["filter"]})), newest=bool(given.get("mostRecent")))
    rest = same_fields("labelFingerprint licenses status")
    return {
        "imageEncryptionKeySha256": "",
        "sourceDiskEncryptionKeySha256": "",
        **dict.fromkeys(("description", "family", "sourceDisk", "sourceDiskId", "sourceImageId"), ""),
        **from_api({**IMAGE, **rest}, image),
        **{name: given[name] for name in ("filter", "mostRecent") if given.get(name) is not None},
        "imageId": str(image["id"]),
        "id": f"{path}/{image['name']}",
        "project": call.project,
    }


def _choose(images: list[dict[str, Any]], *, newest: bool) -> dict[str, Any]:
    if not images:
        raise Refused("your search returned zero results, please adjust the filter")
    if len(images) > 1 and not newest:
        raise Refused("your search returned more than one image, use a more specific filter or set most_recent")
    return max(images, key=lambda image: str(image["creationTimestamp"]))


def get_network(call: Call, given: Given) -> dict[str, Any]:
    path = call.expand("networks", _need("name or self_link", given.get("selfLink") or given.get("name") or ""))
    answer = _require(call, path)
    shape = same_fields("description gatewayIpv4=gatewayIPv4 name networkId=id:digits numericId=id selfLink")
    found = {"description": "", "gatewayIpv4": "", "internalIpv6Range": "", **from_api(shape, answer)}
    project = path.split("/")[1]
    return {**found, "id": path, "project": project, "subnetworksSelfLinks": answer.get("subnetworks", [])}


def get_subnetwork(call: Call, given: Given) -> dict[str, Any]:
    path = call.expand("subnetworks", _need("name or self_link", given.get("selfLink") or given.get("name") or ""))
    shape = same_fields(
        "description gatewayAddress ipCidrRange name network privateIpGoogleAccess selfLink stackType "
        "subnetworkId=id:digits"
    )
    parts = path.split("/")
    texts = dict.fromkeys(("description", "externalIpv6Prefix", "internalIpv6Prefix", "ipv6AccessType"), "")
    found = {**texts, "privateIpGoogleAccess": False, "secondaryIpRanges": [], **from_api(shape, _require(call, path))}
    return {**found, "id": path, "project": parts[1], "region": parts[3]}


def get_project(call: Call, given: Given) -> dict[str, Any]:
    project = _need("project_id", given.get("projectId") or call.project)
    answer = call.send("resourceManager", "GET", f"projects/{project}")
    parent = answer.get("parent") or {}
    labels = answer.get("labels") or {}
    return {
        "autoCreateNetwork": False,
        "billingAccount": "",
        "deletionPolicy": "PREVENT",
        "effectiveLabels": labels,
        "folderId": parent.get("id", "") if parent.get("type") == "folder" else "",
        "id": f"projects/{project}",
        "labels": labels,
        "name": answer.get("name", ""),
        "number": str(answer["projectNumber"]),
        "orgId": parent.get("id", "") if parent.get("type") == "organization" else "",
        "projectId": answer["projectId"],
        "pulumiLabels": labels,
        "tags": {},
    }


def _require(call: Call, path: str) -> dict[str, Any]:
    answer = call.find("compute", path)
    if answer is None:
        raise Refused(f"{path} not found")
    return answer


def _need(name: str, value: str) -> str:
    if not value:
        raise Refused(f"{name}: required field is not set")
    return links.last(value) if name in ("region", "zone") else value


FUNCTIONS = {
    "gcp:compute/getImage:getImage": get_image,
    "gcp:compute/getImages:getImages": get_images,
    "gcp:compute/getMachineTypes:getMachineTypes": get_machine_types,
    "gcp:compute/getNetwork:getNetwork": get_network,
    "gcp:compute/getSubnetwork:getSubnetwork": get_subnetwork,
    "gcp:compute/getZones:getZones": get_zones,
    "gcp:organizations/getClientConfig:getClientConfig": get_client_config,
    "gcp:organizations/getProject:getProject": get_project,
}
