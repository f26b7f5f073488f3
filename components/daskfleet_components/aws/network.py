"""The network of a fleet: a VPC of its own, or one that exists."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.aws.addresses import ZoneAddresses, plan_subnets
from daskfleet_components.groups import check_choice
from daskfleet_components.naming import build_tags

EGRESSES = ("nat", "nat-per-zone", "public-ip", "none")
DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_ZONES = 2
SERVICES_WITHOUT_EGRESS = ("secretsmanager", "logs")
"""What nodes cannot do without, and reach through an endpoint where there is no way out of the network."""

EVERYWHERE = "0.0.0.0/0"


class NetworkArgs(TypedDict):
    """What a network is to be."""

    fleet: str
    """Name of the fleet, for names and tags."""
    cidr: NotRequired[str]
    """Addresses of the VPC, a prefix of 16 to 22 bits; `10.0.0.0/16` if not given."""
    zones: NotRequired[int]
    """Availability zones, 1 to 3; 2 if not given."""
    egress: NotRequired[str]
    """How machines reach the internet: `nat` (one NAT gateway, the default), `nat-per-zone`, `public-ip` (each machine
    has a public address, nothing is opened), or `none` (only AWS's own services that nodes need, through endpoints)."""
    public_scheduler: NotRequired[bool]
    """Whether the scheduler's subnet is one that the internet can reach."""
    vpc_id: NotRequired[pulumi.Input[str]]
    """A VPC that exists: nothing is made, and `subnet_ids` are used as they are."""
    subnet_ids: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Subnets of `vpc_id` for the machines; the scheduler's is the first."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsNetwork(pulumi.ComponentResource):
    """A VPC over some zones with private subnets, one NAT gateway and an endpoint for S3; or a VPC that exists."""

    vpc_id: pulumi.Output[str]
    """Identifier of the VPC."""
    worker_subnet_ids: pulumi.Output[list[str]]
    """Subnets for workers, one in each zone."""
    scheduler_subnet_id: pulumi.Output[str]
    """Subnet for the scheduler."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsNetwork", name, {}, opts)
        self._name = name
        self._tags = build_tags(args["fleet"], "network", extra=args.get("tags"))
        self.egress: list[pulumi.Resource] = []
        """What machines need before they can reach anything."""
        if "vpc_id" in args:
            self._adopt(args)
        else:
            self._make(args)
        self.register_outputs(
            {
                "vpcId": self.vpc_id,
                "workerSubnetIds": self.worker_subnet_ids,
                "schedulerSubnetId": self.scheduler_subnet_id,
            }
        )

    def _adopt(self, args: NetworkArgs) -> None:
        if "subnet_ids" not in args:
            raise pulumi.RunError(
                f"{self._name}: subnet_ids: an existing VPC needs the subnets to use; give at least one."
            )
        subnets = pulumi.Output.from_input(args["subnet_ids"])
        self.vpc_id = pulumi.Output.from_input(args["vpc_id"])
        self.worker_subnet_ids = subnets.apply(lambda ids: [str(each) for each in ids])
        self.scheduler_subnet_id = subnets.apply(lambda ids: str(ids[0]))

    def _make(self, args: NetworkArgs) -> None:
        egress = check_choice(self._name, "egress", args.get("egress", "nat"), EGRESSES)
        cidr = args.get("cidr", DEFAULT_CIDR)
        try:
            # Other languages know no whole numbers.
            plan = plan_subnets(cidr, int(args.get("zones", DEFAULT_ZONES)))
        except ValueError as error:
            raise pulumi.RunError(f"{self._name}: {error}.") from None
        zones = self._choose_zones(len(plan))
        public_scheduler = args.get("public_scheduler", False)
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags,
            opts=self._child(),
        )
        # Whoever starts a machine here and names no group gets one that lets nothing in or out.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default", vpc_id=vpc.id, ingress=[], egress=[], tags=self._tags, opts=self._child()
        )
        self.vpc_id = vpc.id
        private: list[aws.ec2.Subnet] = []
        public: list[aws.ec2.Subnet] = []
        tables: list[aws.ec2.RouteTable] = []
        if egress != "none" or public_scheduler:
            internet = aws.ec2.InternetGateway(
                f"{self._name}-internet", vpc_id=vpc.id, tags=self._tags, opts=self._child()
            )
            table = self._make_table("public", vpc)
            tables.append(table)
            route = self._make_route("public", table, gateway_id=internet.id)
            count = len(plan) if egress in ("nat-per-zone", "public-ip") else 1
            public = [self._make_subnet("public", index, vpc, zones, plan, table) for index in range(count)]
            self.egress = [route]
        if egress != "public-ip":
            gateways = [self._make_nat(index, public[index]) for index in range(_count_nats(egress, len(plan)))]
            own_tables = [self._make_table(f"private-{index}", vpc) for index in range(max(1, len(gateways)))]
            tables += own_tables
            private = [
                self._make_subnet("private", index, vpc, zones, plan, own_tables[index % len(own_tables)])
                for index in range(len(plan))
            ]
            self.egress += [
                self._make_route(f"private-{index}", own_tables[index], nat_gateway_id=gateway.id)
                for index, gateway in enumerate(gateways)
            ]
        self._make_endpoints(vpc, cidr, tables, private if egress == "none" else [])
        workers = private or public
        self.worker_subnet_ids = pulumi.Output.all(*(subnet.id for subnet in workers)).apply(list)
        self.scheduler_subnet_id = (public if public_scheduler else workers)[0].id

    def _choose_zones(self, count: int) -> list[str]:
        # Local zones and those that the account must ask for first have no place for a fleet.
        available = aws.get_availability_zones(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            opts=pulumi.InvokeOptions(parent=self),
        ).names
        if len(available) < count:
            raise pulumi.RunError(
                f"{self._name}: zones: {count}: this region has {len(available)} for this account; give at most as "
                "many."
            )
        return sorted(available)[:count]

    def _make_subnet(
        self,
        kind: str,
        index: int,
        vpc: aws.ec2.Vpc,
        zones: list[str],
        plan: list[ZoneAddresses],
        table: aws.ec2.RouteTable,
    ) -> aws.ec2.Subnet:
        name = f"{self._name}-{kind}-{index}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=vpc.id,
            availability_zone=zones[index],
            cidr_block=plan[index].public if kind == "public" else plan[index].private,
            tags=self._tags,
            opts=self._child(),
        )
        association = aws.ec2.RouteTableAssociation(
            name, subnet_id=subnet.id, route_table_id=table.id, opts=self._child()
        )
        self.egress.append(association)
        return subnet

    def _make_table(self, kind: str, vpc: aws.ec2.Vpc) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(f"{self._name}-{kind}", vpc_id=vpc.id, tags=self._tags, opts=self._child())

    def _make_route(self, kind: str, table: aws.ec2.RouteTable, **target: pulumi.Input[str]) -> aws.ec2.Route:
        return aws.ec2.Route(
            f"{self._name}-{kind}",
            route_table_id=table.id,
            destination_cidr_block=EVERYWHERE,
            opts=self._child(),
            **target,
        )

    def _make_nat(self, index: int, subnet: aws.ec2.Subnet) -> aws.ec2.NatGateway:
        name = f"{self._name}-nat-{index}"
        address = aws.ec2.Eip(name, domain="vpc", tags=self._tags, opts=self._child(self.egress))
        return aws.ec2.NatGateway(
            name, allocation_id=address.id, subnet_id=subnet.id, tags=self._tags, opts=self._child(self.egress)
        )

    def _make_endpoints(
        self, vpc: aws.ec2.Vpc, cidr: str, tables: list[aws.ec2.RouteTable], closed: list[aws.ec2.Subnet]
    ) -> None:
        """S3's, which costs nothing and keeps data off the NAT gateway; and others for subnets without a way out."""
        region = aws.get_region(opts=pulumi.InvokeOptions(parent=self)).region
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._tags,
            opts=self._child(),
        )
        if not closed:
            return
        name = f"{self._name}-endpoints"
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=vpc.id,
            description="AWS services for the machines of this network",
            tags=self._tags,
            opts=self._child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            tags=self._tags,
            opts=self._child(),
        )
        self.egress += [
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in closed],
                security_group_ids=[group.id],
                tags=self._tags,
                opts=self._child(),
            )
            for service in SERVICES_WITHOUT_EGRESS
        ]

    def _child(self, depends_on: list[pulumi.Resource] | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=depends_on)


def _count_nats(egress: str, zones: int) -> int:
    return {"nat": 1, "nat-per-zone": zones}.get(egress, 0)
