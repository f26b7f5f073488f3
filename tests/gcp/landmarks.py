"""What the suite for every cloud must know of Google Cloud."""

from __future__ import annotations

from clouds.landmarks import Component, Landmarks, Refusals
from google_calls import BROKEN, THROTTLED, Refusal, denied
from machines.gcp.google import PROJECT, REGION

LANDMARKS = Landmarks(
    network="networks.insert",
    subnet="subnetworks.insert",
    machine="instances.insert",
    group="instanceGroupManagers.insert",
    template="instanceTemplates.insert",
    resize="instanceGroupManagers.resize",
    middle=("secrets.create", "serviceAccounts.create", "firewalls.insert", "routers.patch"),
    once=("addresses.insert", "firewalls.insert", "instances.insert"),
    removing=("instances.delete", "routers.delete", "serviceAccounts.delete"),
    hindered="networks.delete",
    denied=(
        "iam.serviceAccounts.create",
        "secretmanager.secrets.addVersion",
        "cloudresourcemanager.projects.setIamPolicy",
        "compute.routers.insert",
        "compute.instanceGroupManagers.insert",
    ),
    seen=(
        "compute.instances.insert",
        "iam.serviceAccounts.create",
        "secretmanager.secrets.addVersion",
        "cloudresourcemanager.projects.setIamPolicy",
    ),
    expiring=("projects.get", "projects.setIamPolicy", "subnetworks.insert"),
    network_type="compute.Network",
    group_type="compute.RegionInstanceGroupManager",
    types=("compute.Network", "compute.Instance", "compute.RegionInstanceGroupManager"),
    scheduler_type="e2-standard-2",
    other_architecture="c4a-standard-2",
    gpu_type="g2-standard-4",
    no_type="x9-huge",
    type_words="machine types",
    addresses="10.78.",
)

REFUSALS = Refusals(
    throttled=THROTTLED,
    broken=BROKEN,
    expired=Refusal(
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
        401,
        "authError",
    ),
    denied=denied,
    denied_words=lambda name: f"Required '{name}' permission",
    expired_words="Renew them|gcloud auth application-default login",
    no_spot_words="spot machine: ZONE_RESOURCE_POOL_EXHAUSTED",
    shortages={
        "capacity": (
            Refusal(
                "RESOURCE_EXHAUSTED",
                "The zone 'projects/daskfleet-lab/zones/europe-west4-a' does not have enough resources available to "
                "fulfill the request. '(resource type:compute)'.",
                503,
                "ZONE_RESOURCE_POOL_EXHAUSTED",
            ),
            "the cloud has no such machine free now",
        ),
        "quota": (
            Refusal(
                "PERMISSION_DENIED", "Quota 'CPUS' exceeded. Limit: 1.0 in region europe-west4.", 403, "quotaExceeded"
            ),
            "a quota of the project is used up",
        ),
    },
)

COMPONENT = Component(
    kind="daskfleet:GcpFleet",
    groups="instanceGroupManagers",
    tags="labels",
    properties={"schedulerInstanceType": LANDMARKS.scheduler_type},
    config={"gcp:region": REGION, "gcp:project": PROJECT},
)
