"""Everything that there is: a fork takes all of it along."""

from __future__ import annotations

import itertools
import random
from collections import deque
from typing import Any

from google_cloud.agenda import Agenda
from google_cloud.compute.engine import Engine
from google_cloud.exchange import Request
from google_cloud.market import Market
from google_cloud.projects import Projects
from google_cloud.services.state import Services

MOST_CALLS = 100_000


class Cloud:
    """All services of all projects."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since 1970, of the present request."""
        self.projects = Projects()
        self.market = Market()
        self.services = Services()
        self.random = random.Random(20260101)
        self.calls: deque[dict[str, Any]] = deque(maxlen=MOST_CALLS)
        self._numbers = itertools.count(1)
        self.agenda = Agenda()
        self.engine = Engine(self.projects, self.agenda, self.market, self.has_account, self.describe_caller)

    def settle(self, now: float) -> None:
        """Go on to a moment."""
        self.now = now
        self.engine.settle(now)

    def has_account(self, email: str) -> bool:
        """Whether there is a service account, of somebody's or the one that each project has."""
        is_default = any(email == self.projects.default_account(each.name) for each in self.projects)
        return is_default or email in self.services.accounts

    def describe_caller(self, request: Request) -> str:
        """Who operations say that has begun them."""
        known = self.services.tokens.get(request.token)
        return known.account if known else "tester@example.com"

    def count(self) -> int:
        """A number that has not been given yet."""
        return next(self._numbers)
