"""What Azure's metadata service tells this machine about itself, and the tokens that it gives out.

https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
"""

from __future__ import annotations

import http.client
import os
import urllib.parse

HEADERS = {"Metadata": "true"}


def ask_metadata(path: str, *, seconds: float, **query: str) -> tuple[int, str]:
    """Status and text of the answer at a path, such as `instance/compute/name`; no proxy is ever asked.

    Raises:
        OSError: nobody answers.
    """
    address = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254"  # As azure-identity.
    try:
        parts = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=seconds)
        try:
            connection.request("GET", f"/metadata/{path}?{urllib.parse.urlencode(query)}", headers=HEADERS)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from None


def read_metadata(path: str, *, seconds: float, **query: str) -> str:
    """The text at a path.

    Raises:
        OSError: nobody answers, or nothing is there.
    """
    status, text = ask_metadata(path, seconds=seconds, **query)
    if status != http.HTTPStatus.OK:
        raise OSError(f"the metadata service answers {status} to {path}")
    return text
