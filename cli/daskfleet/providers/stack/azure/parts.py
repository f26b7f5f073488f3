"""Parts of a fleet's things that carry no tag or go with what they are in: roles, containers, secrets.

`down` need not list them. But one that a killed update made and did not write down is in the way of the next update,
which cannot make it a second time.
"""

from __future__ import annotations

from collections.abc import Iterator

from daskfleet.azure import Azure, explain_azure_errors
from daskfleet.providers.stack.azure.connections import list_secrets
from daskfleet.providers.stack.azure.grants import list_inside, list_principals
from daskfleet.providers.stack.azure.places import ACCOUNTS, FLEET, Place, read_tag
from daskfleet.providers.stack.cloud import Leftover

CONTAINER, SECRET = "container", "secret"


def find_parts(azure: Azure, place: Place) -> list[Leftover]:
    """The parts, each by the identifier that it has in a stack's state.

    Of roles those of the fleet's identities, and of whoever asks: the update gives him what he needs.
    """
    with explain_azure_errors():
        if azure.find(place.id) is None:
            return []
        principals = list_principals(azure, place) | {str(azure.claims.get("oid") or "")} - {""}
        return [
            *list_inside(azure, place, principals),
            *_list_containers(azure, place),
            *(
                Leftover(SECRET, str(each["id"]), str(each["name"]), details=each["properties"])
                for each in list_secrets(azure, place)
            ),
        ]


def _list_containers(azure: Azure, place: Place) -> Iterator[Leftover]:
    for account in azure.list(place.list_of(ACCOUNTS)):
        if read_tag(account, FLEET) == place.fleet:
            for each in azure.list(f"{account['id']}/blobServices/default/containers"):
                yield Leftover(CONTAINER, str(each["id"]), str(each["name"]))
