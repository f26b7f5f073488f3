"""What the members of a fleet know one another by: its authority, and a certificate for each role."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from daskfleet_components.naming import build_tags

LIFETIME_HOURS = 10 * 365 * 24
"""A fleet's certificates outlive it: they are made with it and removed with it."""

ALGORITHM, CURVE = "ECDSA", "P256"


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
        self._name = name
        self._args = args
        key = self._make_key("ca")
        authority = tls.SelfSignedCert(
            f"{name}-ca",
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            validity_period_hours=LIFETIME_HOURS,
            allowed_uses=["cert_signing", "crl_signing"],
            subject={"common_name": f"daskfleet {args['fleet']} authority"},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ca = authority.cert_pem
        self._ca_key = key.private_key_pem
        self.client_cert, self.client_key = self._issue("client", ["client_auth"])
        arns = []
        for role in ("scheduler", "worker"):
            # They are called, and they call.
            cert, private = self._issue(role, ["server_auth", "client_auth"])
            value = pulumi.Output.json_dumps({"ca": self.ca, "cert": cert, "key": private})
            arns.append(store_secret(f"{name}-{role}", args["fleet"], role, value, self, args.get("tags")))
        self.scheduler_secret_arn, self.worker_secret_arn = arns
        self.register_outputs(
            {
                "ca": self.ca,
                "clientCert": self.client_cert,
                "clientKey": self.client_key,
                "schedulerSecretArn": self.scheduler_secret_arn,
                "workerSecretArn": self.worker_secret_arn,
            }
        )

    def _make_key(self, role: str) -> tls.PrivateKey:
        return tls.PrivateKey(
            f"{self._name}-{role}",
            algorithm=ALGORITHM,
            ecdsa_curve=CURVE,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["private_key_pem"]),
        )

    def _issue(self, role: str, uses: list[str]) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """A certificate of the authority and its key."""
        key = self._make_key(role)
        request = tls.CertRequest(
            f"{self._name}-{role}",
            private_key_pem=key.private_key_pem,
            subject={"common_name": f"daskfleet {self._args['fleet']} {role}"},
            opts=pulumi.ResourceOptions(parent=self),
        )
        certificate = tls.LocallySignedCert(
            f"{self._name}-{role}",
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=self.ca,
            ca_private_key_pem=self._ca_key,
            validity_period_hours=LIFETIME_HOURS,
            allowed_uses=["digital_signature", *uses],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return certificate.cert_pem, pulumi.Output.secret(key.private_key_pem_pkcs8)


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
