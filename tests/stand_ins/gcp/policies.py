"""Members of roles: each a part of a policy that is read and written as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import Field, from_api, one, same_fields, to_api, words
from stand_ins.gcp import links
from stand_ins.gcp.call import Call
from stand_ins.gcp.errors import ApiError
from stand_ins.gcp.resource import GcpResource

VERSION = 3
"""Of policies that may hold conditions."""
CONDITION = same_fields("expression title description")
Bindings = list[dict[str, Any]]


class Member(GcpResource):
    """One member of one role of something."""

    parent: ClassVar[str]
    """The property that names what it is a role of."""
    common: ClassVar[Mapping[str, Field]] = same_fields("role member", condition=one(CONDITION))

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        member = given.get("member")
        if is_known(member) and ":" not in member and member not in ("allUsers", "allAuthenticatedUsers"):
            yield Problem("member", f'invalid value for member ("{member}"): it has no type, as in user:a@example.com')

    def about(self, call: Call, given: Properties) -> str:
        """What it is a role of, as its id names it."""
        raise NotImplementedError

    def fetch(self, call: Call, about: str) -> dict[str, Any]:
        """The policy of that."""
        raise NotImplementedError

    def write(self, call: Call, about: str, policy: Mapping[str, Any]) -> None:
        """Set that policy."""
        raise NotImplementedError

    def _change(self, call: Call, about: str, change: Callable[[Bindings], Bindings]) -> None:
        """Read, change and write, again where somebody else wrote between."""

        def once() -> None:
            policy = self.fetch(call, about)
            bindings = [item for item in change(policy.get("bindings") or []) if item.get("members")]
            self.write(call, about, {**policy, "bindings": bindings, "version": VERSION})

        with call.alone(f"policy of {about}"):
            call.retry("the policy", lambda error: isinstance(error, ApiError) and error.status == 409, once)

    def create(self, call: Call, given: Properties) -> str:
        about = self.about(call, given)

        def add(bindings: Bindings) -> Bindings:
            for item in bindings:
                if same_binding(item, given):
                    item["members"] = [*(one for one in item["members"] if one != given["member"]), given["member"]]
                    return bindings
            condition = {"condition": to_api(CONDITION, given["condition"])} if given.get("condition") else {}
            return [*bindings, {"role": given["role"], "members": [given["member"]], **condition}]

        self._change(call, about, add)
        return make_id(about, given)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        about, role, member, condition = self.divide(id_)
        try:
            policy = self.fetch(call, about)
        except ApiError as error:
            if error.gone:
                return None
            raise
        wanted = {"role": role, "condition": condition}
        for item in policy.get("bindings") or ():
            if same_binding(item, wanted) and any(one.lower() == member.lower() for one in item["members"]):
                found = from_api(same_fields("role", condition=one(CONDITION)), item)
                return {**found, **self.place(about), "member": member, "etag": policy.get("etag", "")}
        return None

    def place(self, about: str) -> dict[str, Any]:
        """The properties that say what it is a role of."""
        return {self.parent: about}

    def divide(self, id_: str) -> tuple[str, str, str, dict[str, str] | None]:
        """What it is a role of, the role, the member and the condition that an id names."""
        before, between, after = id_.partition("/roles/")
        role, _, rest = after.partition("/")
        member, *condition = rest.split("/", 3)
        if not between or not member:
            raise Refused(f"unexpected format for ID ({id_})")
        found = dict(zip(("title", "description", "expression"), condition, strict=False)) if condition else None
        return before, f"roles/{role}", member, found

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        def drop(bindings: Bindings) -> Bindings:
            for item in bindings:
                if same_binding(item, old):
                    item["members"] = [one for one in item["members"] if one.lower() != old["member"].lower()]
            return bindings

        call.delete(lambda: self._change(call, self.divide(id_)[0], drop))

    def find_id(self, call: Call, imported: str) -> str:
        """A person names what it is a role of, the role, the member and a condition's title, divided by spaces."""
        parts = imported.split(" ", 3)
        if len(parts) < 3:
            raise Refused(
                f"Wrong number of parts to Member id {imported}; "
                "expected 'resource_name role member [condition_title]'."
            )
        about = self.about(call, {self.parent: parts[0]})
        named = {"role": parts[1], "member": parts[2]}
        if len(parts) == 3:
            return make_id(about, named)
        for item in self.fetch(call, about).get("bindings") or ():
            condition = item.get("condition") or {}
            if (item["role"], condition.get("title")) == (parts[1], parts[3]) and parts[2] in item["members"]:
                return make_id(about, {**named, "condition": condition})
        raise Refused(f"Cannot find binding for {about} with role {parts[1]}, member {parts[2]}")


