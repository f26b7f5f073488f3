"""What an instance and a template of instances have in common."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, many, one, same_fields, to_api, words
from stand_ins.gcp import links
from stand_ins.gcp.call import Call

INTERFACES = many(
    same_fields(
        "name network networkIp=networkIP nicType queueCount stackType subnetwork subnetworkProject",
        accessConfigs=many(same_fields("natIp=natIP networkTier")),
    )
)
SCHEDULING = one(
    same_fields(
        "automaticRestart instanceTerminationAction onHostMaintenance preemptible provisioningModel",
        maxRunDuration=one(same_fields("seconds:digits nanos")),
    )
)
SHIELDED = one(same_fields("enableIntegrityMonitoring enableSecureBoot enableVtpm"))
COMMON = same_fields(
    "canIpForward description minCpuPlatform",
    networkInterfaces=INTERFACES,
    scheduling=SCHEDULING,
    shieldedInstanceConfig=SHIELDED,
)
"""What is in the API as in the program."""
APART = same_fields(
    "metadata resourcePolicies tags",
    guestAccelerators=many(same_fields("count=acceleratorCount type=acceleratorType")),
    serviceAccount=one(same_fields("email scopes")),
)
"""What is there in another shape."""
INNER_DEFAULTS = {
    "scheduling": {"automaticRestart": True, "preemptible": False},
    "shieldedInstanceConfig": {"enableIntegrityMonitoring": True, "enableSecureBoot": False, "enableVtpm": True},
}
LINKS = words("network subnetwork region zone machineType resourcePolicies type diskType")
SETS = words("scopes tags")
DECIDED = words(
    "architecture deviceName email guestOsFeatures interface kmsKeySelfLink mode name natIp network networkIp "
    "networkTier onHostMaintenance provisioningModel source stackType subnetwork subnetworkProject"
)
"""Properties, at any depth, that Google decides where the program does not."""
SCOPES = {
    "bigquery": "bigquery",
    "cloud-platform": "cloud-platform",
    "compute-ro": "compute.readonly",
    "compute-rw": "compute",
    "datastore": "datastore",
    "logging-write": "logging.write",
    "monitoring": "monitoring",
    "monitoring-write": "monitoring.write",
    "storage-full": "devstorage.full_control",
    "storage-ro": "devstorage.read_only",
    "storage-rw": "devstorage.read_write",
    "userinfo-email": "userinfo.email",
}


def spell_scope(scope: str) -> str:
    """The whole name of a scope that has a short one."""
    return f"https://www.googleapis.com/auth/{SCOPES[scope]}" if scope in SCOPES else scope


def check_common(given: Properties) -> Iterator[Problem]:
    """What the real provider refuses before it asks Google."""
    metadata = given.get("metadata")
    if isinstance(metadata, dict) and "startup-script" in metadata and given.get("metadataStartupScript"):
        yield Problem("metadataStartupScript", "cannot be given beside metadata.startup-script")
    for name in ("scheduling", "shieldedInstanceConfig"):
        if given.get(name) == {}:
            yield Problem(name, f"one of the properties of {name!r} must be specified")
    for interface in given.get("networkInterfaces") or ():
        if not isinstance(interface, dict):
            continue
        if not any(is_given(interface.get(name)) for name in ("network", "subnetwork")):
            yield Problem("networkInterfaces", "exactly one of network, subnetwork or network_attachment must be given")


def is_given(value: Any) -> bool:
    return value not in (None, "", [], {})


def to_common(call: Call, given: Properties) -> dict[str, Any]:
    """What instances and their templates are made from, in the API's words."""
    body = to_api(COMMON, given)
    for interface, asked in zip(body.get("networkInterfaces", ()), given.get("networkInterfaces") or (), strict=True):
        interface.pop("subnetworkProject", None)
        if is_given(interface.get("network")):
            interface["network"] = call.expand("networks", interface["network"])
        if is_given(interface.get("subnetwork")):
            interface["subnetwork"] = call.expand("subnetworks", interface["subnetwork"])
        configs = asked.get("accessConfigs") or ()
        if configs:
            interface["accessConfigs"] = [to_access_config(config) for config in configs]
    body.setdefault("scheduling", {"automaticRestart": True})
    if metadata := to_metadata(given):
        body["metadata"] = metadata
    if given.get("tags"):
        body["tags"] = {"items": list(given["tags"])}
    if accounts := to_accounts(given):
        body["serviceAccounts"] = accounts
    if given.get("effectiveLabels"):
        body["labels"] = given["effectiveLabels"]
    return body


