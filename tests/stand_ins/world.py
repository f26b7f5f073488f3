"""Inputs for each type, as wide as programs give them, and what they need to exist first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from stand_ins.plugin_client import Made, PluginClient

TAGS = {"Name": "it", "team": "tests"}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}
)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl tests"


class World:
    """Things that others need, made when they are asked for."""

    def __init__(self, aws: PluginClient, image: str) -> None:
        self.aws = aws
        self.image = image

    @cached_property
    def vpc(self) -> Made:
        return self.aws.create("aws:ec2/vpc:Vpc", {"cidrBlock": "10.77.0.0/16", "enableDnsHostnames": True}, "net")

    @cached_property
    def subnet(self) -> Made:
        return self.aws.create("aws:ec2/subnet:Subnet", {"vpcId": self.vpc.id, "cidrBlock": "10.77.0.0/24"}, "subnet")

    @cached_property
    def gateway(self) -> Made:
        return self.aws.create("aws:ec2/internetGateway:InternetGateway", {"vpcId": self.vpc.id}, "gateway")

    @cached_property
    def table(self) -> Made:
        return self.aws.create("aws:ec2/routeTable:RouteTable", {"vpcId": self.vpc.id}, "table")

    @cached_property
    def group(self) -> Made:
        return self.aws.create("aws:ec2/securityGroup:SecurityGroup", {"vpcId": self.vpc.id}, "group")

    @cached_property
    def address(self) -> Made:
        return self.aws.create("aws:ec2/eip:Eip", {"domain": "vpc"}, "address")

    @cached_property
    def role(self) -> Made:
        return self.aws.create("aws:iam/role:Role", {"assumeRolePolicy": TRUST, "path": "/daskfleet/tests/"}, "role")

    @cached_property
    def profile(self) -> Made:
        return self.aws.create("aws:iam/instanceProfile:InstanceProfile", {"role": self.role.id}, "profile")

    @cached_property
    def key(self) -> Made:
        return self.aws.create("aws:ec2/keyPair:KeyPair", {"publicKey": PUBLIC_KEY}, "key")

    @cached_property
    def interface(self) -> Made:
        inputs = {"subnetId": self.subnet.id, "privateIps": ["10.77.0.10"], "securityGroups": [self.group.id]}
        return self.aws.create("aws:ec2/networkInterface:NetworkInterface", inputs, "interface")

    @cached_property
    def template(self) -> Made:
        inputs = {"imageId": self.image, "instanceType": "m7i.large", "vpcSecurityGroupIds": [self.group.id]}
        return self.aws.create("aws:ec2/launchTemplate:LaunchTemplate", inputs, "template")

    @cached_property
    def secret(self) -> Made:
        return self.aws.create("aws:secretsmanager/secret:Secret", {"recoveryWindowInDays": 0}, "secret")


VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
EIP = "aws:ec2/eip:Eip"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE = "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
KEY_PAIR = "aws:ec2/keyPair:KeyPair"
PLACEMENT = "aws:ec2/placementGroup:PlacementGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
PROFILE = "aws:iam/instanceProfile:InstanceProfile"
SECRET = "aws:secretsmanager/secret:Secret"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
SCALING_GROUP = "aws:autoscaling/group:Group"

Inputs = Callable[[World], dict[str, Any]]

INPUTS: dict[str, Inputs] = {
    VPC: lambda world: {
        "cidrBlock": "10.78.0.0/16",
        "enableDnsHostnames": True,
        "enableDnsSupport": True,
        "instanceTenancy": "default",
        "tags": TAGS,
    },
    SUBNET: lambda world: {
        "vpcId": world.vpc.id,
        "cidrBlock": "10.77.4.0/22",
        "availabilityZone": "eu-west-1b",
        "mapPublicIpOnLaunch": True,
        "tags": TAGS,
    },
    INTERNET_GATEWAY: lambda world: {"vpcId": world.vpc.id, "tags": TAGS},
    EIP: lambda world: {"domain": "vpc", "networkInterface": world.interface.id, "tags": TAGS},
    NAT_GATEWAY: lambda world: {"allocationId": world.address.id, "subnetId": world.subnet.id, "tags": TAGS},
    ROUTE_TABLE: lambda world: {
        "vpcId": world.vpc.id,
        "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": world.gateway.id}],
        "tags": TAGS,
    },
    ROUTE: lambda world: {
        "routeTableId": world.table.id,
        "destinationCidrBlock": "0.0.0.0/0",
        "gatewayId": world.gateway.id,
    },
    ASSOCIATION: lambda world: {"routeTableId": world.table.id, "subnetId": world.subnet.id},
    ENDPOINT: lambda world: {
        "vpcId": world.vpc.id,
        "serviceName": "com.amazonaws.eu-west-1.s3",
        "vpcEndpointType": "Gateway",
        "routeTableIds": [world.table.id],
        "tags": TAGS,
    },
    GROUP: lambda world: {
        "vpcId": world.vpc.id,
        "description": "of the tests",
        "ingress": [
            {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["192.0.2.1/32", "192.0.2.7/32"]},
            {"protocol": "tcp", "fromPort": 8786, "toPort": 8787, "self": True, "description": "Dask"},
            {"protocol": "all", "fromPort": 0, "toPort": 0, "securityGroups": [world.group.id]},
        ],
        "egress": [
            {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"], "ipv6CidrBlocks": ["::/0"]},
        ],
        "tags": TAGS,
    },
    DEFAULT_GROUP: lambda world: {"vpcId": world.vpc.id, "tags": TAGS},
    INGRESS: lambda world: {
        "securityGroupId": world.group.id,
        "ipProtocol": "tcp",
        "fromPort": 8786,
        "toPort": 8786,
        "referencedSecurityGroupId": world.group.id,
        "description": "Dask",
        "tags": TAGS,
    },
    EGRESS: lambda world: {
        "securityGroupId": world.group.id,
        "ipProtocol": "-1",
        "cidrIpv4": "0.0.0.0/0",
        "tags": TAGS,
    },
    INTERFACE: lambda world: {
        "subnetId": world.subnet.id,
        "privateIps": ["10.77.0.21", "10.77.0.20"],
        "securityGroups": [world.group.id],
        "description": "of the scheduler",
        "sourceDestCheck": False,
        "tags": TAGS,
    },
    INSTANCE: lambda world: {
        "ami": world.image,
        "instanceType": "m7i.large",
        "primaryNetworkInterface": {"networkInterfaceId": world.interface.id},
        "iamInstanceProfile": world.profile.id,
        "keyName": world.key.id,
        "userData": "#cloud-config\n{}\n",
        "userDataReplaceOnChange": True,
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3", "encrypted": True},
        "monitoring": True,
        "instanceInitiatedShutdownBehavior": "terminate",
        "tags": TAGS,
    },
    TEMPLATE: lambda world: {
        "imageId": world.image,
        "instanceType": "m7i.large",
        "iamInstanceProfile": {"arn": world.profile["arn"]},
        "keyName": world.key.id,
        "userData": base64.b64encode(b"#cloud-config\n").decode(),
        "updateDefaultVersion": True,
        "vpcSecurityGroupIds": [world.group.id],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "instanceMetadataTags": "enabled"},
        "monitoring": {"enabled": True},
        "instanceInitiatedShutdownBehavior": "terminate",
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/sda1",
                "ebs": {"volumeSize": 20, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"},
            }
        ],
        "tagSpecifications": [
            {"resourceType": "instance", "tags": TAGS},
            {"resourceType": "volume", "tags": TAGS},
        ],
        "tags": TAGS,
    },
    PLACEMENT: lambda world: {"strategy": "cluster", "tags": TAGS},
    KEY_PAIR: lambda world: {"publicKey": PUBLIC_KEY, "tags": TAGS},
    ROLE: lambda world: {
        "assumeRolePolicy": TRUST,
        "description": "of the tests",
        "path": "/daskfleet/tests/",
        "maxSessionDuration": 7200,
        "tags": TAGS,
    },
    ROLE_POLICY: lambda world: {"role": world.role.id, "policy": POLICY},
    PROFILE: lambda world: {"role": world.role.id, "path": "/daskfleet/tests/", "tags": TAGS},
    SECRET: lambda world: {"description": "of the tests", "recoveryWindowInDays": 0, "tags": TAGS},
    SECRET_VERSION: lambda world: {"secretId": world.secret.id, "secretString": "s3cr3t"},
    LOG_GROUP: lambda world: {"name": "/daskfleet/tests/1", "retentionInDays": 14, "tags": TAGS},
    SCALING_GROUP: lambda world: {
        "minSize": 0,
        "maxSize": 10,
        "desiredCapacity": 2,
        "vpcZoneIdentifiers": [world.subnet.id],
        "forceDelete": True,
        "waitForCapacityTimeout": "0",
        "healthCheckType": "EC2",
        "healthCheckGracePeriod": 60,
        "capacityRebalance": True,
        "terminationPolicies": ["OldestInstance"],
        "suspendedProcesses": ["AZRebalance"],
        "mixedInstancesPolicy": {
            "instancesDistribution": {
                "onDemandBaseCapacity": 0,
                "onDemandPercentageAboveBaseCapacity": 0,
                "spotAllocationStrategy": "price-capacity-optimized",
            },
            "launchTemplate": {
                "launchTemplateSpecification": {
                    "launchTemplateId": world.template.id,
                    "version": str(world.template["latestVersion"]),
                },
                "overrides": [{"instanceType": "m7i.2xlarge"}, {"instanceType": "m6i.2xlarge"}],
            },
        },
        "tags": [
            {"key": "Name", "value": "worker", "propagateAtLaunch": True},
            {"key": "daskfleet:fleet", "value": "tests", "propagateAtLaunch": True},
        ],
    },
}
"""For every type, what a program may give."""
