"""Private keys."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
CURVES = {"P224": ec.SECP224R1(), "P256": ec.SECP256R1(), "P384": ec.SECP384R1(), "P521": ec.SECP521R1()}
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
TRADITIONAL, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8
OPENSSH = serialization.PrivateFormat.OpenSSH
OPEN = serialization.NoEncryption()


def make_key(given: Properties) -> Key:
    """A new one, as `algorithm`, `ecdsaCurve` and `rsaBits` say."""
    match given["algorithm"]:
        case "RSA":
            return rsa.generate_private_key(65537, given["rsaBits"])
        case "ECDSA":
            return ec.generate_private_key(CURVES[given["ecdsaCurve"]])
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def render_private(key: Key) -> str:
    """PEM, of the kind that Go's tools write for the algorithm."""
    kind = PKCS8 if isinstance(key, ed25519.Ed25519PrivateKey) else TRADITIONAL
    return key.private_bytes(PEM, kind, OPEN).decode()


def parse_private(text: str, where: str) -> Key:
    """A key from its PEM text."""
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:
        raise Refused(f"{where}: failed to decode PEM block or to parse the private key: {error}") from None
    if not isinstance(key, Key):
        raise Refused(f"{where}: unsupported private key type {type(key).__name__}")
    return key


def name_algorithm(key: Key) -> str:
    """The provider's word for the kind of `key`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def describe_key(key: Key) -> dict[str, Any]:
    """All forms of `key` that the provider gives."""
    public = key.public_key()
    found = {
        "privateKeyPem": render_private(key),
        "privateKeyPemPkcs8": key.private_bytes(PEM, PKCS8, OPEN).decode(),
        "publicKeyPem": public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
    }
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1):  # OpenSSH has no such keys
        names = ("privateKeyOpenssh", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256")
        return {**found, **dict.fromkeys(names, "")}
    openssh = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(openssh.split()[1])
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return {
        **found,
        "privateKeyOpenssh": key.private_bytes(PEM, OPENSSH, OPEN).decode(),
        "publicKeyOpenssh": f"{openssh}\n",
        "publicKeyFingerprintMd5": ":".join(md5[at : at + 2] for at in range(0, len(md5), 2)),
        "publicKeyFingerprintSha256": f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}",
    }


def hash_public(key: Any) -> str:
    """The provider's id of a key or of what was made with it: of its public half."""
    return hashlib.sha1(
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo), usedforsecurity=False
    ).hexdigest()


class Made(Resource[None]):
    """What is made once, and is nowhere but in the engine's state."""

    proof: str
    """The output that a state has and inputs have not."""

    def __init__(self) -> None:
        self._fresh: dict[str, dict[str, Any]] = {}

    def make(self, given: Properties) -> tuple[str, dict[str, Any]]:
        """A new one: its id and its outputs."""
        raise NotImplementedError

    def create(self, call: None, given: Properties) -> str:
        id_, outputs = self.make(given)
        self._fresh[id_] = {**given, **outputs}
        return id_

    def read(self, call: None, id_: str, known: Properties) -> dict[str, Any] | None:
        found = self._fresh.pop(id_, None) or dict(known)
        if self.proof not in found:
            raise Refused(f"{self.label}: cannot be imported, as it is nowhere but in the state of what made it")
        return found

    def remember(self, state: Properties, given: Properties) -> dict[str, Any]:
        return {**state, **given}

    def update(self, call: None, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        """All that can change without another one is what the state says."""

    def delete(self, call: None, id_: str, old: Properties) -> None:
        """It is forgotten with its state."""


class PrivateKey(Made):
    token = "tls:index/privateKey:PrivateKey"
    label = "private key"
    proof = "privateKeyPem"
    inputs = fields("algorithm ecdsaCurve rsaBits")
    replaces = ("algorithm", "ecdsaCurve", "rsaBits")
    defaults = {"ecdsaCurve": "P224", "rsaBits": 2048}
    secrets = ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh")

    def check(self, given: Properties) -> Iterator[Problem]:
        for name, allowed in (("algorithm", ("RSA", "ECDSA", "ED25519")), ("ecdsaCurve", tuple(CURVES))):
            if is_known(given.get(name)) and given[name] not in allowed:
                yield Problem(name, f"value must be one of: {list(allowed)}, got: {given[name]!r}")

    def make(self, given: Properties) -> tuple[str, dict[str, Any]]:
        key = make_key(given)
        return hash_public(key), describe_key(key)
