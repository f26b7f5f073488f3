"""What the machines of a fleet may do, as documents of IAM. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from daskfleet_components.naming import FLEET_TAG

VERSION = "2012-10-17"

BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
LOCATION = re.compile(rf"s3://(?P<bucket>{BUCKET})(?:/(?P<prefix>[^*?]*))?")
"""`*` and `?` are wildcards in IAM, and have no place in what a person names."""

READ = ("s3:GetObject", "s3:GetObjectVersion")
WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


def build_trust() -> dict[str, Any]:
    """Machines may take the role."""
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": VERSION, "Statement": [statement]}


def build_policy(statements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow_secret(arn: str) -> dict[str, Any]:
    """Read one secret."""
    return _allow(["secretsmanager:GetSecretValue"], [arn])


def allow_logs(group_arn: str) -> dict[str, Any]:
    """Write to the streams of one log group."""
    return _allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{group_arn.removesuffix(':*')}:*"])


def allow_scaling(fleet: str) -> list[dict[str, Any]]:
    """Change the numbers of the fleet's own Auto Scaling groups, and look at groups, which cannot be narrowed."""
    change = _allow(["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"], ["*"])
    change["Condition"] = {"StringEquals": {f"aws:ResourceTag/{FLEET_TAG}": fleet}}
    return [change, _allow(["autoscaling:DescribeAutoScalingGroups"], ["*"])]


def allow_data(read: Iterable[str], write: Iterable[str], partition: str) -> list[dict[str, Any]]:
    """Read and write below these locations of S3, and list them. Who may write may read as well.

    Args:
        read: `s3://bucket/prefix`, or `s3://bucket`.
        write: the same.
        partition: of AWS, such as `aws`.

    Raises:
        ValueError: one is no location of S3.
    """
    write = list(write)
    readable = list(dict.fromkeys([*read, *write]))
    statements = [_allow_objects(READ, readable, partition)] if readable else []
    if write:
        statements.append(_allow_objects(WRITE, write, partition))
    for location in readable:
        bucket, prefix = parse_location(location)
        listing = _allow(["s3:ListBucket"], [f"arn:{partition}:s3:::{bucket}"])
        if prefix:
            listing["Condition"] = {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}}
        statements.append(listing)
    return statements


def parse_location(location: str) -> tuple[str, str]:
    """The bucket and the prefix, without a slash at its end, of `s3://bucket/prefix`.

    Raises:
        ValueError: it is something else.
    """
    match = LOCATION.fullmatch(location)
    if match is None:
        raise ValueError(f"{location!r} is no location of S3; give s3://bucket or s3://bucket/prefix")
    return match["bucket"], (match["prefix"] or "").rstrip("/")


def _allow_objects(actions: Sequence[str], locations: Sequence[str], partition: str) -> dict[str, Any]:
    resources = []
    for location in locations:
        bucket, prefix = parse_location(location)
        resources.append(f"arn:{partition}:s3:::{bucket}/{prefix}/*" if prefix else f"arn:{partition}:s3:::{bucket}/*")
        if prefix:
            resources.append(f"arn:{partition}:s3:::{bucket}/{prefix}")
    return _allow(list(actions), resources)


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
