"""What the stand-in knows, by its tokens."""

from __future__ import annotations

from stand_ins.core.provider import Function
from stand_ins.tls.certificates import CertRequest, LocallySignedCert, SelfSignedCert
from stand_ins.tls.keys import Made, PrivateKey

TYPES: tuple[type[Made], ...] = (CertRequest, LocallySignedCert, PrivateKey, SelfSignedCert)
RESOURCES = {kind.token: kind() for kind in TYPES}
FUNCTIONS: dict[str, Function[None]] = {}
