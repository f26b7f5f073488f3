"""What identities may do, as built-in roles of Azure. Pure, but for `assign`."""

import pulumi
import pulumi_azure_native as azure

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
READ_SECRETS = "4633458b-17de-408a-b874-0445c86b69e6"
"""Key Vault Secrets User."""
READ_BLOBS = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
"""Storage Blob Data Reader."""
WRITE_BLOBS = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor."""

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

KEEP_BLOBS = f"((!(ActionMatches{{'{BLOBS}/delete'}})))"
"""A condition under which nothing may be deleted."""


def define_role(subscription: str, role: str) -> str:
    """Identifier of a built-in role."""
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"


def limit_to_prefix(prefix: str, *, write: bool) -> str:
    """The condition under which blobs below a prefix may be listed and read, and with `write` written and deleted.

    Listing is asked of the container, so what is listed is looked at besides.
    https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-examples
    """
    listing = f"ActionMatches{{'{BLOBS}/read'}} AND SubOperationMatches{{'Blob.List'}}"
    reading = f"ActionMatches{{'{BLOBS}/read'}} AND NOT SubOperationMatches{{'Blob.List'}}"
    actions = [reading]
    if write:
        actions += [f"ActionMatches{{'{BLOBS}/{each}'}}" for each in ("write", "add/action", "delete", "move/action")]
    below = f"@Resource[{BLOBS}:path] StringStartsWith '{prefix}/'"
    named = f"@Request[{BLOBS}:prefix] StringStartsWith '{prefix}/'"
    parts = [f"((!({listing})) OR ({named}))", *(f"((!({action})) OR ({below}))" for action in actions)]
    return " AND ".join(parts)


def assign(
    name: str,
    *,
    subscription: str,
    scope: pulumi.Input[str],
    role: str,
    principal: pulumi.Input[str],
    parent: pulumi.Resource,
    condition: str = "",
    kind: str = "ServicePrincipal",
    is_fixed: bool = False,
) -> azure.authorization.RoleAssignment:
    """Give a principal a role in a scope.

    Args:
        scope: identifier of the resource that it holds for.
        kind: what the principal is: `ServicePrincipal`, as identities are, `User` or `Group`. As it is said, Azure does
            not look for one that it has just made.
        is_fixed: the principal that it was given to first keeps it.
    """
    return azure.authorization.RoleAssignment(
        name,
        scope=scope,
        role_definition_id=define_role(subscription, role),
        principal_id=principal,
        principal_type=kind,
        condition=condition or None,
        condition_version="2.0" if condition else None,
        opts=pulumi.ResourceOptions(
            parent=parent, ignore_changes=["principalId", "principalType"] if is_fixed else None
        ),
    )
