"""A Dask fleet in AWS. Each class is a component resource of Pulumi and is usable alone; `Fleet` is all of them."""

from daskfleet_components.aws.firewall import Firewall, FirewallArgs
from daskfleet_components.aws.fleet import Fleet, FleetArgs, FleetGroupArgs, FleetImageArgs, FleetNetworkArgs
from daskfleet_components.aws.identity import Identity, IdentityArgs
from daskfleet_components.aws.image import Image, ImageArgs
from daskfleet_components.aws.logs import Logs, LogsArgs
from daskfleet_components.aws.network import Network, NetworkArgs
from daskfleet_components.aws.scheduler import Scheduler, SchedulerArgs
from daskfleet_components.aws.secrets import Secrets, SecretsArgs
from daskfleet_components.aws.worker_group import WorkerGroup, WorkerGroupArgs

__all__ = [
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
