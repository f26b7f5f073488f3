"""The plan of a fleet, without making it so."""

from __future__ import annotations

import shutil

from daskfleet.home import FleetPaths
from daskfleet.progress import Progress
from daskfleet.providers.stack.checks import require_checks
from daskfleet.providers.stack.cloud import Cloud
from daskfleet.providers.stack.creation import dump_spec, load_program
from daskfleet.providers.stack.events import EngineReport, find_drift
from daskfleet.providers.stack.places import load_stack, stack_folder
from daskfleet.providers.stack.plan import CountChange, Plan, build_plan, plan_counts
from daskfleet.providers.stack.state import read_state
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.spec import FleetSpec


def preview_fleet(spec: FleetSpec, cloud: Cloud, paths: FleetPaths, progress: Progress, *, refresh: bool) -> Plan:
    """What `up` would change. A fleet that is not there leaves no trace; one that is there stays as it is."""
    progress.step("looking whether the fleet can be made")
    require_checks(cloud, spec)
    is_new = not paths.root.exists()
    settings = stack_folder(paths) / f"Pulumi.{spec.name}.yaml"
    before = settings.read_bytes() if settings.exists() else None
    stack = load_stack(spec.name, cloud.name, paths, progress)
    made = False
    try:
        if not stack.open():
            stack.create()
            made = True
        stack.configure(dump_spec(spec))
        progress.step("planning")
        found = stack.preview_refresh() if refresh and not made else EngineReport()
        report = stack.preview(load_program(cloud), refresh=refresh and not made)
        openings = cloud.find_openings(spec.name) if not made else []
        return build_plan(
            spec.name,
            report.steps,
            _plan_counts(spec, cloud, paths),
            openings=openings,
            drift=find_drift(found, report),
        )
    finally:
        if made:
            stack.remove()
        if is_new:
            shutil.rmtree(paths.root, ignore_errors=True)
        elif before is not None:
            settings.write_bytes(before)


def _plan_counts(spec: FleetSpec, cloud: Cloud, paths: FleetPaths) -> list[CountChange]:
    try:
        state = read_state(paths)
    except StateDamaged:
        state = None
    if state is None or not state.resources.groups:
        return []
    wanted = {group.name: int(group.count) for group in spec.workers}  # type: ignore[attr-defined]
    return plan_counts(wanted, cloud.count_machines(state.resources.groups))
