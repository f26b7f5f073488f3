"""All collections."""

from __future__ import annotations

from google_cloud.compute.addresses import Addresses
from google_cloud.compute.collection import Collection
from google_cloud.compute.disks import Disks
from google_cloud.compute.firewalls import Firewalls
from google_cloud.compute.groups import InstanceGroupManagers, InstanceGroups
from google_cloud.compute.health_checks import HealthChecks
from google_cloud.compute.images import Images
from google_cloud.compute.instances import Instances
from google_cloud.compute.networks import Networks, Subnetworks
from google_cloud.compute.nothing import GlobalHealthChecks, GlobalTemplates
from google_cloud.compute.operation_lists import OperationList
from google_cloud.compute.places import AcceleratorTypes, DiskTypes, MachineTypes, Projects, Regions, Zones
from google_cloud.compute.resource_policies import ResourcePolicies
from google_cloud.compute.routers import Routers
from google_cloud.compute.templates import InstanceTemplates

COLLECTIONS: tuple[Collection, ...] = (
    Networks(),
    Subnetworks(),
    Firewalls(),
    Routers(),
    Addresses(),
    Images(),
    Disks(),
    Instances(),
    InstanceTemplates(),
    InstanceGroupManagers(),
    InstanceGroups(),
    HealthChecks(),
    ResourcePolicies(),
    GlobalTemplates(),
    GlobalHealthChecks(),
    MachineTypes(),
    DiskTypes(),
    AcceleratorTypes(),
    Projects(),
    Regions(),
    Zones(),
    OperationList("global", "Global"),
    OperationList("regions", "Region"),
    OperationList("zones", "Zone"),
)
