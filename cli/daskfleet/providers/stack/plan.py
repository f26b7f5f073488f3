"""What an `up` would change: from the engine's preview and the groups' counts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.events import Step

CHANGES = ("create", "replace", "update", "delete")
_MARKS = {"create": "+", "replace": "±", "update": "~", "delete": "-"}
INSTANCES = ("ec2.Instance", "compute.Instance", "compute.VirtualMachine")
"""What a scheduler's machine is, in each cloud."""

_REPLACING = ("replace", "create-replacement", "delete-replaced")


@dataclass(frozen=True)
class CountChange:
    """A group that gets another number of machines."""

    group: str
    before: int
    after: int


@dataclass(frozen=True)
class Plan:
    """What would change."""

    fleet: str
    changes: dict[str, tuple[Step, ...]]
    """The resources by `create`, `replace`, `update` and `delete`."""
    same: int
    """Resources that stay as they are."""
    counts: tuple[CountChange, ...] = ()
    openings: tuple[Leftover, ...] = ()
    """What others have opened in the fleet's firewall."""
    drift: tuple[Step, ...] = ()
    """What is otherwise in the cloud than the state says, where it was looked for."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not any(self.changes.values()) and not (self.counts or self.openings or self.drift)

    @property
    def replaces_scheduler(self) -> bool:
        """Whether the scheduler would be another, without what it holds."""
        steps = (*self.changes["replace"], *self.changes["delete"])
        return any(step.kind in INSTANCES and step.name.endswith("-scheduler") for step in steps)

    def render(self) -> tuple[str, ...]:
        """For a person."""
        return render_plan(self)

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return describe_plan(self)

    @property
    def total(self) -> int:
        """Resources that would change."""
        return sum(len(steps) for steps in self.changes.values())


def build_plan(
    fleet: str,
    steps: Iterable[Step],
    counts: Iterable[CountChange] = (),
    *,
    openings: Iterable[Leftover] = (),
    drift: Iterable[Step] = (),
) -> Plan:
    """The plan that the steps of a preview make."""
    by_urn: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_urn[step.urn].append(step)
    changes: dict[str, list[Step]] = {change: [] for change in CHANGES}
    same = 0
    for several in by_urn.values():
        operations = {step.operation for step in several}
        if operations & set(_REPLACING):
            changes["replace"].append(next(step for step in several if step.operation in _REPLACING))
            continue
        for change in ("delete", "create", "update"):
            if change in operations or (change == "create" and "import" in operations):
                changes[change].append(several[0])
                break
        else:
            same += 1
    return Plan(
        fleet, {key: tuple(value) for key, value in changes.items()}, same, tuple(counts), tuple(openings), tuple(drift)
    )


def plan_counts(wanted: Mapping[str, int], there: Mapping[str, int]) -> list[CountChange]:
    """The groups that exist and have another number of machines than is wanted."""
    return [
        CountChange(group, there[group], wanted[group])
        for group in wanted
        if there.get(group, wanted[group]) != wanted[group]
    ]


def render_plan(plan: Plan) -> tuple[str, ...]:
    """The plan, for a person."""
    if plan.is_empty:
        return (f"fleet '{plan.fleet}': nothing to change",)
    words = [f"{len(plan.changes[change])} to {change}" for change in CHANGES if plan.changes[change]]
    lines = [f"plan for fleet '{plan.fleet}': {', '.join([*words, f'{plan.same} unchanged'])}"]
    if plan.drift:
        lines.append("changed by others since the last `up`:")
        lines += [f"  ! {_describe_drift(step)}" for step in plan.drift]
    for change in CHANGES:
        by_kind: dict[str, list[Step]] = defaultdict(list)
        for step in plan.changes[change]:
            by_kind[step.kind].append(step)
        for kind in sorted(by_kind):
            lines.append(f"  {_MARKS[change]} {kind:<28} {', '.join(_describe(step) for step in by_kind[kind])}")
    lines += [f"  ! to close, opened by others: {each.name} ({each.id})" for each in plan.openings]
    lines += [f"  # group {each.group}: {each.before} to {each.after} machines" for each in plan.counts]
    if plan.replaces_scheduler:
        lines.append(
            "  ! THE SCHEDULER IS REPLACED: running computations end, and results that only the fleet holds are lost"
        )
    return tuple(lines)


def _describe(step: Step) -> str:
    if step.operation == "update" and step.properties:
        return f"{step.name} ({', '.join(step.properties)})"
    return step.name


def _describe_drift(step: Step) -> str:
    if step.operation == "delete":
        return f"{step.kind} {step.name} is gone"
    what = f": {', '.join(step.properties)}" if step.properties else ""
    return f"{step.kind} {step.name} was changed{what}"


def describe_plan(plan: Plan) -> dict[str, Any]:
    """The plan as data."""
    return {
        "fleet": plan.fleet,
        "changes": {
            change: [{"type": step.kind, "name": step.name, "properties": list(step.properties)} for step in steps]
            for change, steps in plan.changes.items()
        },
        "unchanged": plan.same,
        "counts": {each.group: {"before": each.before, "after": each.after} for each in plan.counts},
        "replaces_scheduler": plan.replaces_scheduler,
        "openings": [{"id": each.id, "what": each.name} for each in plan.openings],
        "drift": [
            {"type": step.kind, "name": step.name, "change": step.operation, "properties": list(step.properties)}
            for step in plan.drift
        ],
    }
