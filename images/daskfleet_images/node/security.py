"""From the node document's references to a `distributed.Security`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daskfleet_images.node.document import TLSFiles
from daskfleet_images.node.errors import NodeDocumentError

if TYPE_CHECKING:
    from distributed import Security


def check_tls_files(tls: TLSFiles) -> None:
    """Fail, in one line that names every file, when TLS material is missing or not readable.

    Raises:
        NodeDocumentError: a file cannot be read.
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


def build_security(role: str, tls: TLSFiles) -> Security:
    """The `Security` of a scheduler (`role="scheduler"`) or of workers (`role="worker"`): TLS, both ways, always."""
    from distributed import Security

    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca_file),
        **{f"tls_{role}_cert": str(tls.cert), f"tls_{role}_key": str(tls.key)},
    )
