"""`up` of a fleet that is a stack.

What is wanted is written first and made true after, so that whatever is interrupted is finished by the next `up` or
removed by the next `down`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, make_private_folder, write_private_file
from daskfleet.progress import Progress
from daskfleet.providers.base import Confirm, Declined, Question
from daskfleet.providers.stack.automation import FleetStack
from daskfleet.providers.stack.checks import require_checks
from daskfleet.providers.stack.cloud import Cloud
from daskfleet.providers.stack.engine import find_engine
from daskfleet.providers.stack.files import parse_outputs, write_connection
from daskfleet.providers.stack.places import load_stack
from daskfleet.providers.stack.plan import Plan, build_plan, plan_counts, render_plan
from daskfleet.providers.stack.state import GroupState, StackState, apply_resources, read_state
from daskfleet.providers.stack.strays import is_half_made, remove_strays
from daskfleet.providers.state_file import StateDamaged
from daskfleet.tunnel import close_tunnel
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec


class Creation:
    """One `up`: from the spec to a stack that has been made so. Called with the fleet's lock held."""

    def __init__(self, spec: FleetSpec, cloud: Cloud, paths: FleetPaths, progress: Progress) -> None:
        self.created = False
        """Whether this `up` began the fleet, so that it is removed again where it fails."""
        self._spec = spec
        self._cloud = cloud
        self._paths = paths
        self._progress = progress
        self._wanted = {group.name: int(group.count) for group in spec.workers}  # type: ignore[attr-defined]

    def run(self, confirm: Confirm | None) -> tuple[Connection, StackState]:
        """Make it so.

        Raises:
            Declined: a person said no; nothing was changed.
        """
        old = self._read_old()
        find_engine()  # Told before anything else: without it nothing can be made.
        self._progress.step("looking whether the fleet can be made")
        require_checks(self._cloud, self._spec)
        stack, is_there = self._open_stack()
        self.created = not is_there or (old is None and not stack.read_state().get("resources"))
        state = self._write_wanted(old)
        stack.configure(dump_spec(self._spec))
        if not is_there:
            stack.create()
        plan, is_still = self._plan(stack, old)
        if not plan.is_empty and confirm is not None and not self._ask(plan, confirm):
            self._forget(stack, old)
            raise Declined(f"fleet '{self._spec.name}' was not changed.")
        if plan.openings:
            self._progress.step(f"closing what others have opened: {', '.join(each.name for each in plan.openings)}")
            self._cloud.remove_leftovers(self._spec.name, plan.openings)
        # An update that changes no resource may change what the stack exports.
        if not (is_still and old is not None and old.complete and old.spec == state.spec):
            # What others have changed or deleted meanwhile is put back.
            stack.up(load_program(self._cloud), total=plan.total, refresh=not stack.made)
        return self._finish(stack, state)

    def _read_old(self) -> StackState | None:
        try:
            old = read_state(self._paths)
        except StateDamaged as error:
            self._progress.step(f"{error} Going by the stack alone")
            return None
        if old is None or not old.region:  # Of a fleet that somebody handed over, the region may not be known.
            return old
        there = (old.provider, old.region, old.account)
        if there != (self._spec.provider, self._cloud.region, self._cloud.account):
            raise FleetError(
                f"fleet '{self._spec.name}' is in {' '.join(filter(None, there))}, and a fleet does not move. Take it "
                "down first, or choose another name."
            )
        return old

    def _open_stack(self) -> tuple[FleetStack, bool]:
        """The fleet's stack, and whether it is there; what is refused here leaves no trace."""
        is_new = not self._paths.root.exists()
        try:
            stack = load_stack(self._spec.name, self._cloud.name, self._paths, self._progress)
            is_there = stack.open()
            if not is_there:
                self._check_name_is_free()
        except BaseException:
            if is_new:
                shutil.rmtree(self._paths.root, ignore_errors=True)
            raise
        return stack, is_there

    def _check_name_is_free(self) -> None:
        """Make sure that nothing in the region has the fleet's name: `down` goes by it."""
        found = self._cloud.find_strangers(self._spec.name)
        if found:
            name, options = self._spec.name, self._cloud.options
            raise FleetError(
                f"there is a fleet '{name}' in {self._cloud.region} already, of which this machine's stacks know "
                f"nothing ({', '.join(found[:3])}). If it is somebody's, choose another name, or use it: `daskfleet "
                f"connect {name} {options}`. If it is what is left of yours: `daskfleet down {name} {options}`."
            )

    def _write_wanted(self, old: StackState | None) -> StackState:
        known = {group.name: group for group in old.groups} if old is not None else {}
        groups = tuple(
            GroupState(
                name=name,
                count=count,
                id=known[name].id if name in known else "",
                workers_per_machine=known[name].workers_per_machine if name in known else 1,
            )
            for name, count in self._wanted.items()
        )
        state = StackState(
            provider=self._spec.provider,
            region=self._cloud.region,
            account=self._cloud.account,
            spec=dump_spec(self._spec),
            created=old.created if old is not None else time.time(),
            groups=groups,
            log_group=old.log_group if old is not None else "",
            scheduler_machine=old.scheduler_machine if old is not None else "",
        )
        self._write_state(state)
        return state

    def _write_state(self, state: StackState) -> None:
        make_private_folder(self._paths.root)
        write_private_file(self._paths.state, state.model_dump_json(indent=2))

    def _plan(self, stack: FleetStack, old: StackState | None) -> tuple[Plan, bool]:
        """What would change, and whether the engine would change nothing at all."""
        was_stopped = old is not None and not old.complete
        if not stack.made and (was_stopped or is_half_made(stack.read_state())):
            # What it made and did not write down is in the way: a machine with the scheduler's address. Some providers
            # forget what they asked for when they cannot hear how it ended.
            remove_strays(self._spec.name, self._cloud, stack, self._progress)
        self._progress.step("planning")
        report = stack.preview(load_program(self._cloud), refresh=not stack.made)
        groups = old.resources.groups if old is not None else ()
        counts = plan_counts(self._wanted, self._cloud.count_machines(groups)) if groups else []
        openings = [] if stack.made else self._cloud.find_openings(self._spec.name)
        return build_plan(self._spec.name, report.steps, counts, openings=openings), report.is_still

    def _ask(self, plan: Plan, confirm: Confirm) -> bool:
        name = self._spec.name
        return confirm(Question(render_plan(plan), "Make this so?", f"fleet '{name}' was not changed"))

    def _forget(self, stack: FleetStack, old: StackState | None) -> None:
        """Leave no trace of a fleet that was not to be."""
        if self.created:
            stack.remove()
            shutil.rmtree(self._paths.root, ignore_errors=True)
            self.created = False
        elif old is not None:
            self._write_state(old)

    def _finish(self, stack: FleetStack, state: StackState) -> tuple[Connection, StackState]:
        """Take over what the stack exports, and give the groups their counts."""
        outputs = stack.read_outputs()
        source = f"the stack of fleet '{self._spec.name}'"
        connection = parse_outputs(outputs, source)
        before = state.scheduler_machine
        state = apply_resources(state, self._cloud.read_resources(outputs.get("resources") or {}))
        if before != state.scheduler_machine:
            close_tunnel(self._paths)  # It led to another machine.
        state = state.model_copy(update={"complete": False})
        self._write_state(state)
        self._apply_counts(state)
        written = write_connection(connection, self._paths)
        state = state.model_copy(update={"complete": True})
        self._write_state(state)
        return written, state

    def _apply_counts(self, state: StackState) -> None:
        """One call for each group that has another number of machines than is wanted."""
        groups = state.resources.groups
        changes = {change.group: change for change in plan_counts(self._wanted, self._cloud.count_machines(groups))}
        for group in groups:
            if change := changes.get(group.name):
                self._progress.step(f"group {group.name}: {change.before} to {change.after} machines")
                self._cloud.set_count(group, change.after)
        self._cloud.try_again(group for group in groups if group.name not in changes)


def dump_spec(spec: FleetSpec) -> dict[str, Any]:
    """The spec as data, without what is as it is by default. Pure."""
    return {"name": spec.name, "provider": spec.provider} | spec.model_dump(mode="json", exclude_defaults=True)


def load_program(cloud: Cloud) -> Callable[[], None]:
    """The program that makes the resources, as `pulumi up` runs it; the groups are given their counts after."""
    from daskfleet_stacks.deploy import deploy

    return lambda: deploy(empty=cloud.makes_groups_whole)
