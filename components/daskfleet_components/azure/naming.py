"""Names that must be unique in all of Azure, and are short. Pure."""

import hashlib


def shorten_name(name: str, prefix: str) -> str:
    """A logical name of at most 15 characters, unique where `name` is.

    The names of vaults and storage accounts have 24 characters at most, and Pulumi adds 8 to make them unique.
    """
    return f"{prefix}{hashlib.sha256(name.encode()).hexdigest()[:10]}"
