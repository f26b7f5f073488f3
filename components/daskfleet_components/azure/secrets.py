"""The TLS material of a fleet, and where it is kept: a Key Vault of its own."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.azure.naming import shorten_name
from daskfleet_components.certificates import issue_certificates
from daskfleet_components.naming import build_tags

KEEP_DAYS = 7
"""How long a vault that is deleted can be had back: the least that Azure allows. `daskfleet down` purges it."""


class SecretsArgs(TypedDict):
    """Whose secrets they are."""

    fleet: str
    """Name of the fleet, for tags and certificates."""
    resource_group: pulumi.Input[str]
    """Resource group that the vault is made in."""
    location: str
    """Region that the vault is made in."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureSecrets(pulumi.ComponentResource):
    """The fleet's authority and certificates; the scheduler's and the workers' in a Key Vault, one secret each.

    Who may read a secret, roles say; the vault has no policies of its own. The authority's key is in the stack's state
    only, encrypted.
    """

    ca: pulumi.Output[str]
    """Certificate of the authority, PEM."""
    client_cert: pulumi.Output[str]
    """A client's certificate, PEM."""
    client_key: pulumi.Output[str]
    """A client's private key, PEM; a secret."""
    vault: pulumi.Output[str]
    """Where the vault is read: `https://NAME.vault.azure.net`."""
    scheduler_secret: pulumi.Output[str]
    """The secret that the scheduler reads, by its identifier."""
    worker_secret: pulumi.Output[str]
    """The secret that the workers read, by its identifier."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureSecrets", name, {}, opts)
        self._name = name
        self._args = args
        tenant = azure.authorization.get_client_config(opts=pulumi.InvokeOptions(parent=self)).tenant_id
        issued = issue_certificates(name, args["fleet"], self)
        self.ca, self.client_cert, self.client_key = issued.ca, issued.client_cert, issued.client_key
        self._vault = azure.keyvault.Vault(
            shorten_name(name, "df-"),
            resource_group_name=args["resource_group"],
            location=args["location"],
            properties=azure.keyvault.VaultPropertiesArgs(
                tenant_id=tenant,
                sku=azure.keyvault.SkuArgs(family="A", name=azure.keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=KEEP_DAYS,
            ),
            tags=build_tags(args["fleet"], "network", extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.vault = pulumi.Output.concat("https://", self._vault.name, ".vault.azure.net")
        stored = {role: self.store(role, value) for role, value in issued.nodes.items()}
        self.scheduler_secret, self.worker_secret = stored["scheduler"], stored["worker"]
        self.register_outputs(
            {
                "ca": self.ca,
                "clientCert": self.client_cert,
                "clientKey": self.client_key,
                "vault": self.vault,
                "schedulerSecret": self.scheduler_secret,
                "workerSecret": self.worker_secret,
            }
        )

    def store(self, role: str, value: pulumi.Output[str]) -> pulumi.Output[str]:
        """Keep a value in the vault; returns the secret's identifier, once it has its value."""
        args = self._args
        secret = azure.keyvault.Secret(
            f"{self._name}-{role}",
            resource_group_name=args["resource_group"],
            vault_name=self._vault.name,
            secret_name=role,
            properties=azure.keyvault.SecretPropertiesArgs(value=pulumi.Output.secret(value)),
            tags=build_tags(args["fleet"], role, extra=args.get("tags")),
            # It goes with its vault: to delete it alone takes a role on the vault's data, which its owner has not.
            opts=pulumi.ResourceOptions(parent=self, deleted_with=self._vault),
        )
        return secret.id
