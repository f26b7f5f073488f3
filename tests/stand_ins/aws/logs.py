"""CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api

RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class LogGroup(Resource[Call]):
    token = "aws:cloudwatch/logGroup:LogGroup"
    label = "CloudWatch Logs Log Group"
    inputs = fields("kmsKeyId logGroupClass name namePrefix retentionInDays skipDestroy tags region")
    replaces = ("logGroupClass", "name", "namePrefix", "region")
    defaults = {"retentionInDays": 0, "skipDestroy": False}
    kept = ("skipDestroy",)
    autoname = AutoName(longest=512)
    at_most_one = (("name", "namePrefix"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if is_known(given.get("retentionInDays")) and given["retentionInDays"] not in RETENTION:
            yield Problem("retentionInDays", f"expected it to be one of {RETENTION}, got {given['retentionInDays']}")

    def create(self, call: Call, given: Properties) -> str:
        name = given.get("name") or make_suffixed(given["namePrefix"])
        asked = to_api(fields("kmsKeyId=kmsKeyId logGroupClass=logGroupClass tagsAll=tags"), given)
        call.client("logs").create_log_group(logGroupName=name, **{key: value for key, value in asked.items() if value})
        return str(name)

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given["retentionInDays"]:
            client = call.client("logs")
            client.put_retention_policy(logGroupName=id_, retentionInDays=given["retentionInDays"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        client = call.client("logs")
        groups = client.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        group = next((item for item in groups if item["logGroupName"] == id_), None)
        if group is None:
            return None
        shape = fields(
            "name=logGroupName kmsKeyId=kmsKeyId retentionInDays=retentionInDays logGroupClass=logGroupClass"
        )
        arn = group["arn"].removesuffix(":*")
        found = {"retentionInDays": 0, "kmsKeyId": "", "logGroupClass": "STANDARD", **from_api(shape, group)}
        return {
            **found,
            "namePrefix": known.get("namePrefix", ""),
            "deletionProtectionEnabled": False,
            "arn": arn,
            "tagsAll": client.list_tags_for_resource(resourceArn=arn)["tags"],
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        client = call.client("logs")
        if "retentionInDays" in changed:
            if new["retentionInDays"]:
                self.settle(call, id_, new)
            else:
                client.delete_retention_policy(logGroupName=id_)
        if "kmsKeyId" in changed:
            if new.get("kmsKeyId"):
                client.associate_kms_key(logGroupName=id_, kmsKeyId=new["kmsKeyId"])
            else:
                client.disassociate_kms_key(logGroupName=id_)
        tags.update(
            old,
            new,
            lambda more: client.tag_resource(resourceArn=old["arn"], tags=more),
            lambda surplus: client.untag_resource(resourceArn=old["arn"], tagKeys=surplus),
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if not old.get("skipDestroy"):
            call.delete(lambda: call.client("logs").delete_log_group(logGroupName=id_))
