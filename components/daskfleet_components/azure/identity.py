"""Who the machines of a fleet are: a user-assigned identity for the scheduler and one for the workers."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.azure.grants import find_scope, grant_data
from daskfleet_components.azure.place import find_subscription
from daskfleet_components.azure.roles import KEEP_BLOBS, READ_SECRETS, WRITE_BLOBS, assign
from daskfleet_components.naming import build_tags


class IdentityArgs(TypedDict):
    """What the machines may do."""

    fleet: str
    """Name of the fleet, for tags."""
    resource_group: pulumi.Input[str]
    """Resource group that the identities are made in."""
    location: str
    """Region that the identities are made in."""
    scheduler_secret: pulumi.Input[str]
    """The secret that the scheduler reads, by its identifier."""
    worker_secret: pulumi.Input[str]
    """The secret that the workers read, by its identifier."""
    logs: pulumi.Input[str]
    """The container that the machines write their logs to, by its identifier."""
    read: NotRequired[list[str]]
    """Locations that workers and scheduler may read: `abfs://container@account.dfs.core.windows.net/prefix`."""
    write: NotRequired[list[str]]
    """Locations that they may write, and read."""
    storage_accounts: NotRequired[dict[str, str]]
    """Resource groups of the storage accounts in `read` and `write`, by the accounts' names."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


@dataclass(frozen=True)
class Principal:
    """One identity."""

    id: pulumi.Output[str]
    """Its identifier as a resource, by which machines are given it."""
    client: pulumi.Output[str]
    """Its client id, by which a machine asks for its token."""


class AzureIdentity(pulumi.ComponentResource):
    """Two identities. Each may read its own secret, write its log, and use the fleet's data; nothing else."""

    scheduler_identity: pulumi.Output[str]
    """The scheduler's identity."""
    scheduler_client: pulumi.Output[str]
    """Client id of the scheduler's identity."""
    worker_identity: pulumi.Output[str]
    """The workers' identity."""
    worker_client: pulumi.Output[str]
    """Client id of the workers' identity."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureIdentity", name, {}, opts)
        self._name = name
        self._args = args
        self._subscription = find_subscription(pulumi.InvokeOptions(parent=self))
        groups = args.get("storage_accounts", {})
        try:
            granted = grant_data(args.get("read", []), args.get("write", []))
            self._data = [(grant, find_scope(self._subscription, groups, grant.location)) for grant in granted]
        except ValueError as error:
            raise pulumi.RunError(f"{name}: data: {error}.") from None
        self.grants: list[pulumi.Resource] = []
        """What a machine needs before it can read its secret."""
        scheduler = self._make("scheduler", args["scheduler_secret"])
        workers = self._make("worker", args["worker_secret"])
        self.scheduler_identity, self.scheduler_client = scheduler.id, scheduler.client
        self.worker_identity, self.worker_client = workers.id, workers.client
        self.register_outputs(
            {
                "schedulerIdentity": self.scheduler_identity,
                "schedulerClient": self.scheduler_client,
                "workerIdentity": self.worker_identity,
                "workerClient": self.worker_client,
            }
        )

    def _make(self, role: str, secret: pulumi.Input[str]) -> Principal:
        args = self._args
        name = f"{self._name}-{role}"
        identity = azure.managedidentity.UserAssignedIdentity(
            name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            tags=build_tags(args["fleet"], role, extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.grants += [
            self._assign(name, identity, secret, READ_SECRETS),
            self._assign(f"{name}-logs", identity, args["logs"], WRITE_BLOBS, KEEP_BLOBS),
        ]
        for number, (grant, scope) in enumerate(self._data):
            self._assign(f"{name}-data-{number}", identity, scope, grant.role, grant.condition)
        return Principal(identity.id, identity.client_id)

    def _assign(
        self,
        name: str,
        identity: azure.managedidentity.UserAssignedIdentity,
        scope: pulumi.Input[str],
        role: str,
        condition: str = "",
    ) -> azure.authorization.RoleAssignment:
        return assign(
            name,
            subscription=self._subscription,
            scope=scope,
            role=role,
            principal=identity.principal_id,
            parent=self,
            condition=condition,
        )
