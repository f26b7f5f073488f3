"""Where the logs of a fleet's machines go, so that those of a machine that is gone can be read."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.naming import build_tags

RETENTION_DAYS = 14


class LogsArgs(TypedDict):
    """What is kept."""

    fleet: str
    """Name of the fleet, for names and tags."""
    retention_days: NotRequired[int]
    """Days that lines are kept, one of the numbers that CloudWatch allows; 14 if not given."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsLogs(pulumi.ComponentResource):
    """The fleet's log group in CloudWatch; each machine has a stream in it, `scheduler/HOST` or `GROUP/HOST`."""

    group_name: pulumi.Output[str]
    """Name of the log group."""
    group_arn: pulumi.Output[str]
    """ARN of the log group."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsLogs", name, {}, opts)
        group = aws.cloudwatch.LogGroup(
            name,
            name_prefix=f"/daskfleet/{args['fleet']}/",
            retention_in_days=args.get("retention_days", RETENTION_DAYS),
            tags=build_tags(args["fleet"], "network", extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.group_name = group.name
        self.group_arn = group.arn
        self.register_outputs({"groupName": self.group_name, "groupArn": self.group_arn})
