"""What an operation ends with when it does not succeed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """What was asked for is wrong, or the stand-in does not know how to do it."""


class Cancelled(Exception):
    """The engine asked to end what is under way."""


class PartlyDone(Exception):
    """The object exists, but is not what was asked for: the engine has to remember it."""

    def __init__(self, id_: str, properties: Mapping[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.id = id_
        self.properties = properties