def to_access_config(config: Properties | None) -> dict[str, Any]:
    given = to_api(INTERFACES.fields["accessConfigs"].fields, config or {})
    return {"type": "ONE_TO_ONE_NAT", **{key: value for key, value in given.items() if value}}


def to_metadata(given: Properties) -> dict[str, Any] | None:
    items = [{"key": key, "value": value} for key, value in sorted((given.get("metadata") or {}).items())]
    return {"items": items} if items else None


def to_accounts(given: Properties) -> list[dict[str, Any]]:
    if not (account := given.get("serviceAccount")):
        return []
    scopes = sorted(spell_scope(scope) for scope in account["scopes"])
    return [{"email": account.get("email") or "default", "scopes": scopes}]


def from_common(answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
    """The API's words of an instance or a template, in the program's."""
    found = {"canIpForward": False, **from_api(COMMON, answer)}
    for interface in found.get("networkInterfaces", ()):
        if subnetwork := interface.get("subnetwork"):
            interface["subnetworkProject"] = links.shorten(subnetwork).split("/")[1]
    found["metadata"] = {item["key"]: item["value"] for item in (answer.get("metadata") or {}).get("items") or ()}
    found["metadataFingerprint"] = (answer.get("metadata") or {}).get("fingerprint", "")
    found["tags"] = (answer.get("tags") or {}).get("items", [])
    found["tagsFingerprint"] = (answer.get("tags") or {}).get("fingerprint", "")
    accelerators = from_api({"guestAccelerators": APART["guestAccelerators"]}, answer)
    found |= accelerators
    if answer.get("resourcePolicies"):
        found["resourcePolicies"] = answer["resourcePolicies"][0]
    if answer.get("serviceAccounts"):
        found["serviceAccount"] = from_api(APART["serviceAccount"].fields, answer["serviceAccounts"][0])
    found["effectiveLabels"] = answer.get("labels") or {}
    return found


def resolve_image(call: Call, image: str) -> str:
    """The path of an image or of a family's newest one, by any of its names."""
    path = links.shorten(image)
    if re.fullmatch(r"projects/[^/]+/global/images/(?:family/)?[^/]+", path):
        return path
    *owner, name = path.removeprefix("global/images/").split("/")
    project = call.project
    if owner and owner[-1] == "family":
        owner.pop()
        candidates = [f"family/{name}"]
    else:
        candidates = [name, f"family/{name}"]
    if owner:
        project = owner[-1]
    for candidate in candidates:
        found = f"projects/{project}/global/images/{candidate}"
        if call.find("compute", found):
            return found
    raise Refused(f"Error resolving image name '{image}': Could not find image or family {image}")


def means_same_common(name: str, old: Any, new: Any) -> bool | None:
    """Whether both mean the same, where that is a matter of spelling; None where it is not."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return None
    if name in LINKS:
        return links.same_thing(old, new)
    if name in ("image", "sourceImage"):
        return links.same_image(old, new)
    if name == "scopes":
        return spell_scope(old) == spell_scope(new)
    return None


def differs(old: Any, new: Any, names: Collection[str]) -> bool:
    """Whether two objects differ in one of `names`."""
    return any((old or {}).get(name) != (new or {}).get(name) for name in names)
