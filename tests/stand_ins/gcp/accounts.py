"""Service accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.core.naming import AutoName
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, same_fields, to_api, words
from stand_ins.gcp.call import Call
from stand_ins.gcp.names import RFC1035
from stand_ins.gcp.resource import GcpResource

SHAPE = same_fields("displayName description")


class Account(GcpResource):
    token = "gcp:serviceaccount/account:Account"
    label = "service account"
    inputs = {**SHAPE, **same_fields("accountId disabled createIgnoreAlreadyExists project deletionPolicy")}
    replaces = words("accountId project")
    defaults = {"disabled": False}
    kept = ("createIgnoreAlreadyExists",)
    autoname = AutoName("accountId", longest=30, lower=True)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        account = given.get("accountId")
        if is_known(account) and not (RFC1035.fullmatch(account) and 6 <= len(account) <= 30):
            yield Problem("accountId", f"{account!r} does not match {RFC1035.pattern} with 6 to 30 characters")
        if given.get("createIgnoreAlreadyExists"):
            yield Problem("createIgnoreAlreadyExists", "the stand-in for gcp does not know how to do this")

    def create(self, call: Call, given: Properties) -> str:
        body = {"accountId": given["accountId"], "serviceAccount": to_api(SHAPE, given)}
        return str(call.send("iam", "POST", f"projects/{given['project']}/serviceAccounts", body)["name"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        # Another place of Google's may not know it yet, and says so by 403 too.
        call.wait_for(f"service account {id_}", lambda: call.find("iam", id_))

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        answer = call.find("iam", id_)
        if answer is None:
            return None
        email = answer["email"]
        return {
            **from_api(same_fields("displayName description email name uniqueId project=projectId"), answer),
            "accountId": email.partition("@")[0],
            "disabled": bool(answer.get("disabled")),
            "member": f"serviceAccount:{email}",
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "disabled" in changed:
            call.send("iam", "POST", f"{id_}:{'disable' if new.get('disabled') else 'enable'}", {})
        if names := [name for name in SHAPE if name in changed]:
            mask = {"displayName": "display_name", "description": "description"}
            account = {name: new.get(name) or "" for name in SHAPE}
            body = {
                "updateMask": ",".join(mask[name] for name in names),
                "serviceAccount": {**account, "etag": call.send("iam", "GET", id_).get("etag", "")},
            }
            call.send("iam", "PATCH", id_, body)

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.send("iam", "DELETE", id_))

    def find_id(self, call: Call, imported: str) -> str:
        return imported if imported.startswith("projects/") else f"projects/{call.project}/serviceAccounts/{imported}"
