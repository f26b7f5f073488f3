"""Application security groups."""

from __future__ import annotations

from collections.abc import Iterator

from azure_cloud.arm import Body, Call
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use
from azure_cloud.network.types import APPLICATION_GROUP, SECURITY_GROUP, NetworkKind, names, select_interfaces
from azure_cloud.store import Record

FIELDS = ("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups")


class ApplicationSecurityGroups(NetworkKind):
    type, model = APPLICATION_GROUP, "network:ApplicationSecurityGroup"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        return {**given, "properties": {"resourceGuid": call.cloud.make_guid(), **(given.get("properties") or {})}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        yield from select_interfaces(cloud, "applicationSecurityGroups", record.id)
        for group in cloud.store.select(SECURITY_GROUP):
            rules = [each["properties"] for each in group.properties["securityRules"]]
            if any(names(rule.get(field), record.id) for rule in rules for field in FIELDS):
                yield group

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Application security group {record.id} cannot be deleted because it is in use by the following "
            f"resources: {', '.join(each.id for each in users)}."
        )
        return in_use("ApplicationSecurityGroupInUse", message)
