"""The stand-in for TLS: what it makes is what OpenSSL, OpenSSH and Python take."""

from __future__ import annotations

import ssl
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stand_ins.core.wire import UNKNOWN, Secret, plain
from stand_ins.plugin_client import Made, PluginClient, Refusal

KEY = "tls:index/privateKey:PrivateKey"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
SUBJECT = {"commonName": "daskfleet tests", "organization": "daskfleet"}


def make_key(tls: PluginClient, **inputs: Any) -> Made:
    return tls.create(KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P256", **inputs})


def make_authority(tls: PluginClient, key: Made, **inputs: Any) -> Made:
    return tls.create(
        SELF_SIGNED,
        {
            "privateKeyPem": key["privateKeyPem"],
            "isCaCertificate": True,
            "validityPeriodHours": 24,
            "allowedUses": ["cert_signing", "crl_signing"],
            "subject": SUBJECT,
            **inputs,
        },
    )


def make_signed(tls: PluginClient, authority_key: Made, authority: Made, **inputs: Any) -> tuple[Made, Made]:
    """A key and its certificate."""
    key = make_key(tls)
    request = tls.create(
        REQUEST,
        {
            "privateKeyPem": key["privateKeyPem"],
            "subject": {"commonName": "client"},
            "dnsNames": ["localhost"],
            "ipAddresses": ["127.0.0.1", "::1"],
            "uris": ["spiffe://tests/client"],
        },
    )
    certificate = tls.create(
        SIGNED,
        {
            "certRequestPem": request["certRequestPem"],
            "caPrivateKeyPem": authority_key["privateKeyPem"],
            "caCertPem": authority["certPem"],
            "validityPeriodHours": 12,
            "allowedUses": ["digital_signature", "client_auth", "server_auth"],
            **inputs,
        },
    )
    return key, certificate


@pytest.mark.parametrize(
    ("inputs", "header"),
    [
        ({"algorithm": "RSA", "rsaBits": 2048}, "BEGIN RSA PRIVATE KEY"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P256"}, "BEGIN EC PRIVATE KEY"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P384"}, "BEGIN EC PRIVATE KEY"),
        ({"algorithm": "ED25519"}, "BEGIN PRIVATE KEY"),
    ],
)
def test_all_forms_of_a_key_are_the_same_key(tls: PluginClient, tmp_path: Path, inputs: dict[str, Any], header: str):
    made = tls.create(KEY, inputs)
    assert header in made["privateKeyPem"]
    pems = (made["privateKeyPem"], made["privateKeyPemPkcs8"])
    keys = [serialization.load_pem_private_key(pem.encode(), None) for pem in pems]
    keys.append(serialization.load_ssh_private_key(made["privateKeyOpenssh"].encode(), None))
    public = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    assert {key.public_key().public_bytes(*public).decode() for key in keys} == {made["publicKeyOpenssh"].strip()}
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(made["privateKeyOpenssh"])
    told = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert made["publicKeyFingerprintSha256"] in told


def test_a_curve_that_openssh_has_not_has_no_form_for_it(tls: PluginClient):
    made = tls.create(KEY, {"algorithm": "ECDSA"})
    assert made.inputs["ecdsaCurve"] == "P224"
    assert made["privateKeyOpenssh"] == made["publicKeyOpenssh"] == ""


