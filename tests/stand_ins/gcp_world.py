"""Inputs for each of Google's types, as wide as programs give them, and what they need to exist first."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from stand_ins.plugin_client import Made, PluginClient

PROJECT, REGION, ZONE = "daskfleet-lab", "europe-west4", "europe-west4-b"
BUCKET = "lab-data"
LABELS = {"team": "tests", "daskfleet-fleet": "one"}
MARK = "daskfleet-fleet=one daskfleet-region=europe-west4 daskfleet-role=worker"
METADATA = {"user-data": "#cloud-config\n{}\n", "block-project-ssh-keys": "TRUE", "enable-oslogin": "FALSE"}
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

NETWORK = "gcp:compute/network:Network"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
ROUTER = "gcp:compute/router:Router"
NAT = "gcp:compute/routerNat:RouterNat"
FIREWALL = "gcp:compute/firewall:Firewall"
ACCOUNT = "gcp:serviceaccount/account:Account"
PROJECT_MEMBER = "gcp:projects/iAMMember:IAMMember"
SECRET = "gcp:secretmanager/secret:Secret"
SECRET_VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
SECRET_MEMBER = "gcp:secretmanager/secretIamMember:SecretIamMember"
BUCKET_MEMBER = "gcp:storage/bucketIAMMember:BucketIAMMember"
ADDRESS = "gcp:compute/address:Address"
INSTANCE = "gcp:compute/instance:Instance"
TEMPLATE = "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate"
GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager"
HEALTH_CHECK = "gcp:compute/regionHealthCheck:RegionHealthCheck"
POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"


class GcpWorld:
    """Things that others need, made when they are asked for."""

    def __init__(self, plugin: PluginClient, image: str) -> None:
        self.plugin = plugin
        self.image = image
        """The link of an image of x86-64."""

    @cached_property
    def network(self) -> Made:
        return self.plugin.create(NETWORK, {"autoCreateSubnetworks": False}, "net")

    @cached_property
    def subnet(self) -> Made:
        inputs = {"network": self.network.id, "ipCidrRange": "10.77.0.0/20"}
        return self.plugin.create(SUBNETWORK, inputs, "subnet")

    @cached_property
    def router(self) -> Made:
        return self.plugin.create(ROUTER, {"network": self.network.id}, "router")

    @cached_property
    def account(self) -> Made:
        return self.plugin.create(ACCOUNT, {"accountId": "one-worker"}, "account")

    @cached_property
    def secret(self) -> Made:
        return self.plugin.create(SECRET, {"secretId": "one-worker", "replication": {"auto": {}}}, "secret")

    @cached_property
    def address(self) -> Made:
        inputs = {"addressType": "INTERNAL", "subnetwork": self.subnet.id, "address": "10.77.0.10"}
        return self.plugin.create(ADDRESS, inputs, "address")

    @cached_property
    def external(self) -> Made:
        return self.plugin.create(ADDRESS, {}, "external")

    @cached_property
    def check(self) -> Made:
        return self.plugin.create(HEALTH_CHECK, {"httpHealthCheck": {"port": 8788}}, "check")

    def make_template(self, name: str, **more: Any) -> Made:
        return self.plugin.create(TEMPLATE, {**INPUTS[TEMPLATE](self), **more}, name)

    @cached_property
    def template(self) -> Made:
        return self.make_template("template")


Inputs = Callable[[GcpWorld], dict[str, Any]]

INPUTS: dict[str, Inputs] = {
    NETWORK: lambda world: {"autoCreateSubnetworks": False, "routingMode": "REGIONAL", "description": MARK},
    SUBNETWORK: lambda world: {
        "network": world.network.id,
        "ipCidrRange": "10.77.64.0/20",
        "region": REGION,
        "privateIpGoogleAccess": True,
        "description": MARK,
    },
    ROUTER: lambda world: {"network": world.network["selfLink"], "region": REGION, "description": MARK},
    NAT: lambda world: {
        "router": world.router["name"],
        "region": REGION,
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        "subnetworks": [{"name": world.subnet.id, "sourceIpRangesToNats": ["ALL_IP_RANGES"]}],
        "enableDynamicPortAllocation": True,
        "minPortsPerVm": 64,
        "maxPortsPerVm": 4096,
        "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
    },
    FIREWALL: lambda world: {
        "network": world.network.id,
        "direction": "INGRESS",
        "priority": 1000,
        "allows": [{"protocol": "tcp", "ports": ["8786", "8787"]}, {"protocol": "ICMP"}],
        "sourceRanges": ["35.191.0.0/16", "130.211.0.0/22"],
        "sourceServiceAccounts": [world.account["email"]],
        "targetServiceAccounts": [world.account["email"]],
        "description": MARK,
    },
    ACCOUNT: lambda world: {"accountId": "one-scheduler", "displayName": "one", "description": MARK},
    PROJECT_MEMBER: lambda world: {
        "project": PROJECT,
        "role": "roles/logging.logWriter",
        "member": world.account["member"],
    },
    SECRET: lambda world: {
        "secretId": "daskfleet-one-client",
        "labels": LABELS,
        "replication": {"userManaged": {"replicas": [{"location": REGION}]}},
    },
    SECRET_VERSION: lambda world: {"secret": world.secret.id, "secretData": "s3cr3t"},
    SECRET_MEMBER: lambda world: {
        "secretId": world.secret.id,
        "role": "roles/secretmanager.secretAccessor",
        "member": world.account["member"],
    },
    BUCKET_MEMBER: lambda world: {
        "bucket": BUCKET,
        "role": "roles/storage.objectViewer",
        "member": world.account["member"],
        "condition": {
            "title": "prefix",
            "description": "of the tests",
            "expression": f'resource.name.startsWith("projects/_/buckets/{BUCKET}/objects/x/")',
        },
    },
    ADDRESS: lambda world: {
        "addressType": "INTERNAL",
        "subnetwork": world.subnet.id,
        "region": REGION,
        "labels": LABELS,
        "description": "of the scheduler",
    },
    INSTANCE: lambda world: {
        "machineType": "n2-standard-4",
        "zone": ZONE,
        "bootDisk": {
            "autoDelete": True,
            "initializeParams": {"image": world.image, "size": 40, "type": "pd-ssd", "labels": LABELS},
        },
        "networkInterfaces": [
            {
                "subnetwork": world.subnet.id,
                "networkIp": world.address["address"],
                "accessConfigs": [{"natIp": world.external["address"]}],
            }
        ],
        "serviceAccount": {"email": world.account["email"], "scopes": ["cloud-platform"]},
        "metadata": METADATA,
        "shieldedInstanceConfig": {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True},
        "scheduling": {"onHostMaintenance": "MIGRATE", "automaticRestart": True},
        "labels": LABELS,
        "description": "the scheduler",
        "allowStoppingForUpdate": True,
    },
    TEMPLATE: lambda world: {
        "machineType": "n2-standard-4",
        "region": REGION,
        "disks": [
            {
                "sourceImage": world.image,
                "boot": True,
                "autoDelete": True,
                "diskSizeGb": 40,
                "diskType": "pd-balanced",
                "labels": LABELS,
            }
        ],
        "networkInterfaces": [{"subnetwork": world.subnet.id}],
        "serviceAccount": {"email": world.account["email"], "scopes": [SCOPE]},
        "metadata": METADATA,
        "scheduling": {
            "provisioningModel": "SPOT",
            "preemptible": True,
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
            "instanceTerminationAction": "DELETE",
        },
        "labels": LABELS,
        "description": MARK,
        "instanceDescription": "a worker",
        "shieldedInstanceConfig": {"enableSecureBoot": True},
    },
    GROUP: lambda world: {
        "baseInstanceName": "one-cpu",
        "region": REGION,
        "versions": [{"instanceTemplate": world.template["selfLink"]}],
        "targetSize": 2,
        "distributionPolicyZones": [ZONE, f"{REGION}-c"],
        "distributionPolicyTargetShape": "ANY",
        "instanceFlexibilityPolicy": {
            "instanceSelections": [
                {"name": "first", "rank": 1, "machineTypes": ["n2-standard-4"]},
                {"name": "then", "rank": 2, "machineTypes": ["n2d-standard-4", "e2-standard-4"]},
            ]
        },
        "autoHealingPolicies": {"healthCheck": world.check.id, "initialDelaySec": 300},
        "updatePolicy": {
            "type": "OPPORTUNISTIC",
            "minimalAction": "REPLACE",
            "instanceRedistributionType": "NONE",
            "maxSurgeFixed": 0,
            "maxUnavailableFixed": 2,
        },
        "instanceLifecyclePolicy": {"forceUpdateOnRepair": "YES"},
        "listManagedInstancesResults": "PAGINATED",
        "description": MARK,
    },
    HEALTH_CHECK: lambda world: {
        "region": REGION,
        "httpHealthCheck": {"port": 8788, "requestPath": "/health"},
        "checkIntervalSec": 10,
        "timeoutSec": 5,
        "healthyThreshold": 1,
        "unhealthyThreshold": 3,
        "description": MARK,
    },
    POLICY: lambda world: {
        "region": REGION,
        "groupPlacementPolicy": {"collocation": "COLLOCATED"},
        "description": MARK,
    },
}
"""For every type, what a program may give."""

IMPORTED: dict[str, Callable[[Made], str]] = {
    PROJECT_MEMBER: lambda made: f"{made['project']} {made['role']} {made['member']}",
    SECRET_MEMBER: lambda made: f"{made['secretId']} {made['role']} {made['member']}",
    BUCKET_MEMBER: lambda made: f"{made['bucket']} {made['role']} {made['member']} {made['condition']['title']}",
}
"""What a person names, where it is not the id."""

SAID_TO_THE_PROVIDER = {
    INSTANCE: {"allowStoppingForUpdate"},
}
"""What no API tells back, so that an import cannot find it."""

NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
