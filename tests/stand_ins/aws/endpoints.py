"""EC2's VPC end points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, error_code, refuse
from stand_ins.aws.ec2 import filters
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, one, to_api


class VpcEndpoint(Resource[Call]):
    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    label = "EC2 VPC Endpoint"
    inputs = fields(
        "vpcId serviceName vpcEndpointType policy privateDnsEnabled ipAddressType routeTableIds subnetIds "
        "securityGroupIds tags region",
        dnsOptions=one(fields("dnsRecordIpType privateDnsOnlyForInboundResolverEndpoint")),
    )
    replaces = ("vpcId", "serviceName", "vpcEndpointType", "region")
    defaults = {"vpcEndpointType": "Gateway"}
    sets = ("routeTableIds", "subnetIds", "securityGroupIds")
    documents = ("policy",)
    minutes = {"create": 10, "update": 10, "delete": 10}
    lists = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("serviceName") is None:
            yield Problem(
                "serviceName", 'one of "serviceName", "resourceConfigurationArn", "serviceNetworkArn" must be given'
            )

    def create(self, call: Call, given: Properties) -> str:
        shape = {
            **fields("vpcId serviceName vpcEndpointType policy=PolicyDocument privateDnsEnabled ipAddressType"),
            **{name: item for name, item in self.inputs.items() if name in (*self.lists, "dnsOptions")},
        }
        answer = call.ec2.create_vpc_endpoint(**to_api(shape, given), **tags.spec("vpc-endpoint", given))
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        def available() -> bool:
            state = (self._find(call, id_) or {}).get("State", "").lower()
            if state in ("failed", "rejected", "expired"):
                raise Refused(f"waiting for EC2 VPC Endpoint ({id_}) to become available: {state}")
            return state in ("available", "pendingacceptance")

        call.wait_until(f"EC2 VPC Endpoint ({id_}) to become available", available)

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        found = call.find_one(call.ec2.describe_vpc_endpoints, "VpcEndpoints", VpcEndpointIds=[id_])
        return None if found is None or found["State"].lower() == "deleted" else found

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        endpoint = self._find(call, id_)
        if endpoint is None:
            return None
        shape = fields(
            "vpcId serviceName vpcEndpointType policy=PolicyDocument privateDnsEnabled ipAddressType routeTableIds "
            "subnetIds networkInterfaceIds requesterManaged state ownerId",
            dnsOptions=one(fields("dnsRecordIpType privateDnsOnlyForInboundResolverEndpoint")),
            dnsEntries=many(fields("dnsName hostedZoneId")),
        )
        found = {"routeTableIds": [], "subnetIds": [], "privateDnsEnabled": False, **from_api(shape, endpoint)}
        found["state"] = found["state"].lower()
        found["securityGroupIds"] = [item["GroupId"] for item in endpoint.get("Groups", ())]
        if not found["securityGroupIds"] and found["vpcEndpointType"] == "Interface":
            found["securityGroupIds"] = list(known.get("securityGroupIds") or ())  # moto does not tell them back
        lists = filters(prefix_list_name=found["serviceName"])
        try:
            prefixes = call.ec2.describe_prefix_lists(Filters=lists)["PrefixLists"]
        except Exception as error:
            if error_code(error) not in ("NotImplemented", "InternalError", "501", "404"):
                raise
            prefixes = []
        for prefix in prefixes:
            found |= {"prefixListId": prefix["PrefixListId"], "cidrBlocks": prefix.get("Cidrs", [])}
        return {**found, "arn": call.arn("ec2", f"vpc-endpoint/{id_}"), "tagsAll": tags.of(endpoint)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        asked = to_api(
            fields("policy=PolicyDocument privateDnsEnabled ipAddressType"), {k: new.get(k) for k in changed}
        )
        if "policy" in changed and not new.get("policy"):
            asked["ResetPolicy"] = True
        if "dnsOptions" in changed:
            asked |= to_api({"dnsOptions": self.inputs["dnsOptions"]}, new)
        for name, api in self.lists.items():
            if name in changed:
                before, after = old.get(name) or [], new.get(name) or []
                asked |= (
                    {f"Add{api}": [item for item in after if item not in before]} if set(after) - set(before) else {}
                )
                asked |= {f"Remove{api}": [i for i in before if i not in after]} if set(before) - set(after) else {}
        if asked:
            call.ec2.modify_vpc_endpoint(VpcEndpointId=id_, **asked)
            self.settle(call, id_, new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        failed = []
        call.delete(lambda: failed.extend(call.ec2.delete_vpc_endpoints(VpcEndpointIds=[id_]).get("Unsuccessful", ())))
        for item in failed:
            if "NotFound" not in item["Error"]["Code"]:
                raise refuse(item["Error"]["Code"], "DeleteVpcEndpoints", item["Error"]["Message"])
        call.wait_until(f"EC2 VPC Endpoint ({id_}) to be deleted", lambda: self._find(call, id_) is None)
