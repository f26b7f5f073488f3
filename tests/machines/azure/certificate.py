"""The certificate of vaults and storage accounts, which machines of a network trust."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("*.vault.azure.net", "*.blob.core.windows.net")
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """An authority's, and one that it has issued; PEM."""

    authority: str
    chain: str
    """The issued one and its private key."""


def issue() -> Certificate:
    """New ones."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Azure in a test")])
    now = datetime.datetime.now(datetime.UTC)
    common = x509.CertificateBuilder(issuer_name=name, not_valid_before=now - DAY, not_valid_after=now + DAY)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        common.subject_name(name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(use_key(for_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    issued = (
        common.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Azure's services in a test")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(use_key(for_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(authority.public_bytes(pem).decode(), (issued.public_bytes(pem) + private).decode())


def use_key(*, for_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=for_certificates,
        crl_sign=for_certificates,
        encipher_only=False,
        decipher_only=False,
    )
