"""Who the machines of a fleet are: a service account for the scheduler and one for the workers."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.gcp.grants import LOG_WRITER, SECRET_READER, grant_data
from daskfleet_components.gcp.labels import describe, name_account
from daskfleet_components.gcp.place import find_place

LONGEST_TITLE = 100
"""Characters of the title of an IAM condition."""


class IdentityArgs(TypedDict):
    """What the machines may do."""

    fleet: str
    """Name of the fleet, for names and marks."""
    scheduler_secret: pulumi.Input[str]
    """The secret that the scheduler reads, by its id."""
    worker_secret: pulumi.Input[str]
    """The secret that the workers read, by its id."""
    read: NotRequired[list[str]]
    """Locations of Cloud Storage that workers and scheduler may read: `gs://bucket/prefix`."""
    write: NotRequired[list[str]]
    """Locations that they may write, and read."""


class GcpIdentity(pulumi.ComponentResource):
    """Two service accounts. Each may read its own secret, write log entries, and use the fleet's data; nothing else."""

    scheduler_account: pulumi.Output[str]
    """Email of the scheduler's service account."""
    worker_account: pulumi.Output[str]
    """Email of the workers' service account."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpIdentity", name, {}, opts)
        self._name = name
        self._args = args
        self._place = find_place(name, pulumi.InvokeOptions(parent=self))
        try:
            self._data = grant_data(args.get("read", []), args.get("write", []))
        except ValueError as error:
            raise pulumi.RunError(f"{name}: data: {error}.") from None
        self.grants: list[pulumi.Resource] = []
        """What a machine needs before it can read its secret."""
        self.scheduler_account = self._make("scheduler", args["scheduler_secret"])
        self.worker_account = self._make("worker", args["worker_secret"])
        self.register_outputs({"schedulerAccount": self.scheduler_account, "workerAccount": self.worker_account})

    def _make(self, role: str, secret: pulumi.Input[str]) -> pulumi.Output[str]:
        name, fleet = f"{self._name}-{role}", self._args["fleet"]
        child = pulumi.ResourceOptions(parent=self)
        account = gcp.serviceaccount.Account(
            name,
            account_id=name_account(fleet, self._place.region, role),
            display_name=f"{role} of the Dask fleet {fleet}",
            description=describe(fleet, self._place.region, role),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.grants += [
            gcp.secretmanager.SecretIamMember(
                name, secret_id=secret, role=SECRET_READER, member=account.member, opts=child
            ),
            gcp.projects.IAMMember(
                f"{name}-logs", project=self._place.project, role=LOG_WRITER, member=account.member, opts=child
            ),
        ]
        for number, grant in enumerate(self._data):
            condition = gcp.storage.BucketIAMMemberConditionArgs(
                title=f"daskfleet {fleet} below {grant.prefix}"[:LONGEST_TITLE], expression=grant.condition
            )
            gcp.storage.BucketIAMMember(
                f"{name}-data-{number}",
                bucket=grant.bucket,
                role=grant.role,
                member=account.member,
                condition=condition if grant.condition else None,
                opts=child,
            )
        return account.email
