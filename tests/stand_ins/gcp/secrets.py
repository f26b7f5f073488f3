"""Secret Manager."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, many, one, same_fields, to_api, words
from stand_ins.gcp.call import Call
from stand_ins.gcp.names import SECRET_ID
from stand_ins.gcp.resource import GcpResource

KEY = one(same_fields("kmsKeyName"))
REPLICATION = same_fields(
    auto=one(same_fields(customerManagedEncryption=KEY), "automatic"),
    userManaged=one(same_fields(replicas=many(same_fields("location", customerManagedEncryption=KEY)))),
)


class Secret(GcpResource):
    token = "gcp:secretmanager/secret:Secret"
    label = "Secret"
    body_fields = same_fields("versionDestroyTtl", replication=one(REPLICATION))
    inputs = {**body_fields, **same_fields("secretId labels annotations project deletionProtection deletionPolicy")}
    replaces = words("secretId project replication")
    defaults = {"deletionProtection": False}
    kept = ("deletionProtection",)
    autoname = AutoName("secretId", longest=255)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if is_known(given.get("secretId")) and not SECRET_ID.fullmatch(given["secretId"]):
            yield Problem("secretId", f"{given['secretId']!r} does not match {SECRET_ID.pattern}")
        replication = given.get("replication")
        if isinstance(replication, dict) and len([key for key in REPLICATION if replication.get(key) is not None]) != 1:
            yield Problem("replication", "one of `replication.auto,replication.userManaged` must be specified")

    def _body(self, given: Properties) -> dict[str, Any]:
        body = to_api(self.body_fields, given)
        if "auto" in given["replication"]:  # an object without properties
            body["replication"].setdefault("automatic", {})
        for name in ("labels", "annotations"):
            source = given.get("effectiveLabels" if name == "labels" else name)
            if source:
                body[name] = source
        return body

    def create(self, call: Call, given: Properties) -> str:
        path = f"projects/{given['project']}/secrets"
        call.send("secretManager", "POST", path, self._body(given), {"secretId": given["secretId"]})
        return f"{path}/{given['secretId']}"

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        answer = call.find("secretManager", id_)
        if answer is None:
            return None
        _, project, _, secret = id_.split("/")
        found = from_api({**self.body_fields, **same_fields("name createTime")}, answer)
        if "automatic" in answer["replication"]:
            found["replication"] = {"auto": {}}
        notes = answer.get("annotations") or {}
        return {
            **found,
            "annotations": {key: notes[key] for key in known.get("annotations") or () if key in notes},
            "effectiveAnnotations": notes,
            "effectiveLabels": answer.get("labels") or {},
            "project": project,
            "secretId": secret,
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        body: dict[str, Any] = {}
        if "effectiveLabels" in changed:
            body["labels"] = new["effectiveLabels"]
        if "annotations" in changed:
            there, surplus = old.get("effectiveAnnotations") or {}, old.get("annotations") or {}
            others = {key: value for key, value in there.items() if key not in surplus}
            body["annotations"] = {**others, **(new.get("annotations") or {})}
        if "versionDestroyTtl" in changed:
            body["versionDestroyTtl"] = new.get("versionDestroyTtl")
        if body:
            mask = {"updateMask": ",".join(body)}
            given = {key: value for key, value in body.items() if value is not None}
            call.send("secretManager", "PATCH", id_, given, mask)

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        if old.get("deletionProtection"):
            raise Refused(
                "cannot destroy secret manager secret without setting deletion_protection=false and running "
                "`terraform apply`"
            )
        call.delete(lambda: call.send("secretManager", "DELETE", id_))

    def find_id(self, call: Call, imported: str) -> str:
        return imported if imported.startswith("projects/") else f"projects/{call.project}/secrets/{imported}"


class SecretVersion(GcpResource):
    token = "gcp:secretmanager/secretVersion:SecretVersion"
    label = "SecretVersion"
    inputs = same_fields("secret secretData enabled isSecretDataBase64 deletionPolicy")
    links = ("secret",)
    deletions = ("DELETE", "DISABLE", "ABANDON", "PREVENT")
    replaces = words("secret secretData isSecretDataBase64")
    defaults = {"enabled": True}
    kept = ("isSecretDataBase64",)
    secrets = ("secretData",)
    exactly_one = (("secretData", "secretDataWo"),)

    def create(self, call: Call, given: Properties) -> str:
        secret = given["secret"]
        if "/" not in secret:
            secret = f"projects/{call.project}/secrets/{secret}"
        data = given["secretData"]
        if not given.get("isSecretDataBase64"):
            data = base64.b64encode(data.encode()).decode()
        answer = call.send("secretManager", "POST", f"{secret}:addVersion", {"payload": {"data": data}})
        return str(answer["name"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if not given.get("enabled", True):
            call.send("secretManager", "POST", f"{id_}:disable", {})

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        answer = call.find("secretManager", id_)
        if answer is None or answer.get("state") == "DESTROYED":
            return None
        secret, _, version = id_.partition("/versions/")
        enabled = answer.get("state") == "ENABLED"
        found = {
            **from_api(same_fields("createTime destroyTime name"), answer),
            "enabled": enabled,
            # Google says the project's number, whatever was asked for.
            "secret": known.get("secret") if "/" in str(known.get("secret", "")) else secret,
            "secretData": known.get("secretData", ""),
            "version": version,
        }
        if enabled:
            data = call.send("secretManager", "GET", f"{id_}:access")["payload"].get("data", "")
            found["secretData"] = data if known.get("isSecretDataBase64") else base64.b64decode(data).decode()
        return found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "enabled" in changed:
            call.send("secretManager", "POST", f"{id_}:{'enable' if new.get('enabled') else 'disable'}", {})

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        if name == "secret" and isinstance(old, str) and isinstance(new, str):
            return re.sub(r"projects/[^/]+/", "", old).rpartition("secrets/")[2] == new.rpartition("secrets/")[2]
        return super().means_same(name, old, new)

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        verb = "disable" if old.get("deletionPolicy") == "DISABLE" else "destroy"
        call.delete(lambda: call.send("secretManager", "POST", f"{id_}:{verb}", {}))
