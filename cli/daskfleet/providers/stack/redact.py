"""Take secrets out of text that a person, a log or an error is to show. Pure."""

from __future__ import annotations

import re

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_CREDENTIAL = re.compile(
    r"(?i)((?:secret_?access_?key|session_?token|security_?token|aws_secret[a-z_]*|passphrase|access_token|refresh_token"
    r"|client_secret)[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"',}]+)"
)

_TOKEN = re.compile(r"ya29\.[\w.-]+|(?<=Bearer )[\w.~+/-]{20,}=*")
"""Tokens of Google's, and what is sent as one."""


def redact(text: str) -> str:
    """The text without private keys and credentials, whoever put them there."""
    return _CREDENTIAL.sub(r"\1[secret]", _TOKEN.sub("[secret]", _PEM.sub("[secret]", text)))
