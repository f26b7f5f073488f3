"""`down` of a fleet that is a stack: through the engine, and then by tag, until the cloud says that nothing is left."""

from __future__ import annotations

import shutil
import time

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, explain_os_errors
from daskfleet.progress import Progress
from daskfleet.providers.base import Confirm, Declined, Question
from daskfleet.providers.stack.automation import EngineFailed, FleetStack
from daskfleet.providers.stack.cloud import Cloud, Leftover
from daskfleet.providers.stack.places import load_stack, may_have_stack
from daskfleet.providers.stack.strays import remove_strays
from daskfleet.tunnel import close_tunnel

FINAL = ("credentials", "denied", "throttled", "state")
"""Kinds of failures that removing something else does not help against."""

ROUNDS = 3
"""Times that what carries the tag is removed: a group that is deleted may have launched a machine meanwhile."""

SETTLE_SECONDS = 60.0
"""How long what was just removed may still be listed."""

POLL_SECONDS = 2.0


class Teardown:
    """One `down`. Called with the fleet's lock held."""

    def __init__(self, name: str, cloud: Cloud, paths: FleetPaths, progress: Progress) -> None:
        self._name = name
        self._cloud = cloud
        self._paths = paths
        self._progress = progress

    def run(self, confirm: Confirm | None) -> bool:
        """Remove everything; returns whether there was anything.

        Where no stack is found, only the tag says what is the fleet's, and `confirm` is asked.
        """
        removed = self._destroy_stack()
        left = self._look()
        if left and not removed and confirm is not None and not self._ask(left, confirm):
            raise Declined(f"fleet '{self._name}' was not touched.")
        removed = removed or bool(left)
        for _ in range(ROUNDS):
            if not left:
                break
            self._progress.step(f"removing what no stack knows of: {_list(left)}")
            self._cloud.remove_leftovers(self._name, left)
            left = self._await_nothing()
        if left:
            raise FleetError(
                f"this of fleet '{self._name}' is still there: {_list(left, most=20)}. Its files were kept; say "
                f"`daskfleet down {self._name}` again."
            )
        self._forget()
        return removed

    def _destroy_stack(self) -> bool:
        """Remove what the stack knows of, and the stack; returns whether there was one."""
        if not may_have_stack(self._paths):
            return False
        stack = load_stack(self._name, self._cloud.name, self._paths, self._progress)
        if not stack.open():
            return False
        if stack.read_state().get("pending_operations"):
            # What a killed update made and did not write down may be in the way, such as a machine in a subnet.
            self._remove_strays(stack)
        self._close_openings()
        self._progress.step("removing the fleet's resources")
        try:
            stack.destroy()
        except EngineFailed as error:
            if error.kind in FINAL or not self._remove_strays(stack):
                raise
            stack.destroy()
        stack.remove()
        return True

    def _close_openings(self) -> None:
        """A rule of others' by which one of the fleet's groups names another keeps that one, however long one tries."""
        openings = self._cloud.find_openings(self._name)
        if openings:
            self._progress.step(f"closing what others have opened: {_list(openings)}")
            self._cloud.remove_leftovers(self._name, openings)

    def _remove_strays(self, stack: FleetStack) -> bool:
        return remove_strays(self._name, self._cloud, stack, self._progress)

    def _look(self) -> list[Leftover]:
        self._progress.step("looking whether anything is left")
        return self._cloud.find_leftovers(self._name)

    def _await_nothing(self) -> list[Leftover]:
        """Look until nothing is listed: what was removed may be listed for a moment."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while left := self._look():
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        return left

    def _ask(self, left: list[Leftover], confirm: Confirm) -> bool:
        lines = (
            f"this carries the tag of fleet '{self._name}' in {self._cloud.place}:",
            *(f"  - {each}" for each in left),
        )
        return confirm(Question(lines, "Remove all of it?", f"nothing of fleet '{self._name}' was removed"))

    def _forget(self) -> None:
        close_tunnel(self._paths)
        with explain_os_errors(self._paths.root):
            if self._paths.root.exists():
                shutil.rmtree(self._paths.root)


def _list(left: list[Leftover], most: int = 6) -> str:
    shown = ", ".join(str(each) for each in left[:most])
    return shown if len(left) <= most else f"{shown} and {len(left) - most} more"
