"""Who the machines of a fleet are: a role for the scheduler and one for the workers, each with what it must do."""

import json
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.aws import policies
from daskfleet_components.naming import build_tags, limit_name

ROLE_LIMIT = 64
"""Longest name of a role."""


class IdentityArgs(TypedDict):
    """What the machines may do."""

    fleet: str
    """Name of the fleet, for names and tags."""
    scheduler_secret_arn: pulumi.Input[str]
    """The secret that the scheduler reads."""
    worker_secret_arn: pulumi.Input[str]
    """The secret that the workers read."""
    log_group_arn: pulumi.Input[str]
    """The log group that they write to."""
    read: NotRequired[list[str]]
    """Locations of S3 that workers and scheduler may read: `s3://bucket/prefix`."""
    write: NotRequired[list[str]]
    """Locations of S3 that they may write, and read."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsIdentity(pulumi.ComponentResource):
    """Two roles with their instance profiles, under the path `/daskfleet/<fleet>/`."""

    scheduler_profile: pulumi.Output[str]
    """Name of the instance profile of the scheduler's machine."""
    worker_profile: pulumi.Output[str]
    """Name of the instance profile of the workers' machines."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsIdentity", name, {}, opts)
        self._name = name
        self._args = args
        fleet = args["fleet"]
        partition = aws.get_partition(opts=pulumi.InvokeOptions(parent=self)).partition
        try:
            data = policies.allow_data(args.get("read", []), args.get("write", []), partition)
        except ValueError as error:
            raise pulumi.RunError(f"{name}: data: {error}.") from None
        self.scheduler_profile = self._make(
            "scheduler", args["scheduler_secret_arn"], [*policies.allow_scaling(fleet), *data]
        )
        self.worker_profile = self._make("worker", args["worker_secret_arn"], data)
        self.register_outputs({"schedulerProfile": self.scheduler_profile, "workerProfile": self.worker_profile})

    def _make(self, role: str, secret_arn: pulumi.Input[str], statements: list[dict[str, Any]]) -> pulumi.Output[str]:
        name = limit_name(f"{self._name}-{role}", ROLE_LIMIT)
        path = f"/daskfleet/{self._args['fleet']}/"
        tags = build_tags(self._args["fleet"], role, extra=self._args.get("tags"))
        child = pulumi.ResourceOptions(parent=self)
        identity = aws.iam.Role(
            name, path=path, assume_role_policy=json.dumps(policies.build_trust()), tags=tags, opts=child
        )
        policy = pulumi.Output.all(secret_arn, self._args["log_group_arn"]).apply(
            lambda arns: json.dumps(
                policies.build_policy([policies.allow_secret(arns[0]), policies.allow_logs(arns[1]), *statements])
            )
        )
        granted = aws.iam.RolePolicy(name, role=identity.name, policy=policy, opts=child)
        # A machine whose profile is there may read its secret: so the policy comes first.
        profile = aws.iam.InstanceProfile(
            name,
            role=identity.name,
            path=path,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[granted]),
        )
        return profile.name
