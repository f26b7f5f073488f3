"""The fleet's own certificate authority, and a certificate for each role.

The authority's key is never written: once the three certificates are issued nobody can issue a fourth.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daskfleet.home import FleetPaths, make_private_folder, write_private_file

ROLES = ("scheduler", "worker", "client")

LIFETIME = datetime.timedelta(days=3650)
"""A fleet's certificates outlive it: they are made with it and removed with it."""

BACKDATE = datetime.timedelta(days=1)
"""So that a clock that is set back a little does not make them invalid."""


def issue_certificates(fleet: str, now: datetime.datetime) -> dict[str, str]:
    """PEM texts by file name: `ca.pem`, and `{role}.pem` and `{role}-key.pem` for each role."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name(f"daskfleet {fleet} authority")
    authority = (
        _builder(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    files = {"ca.pem": _certificate_pem(authority)}
    for role in ROLES:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(f"daskfleet {fleet} {role}"), authority_name, key, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            # Scheduler and workers are called and call; a client only calls.
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.CLIENT_AUTH] + ([] if role == "client" else [ExtendedKeyUsageOID.SERVER_AUTH])
                ),
                critical=False,
            )
            .sign(authority_key, hashes.SHA256())
        )
        files[f"{role}.pem"] = _certificate_pem(certificate)
        files[f"{role}-key.pem"] = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    return files


def write_certificates(fleet: str, paths: FleetPaths) -> None:
    """Issue the fleet's certificates and write them into its folder, with their keys."""
    files = issue_certificates(fleet, datetime.datetime.now(datetime.UTC))
    make_private_folder(paths.tls)
    # The authority last: where it is there, all are.
    for file_name in sorted(files, key=lambda each: each == "ca.pem"):
        write_private_file(paths.tls / file_name, files[file_name])


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
