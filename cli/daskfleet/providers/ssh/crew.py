"""The hosts of one command: a shell on each, and things done on many at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from daskfleet.providers.ssh.login import HostFailed, Logins, open_logins
from daskfleet.providers.ssh.shell import LocalShell, Shell, SshShell
from daskfleet.providers.ssh.state import Place

Key = TypeVar("Key")
Result = TypeVar("Result")

MAX_BUSY = 64
"""Hosts that something is done on at a time; more logins than `MAX_LOGINS` never begin at once."""


class Crew:
    """Shells on hosts, opened as they are needed."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._slots = asyncio.Semaphore(MAX_BUSY)

    def shell(self, place: Place) -> Shell:
        """A shell at that place."""
        return SshShell(self._logins, place.address) if place.host else LocalShell()

    async def each(
        self,
        places: Mapping[Key, Place],
        action: Callable[[Key, Shell], Awaitable[Result]],
        on_done: Callable[[int, int], None] = lambda done, total: None,
    ) -> dict[Key, Result | HostFailed]:
        """Do something at each of the places, many at once. What fails at one does not stop the others.

        Args:
            on_done: told how many of all are done.
        """
        results: dict[Key, Result | HostFailed] = {}

        async def do(key: Key, place: Place) -> None:
            async with self._slots:
                try:
                    results[key] = await action(key, self.shell(place))
                except HostFailed as error:
                    results[key] = error
            on_done(len(results), len(places))

        async with asyncio.TaskGroup() as tasks:
            for key, place in places.items():
                tasks.create_task(do(key, place))
        return {key: results[key] for key in places}


@contextlib.asynccontextmanager
async def open_crew() -> AsyncIterator[Crew]:
    """A crew whose connections end with the block."""
    async with open_logins() as logins:
        yield Crew(logins)
