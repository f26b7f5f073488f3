"""Everything that there is: a fork takes all of it along."""

from __future__ import annotations

import itertools
import random
import uuid
from collections import deque
from typing import Any

from azure_cloud.identity.directory import Directory
from azure_cloud.market import Market
from azure_cloud.operations import Operations
from azure_cloud.pace import Pace
from azure_cloud.storage.contents import Contents
from azure_cloud.store import Store
from azure_cloud.throttle import Throttle
from google_cloud.agenda import Agenda

MOST_CALLS = 100_000

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"


class Cloud:
    """A tenant with one subscription."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since 1970, of the present request."""
        self.store = Store()
        self.operations = Operations()
        self.agenda = Agenda()
        self.pace = Pace()
        self.market = Market()
        self.throttle = Throttle()
        self.directory = Directory(TENANT, f"/subscriptions/{SUBSCRIPTION}")
        self.contents = Contents()
        self.deleted_vaults: dict[str, Any] = {}
        """Vaults that can still be recovered, by name."""
        self.unregistered: set[str] = set()
        """Namespaces of providers that the subscription has not been registered for."""
        self.random = random.Random(20260101)
        self.calls: deque[dict[str, Any]] = deque(maxlen=MOST_CALLS)
        self._numbers = itertools.count(1)

    def settle(self, now: float) -> None:
        """Go on to a moment."""
        self.now = now
        self.agenda.run(now)

    def count(self) -> int:
        """A number that has not been given yet."""
        return next(self._numbers)

    def make_guid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
