"""Resource groups, and lists of all resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azure_cloud import pages
from azure_cloud.arm import GROUPS, Body, Call, check_match, check_tags, merge
from azure_cloud.errors import AzureError, conflict, no_group
from azure_cloud.judge import judge
from azure_cloud.operations import accept
from azure_cloud.places import check_location
from azure_cloud.store import DELETING, Record
from google_cloud.clock import render_time
from google_cloud.exchange import Answer

if TYPE_CHECKING:
    from azure_cloud.registry import Registry

NAME = re.compile(r"[-\w.()]{0,89}[-\w()]")
UNLISTED = ("Microsoft.Authorization/roleAssignments", GROUPS)


class ResourceGroups:
    """All of a subscription's."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def answer(self, call: Call, name: str) -> Body | Answer:
        """A call about one group, or all of them."""
        call.scope = f"/subscriptions/{call.subscription}/resourceGroups/{name}" if name else call.scope
        method = call.request.method
        if not name:
            return self._list(call)
        if method == "PUT":
            return self._put(call, name)
        record = call.cloud.store.find(call.scope)
        if method == "HEAD":
            return Answer(b"", 204 if record is not None else 404)
        if record is None:
            raise no_group(name)
        if method == "GET":
            return describe(record)
        if method == "PATCH":
            change = judge("resource:ResourceGroupPatchable", call.json())
            check_tags(change.get("tags") or {})
            record.body = merge(record.body, change)
            return describe(record)
        return self._delete(call, record)

    def _list(self, call: Call) -> Body:
        found = [describe(each) for each in call.cloud.store.select(GROUPS)]
        text = call.query.get("$filter", "")
        return pages.render(call, [each for each in found if pages.match_filter(text, each)])

    def _put(self, call: Call, name: str) -> Answer:
        if not NAME.fullmatch(name):
            raise AzureError(400, "InvalidResourceGroup", f"The provided resource group name '{name}' is invalid.")
        given = judge("resource:ResourceGroup", call.json())
        check_tags(given.get("tags") or {})
        given["location"] = check_location(given["location"], GROUPS)
        old = call.cloud.store.find(call.scope)
        check_match(call, old)
        if old is not None and old.state == DELETING:
            message = f"The resource group '{name}' is in deprovisioning state and cannot perform this operation."
            raise conflict("ResourceGroupBeingDeleted", message)
        if old is not None and old.location != given["location"]:
            message = (
                f"Invalid resource group location '{given['location']}'. The Resource group already exists in "
                f"location '{old.location}'."
            )
            raise conflict("InvalidResourceGroupLocation", message)
        record = old or Record(call.scope, GROUPS, given, given, call.now)
        record.body = given
        call.cloud.store.add(record)
        return Answer(describe(record), 201 if old is None else 200)

    def _delete(self, call: Call, record: Record) -> Answer:
        record.state = DELETING
        seconds = call.cloud.pace.find("DELETE", GROUPS)
        operation = call.cloud.operations.begin(call.cloud, seconds, lambda: self._finish(call, record))
        return accept(call, operation, None, 202, located=True)

    def _finish(self, call: Call, record: Record) -> None:
        """All of it goes, what others need last; what is needed from outside stays, and the group with it."""
        cloud = call.cloud
        is_moving = True
        while is_moving:
            is_moving = False
            for each in cloud.store.list_below(record.id):
                kind = self._registry.find(each.type)
                if cloud.store.find(each.id) is not each or kind is None:
                    continue
                if not list(kind.find_users(cloud, each)):
                    kind.remove(cloud, each)
                    is_moving = True
        if left := cloud.store.list_below(record.id):
            record.state = "Succeeded"
            names = ", ".join(each.id for each in left)
            message = (
                f"Deletion of resource group '{record.name}' failed as resources with identifiers '{names}' could not "
                "be deleted."
            )
            raise conflict("ResourceGroupDeletionBlocked", message)
        cloud.store.remove(record.id)

    def list_resources(self, call: Call) -> Body:
        """What `…/resources` tells: all of a group or of the subscription, with their tags."""
        call.require_group()
        text, found = call.query.get("$filter", ""), []
        for record in call.cloud.store:
            kind = self._registry.find(record.type)
            if kind is None or not kind.is_tracked or record.type in UNLISTED:
                continue
            if not record.id.lower().startswith(call.scope.lower() + "/"):
                continue
            item = describe_resource(record, is_expanded="provisioningState" in call.query.get("$expand", ""))
            if pages.match_filter(text, item):
                found.append(item)
        return pages.render(call, sorted(found, key=lambda item: item["id"].lower()))


def describe(record: Record) -> Body:
    return {
        "id": record.id,
        "name": record.name,
        "type": GROUPS,
        **record.body,
        "properties": {"provisioningState": record.state},
    }


def describe_resource(record: Record, *, is_expanded: bool) -> Body:
    names = ("location", "tags", "sku", "kind", "identity", "zones", "plan")
    told = {name: record.body[name] for name in names if name in record.body}
    item: Body = {"id": record.id, "name": record.name, "type": record.type, **told}
    if is_expanded:
        item |= {
            "createdTime": render_time(record.created),
            "changedTime": render_time(record.changed),
            "provisioningState": record.state,
        }
    return item
