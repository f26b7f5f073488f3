"""Names, and the tags by which everything of a fleet is found again. Pure."""

from collections.abc import Mapping

FLEET_TAG = "daskfleet:fleet"
ROLE_TAG = "daskfleet:role"
GROUP_TAG = "daskfleet:group"

AUTONAME_LENGTH = 8
"""What Pulumi adds to a name that it chooses: a hyphen and seven digits."""


def build_tags(
    fleet: str, role: str, *, group: str | None = None, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The tags of one thing that a fleet has in a cloud. Tags of the person come first: ours cannot be changed by them.

    Args:
        role: what it is for: `scheduler`, `worker`, `client`, `network`.
        group: its worker group, where it is of one.
        extra: the tags that the fleet's spec asks for.
    """
    own = {"Name": f"daskfleet-{fleet}-{group or role}", FLEET_TAG: fleet, ROLE_TAG: role}
    return {**(extra or {}), **own, **({GROUP_TAG: group} if group is not None else {})}


def limit_name(name: str, limit: int) -> str:
    """A logical name from which Pulumi makes a name of at most `limit` characters; unique where `name` is.

    A name that is too long keeps its beginning and gets a digest of the whole.
    """
    import hashlib

    room = limit - AUTONAME_LENGTH
    if len(name) <= room:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: room - 9].rstrip('-')}-{digest}"
