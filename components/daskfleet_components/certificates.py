"""The authority of a fleet and the certificates that it issues; the same in every cloud."""

from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

LIFETIME_HOURS = 10 * 365 * 24
"""A fleet's certificates outlive it: they are made with it and removed with it."""

ALGORITHM, CURVE = "ECDSA", "P256"

NODES = ("scheduler", "worker")
"""Roles of machines. Each of them is called, and calls."""


@dataclass(frozen=True)
class Certificates:
    """What was issued; the authority's key is in the stack's state only, encrypted."""

    ca: pulumi.Output[str]
    """Certificate of the authority, PEM."""
    client_cert: pulumi.Output[str]
    """A client's certificate, PEM."""
    client_key: pulumi.Output[str]
    """A client's private key, PEM; a secret."""
    nodes: dict[str, pulumi.Output[str]]
    """By role, what a machine reads: JSON of `ca`, `cert` and `key`; a secret."""


def issue_certificates(name: str, fleet: str, parent: pulumi.Resource) -> Certificates:
    """An authority, and a certificate of it for a client and for each role of machines.

    Args:
        name: how the names of the resources begin.
        fleet: name of the fleet, which the certificates say.
        parent: whose children the resources are.
    """
    return _Issuer(name, fleet, parent).issue()


class _Issuer:
    def __init__(self, name: str, fleet: str, parent: pulumi.Resource) -> None:
        self._name = name
        self._fleet = fleet
        self._parent = parent

    def issue(self) -> Certificates:
        key = self._make_key("ca")
        authority = tls.SelfSignedCert(
            f"{self._name}-ca",
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            validity_period_hours=LIFETIME_HOURS,
            allowed_uses=["cert_signing", "crl_signing"],
            subject={"common_name": f"daskfleet {self._fleet} authority"},
            opts=pulumi.ResourceOptions(parent=self._parent),
        )
        client_cert, client_key = self._certify("client", authority, key, ["client_auth"])
        nodes = {}
        for role in NODES:
            cert, private = self._certify(role, authority, key, ["server_auth", "client_auth"])
            nodes[role] = pulumi.Output.json_dumps({"ca": authority.cert_pem, "cert": cert, "key": private})
        return Certificates(authority.cert_pem, client_cert, client_key, nodes)

    def _make_key(self, role: str) -> tls.PrivateKey:
        return tls.PrivateKey(
            f"{self._name}-{role}",
            algorithm=ALGORITHM,
            ecdsa_curve=CURVE,
            opts=pulumi.ResourceOptions(parent=self._parent, additional_secret_outputs=["private_key_pem"]),
        )

    def _certify(
        self, role: str, authority: tls.SelfSignedCert, authority_key: tls.PrivateKey, uses: list[str]
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """A certificate of the authority and its key."""
        key = self._make_key(role)
        request = tls.CertRequest(
            f"{self._name}-{role}",
            private_key_pem=key.private_key_pem,
            subject={"common_name": f"daskfleet {self._fleet} {role}"},
            opts=pulumi.ResourceOptions(parent=self._parent),
        )
        certificate = tls.LocallySignedCert(
            f"{self._name}-{role}",
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=authority.cert_pem,
            ca_private_key_pem=authority_key.private_key_pem,
            validity_period_hours=LIFETIME_HOURS,
            allowed_uses=["digital_signature", *uses],
            opts=pulumi.ResourceOptions(parent=self._parent),
        )
        return certificate.cert_pem, pulumi.Output.secret(key.private_key_pem_pkcs8)


def make_ssh_key(name: str, parent: pulumi.Resource) -> tls.PrivateKey:
    """A key of a fleet's own for those who log in to its scheduler's machine."""
    return tls.PrivateKey(
        name,
        algorithm="ED25519",
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["private_key_openssh"]),
    )
