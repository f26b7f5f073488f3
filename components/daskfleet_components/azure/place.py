"""Where a fleet is in Azure: a subscription, and the one resource group that holds all of a fleet."""

import pulumi
import pulumi_azure_native as azure


def find_subscription(opts: pulumi.InvokeOptions) -> str:
    """The subscription of the provider's resources."""
    return azure.authorization.get_client_config(opts=opts).subscription_id


def name_group(fleet: str, region: str) -> str:
    """The resource group of a fleet: by it a fleet is found again when all state is lost. Pure."""
    return f"daskfleet-{fleet}-{region}"
