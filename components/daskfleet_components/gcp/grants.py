"""What the machines of a fleet may do, as roles of IAM. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

BUCKET = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
LOCATION = re.compile(rf"gs://(?P<bucket>{BUCKET})(?:/(?P<prefix>[^*?\"\\]*))?")

READ, WRITE = "roles/storage.objectViewer", "roles/storage.objectUser"
"""List and read objects; and write and delete them."""

LOG_WRITER = "roles/logging.logWriter"
"""Write log entries, in the whole project: there is nothing narrower."""

SECRET_READER = "roles/secretmanager.secretAccessor"  # noqa: S105 - the name of a role
"""Read the versions of one secret."""


@dataclass(frozen=True)
class BucketGrant:
    """A role on a bucket, or below a prefix of it."""

    bucket: str
    role: str
    prefix: str = ""

    @property
    def condition(self) -> str:
        """When it holds, in IAM's language; empty is always.

        Listing is asked of the bucket, so what is listed is looked at besides.
        """
        if not self.prefix:
            return ""
        below = f"projects/_/buckets/{self.bucket}/objects/{self.prefix}/"
        return (
            f'resource.name.startsWith("{below}") || '
            f'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("{self.prefix}/")'
        )


def grant_data(read: Iterable[str], write: Iterable[str]) -> list[BucketGrant]:
    """Read and write below these locations of Cloud Storage, and list them. Who may write may read as well.

    Args:
        read: `gs://bucket/prefix`, or `gs://bucket`.
        write: the same.

    Raises:
        ValueError: one is no location of Cloud Storage.
    """
    write = list(dict.fromkeys(write))
    grants = [BucketGrant(bucket, WRITE, prefix) for bucket, prefix in map(parse_location, write)]
    writable = {(grant.bucket, grant.prefix) for grant in grants}
    for location in dict.fromkeys(read):
        bucket, prefix = parse_location(location)
        if (bucket, prefix) not in writable:
            grants.append(BucketGrant(bucket, READ, prefix))
    return grants


def parse_location(location: str) -> tuple[str, str]:
    """The bucket and the prefix, without a slash at its end, of `gs://bucket/prefix`.

    Raises:
        ValueError: it is something else.
    """
    match = LOCATION.fullmatch(location)
    if match is None:
        raise ValueError(f"{location!r} is no location of Cloud Storage; give gs://bucket or gs://bucket/prefix")
    return match["bucket"], (match["prefix"] or "").rstrip("/")
