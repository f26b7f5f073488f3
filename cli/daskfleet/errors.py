"""What a person is told when something cannot be done."""

from __future__ import annotations


class FleetError(Exception):
    """Something that the user can mend; the message says what, why and how. Commands print it without a traceback."""


class FleetNotFound(FleetError):
    """There is no fleet of that name."""


class VersionMismatch(FleetError):
    """The client's versions do not fit the fleet's."""
