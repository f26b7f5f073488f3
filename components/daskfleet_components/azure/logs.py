"""Where the nodes' logs go to: a container of a storage account of the fleet's own."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.azure.naming import shorten_name
from daskfleet_components.naming import build_tags

CONTAINER = "logs"


class LogsArgs(TypedDict):
    """Whose logs they are."""

    fleet: str
    """Name of the fleet, for tags."""
    resource_group: pulumi.Input[str]
    """Resource group that the storage account is made in."""
    location: str
    """Region that the storage account is made in."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureLogs(pulumi.ComponentResource):
    """A storage account with one container, which holds the log of each machine as blobs.

    Who may read and write them, roles say: the account has no key that could be used. Azure Monitor would show a line
    minutes after it was written, and whoever waits for a fleet wants to know at once what keeps it.
    """

    container: pulumi.Output[str]
    """The container, by its identifier."""
    url: pulumi.Output[str]
    """Where it is written and read: `https://ACCOUNT.blob.core.windows.net/logs`."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureLogs", name, {}, opts)
        account = azure.storage.StorageAccount(
            shorten_name(name, "df"),
            resource_group_name=args["resource_group"],
            location=args["location"],
            kind="StorageV2",
            sku=azure.storage.SkuArgs(name="Standard_LRS"),
            access_tier=azure.storage.AccessTier.HOT,
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            tags=build_tags(args["fleet"], "network", extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        container = azure.storage.BlobContainer(
            name,
            resource_group_name=args["resource_group"],
            account_name=account.name,
            container_name=CONTAINER,
            public_access=azure.storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container = container.id
        self.url = pulumi.Output.concat("https://", account.name, f".blob.core.windows.net/{CONTAINER}")
        self.register_outputs({"container": self.container, "url": self.url})
