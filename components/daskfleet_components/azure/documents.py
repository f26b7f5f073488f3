"""What the documents of machines in Azure have in common. Pure."""

from collections.abc import Mapping

from daskfleet_components.documents import Common
from daskfleet_images.node.document import AzureLogs, AzureSecret

LOCALHOST = "127.0.0.1"
"""Where Azure's agent on the machine asks whether it is well."""


def describe_node(
    *,
    fleet: str,
    address: str,
    vault: str,
    secret: str,
    log: str,
    client: str,
    versions: Mapping[str, str] | None,
    health_port: int | None = None,
) -> Common:
    """A machine that reads a secret and writes its log with an identity.

    Args:
        vault: `https://NAME.vault.azure.net`.
        secret: name of the secret in it.
        log: `https://ACCOUNT.blob.core.windows.net/CONTAINER`.
        client: client id of the machine's identity.
        versions: what the machine must hold; `None` is whatever it has.
    """
    return Common(
        fleet=fleet,
        address=address,
        tls=AzureSecret(vault=vault, secret=secret, client_id=client),
        logs=AzureLogs(container=log, client_id=client),
        versions=versions,
        health_port=health_port,
        health_host=LOCALHOST if health_port is not None else None,
    )
