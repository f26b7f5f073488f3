"""What the documents of machines in Google Cloud have in common. Pure."""

from collections.abc import Mapping

from daskfleet_components.documents import Common
from daskfleet_images.node.document import GcpLogs, GcpSecret


def describe_node(
    *,
    fleet: str,
    address: str,
    secret: str,
    log: str,
    versions: Mapping[str, str] | None,
    health_port: int | None = None,
) -> Common:
    """A machine that reads a secret and writes to a log of its project.

    Args:
        secret: `projects/PROJECT/secrets/NAME`.
        log: `projects/PROJECT/logs/NAME`.
        versions: what the machine must hold; `None` is whatever it has.
    """
    return Common(
        fleet=fleet,
        address=address,
        tls=GcpSecret(secret=secret),
        logs=GcpLogs(log=log),
        versions=versions,
        health_port=health_port,
    )
