"""EC2's security group rules, each a resource of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.aws.ec2 import check_blocks
from stand_ins.aws.security_groups import Permission, find_group, normalize_protocol
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api


class SecurityGroupRule(Resource[Call]):
    """One rule, for one source or destination."""

    way: str
    inputs = fields(
        "securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId "
        "description "
        "tags region"
    )
    sources = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
    replaces = ("securityGroupId", "region")
    exactly_one = (sources,)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        protocol = given.get("ipProtocol")
        if is_known(protocol) and normalize_protocol(protocol) == "-1":
            for port in ("fromPort", "toPort"):
                if given.get(port) not in (None, -1) and is_known(given[port]):
                    yield Problem(port, f'must not be given for all protocols ("ipProtocol" is {protocol!r})')

        yield from check_blocks(given, "cidrIpv4", "cidrIpv6")

    def normalize(self, name: str, value: Any) -> Any:
        return normalize_protocol(value) if name == "ipProtocol" else value

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        # AWS changes a rule's source, but not its kind.
        other_kind = name in self.sources and not (old.get(name) and new.get(name))
        return other_kind or super().must_replace(name, old, new)

    def _permission(self, given: Properties) -> Permission:
        described = {"Description": given["description"]} if given.get("description") else {}
        protocol = normalize_protocol(given["ipProtocol"])
        permission: Permission = {"IpProtocol": protocol}
        if protocol != "-1":
            permission |= to_api(fields("fromPort toPort"), given)
        kinds = {
            "cidrIpv4": ("IpRanges", "CidrIp"),
            "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            "prefixListId": ("PrefixListIds", "PrefixListId"),
            "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        }
        for name, (api, key) in kinds.items():
            if given.get(name):
                permission[api] = [{key: given[name], **described}]
        return permission

    def create(self, call: Call, given: Properties) -> str:
        answer = getattr(call.ec2, f"authorize_security_group_{self.way}")(
            GroupId=given["securityGroupId"],
            IpPermissions=[self._permission(given)],
            **tags.spec("security-group-rule", given),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        return call.find_one(call.ec2.describe_security_group_rules, "SecurityGroupRules", SecurityGroupRuleIds=[id_])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        rule = self._find(call, id_)
        if rule is None or rule["IsEgress"] != (self.way == "egress"):
            return None
        shape = fields(
            "securityGroupId=GroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId description "
            "securityGroupRuleId"
        )
        found = from_api(shape, rule)
        if referenced := rule.get("ReferencedGroupInfo", {}).get("GroupId"):
            found["referencedSecurityGroupId"] = referenced
            if description := self._find_description(call, rule, referenced):
                found["description"] = description
        if found["ipProtocol"] == "-1":
            found = {key: value for key, value in found.items() if key not in ("fromPort", "toPort")}
            found |= {key: known[key] for key in ("fromPort", "toPort") if known.get(key) == -1}
        return {**found, "arn": call.arn("ec2", f"security-group-rule/{id_}"), "tagsAll": tags.of(rule)}

    def _find_description(self, call: Call, rule: Properties, referenced: str) -> str | None:
        """Of a rule between groups, which moto tells only where it describes the group."""
        group = find_group(call, rule["GroupId"]) or {}
        for permission in group.get("IpPermissionsEgress" if rule["IsEgress"] else "IpPermissions", ()):
            ports = [(side["IpProtocol"], side.get("FromPort"), side.get("ToPort")) for side in (permission, rule)]
            for pair in permission.get("UserIdGroupPairs", ()) if ports[0] == ports[1] else ():
                if pair.get("GroupId") == referenced:
                    return str(pair.get("Description", ""))
        return None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if set(changed) - {"tags", "tagsAll"}:
            shape = fields(
                "ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId description "
                "referencedSecurityGroupId=ReferencedGroupId"
            )
            rule = {"FromPort": -1, "ToPort": -1, **to_api(shape, new)}
            rule["IpProtocol"] = normalize_protocol(new["ipProtocol"])
            call.ec2.modify_security_group_rules(
                GroupId=new["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": id_, "SecurityGroupRule": rule}],
            )
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        revoke = getattr(call.ec2, f"revoke_security_group_{self.way}")
        call.delete(lambda: revoke(GroupId=old["securityGroupId"], SecurityGroupRuleIds=[id_]))


class IngressRule(SecurityGroupRule):
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    label = "VPC Security Group Ingress Rule"
    way = "ingress"


class EgressRule(SecurityGroupRule):
    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    label = "VPC Security Group Egress Rule"
    way = "egress"