def test_private_halves_are_secret(tls: PluginClient):
    made = make_key(tls)
    secret = {name for name, value in made.state.items() if isinstance(value, Secret)}
    assert secret == {"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}
    certificate = make_authority(tls, made)
    assert isinstance(certificate.state["privateKeyPem"], Secret)
    assert not isinstance(certificate.state["certPem"], Secret)


def test_an_authority_signs_what_openssl_trusts(tls: PluginClient, tmp_path: Path):
    authority_key = make_key(tls)
    authority = make_authority(tls, authority_key)
    key, signed = make_signed(tls, authority_key, authority)
    (tmp_path / "ca.pem").write_text(authority["certPem"])
    (tmp_path / "cert.pem").write_text(signed["certPem"])
    (tmp_path / "key.pem").write_text(key["privateKeyPem"])
    for purpose in ("sslclient", "sslserver"):
        command = ["openssl", "verify", "-purpose", purpose, "-CAfile", tmp_path / "ca.pem", tmp_path / "cert.pem"]
        subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")


def test_a_certificate_says_what_was_asked_for(tls: PluginClient):
    authority_key = make_key(tls)
    authority = make_authority(tls, authority_key)
    _, signed = make_signed(tls, authority_key, authority)
    certificate = x509.load_pem_x509_certificate(signed["certPem"].encode())
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "client"
    assert certificate.issuer == x509.load_pem_x509_certificate(authority["certPem"].encode()).subject
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://tests/client"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert length == timedelta(hours=12)
    assert datetime.fromisoformat(signed["validityEndTime"]) == certificate.not_valid_after_utc


def test_an_authority_is_one(tls: PluginClient):
    authority = x509.load_pem_x509_certificate(make_authority(tls, make_key(tls))["certPem"].encode())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_what_was_made_stays_until_its_inputs_change(tls: PluginClient):
    key = make_key(tls)
    authority = make_authority(tls, key)
    assert tls.diff(authority, authority_inputs(authority)).paths == {}
    refreshed = tls.refresh(authority)
    assert refreshed is not None
    assert refreshed.state == authority.state
    assert tls.diff(key, {"algorithm": "ED25519", "ecdsaCurve": "P256"}).replaces == ["algorithm"]
    longer = {**authority_inputs(authority), "validityPeriodHours": 48}
    assert tls.diff(authority, longer).replaces == ["validityPeriodHours"]
    unknown = {**authority_inputs(authority), "privateKeyPem": UNKNOWN}
    assert tls.diff(authority, unknown).replaces == ["privateKeyPem"]


def authority_inputs(made: Made) -> dict[str, Any]:
    names = ("privateKeyPem", "isCaCertificate", "validityPeriodHours", "allowedUses", "subject")
    return {name: plain(made.inputs[name]) for name in names}


def test_one_that_is_due_is_made_anew(tls: PluginClient):
    made = make_authority(tls, make_key(tls))
    early = {**authority_inputs(made), "earlyRenewalHours": 23}
    assert tls.diff(made, early).replaces == []
    updated = tls.update(made, early)
    assert not updated["readyForRenewal"]
    due = tls.update(made, {**authority_inputs(made), "earlyRenewalHours": 24})
    assert due["readyForRenewal"]
    assert tls.diff(due, {**authority_inputs(made), "earlyRenewalHours": 24}).replaces == ["readyForRenewal"]


@pytest.mark.parametrize(
    ("kind", "inputs", "path"),
    [
        (KEY, {"algorithm": "DSA"}, "algorithm"),
        (KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P25519"}, "ecdsaCurve"),
        (KEY, {}, "algorithm"),
        (SELF_SIGNED, {"validityPeriodHours": 1, "allowedUses": []}, "privateKeyPem"),
        (SELF_SIGNED, {"privateKeyPem": "x", "validityPeriodHours": 1, "allowedUses": ["sign"]}, "allowedUses[0]"),
        (REQUEST, {"privateKeyPem": "x", "ipAddresses": ["localhost"]}, "ipAddresses[0]"),
        (REQUEST, {"privateKeyPem": "x", "subjects": []}, "subjects"),
        (SELF_SIGNED, {"privateKeyPemWo": "x", "validityPeriodHours": 1, "allowedUses": []}, "privateKeyPemWo"),
    ],
)
def test_inputs_are_refused(tls: PluginClient, kind: str, inputs: dict[str, Any], path: str):
    assert path in tls.check_failures(kind, inputs)


def test_a_key_that_is_none_is_refused_without_being_shown(tls: PluginClient):
    with pytest.raises(Refusal, match="privateKeyPem: failed to decode") as refused:
        tls.create(REQUEST, {"privateKeyPem": "n0 k3y"})
    assert "n0 k3y" not in str(refused.value)


def test_a_preview_makes_nothing(tls: PluginClient):
    planned = tls.preview(KEY, {"algorithm": "ED25519"})
    assert planned["publicKeyPem"] is UNKNOWN
    assert planned["privateKeyPem"] == Secret(UNKNOWN)
