"""Certificates, and requests for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, one
from stand_ins.tls.keys import PEM, Key, Made, hash_public, name_algorithm, parse_private

SUBJECT = fields(
    "commonName country emailAddress locality organization organizationalUnit postalCode province serialNumber "
    "streetAddresses"
)
NAMES = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}
USES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
EXTENDED_USES = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec_end_system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft_server_gated_crypto": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": ObjectIdentifier("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.61.1.1"),
}
NAMED = fields("dnsNames ipAddresses uris", subject=one(SUBJECT))
ISSUED = fields("allowedUses earlyRenewalHours isCaCertificate maxPathLength setSubjectKeyId validityPeriodHours")


def build_subject(given: Properties) -> x509.Name:
    """The distinguished name, in the order in which Go writes it."""
    subject = given.get("subject") or {}
    parts = []
    for name, oid in NAMES.items():
        value = subject.get(name)
        parts += [x509.NameAttribute(oid, item) for item in (value if isinstance(value, list) else [value]) if item]
    return x509.Name(parts)


def build_names(given: Properties) -> list[x509.GeneralName]:
    """The alternative names."""
    return [
        *(x509.DNSName(name) for name in given.get("dnsNames") or ()),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in given.get("ipAddresses") or ()),
        *(x509.UniformResourceIdentifier(uri) for uri in given.get("uris") or ()),
    ]


def check_names(given: Properties) -> Iterator[Problem]:
    """Addresses that are none."""
    addresses = given.get("ipAddresses") or ()
    for index, address in enumerate(addresses if is_known(addresses) else ()):
        try:
            if is_known(address):
                ipaddress.ip_address(address)
        except ValueError:
            yield Problem(f"ipAddresses[{index}]", f"failed to parse IP address {address!r}")


def sign_with(key: Key) -> hashes.SHA256 | None:
    """The hash for a signature; Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


class Issued(Made):
    """A certificate: everything but the time of its renewal makes another one."""

    proof = "certPem"
    defaults = {"earlyRenewalHours": 0, "isCaCertificate": False, "setSubjectKeyId": False}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_names(given)
        uses = given.get("allowedUses")
        for index, use in enumerate(uses if is_known(uses) else ()):
            if is_known(use) and use not in USES and use not in EXTENDED_USES:
                allowed = sorted({*USES, *EXTENDED_USES})
                yield Problem(f"allowedUses[{index}]", f"value must be one of: {allowed}, got: {use!r}")
        for name in ("validityPeriodHours", "earlyRenewalHours"):
            if is_known(given.get(name)) and given[name] < 0:
                yield Problem(name, f"value must be at least 0, got: {given[name]}")

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        return name != "earlyRenewalHours"

    def find_expired(self, state: Properties) -> Collection[str]:
        return ("readyForRenewal",) if self._is_due(state) else ()

    def _is_due(self, state: Properties) -> bool:
        if "validityEndTime" not in state:
            return False
        due = datetime.fromisoformat(state["validityEndTime"]) - timedelta(hours=state.get("earlyRenewalHours") or 0)
        return datetime.now(UTC) >= due

    def read(self, call: None, id_: str, known: Properties) -> dict[str, Any] | None:
        found = super().read(call, id_, known)
        return found and {**found, "readyForRenewal": self._is_due(found)}

    def _issue(
        self,
        given: Properties,
        subject: x509.Name,
        public: Any,
        names: Collection[x509.GeneralName],
        signer: Key,
        ca: Any,
    ) -> tuple[str, dict[str, Any]]:
        start = datetime.now(UTC).replace(microsecond=0)
        end = start + timedelta(hours=given["validityPeriodHours"])
        number = x509.random_serial_number()
        builder = x509.CertificateBuilder(ca.subject if ca else subject, subject, public, number, start, end)
        is_ca, uses = given["isCaCertificate"], given["allowedUses"]
        # pathlen:-1 is how the provider says that there is no bound
        longest = given.get("maxPathLength", -1)
        bound = longest if is_ca and longest is not None and longest >= 0 else None
        builder = builder.add_extension(x509.BasicConstraints(is_ca, bound), critical=True)
        if flags := {USES[use]: True for use in uses if use in USES}:
            usage = x509.KeyUsage(**{**dict.fromkeys(USES.values(), False), **flags})
            builder = builder.add_extension(usage, critical=True)
        if extended := [EXTENDED_USES[use] for use in uses if use in EXTENDED_USES]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
        if is_ca or given["setSubjectKeyId"]:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        if authority := self._authority(given, public, ca):
            builder = builder.add_extension(authority, critical=False)
        certificate = builder.sign(signer, sign_with(signer))
        return str(number), {
            "certPem": certificate.public_bytes(PEM).decode(),
            "readyForRenewal": False,
            "validityStartTime": start.isoformat().replace("+00:00", "Z"),
            "validityEndTime": end.isoformat().replace("+00:00", "Z"),
        }

    def _authority(self, given: Properties, public: Any, ca: Any) -> x509.AuthorityKeyIdentifier | None:
        if ca is None:
            return (
                x509.AuthorityKeyIdentifier.from_issuer_public_key(public) if given.get("setAuthorityKeyId") else None
            )
        try:
            found = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return None
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


