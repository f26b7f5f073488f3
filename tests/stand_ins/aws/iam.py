"""IAM: roles, their policies, instance profiles."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from stand_ins.aws import tags
from stand_ins.aws.call import Call, is_gone
from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api

CONFLICT = ("DeleteConflict",)


def render_document(document: Any) -> str:
    """A policy as the provider keeps it; botocore has parsed some of them."""
    return json.dumps(document, separators=(",", ":")) if isinstance(document, dict) else unquote(document)


def render_time(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)


def check_document(given: Properties, name: str) -> Iterator[Problem]:
    """What the provider says of a policy before it asks AWS."""
    if is_known(given.get(name)):
        try:
            json.loads(given[name])
        except ValueError as error:
            yield Problem(name, f"contains an invalid JSON policy: {error}")


def get(call: Call, action: Any, key: str, **parameters: Any) -> dict[str, Any] | None:
    """What `action` answers under `key`, or None where it does not exist."""
    try:
        return dict(action(**parameters)[key])
    except Exception as error:
        if is_gone(error):
            return None
        raise


class Role(Resource[Call]):
    token = "aws:iam/role:Role"
    label = "IAM Role"
    inputs = fields(
        "assumeRolePolicy description forceDetachPolicies maxSessionDuration name namePrefix path "
        "permissionsBoundary tags"
    )
    replaces = ("name", "namePrefix", "path")
    defaults = {"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"}
    documents = ("assumeRolePolicy",)
    kept = ("forceDetachPolicies",)
    autoname = AutoName(longest=64)
    at_most_one = (("name", "namePrefix"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_document(given, "assumeRolePolicy")

    def create(self, call: Call, given: Properties) -> str:
        iam = call.client("iam")
        shape = fields(
            "assumeRolePolicy=AssumeRolePolicyDocument description maxSessionDuration path permissionsBoundary"
        )
        name = given.get("name") or make_suffixed(given["namePrefix"])
        answer = iam.create_role(RoleName=name, Tags=tags.to_list(given.get("tagsAll") or {}), **to_api(shape, given))
        return str(answer["Role"]["RoleName"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        iam = call.client("iam")
        role = get(call, iam.get_role, "Role", RoleName=id_)
        if role is None:
            return None
        found = {"description": "", **from_api(fields("name=RoleName path arn uniqueId=RoleId description"), role)}
        policies = {}
        for policy in iam.list_role_policies(RoleName=id_)["PolicyNames"]:
            policies[policy] = render_document(iam.get_role_policy(RoleName=id_, PolicyName=policy)["PolicyDocument"])
        attached = iam.list_attached_role_policies(RoleName=id_)["AttachedPolicies"]
        found |= {
            "assumeRolePolicy": render_document(role["AssumeRolePolicyDocument"]),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "createDate": render_time(role["CreateDate"]),
            "namePrefix": known.get("namePrefix", ""),
            "inlinePolicies": [{"name": name, "policy": policy} for name, policy in policies.items()],
            "managedPolicyArns": [item["PolicyArn"] for item in attached],
            "tagsAll": tags.of(role),
        }
        if boundary := role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
            found["permissionsBoundary"] = boundary
        return found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        iam = call.client("iam")
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=id_, PolicyDocument=new["assumeRolePolicy"])
        if {"description", "maxSessionDuration"} & set(changed):
            iam.update_role(
                RoleName=id_, Description=new.get("description") or "", MaxSessionDuration=new["maxSessionDuration"]
            )
        if "permissionsBoundary" in changed:
            if boundary := new.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=id_, PermissionsBoundary=boundary)
            else:
                iam.delete_role_permissions_boundary(RoleName=id_)
        tags.update(
            old,
            new,
            lambda more: iam.tag_role(RoleName=id_, Tags=tags.to_list(more)),
            lambda surplus: iam.untag_role(RoleName=id_, TagKeys=surplus),
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        iam = call.client("iam")
        try:
            for profile in iam.list_instance_profiles_for_role(RoleName=id_)["InstanceProfiles"]:
                iam.remove_role_from_instance_profile(InstanceProfileName=profile["InstanceProfileName"], RoleName=id_)
            if old.get("forceDetachPolicies"):
                for policy in iam.list_attached_role_policies(RoleName=id_)["AttachedPolicies"]:
                    iam.detach_role_policy(RoleName=id_, PolicyArn=policy["PolicyArn"])
                for name in iam.list_role_policies(RoleName=id_)["PolicyNames"]:
                    iam.delete_role_policy(RoleName=id_, PolicyName=name)
        except Exception as error:
            if not is_gone(error):
                raise
        call.delete(lambda: iam.delete_role(RoleName=id_), CONFLICT)


class RolePolicy(Resource[Call]):
    token = "aws:iam/rolePolicy:RolePolicy"
    label = "IAM Role Policy"
    inputs = fields("name namePrefix policy role")
    replaces = ("name", "namePrefix", "role")
    documents = ("policy",)
    autoname = AutoName(longest=128)
    at_most_one = (("name", "namePrefix"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_document(given, "policy")

    def create(self, call: Call, given: Properties) -> str:
        name = given.get("name") or make_suffixed(given["namePrefix"])
        call.client("iam").put_role_policy(RoleName=given["role"], PolicyName=name, PolicyDocument=given["policy"])
        return f"{given['role']}:{name}"

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        role, _, name = id_.partition(":")
        if not name:
            raise Refused(f"unexpected format for ID ({id_}), expected ROLE:POLICY")
        document = get_value(call.client("iam").get_role_policy, "PolicyDocument", RoleName=role, PolicyName=name)
        if document is None:
            return None
        text = render_document(document)
        return {"name": name, "namePrefix": known.get("namePrefix", ""), "policy": text, "role": role}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        role, _, name = id_.partition(":")
        call.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=new["policy"])

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        role, _, name = id_.partition(":")
        call.delete(lambda: call.client("iam").delete_role_policy(RoleName=role, PolicyName=name))


def get_value(action: Any, key: str, **parameters: Any) -> Any:
    """As `get`, for an answer that is no object."""
    try:
        return action(**parameters)[key]
    except Exception as error:
        if is_gone(error):
            return None
        raise


class RolePolicyAttachment(Resource[Call]):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    label = "IAM Role Policy Attachment"
    inputs = fields("role policyArn")
    replaces = ("role", "policyArn")

    def create(self, call: Call, given: Properties) -> str:
        call.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
        return f"{given['role']}/{given['policyArn']}"

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        role, _, policy = id_.partition("/")
        attached = get_value(call.client("iam").list_attached_role_policies, "AttachedPolicies", RoleName=role) or ()
        if not any(item["PolicyArn"] == policy for item in attached):
            return None
        return {"role": role, "policyArn": policy}

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        role, policy = old["role"], old["policyArn"]
        call.delete(lambda: call.client("iam").detach_role_policy(RoleName=role, PolicyArn=policy))


class InstanceProfile(Resource[Call]):
    token = "aws:iam/instanceProfile:InstanceProfile"
    label = "IAM Instance Profile"
    inputs = fields("name namePrefix path role tags")
    replaces = ("name", "namePrefix", "path")
    defaults = {"path": "/"}
    autoname = AutoName(longest=128)
    at_most_one = (("name", "namePrefix"),)

    def create(self, call: Call, given: Properties) -> str:
        name = given.get("name") or make_suffixed(given["namePrefix"])
        call.client("iam").create_instance_profile(
            InstanceProfileName=name, Path=given["path"], Tags=tags.to_list(given.get("tagsAll") or {})
        )
        return str(name)

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("role"):
            call.client("iam").add_role_to_instance_profile(InstanceProfileName=id_, RoleName=given["role"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        profile = get(call, call.client("iam").get_instance_profile, "InstanceProfile", InstanceProfileName=id_)
        if profile is None:
            return None
        found = from_api(fields("name=InstanceProfileName path arn uniqueId=InstanceProfileId"), profile)
        roles = profile.get("Roles") or [{}]
        return {
            **found,
            "namePrefix": known.get("namePrefix", ""),
            "role": roles[0].get("RoleName", ""),
            "createDate": render_time(profile["CreateDate"]),
            "tagsAll": tags.of(profile),
        }

    def _remove(self, call: Call, id_: str, role: str | None) -> None:
        if role:
            iam = call.client("iam")
            call.delete(lambda: iam.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=role))

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        iam = call.client("iam")
        if "role" in changed:
            self._remove(call, id_, old.get("role"))
            self.settle(call, id_, new)
        tags.update(
            old,
            new,
            lambda more: iam.tag_instance_profile(InstanceProfileName=id_, Tags=tags.to_list(more)),
            lambda surplus: iam.untag_instance_profile(InstanceProfileName=id_, TagKeys=surplus),
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        self._remove(call, id_, old.get("role"))
        call.delete(lambda: call.client("iam").delete_instance_profile(InstanceProfileName=id_))
