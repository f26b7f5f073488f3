"""A Dask fleet in AWS. Each class is a component resource of Pulumi and is usable alone; `Fleet` is all of them.

The classes have `Aws` in their own names, since programs in other languages find those of all clouds in one package.
"""

from daskfleet_components.aws.firewall import AwsFirewall as Firewall
from daskfleet_components.aws.firewall import FirewallArgs
from daskfleet_components.aws.fleet import AwsFleet as Fleet
from daskfleet_components.aws.fleet import AwsFleetGroupArgs as FleetGroupArgs
from daskfleet_components.aws.fleet import AwsFleetImageArgs as FleetImageArgs
from daskfleet_components.aws.fleet import AwsFleetNetworkArgs as FleetNetworkArgs
from daskfleet_components.aws.fleet import FleetArgs
from daskfleet_components.aws.identity import AwsIdentity as Identity
from daskfleet_components.aws.identity import IdentityArgs
from daskfleet_components.aws.image import AwsImage as Image
from daskfleet_components.aws.image import ImageArgs
from daskfleet_components.aws.logs import AwsLogs as Logs
from daskfleet_components.aws.logs import LogsArgs
from daskfleet_components.aws.network import AwsNetwork as Network
from daskfleet_components.aws.network import NetworkArgs
from daskfleet_components.aws.scheduler import AwsScheduler as Scheduler
from daskfleet_components.aws.scheduler import SchedulerArgs
from daskfleet_components.aws.secrets import AwsSecrets as Secrets
from daskfleet_components.aws.secrets import SecretsArgs
from daskfleet_components.aws.worker_group import AwsWorkerGroup as WorkerGroup
from daskfleet_components.aws.worker_group import WorkerGroupArgs

COMPONENTS = (Network, Firewall, Identity, Secrets, Image, Logs, Scheduler, WorkerGroup, Fleet)

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
