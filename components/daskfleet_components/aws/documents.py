"""What the documents of machines in AWS have in common. Pure."""

from collections.abc import Mapping

from daskfleet_components.documents import Common
from daskfleet_images.node.document import AwsLogs, AwsSecret


def describe_node(
    *, fleet: str, address: str, secret: str, region: str, log_group: str, versions: Mapping[str, str] | None
) -> Common:
    """A machine that reads a secret and writes to a log group of its region.

    Args:
        versions: what the machine must hold; `None` is whatever it has.
    """
    return Common(
        fleet=fleet,
        address=address,
        tls=AwsSecret(secret=secret, region=region),
        logs=AwsLogs(group=log_group, region=region),
        versions=versions,
    )
