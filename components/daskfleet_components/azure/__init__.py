"""A Dask fleet in Azure. Each class is a component resource of Pulumi, usable alone; `Fleet` is all of them.

The classes have `Azure` in their own names, since programs in other languages find those of all clouds in one package.
"""

from daskfleet_components.azure.firewall import AzureFirewall as Firewall
from daskfleet_components.azure.firewall import FirewallArgs
from daskfleet_components.azure.fleet import AzureFleet as Fleet
from daskfleet_components.azure.fleet import AzureFleetGroupArgs as FleetGroupArgs
from daskfleet_components.azure.fleet import AzureFleetImageArgs as FleetImageArgs
from daskfleet_components.azure.fleet import AzureFleetNetworkArgs as FleetNetworkArgs
from daskfleet_components.azure.fleet import FleetArgs
from daskfleet_components.azure.identity import AzureIdentity as Identity
from daskfleet_components.azure.identity import IdentityArgs
from daskfleet_components.azure.image import AzureImage as Image
from daskfleet_components.azure.image import ImageArgs
from daskfleet_components.azure.logs import AzureLogs as Logs
from daskfleet_components.azure.logs import LogsArgs
from daskfleet_components.azure.network import AzureNetwork as Network
from daskfleet_components.azure.network import NetworkArgs
from daskfleet_components.azure.scheduler import AzureScheduler as Scheduler
from daskfleet_components.azure.scheduler import SchedulerArgs
from daskfleet_components.azure.secrets import AzureSecrets as Secrets
from daskfleet_components.azure.secrets import SecretsArgs
from daskfleet_components.azure.worker_group import AzureWorkerGroup as WorkerGroup
from daskfleet_components.azure.worker_group import WorkerGroupArgs

COMPONENTS = (Network, Firewall, Identity, Secrets, Logs, Image, Scheduler, WorkerGroup, Fleet)

__all__ = [
    "COMPONENTS",
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
    "Logs",
    "LogsArgs",
    "Network",
    "NetworkArgs",
    "Scheduler",
    "SchedulerArgs",
    "Secrets",
    "SecretsArgs",
    "WorkerGroup",
    "WorkerGroupArgs",
]
