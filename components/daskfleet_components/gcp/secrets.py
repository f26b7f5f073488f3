"""What is secret about a fleet: its authority and certificates, and where its machines and clients read theirs."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.certificates import issue_certificates
from daskfleet_components.gcp.labels import build_labels, name_secret
from daskfleet_components.gcp.place import Place, find_place


class SecretsArgs(TypedDict):
    """Whose secrets they are."""

    fleet: str
    """Name of the fleet, for names and labels."""
    labels: NotRequired[dict[str, str]]
    """Labels besides the fleet's own."""


class GcpSecrets(pulumi.ComponentResource):
    """The fleet's authority and certificates; the scheduler's and the workers' in Secret Manager, one secret each.

    The authority's key is in the stack's state only, encrypted.
    """

    ca: pulumi.Output[str]
    """Certificate of the authority, PEM."""
    client_cert: pulumi.Output[str]
    """A client's certificate, PEM."""
    client_key: pulumi.Output[str]
    """A client's private key, PEM; a secret."""
    scheduler_secret: pulumi.Output[str]
    """The secret that the scheduler reads: `projects/PROJECT/secrets/NAME`."""
    worker_secret: pulumi.Output[str]
    """The secret that the workers read."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpSecrets", name, {}, opts)
        place = find_place(name, pulumi.InvokeOptions(parent=self))
        issued = issue_certificates(name, args["fleet"], self)
        self.ca, self.client_cert, self.client_key = issued.ca, issued.client_cert, issued.client_key
        stored = {
            role: store_secret(f"{name}-{role}", args["fleet"], place, role, value, self, args.get("labels"))
            for role, value in issued.nodes.items()
        }
        self.scheduler_secret, self.worker_secret = stored["scheduler"], stored["worker"]
        self.register_outputs(
            {
                "ca": self.ca,
                "clientCert": self.client_cert,
                "clientKey": self.client_key,
                "schedulerSecret": self.scheduler_secret,
                "workerSecret": self.worker_secret,
            }
        )


def store_secret(
    name: str,
    fleet: str,
    place: Place,
    role: str,
    value: pulumi.Output[str],
    parent: pulumi.Resource,
    labels: dict[str, str] | None,
) -> pulumi.Output[str]:
    """Keep a value in Secret Manager, in the fleet's region only; returns the secret, once it has its value."""
    secret = gcp.secretmanager.Secret(
        name,
        secret_id=name_secret(fleet, place.region, role),
        replication=gcp.secretmanager.SecretReplicationArgs(
            user_managed=gcp.secretmanager.SecretReplicationUserManagedArgs(
                replicas=[gcp.secretmanager.SecretReplicationUserManagedReplicaArgs(location=place.region)]
            )
        ),
        labels=build_labels(fleet, place.region, role, extra=labels),
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )
    version = gcp.secretmanager.SecretVersion(
        name,
        secret=secret.id,
        secret_data=value,
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["secret_data"]),
    )
    return pulumi.Output.all(secret.name, version.id).apply(lambda known: str(known[0]))
