"""What the machines of a fleet may do with data, as roles on containers. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from daskfleet_components.azure.roles import READ_BLOBS, WRITE_BLOBS, limit_to_prefix

LOCATION = re.compile(
    r"abfss?://(?P<container>[a-z0-9$](?:[a-z0-9]|-(?=[a-z0-9])){2,62})@(?P<account>[a-z0-9]{3,24})"
    r"\.dfs\.core\.windows\.net(?:/(?P<prefix>[^*?'\"\\]*))?"
)


@dataclass(frozen=True)
class Location:
    """A container of a storage account, or what is below a prefix in it."""

    account: str
    container: str
    prefix: str = ""


@dataclass(frozen=True)
class ContainerGrant:
    """A role on a container, or below a prefix of it."""

    location: Location
    role: str

    @property
    def condition(self) -> str:
        """When it holds; empty is always."""
        if not self.location.prefix:
            return ""
        return limit_to_prefix(self.location.prefix, write=self.role == WRITE_BLOBS)


def grant_data(read: Iterable[str], write: Iterable[str]) -> list[ContainerGrant]:
    """Read and write below these locations, and list them. Who may write may read as well.

    Args:
        read: `abfs://container@account.dfs.core.windows.net/prefix`, or without a prefix.
        write: the same.

    Raises:
        ValueError: one is no location of Azure's storage.
    """
    writable = list(dict.fromkeys(map(parse_location, write)))
    readable = [each for each in dict.fromkeys(map(parse_location, read)) if each not in writable]
    return [
        *(ContainerGrant(each, WRITE_BLOBS) for each in writable),
        *(ContainerGrant(each, READ_BLOBS) for each in readable),
    ]


def parse_location(location: str) -> Location:
    """Account, container and prefix, without a slash at its end.

    Raises:
        ValueError: it is something else.
    """
    match = LOCATION.fullmatch(location)
    if match is None:
        raise ValueError(
            f"{location!r} is no location of Azure's storage; give abfs://container@account.dfs.core.windows.net, with "
            "/prefix or without"
        )
    return Location(match["account"], match["container"], (match["prefix"] or "").rstrip("/"))


def find_scope(subscription: str, groups: dict[str, str], location: Location) -> str:
    """Identifier of a location's container.

    Args:
        groups: resource groups of storage accounts, by the accounts' names.

    Raises:
        ValueError: nothing says in which resource group the account is.
    """
    if location.account not in groups:
        raise ValueError(
            f"storage_accounts: nothing says in which resource group the storage account {location.account} is; give "
            f"{location.account}: RESOURCE_GROUP"
        )
    return (
        f"/subscriptions/{subscription}/resourceGroups/{groups[location.account]}/providers/Microsoft.Storage"
        f"/storageAccounts/{location.account}/blobServices/default/containers/{location.container}"
    )
