"""What Google Cloud's metadata service tells this machine about itself.

https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

import http.client
import os

HEADERS = {"Metadata-Flavor": "Google"}


def read_metadata(*paths: str, seconds: float) -> list[str]:
    """The text at each of the paths, such as `instance/id`, asked over one connection.

    Raises:
        OSError: nobody answers, or nothing is there.
    """
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"  # As google-auth has it.
    try:
        connection = http.client.HTTPConnection(host, timeout=seconds)
        try:
            return [_read(connection, path) for path in paths]
        finally:
            connection.close()
    except (http.client.HTTPException, UnicodeError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from None


def _read(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", f"/computeMetadata/v1/{path}", headers=HEADERS)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"the metadata service answers {answer.status} to {path}")
    return text
