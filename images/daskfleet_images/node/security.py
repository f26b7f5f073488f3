"""From the node document's references to a `distributed.Security`."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from daskfleet_images.node.document import TLSFiles
from daskfleet_images.node.errors import NodeDocumentError, NodeFailed

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


def check_clock(tls: TLSFiles) -> None:
    """Fail, in one line, when the fleet's certificates are not valid now by this machine's clock.

    Without it, every connection would fail with an error of TLS that names no clock.

    Raises:
        NodeFailed: the clock is off, or the certificates have expired.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tls.ca_file)
    problem = describe_clock(context.get_ca_certs(), time.time())
    if problem is not None:
        raise NodeFailed(problem)


def describe_clock(certificates: Iterable[dict[str, Any]], now: float) -> str | None:
    """What is wrong with the clock, which says `now` (seconds since the epoch), by these authorities' certificates."""
    for certificate in certificates:
        start, end = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
        if start <= now <= end:
            continue
        told = (
            f"this machine's clock says {_utc(now)}, and the fleet's certificates are valid from {_utc(start)} to "
            f"{_utc(end)}; "
        )
        remedy = "set the clock, and let the machine reach a time server (`timedatectl` tells whether it does)"
        return told + (remedy if now < start else f"{remedy}; if it is right, make the fleet's certificates anew")
    return None


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def build_security(role: str, tls: TLSFiles) -> Security:
    """The `Security` of a scheduler (`role="scheduler"`) or of workers (`role="worker"`): TLS, both ways, always."""
    from distributed import Security

    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca_file),
        **{f"tls_{role}_cert": str(tls.cert), f"tls_{role}_key": str(tls.key)},
    )
