"""A Dask fleet in Google Cloud. Each class is a component resource of Pulumi, usable alone; `Fleet` is all of them.

The classes have `Gcp` in their own names, since programs in other languages find those of all clouds in one package.
"""

from daskfleet_components.gcp.firewall import FirewallArgs
from daskfleet_components.gcp.firewall import GcpFirewall as Firewall
from daskfleet_components.gcp.fleet import FleetArgs
from daskfleet_components.gcp.fleet import GcpFleet as Fleet
from daskfleet_components.gcp.fleet import GcpFleetGroupArgs as FleetGroupArgs
from daskfleet_components.gcp.fleet import GcpFleetImageArgs as FleetImageArgs
from daskfleet_components.gcp.fleet import GcpFleetNetworkArgs as FleetNetworkArgs
from daskfleet_components.gcp.identity import GcpIdentity as Identity
from daskfleet_components.gcp.identity import IdentityArgs
from daskfleet_components.gcp.image import GcpImage as Image
from daskfleet_components.gcp.image import ImageArgs
from daskfleet_components.gcp.network import GcpNetwork as Network
from daskfleet_components.gcp.network import NetworkArgs
from daskfleet_components.gcp.scheduler import GcpScheduler as Scheduler
from daskfleet_components.gcp.scheduler import SchedulerArgs
from daskfleet_components.gcp.secrets import GcpSecrets as Secrets
from daskfleet_components.gcp.secrets import SecretsArgs
from daskfleet_components.gcp.worker_group import GcpAcceleratorArgs as AcceleratorArgs
from daskfleet_components.gcp.worker_group import GcpWorkerGroup as WorkerGroup
from daskfleet_components.gcp.worker_group import WorkerGroupArgs

COMPONENTS = (Network, Firewall, Identity, Secrets, Image, Scheduler, WorkerGroup, Fleet)

__all__ = [
    "COMPONENTS",
    "AcceleratorArgs",
    "Firewall",
    "FirewallArgs",
    "Fleet",
    "FleetArgs",
    "FleetGroupArgs",
    "FleetImageArgs",
    "FleetNetworkArgs",
    "Identity",
    "IdentityArgs",
    "Image",
    "ImageArgs",
    "Network",
    "NetworkArgs",
    "Scheduler",
    "SchedulerArgs",
    "Secrets",
    "SecretsArgs",
    "WorkerGroup",
    "WorkerGroupArgs",
]
