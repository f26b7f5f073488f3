"""From the node document's references to a `distributed.Security`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from daskfleet_images.node.document import TLSFiles
from daskfleet_images.node.errors import NodeDocumentError

if TYPE_CHECKING:
    from distributed import Security


def check_tls_files(tls: TLSFiles) -> None:
    """Fail, in one line that names every file, when TLS material is missing, not readable or damaged.

    Raises:
        NodeDocumentError: a file cannot be read, or is not what it should be.
    """
    problems = []
    for path in (tls.ca_file, tls.cert, tls.key):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    if problems:
        raise NodeDocumentError(f"the node's TLS material cannot be read: {'; '.join(problems)}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        what = str(tls.ca_file)
        context.load_verify_locations(tls.ca_file)
        what = f"{tls.cert} with {tls.key}"
        context.load_cert_chain(tls.cert, tls.key)
    except (ssl.SSLError, ValueError) as error:
        raise NodeDocumentError(f"the node's TLS material is damaged: {what}: {error}") from None


def build_security(role: str, tls: TLSFiles) -> Security:
    """The `Security` of a scheduler (`role="scheduler"`) or of workers (`role="worker"`): TLS, both ways, always."""
    from distributed import Security

    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca_file),
        **{f"tls_{role}_cert": str(tls.cert), f"tls_{role}_key": str(tls.key)},
    )
