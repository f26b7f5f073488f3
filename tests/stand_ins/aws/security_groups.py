"""EC2's security groups, with the rules that a program gives inside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, refuse
from stand_ins.aws.ec2 import IN_USE, filters, find_interfaces
from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many

RULE = fields("description fromPort toPort protocol cidrBlocks ipv6CidrBlocks prefixListIds securityGroups self")


PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}


Permission = dict[str, Any]


def normalize_protocol(value: str) -> str:
    """A protocol as AWS spells it."""
    return PROTOCOLS.get(value.lower(), value.lower())


def to_permissions(rules: Collection[Mapping[str, Any]], group: str) -> list[Permission]:
    """Inline rules as EC2 wants them."""
    permissions = []
    for rule in rules:
        described = {"Description": rule["description"]} if rule.get("description") else {}
        protocol = normalize_protocol(rule["protocol"])
        permission: Permission = {"IpProtocol": protocol}
        if protocol != "-1":
            permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
        sources = (
            ("IpRanges", "CidrIp", rule.get("cidrBlocks") or []),
            ("Ipv6Ranges", "CidrIpv6", rule.get("ipv6CidrBlocks") or []),
            ("PrefixListIds", "PrefixListId", rule.get("prefixListIds") or []),
            (
                "UserIdGroupPairs",
                "GroupId",
                [*(rule.get("securityGroups") or []), *([group] if rule.get("self") else [])],
            ),
        )
        permission |= {api: [{key: value, **described} for value in values] for api, key, values in sources if values}
        permissions.append(permission)
    return permissions


def from_permissions(permissions: Collection[Mapping[str, Any]], group: str) -> list[dict[str, Any]]:
    """The same, back: one rule for each description."""
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}
    kinds = (
        ("IpRanges", "CidrIp", "cidrBlocks"),
        ("Ipv6Ranges", "CidrIpv6", "ipv6CidrBlocks"),
        ("PrefixListIds", "PrefixListId", "prefixListIds"),
        ("UserIdGroupPairs", "GroupId", "securityGroups"),
    )
    for permission in permissions:
        for api, key, name in kinds:
            for source in permission.get(api, ()):
                start, end = permission.get("FromPort", 0), permission.get("ToPort", 0)
                if permission["IpProtocol"] == "-1":
                    start = end = 0
                text = source.get("Description", "")
                rule = rules.setdefault(
                    (permission["IpProtocol"], start, end, text),
                    {
                        "protocol": permission["IpProtocol"],
                        "fromPort": start,
                        "toPort": end,
                        "description": text,
                        "self": False,
                    },
                )
                if source[key] == group:
                    rule["self"] = True
                else:
                    rule.setdefault(name, []).append(source[key])
    return list(rules.values())


def flatten(permissions: Collection[Permission]) -> list[Permission]:
    """One permission for each source, so that two sets of them can be subtracted."""
    flat = []
    for permission in permissions:
        base = {key: value for key, value in permission.items() if not isinstance(value, list)}
        for key, value in permission.items():
            if isinstance(value, list):
                flat += [{**base, key: [item]} for item in value]
    return flat


class SecurityGroup(Resource[Call]):
    token = "aws:ec2/securityGroup:SecurityGroup"
    label = "EC2 Security Group"
    inputs = fields(
        "name namePrefix description vpcId revokeRulesOnDelete tags region", ingress=many(RULE), egress=many(RULE)
    )
    replaces = ("name", "namePrefix", "description", "vpcId", "region")
    defaults = {"description": "Managed by Pulumi", "revokeRulesOnDelete": False}
    sets = ("ingress", "egress", "cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups")
    kept = ("revokeRulesOnDelete",)
    autoname = AutoName()
    at_most_one = (("name", "namePrefix"),)
    minutes = {"create": 10, "delete": 1}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_rules(given)
        if is_known(given.get("name")) and given["name"].startswith("sg-"):
            yield Problem("name", "a security group's name must not begin with sg-")
        if given.get("description") == "":
            yield Problem("description", "a security group's description must not be empty")

    def normalize(self, name: str, value: Any) -> Any:
        return normalize_protocol(value) if name == "protocol" and isinstance(value, str) else value

    def create(self, call: Call, given: Properties) -> str:
        name = given.get("name") or make_suffixed(given["namePrefix"])
        where = {"VpcId": given["vpcId"]} if given.get("vpcId") else {}
        answer = call.ec2.create_security_group(
            GroupName=name, Description=given["description"], **where, **tags.spec("security-group", given)
        )
        return str(answer["GroupId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        group = call.wait_for(f"security group {id_}", lambda: find_group(call, id_))
        # AWS lets everything out of a new group; the provider takes that back, and lets out what the program says.
        revoke(call, id_, "egress", group["IpPermissionsEgress"])
        for way in ("ingress", "egress"):
            authorize(call, id_, way, to_permissions(given.get(way) or (), id_))

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        group = find_group(call, id_)
        if group is None:
            return None
        found = {
            **from_api(fields("name=GroupName description vpcId ownerId"), group),
            "ingress": from_permissions(group["IpPermissions"], id_),
            "egress": from_permissions(group["IpPermissionsEgress"], id_),
            "arn": call.arn("ec2", f"security-group/{id_}"),
            "tagsAll": tags.of(group),
        }
        prefix = known.get("namePrefix")
        return {**found, "namePrefix": prefix} if prefix and found["name"].startswith(prefix) else found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        update_rules(call, id_, old, new, changed)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if old.get("revokeRulesOnDelete"):
            group = find_group(call, id_) or {}
            revoke(call, id_, "ingress", group.get("IpPermissions", ()))
            revoke(call, id_, "egress", group.get("IpPermissionsEgress", ()))

        def delete() -> None:
            self._refuse_while_in_use(call, id_)
            call.ec2.delete_security_group(GroupId=id_)

        call.delete(delete, (*IN_USE, "InvalidGroup.InUse"))

    def _refuse_while_in_use(self, call: Call, id_: str) -> None:
        """As AWS does; moto sees only the rules of the group itself."""
        users: list[Any] = find_interfaces(call, group_id=id_)
        for way in ("ip-permission.group-id", "egress.ip-permission.group-id"):
            narrow = [{"Name": way, "Values": [id_]}]
            groups = call.ec2.describe_security_groups(Filters=narrow)["SecurityGroups"]
            users += [group for group in groups if group["GroupId"] != id_]
        if users:
            message = f"resource {id_} has a dependent object"
            raise refuse("DependencyViolation", "DeleteSecurityGroup", message)


def check_rules(given: Properties) -> Iterator[Problem]:
    """What the provider refuses of inline rules before it asks AWS."""
    for way in ("ingress", "egress"):
        for index, rule in enumerate(given.get(way) or () if is_known(given.get(way)) else ()):
            if str(rule.get("protocol")).lower() in ("-1", "all") and any(
                rule.get(port) not in (None, 0) and is_known(rule.get(port)) for port in ("fromPort", "toPort")
            ):
                yield Problem(f"{way}[{index}]", 'from_port and to_port must both be 0 to use the "ALL" "-1" protocol!')


def find_group(call: Call, id_: str) -> dict[str, Any] | None:
    return call.find_one(call.ec2.describe_security_groups, "SecurityGroups", GroupIds=[id_])


def authorize(call: Call, group: str, way: str, permissions: Collection[Permission]) -> None:
    if permissions:
        getattr(call.ec2, f"authorize_security_group_{way}")(GroupId=group, IpPermissions=list(permissions))


def revoke(call: Call, group: str, way: str, permissions: Collection[Permission]) -> None:
    if permissions:
        getattr(call.ec2, f"revoke_security_group_{way}")(GroupId=group, IpPermissions=list(permissions))


def update_rules(call: Call, group: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
    """Bring the inline rules from `old` to `new`."""
    for way in ("ingress", "egress"):
        if way in changed:
            before, after = (flatten(to_permissions(side.get(way) or (), group)) for side in (old, new))
            revoke(call, group, way, [rule for rule in before if rule not in after])
            authorize(call, group, way, [rule for rule in after if rule not in before])


class DefaultSecurityGroup(Resource[Call]):
    """Adopts what every VPC has, and empties it first; forgetting it leaves it as it is."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    label = "EC2 Default Security Group"
    inputs = fields("vpcId revokeRulesOnDelete tags region", ingress=many(RULE), egress=many(RULE))
    replaces = ("vpcId", "region")
    defaults = {"revokeRulesOnDelete": False}
    sets = SecurityGroup.sets
    kept = ("revokeRulesOnDelete",)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_rules(given)

    def normalize(self, name: str, value: Any) -> Any:
        return normalize_protocol(value) if name == "protocol" and isinstance(value, str) else value

    def create(self, call: Call, given: Properties) -> str:
        vpc = given.get("vpcId")
        if vpc is None:
            found = call.ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
            if not found:
                raise Refused("creating EC2 Default Security Group: no default VPC in this region; give vpcId")
            vpc = found[0]["VpcId"]
        narrow = filters(vpc_id=vpc, group_name="default")
        groups = call.ec2.describe_security_groups(Filters=narrow)["SecurityGroups"]
        if not groups:
            raise Refused(f"creating EC2 Default Security Group: reading EC2 Security Group: couldn't find {vpc}'s")
        return str(groups[0]["GroupId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        group = find_group(call, id_) or {}
        tags.update_ec2(call, id_, {"tagsAll": tags.of(group)}, given)
        for way, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            revoke(call, id_, way, group.get(key, ()))
            authorize(call, id_, way, to_permissions(given.get(way) or (), id_))

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        group = find_group(call, id_)
        if group is None:
            return None
        return {
            **from_api(fields("name=GroupName description vpcId ownerId"), group),
            "ingress": from_permissions(group["IpPermissions"], id_),
            "egress": from_permissions(group["IpPermissionsEgress"], id_),
            "namePrefix": "",
            "arn": call.arn("ec2", f"security-group/{id_}"),
            "tagsAll": tags.of(group),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        update_rules(call, id_, old, new, changed)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        """AWS knows no way to delete it: it is left as it is."""
