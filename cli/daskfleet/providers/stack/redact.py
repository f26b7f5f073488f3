"""Take secrets out of text that a person, a log or an error is to show. Pure."""

from __future__ import annotations

import re

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_CREDENTIAL = re.compile(
    r"(?i)((?:secret_?access_?key|session_?token|security_?token|aws_secret[a-z_]*|passphrase)[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"',}]+)"
)


def redact(text: str) -> str:
    """The text without private keys and credentials, whoever put them there."""
    return _CREDENTIAL.sub(r"\1[secret]", _PEM.sub("[secret]", text))
