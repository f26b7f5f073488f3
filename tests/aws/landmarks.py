"""What the suite for every cloud must know of AWS."""

from __future__ import annotations

from aws_calls import BROKEN, THROTTLED, Refusal, denied
from clouds.landmarks import Component, Landmarks, Refusals
from machines.metadata import REGION

LANDMARKS = Landmarks(
    network="CreateVpc",
    subnet="CreateSubnet",
    machine="RunInstances",
    group="CreateAutoScalingGroup",
    template="CreateLaunchTemplate",
    resize="SetDesiredCapacity",
    middle=("CreateSecret", "CreateSubnet", "AuthorizeSecurityGroupIngress", "CreateNatGateway"),
    once=("ImportKeyPair", "AuthorizeSecurityGroupIngress", "RunInstances"),
    removing=("TerminateInstances", "DeleteNatGateway", "DeleteRole"),
    hindered="DeleteInternetGateway",
    denied=(
        "iam:AddRoleToInstanceProfile",
        "secretsmanager:PutSecretValue",
        "logs:PutRetentionPolicy",
        "ec2:AttachInternetGateway",
        "autoscaling:SuspendProcesses",
    ),
    seen=("ec2:RunInstances", "iam:CreateRole", "logs:CreateLogGroup", "secretsmanager:PutSecretValue"),
    # RevokeSecurityGroupEgress is in the middle of making a security group: AWS gives it a rule, which is to go.
    expiring=("GetCallerIdentity", "RevokeSecurityGroupEgress", "CreateVpcEndpoint"),
    network_type="ec2.Vpc",
    group_type="autoscaling.Group",
    types=("ec2.Vpc", "ec2.Instance", "autoscaling.Group"),
    scheduler_type="m7i.large",
    other_architecture="m7g.large",
    gpu_type="g5.xlarge",
    no_type="x9.huge",
    type_words="instance types",
    addresses="10.77.",
)

REFUSALS = Refusals(
    throttled=THROTTLED,
    broken=BROKEN,
    expired=Refusal("ExpiredToken", "The security token included in the request is expired", 403),
    denied=denied,
    denied_words=lambda name: f"is not authorized to perform: {name}",
    expired_words="Renew them",
    no_spot_words="Could not launch Spot Instances",
    shortages={
        "capacity": (
            Refusal("InsufficientInstanceCapacity", "We currently do not have sufficient m7i.large capacity", 400),
            "the cloud has no such machine free now",
        ),
        "quota": (
            Refusal("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of 1"),
            "a quota of the account is used up",
        ),
    },
)

COMPONENT = Component(
    kind="daskfleet:AwsFleet",
    groups="autoScalingGroups",
    tags="tags",
    properties={"network": {"zones": 3}, "schedulerInstanceType": LANDMARKS.scheduler_type},
    config={"aws:region": REGION},
    spec={"network": {"zones": 3}},
)
