"""What the members of a fleet know one another by: its authority, and a certificate for each role."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.certificates import issue_certificates
from daskfleet_components.naming import build_tags


class SecretsArgs(TypedDict):
    """Whose secrets they are."""

    fleet: str
    """Name of the fleet, for names and tags."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsSecrets(pulumi.ComponentResource):
    """The fleet's authority and certificates; the scheduler's and the workers' in AWS Secrets Manager, one secret each.

    The authority's key is in the stack's state only, encrypted.
    """

    ca: pulumi.Output[str]
    """Certificate of the authority, PEM."""
    client_cert: pulumi.Output[str]
    """A client's certificate, PEM."""
    client_key: pulumi.Output[str]
    """A client's private key, PEM; a secret."""
    scheduler_secret_arn: pulumi.Output[str]
    """The secret that the scheduler reads."""
    worker_secret_arn: pulumi.Output[str]
    """The secret that the workers read."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsSecrets", name, {}, opts)
        issued = issue_certificates(name, args["fleet"], self)
        self.ca, self.client_cert, self.client_key = issued.ca, issued.client_cert, issued.client_key
        arns = {
            role: store_secret(f"{name}-{role}", args["fleet"], role, value, self, args.get("tags"))
            for role, value in issued.nodes.items()
        }
        self.scheduler_secret_arn, self.worker_secret_arn = arns["scheduler"], arns["worker"]
        self.register_outputs(
            {
                "ca": self.ca,
                "clientCert": self.client_cert,
                "clientKey": self.client_key,
                "schedulerSecretArn": self.scheduler_secret_arn,
                "workerSecretArn": self.worker_secret_arn,
            }
        )


def store_secret(
    name: str,
    fleet: str,
    role: str,
    value: pulumi.Output[str],
    parent: pulumi.Resource,
    tags: dict[str, str] | None,
) -> pulumi.Output[str]:
    """Keep a value in AWS Secrets Manager; returns the secret's ARN, once it has its value.

    It goes at once when it is removed: the usual wait of days would keep the fleet's keys, and its bill, alive.
    """
    secret = aws.secretsmanager.Secret(
        name,
        name_prefix=f"daskfleet/{fleet}/{role}-",
        description=f"TLS material of the {role} of the Dask fleet {fleet}",
        recovery_window_in_days=0,
        tags=build_tags(fleet, role, extra=tags),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    version = aws.secretsmanager.SecretVersion(
        name,
        secret_id=secret.id,
        secret_string=value,
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["secret_string"]),
    )
    return pulumi.Output.all(secret.arn, version.id).apply(lambda known: str(known[0]))
