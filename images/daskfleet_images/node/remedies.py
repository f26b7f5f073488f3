"""Services of clouds that give no answer: why, and what a person can do about it, told alike for every cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daskfleet_images.node.errors import NotYet

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
METADATA_SECONDS = 2
"""The machine's metadata service answers in milliseconds, or is not there."""

CREDENTIALS = "credentials"
"""Kind of the failures for which the credentials have to be looked for anew."""


@dataclass(frozen=True)
class Remedies:
    """What a person can do where a service gives no answer."""

    answers: Mapping[str, str]
    """By the code of what the service says."""
    credentials: str
    network: str
    document: str

    def refused(self, code: str, message: str) -> NotYet:
        """The service answers, and refuses."""
        remedy = self.answers.get(code, "see what the service says")
        return NotYet(f"{code}: {message}" if message else code, remedy, code)

    def no_credentials(self, reason: object) -> NotYet:
        """The machine has nothing to ask the service with."""
        return NotYet(f"this machine has no credentials: {reason}", self.credentials, CREDENTIALS)

    def not_reached(self, error: Exception, reason: object = None) -> NotYet:
        """The service gives no answer at all."""
        return NotYet(f"the service cannot be reached: {reason or error}", self.network, type(error).__name__)

    def wrong_document(self, error: Exception) -> NotYet:
        """Nothing can be asked with what the document says."""
        return NotYet(str(error), self.document, type(error).__name__)