def make_id(about: str, given: Properties) -> str:
    id_ = f"{about}/{given['role']}/{given['member']}"
    if condition := given.get("condition"):
        id_ += f"/{condition['title']}/{condition.get('description', '')}/{condition['expression']}"
    return id_


def same_binding(binding: Mapping[str, Any], wanted: Properties) -> bool:
    """Whether it is of the role, and under the condition, that is wanted."""
    return binding["role"] == wanted["role"] and _condition(binding) == _condition(wanted)


def _condition(thing: Mapping[str, Any]) -> tuple[str, ...]:
    condition = thing.get("condition") or {}
    return tuple(condition.get(name) or "" for name in CONDITION)


class ProjectMember(Member):
    token = "gcp:projects/iAMMember:IAMMember"
    label = "IAM Member of a project"
    parent = "project"
    inputs = {**Member.common, **same_fields("project")}
    replaces = words("project role member condition")

    def about(self, call: Call, given: Properties) -> str:
        return links.last(given["project"])

    def fetch(self, call: Call, about: str) -> dict[str, Any]:
        asked = {"options": {"requestedPolicyVersion": VERSION}}
        return call.send("resourceManager", "POST", f"projects/{about}:getIamPolicy", asked)

    def write(self, call: Call, about: str, policy: Mapping[str, Any]) -> None:
        body = {"policy": policy, "updateMask": "bindings,etag,auditConfigs"}
        call.send("resourceManager", "POST", f"projects/{about}:setIamPolicy", body)


class SecretMember(Member):
    token = "gcp:secretmanager/secretIamMember:SecretIamMember"
    label = "IAM Member of a secret"
    parent = "secretId"
    inputs = {**Member.common, **same_fields("secretId")}
    replaces = words("secretId role member condition")
    links = ("secretId",)

    def about(self, call: Call, given: Properties) -> str:
        secret = given["secretId"]
        return str(secret) if "/" in secret else f"projects/{call.project}/secrets/{secret}"

    def fetch(self, call: Call, about: str) -> dict[str, Any]:
        asked = {"options.requestedPolicyVersion": str(VERSION)}
        return call.send("secretManager", "GET", f"{about}:getIamPolicy", query=asked)

    def write(self, call: Call, about: str, policy: Mapping[str, Any]) -> None:
        call.send("secretManager", "POST", f"{about}:setIamPolicy", {"policy": policy})

    def place(self, about: str) -> dict[str, Any]:
        return {"secretId": about, "project": about.split("/")[1]}


class BucketMember(Member):
    token = "gcp:storage/bucketIAMMember:BucketIAMMember"
    label = "IAM Member of a bucket"
    parent = "bucket"
    inputs = {**Member.common, **same_fields("bucket")}
    replaces = words("bucket role member condition")
    links = ("bucket",)

    def about(self, call: Call, given: Properties) -> str:
        return f"b/{given['bucket'].removeprefix('b/')}"

    def fetch(self, call: Call, about: str) -> dict[str, Any]:
        return call.send("storage", "GET", f"{about}/iam", query={"optionsRequestedPolicyVersion": str(VERSION)})

    def write(self, call: Call, about: str, policy: Mapping[str, Any]) -> None:
        call.send("storage", "PUT", f"{about}/iam", policy)
