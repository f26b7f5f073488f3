"""Secrets Manager."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, error_code
from stand_ins.aws.iam import check_document, get_value
from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api


class Secret(Resource[Call]):
    token = "aws:secretsmanager/secret:Secret"
    label = "Secrets Manager Secret"
    inputs = fields(
        "description forceOverwriteReplicaSecret kmsKeyId name namePrefix policy recoveryWindowInDays tags region"
    )
    replaces = ("name", "namePrefix", "region")
    defaults = {"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30}
    documents = ("policy",)
    kept = ("forceOverwriteReplicaSecret", "recoveryWindowInDays")
    autoname = AutoName()
    at_most_one = (("name", "namePrefix"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_document(given, "policy")
        days = given.get("recoveryWindowInDays")
        if isinstance(days, int) and days != 0 and not 7 <= days <= 30:
            yield Problem("recoveryWindowInDays", f"expected it to be 0 or in the range (7 - 30), got {days}")

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("description kmsKeyId")
        answer = call.client("secretsmanager").create_secret(
            Name=given.get("name") or make_suffixed(given["namePrefix"]),
            ClientRequestToken=str(uuid.uuid4()),
            Tags=tags.to_list(given.get("tagsAll") or {}),
            **to_api(shape, given),
        )
        return str(answer["ARN"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("policy"):
            call.client("secretsmanager").put_resource_policy(SecretId=id_, ResourcePolicy=given["policy"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        client = call.client("secretsmanager")
        secret = call.find_one(lambda **which: {"secret": [client.describe_secret(**which)]}, "secret", SecretId=id_)
        if secret is None or secret.get("DeletedDate"):
            return None
        found = {"description": "", "kmsKeyId": "", **from_api(fields("arn=ARN name description kmsKeyId"), secret)}
        found["policy"] = get_value(
            lambda **which: {"ResourcePolicy": None, **client.get_resource_policy(**which)},
            "ResourcePolicy",
            SecretId=id_,
        )
        prefix = known.get("namePrefix", "")
        return {**found, "namePrefix": prefix, "replicas": [], "tagsAll": tags.of(secret)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        client = call.client("secretsmanager")
        if {"description", "kmsKeyId"} & set(changed):
            key = {"KmsKeyId": new["kmsKeyId"]} if new.get("kmsKeyId") else {}
            client.update_secret(SecretId=id_, Description=new.get("description") or "", **key)
        if "policy" in changed:
            if new.get("policy"):
                client.put_resource_policy(SecretId=id_, ResourcePolicy=new["policy"])
            else:
                client.delete_resource_policy(SecretId=id_)
        tags.update(
            old,
            new,
            lambda more: client.tag_resource(SecretId=id_, Tags=tags.to_list(more)),
            lambda surplus: client.untag_resource(SecretId=id_, TagKeys=surplus),
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        days = old.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        call.delete(lambda: call.client("secretsmanager").delete_secret(SecretId=id_, **how))


class SecretVersion(Resource[Call]):
    token = "aws:secretsmanager/secretVersion:SecretVersion"
    label = "Secrets Manager Secret Version"
    inputs = fields("secretId secretString secretBinary versionStages region")
    replaces = ("secretId", "secretString", "secretBinary", "region")
    sets = ("versionStages",)
    secrets = ("secretString", "secretBinary")
    at_most_one = (("secretString", "secretBinary"),)

    def create(self, call: Call, given: Properties) -> str:
        asked = to_api(fields("secretId secretString versionStages"), given)
        if given.get("secretBinary") is not None:
            asked["SecretBinary"] = base64.b64decode(given["secretBinary"], validate=True)
        answer = call.client("secretsmanager").put_secret_value(ClientRequestToken=str(uuid.uuid4()), **asked)
        return f"{given['secretId']}|{answer['VersionId']}"

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        secret, _, version = id_.partition("|")
        if not version:
            raise Refused(f"unexpected format for ID ({id_}), expected SECRETID|VERSIONID")
        client = call.client("secretsmanager")
        try:
            answer = call.find_one(
                lambda **which: {"value": [client.get_secret_value(**which)]},
                "value",
                SecretId=secret,
                VersionId=version,
            )
        except Exception as error:
            if error_code(error) == "InvalidRequestException":  # the secret is scheduled for deletion
                return None
            raise
        if answer is None:
            return None
        found = from_api(fields("arn=ARN secretString versionId versionStages"), answer)
        if answer.get("SecretBinary"):
            found["secretBinary"] = base64.b64encode(answer["SecretBinary"]).decode()
        return {"secretString": "", "versionStages": [], **found, "secretId": secret, "hasSecretStringWo": False}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        secret, _, version = id_.partition("|")
        client = call.client("secretsmanager")
        before, after = old.get("versionStages") or [], new.get("versionStages") or []
        for stage in [item for item in after if item not in before]:
            holder = self._holder(call, secret, stage)
            moved = {"RemoveFromVersionId": holder} if holder and holder != version else {}
            client.update_secret_version_stage(SecretId=secret, VersionStage=stage, MoveToVersionId=version, **moved)
        for stage in [item for item in before if item not in after]:
            self._drop(call, secret, version, stage)

    def _holder(self, call: Call, secret: str, stage: str) -> str | None:
        versions = call.client("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages", {})
        return next((version for version, stages in versions.items() if stage in stages), None)

    def _drop(self, call: Call, secret: str, version: str, stage: str) -> None:
        client = call.client("secretsmanager")
        call.delete(
            lambda: client.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        """AWS deletes what has no stage; the current one cannot lose its own, and goes with its secret."""
        secret, _, version = id_.partition("|")
        client = call.client("secretsmanager")
        described = call.find_one(
            lambda **which: {"secret": [client.describe_secret(**which)]}, "secret", SecretId=secret
        )
        if described is None or described.get("DeletedDate"):
            return
        for stage in described.get("VersionIdsToStages", {}).get(version, ()):
            if stage != "AWSCURRENT":
                self._drop(call, secret, version, stage)