class SelfSignedCert(Issued):
    token = "tls:index/selfSignedCert:SelfSignedCert"
    label = "self signed certificate"
    inputs = {**NAMED, **ISSUED, **fields("privateKeyPem setAuthorityKeyId")}
    defaults = {**Issued.defaults, "setAuthorityKeyId": False}
    secrets = ("privateKeyPem",)
    at_least_one = (("privateKeyPem",),)

    def make(self, given: Properties) -> tuple[str, dict[str, Any]]:
        key = parse_private(given["privateKeyPem"], "privateKeyPem")
        subject, names = build_subject(given), build_names(given)
        id_, outputs = self._issue(given, subject, key.public_key(), names, key, None)
        return id_, {**outputs, "keyAlgorithm": name_algorithm(key)}


class CertRequest(Made):
    token = "tls:index/certRequest:CertRequest"
    label = "certificate request"
    proof = "certRequestPem"
    inputs = {**NAMED, **fields("privateKeyPem")}
    replaces = tuple(inputs)
    secrets = ("privateKeyPem",)
    at_least_one = (("privateKeyPem",),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_names(given)

    def make(self, given: Properties) -> tuple[str, dict[str, Any]]:
        key = parse_private(given["privateKeyPem"], "privateKeyPem")
        builder = x509.CertificateSigningRequestBuilder(build_subject(given))
        if names := build_names(given):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        request = builder.sign(key, sign_with(key)).public_bytes(PEM).decode()
        return hash_public(key), {"certRequestPem": request, "keyAlgorithm": name_algorithm(key)}


class LocallySignedCert(Issued):
    token = "tls:index/locallySignedCert:LocallySignedCert"
    label = "locally signed certificate"
    inputs = {**ISSUED, **fields("caCertPem caPrivateKeyPem certRequestPem")}
    secrets = ("caPrivateKeyPem",)
    at_least_one = (("caPrivateKeyPem",),)

    def make(self, given: Properties) -> tuple[str, dict[str, Any]]:
        ca_key = parse_private(given["caPrivateKeyPem"], "caPrivateKeyPem")
        try:
            request = x509.load_pem_x509_csr(given["certRequestPem"].encode())
            ca = x509.load_pem_x509_certificate(given["caCertPem"].encode())
        except ValueError as error:
            raise Refused(f"certRequestPem or caCertPem: failed to decode PEM block: {error}") from None
        if not request.is_signature_valid:
            raise Refused("certRequestPem: failed to verify the signature of the certificate request")
        try:
            names = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            names = []
        id_, outputs = self._issue(given, request.subject, request.public_key(), names, ca_key, ca)
        return id_, {**outputs, "caKeyAlgorithm": name_algorithm(ca_key)}
