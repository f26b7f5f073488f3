"""What the engine's events say. Pure: they come as data, and become steps, problems and lines of progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent
    from pulumi.automation.events import StepEventMetadata

VERBS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "delete": ("deleting", "deleted"),
    "replace": ("replacing", "replaced"),
    "create-replacement": ("creating the next", "created the next"),
    "delete-replaced": ("deleting the old", "deleted the old"),
    "refresh": ("looking at", "looked at"),
    "read": ("reading", "read"),
    "import": ("adopting", "adopted"),
}
"""What the engine's operations are called while they go on, and after."""

STILL = ("same", "read", "refresh")
"""Operations after which everything is as before."""

QUIET_OPERATIONS = ("same", "replace", "read", "refresh", "discard", "discard-replaced", "remove-pending-replace")
"""Operations of which nobody needs to hear: `replace` only joins the two that do it."""


@dataclass(frozen=True)
class Step:
    """One operation on one resource."""

    operation: str
    urn: str
    kind: str
    """The resource's type, short: `ec2.Vpc`."""
    properties: tuple[str, ...] = ()
    """What changes, where the engine knows."""

    @property
    def name(self) -> str:
        """The resource's name in the stack."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass
class EngineReport:
    """What the engine said in one run."""

    steps: list[Step] = field(default_factory=list)
    """Operations on resources that exist in the cloud, in their order."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failed: list[Step] = field(default_factory=list)
    results: list[Step] = field(default_factory=list)
    """What operations came to: of a refresh, `update` or `delete` where the cloud has something else than the state."""
    changes: dict[str, int] = field(default_factory=dict)
    """How often each operation occurs, what exists in no cloud included."""

    @property
    def is_still(self) -> bool:
        """Whether the stack's resources stay as they are."""
        return not any(count for operation, count in self.changes.items() if operation not in STILL)


def read_step(metadata: StepEventMetadata) -> Step | None:
    """The step that an event is of; `None` for what exists in no cloud: the stack, components, providers."""
    state = metadata.new or metadata.old
    if metadata.type.startswith("pulumi:") or state is None or not state.custom:
        return None
    operation = str(getattr(metadata.op, "value", metadata.op))
    return Step(operation, metadata.urn, shorten_type(metadata.type), tuple(metadata.diffs or ()))


def shorten_type(token: str) -> str:
    """`ec2.Vpc` of `aws:ec2/vpc:Vpc`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    module = module.partition("/")[0]
    return f"{module}.{name}" if module and module != "index" else f"{package}.{name}"


def read_events(events: Iterable[EngineEvent]) -> EngineReport:
    """What the events say."""
    report = EngineReport()
    for event in events:
        note_event(report, event)
    return report


def note_event(report: EngineReport, event: EngineEvent) -> None:
    """Add what one event says."""
    if event.resource_pre_event is not None:
        step = read_step(event.resource_pre_event.metadata)
        if step is not None:
            report.steps.append(step)
    elif event.res_outputs_event is not None:
        step = read_step(event.res_outputs_event.metadata)
        if step is not None:
            report.results.append(step)
    elif event.res_op_failed_event is not None:
        step = read_step(event.res_op_failed_event.metadata)
        if step is not None:
            report.failed.append(step)
    elif event.summary_event is not None:
        report.changes = {
            str(getattr(key, "value", key)): int(value) for key, value in event.summary_event.resource_changes.items()
        }
    elif event.diagnostic_event is not None:
        diagnostic = event.diagnostic_event
        text = diagnostic.message.strip()
        if text and diagnostic.severity == "error":
            report.errors.append(text)
        elif text and diagnostic.severity == "warning":
            report.warnings.append(text)


def find_drift(refresh: EngineReport, plan: EngineReport) -> list[Step]:
    """What a refresh found to be otherwise than the state says, and an update would put back.

    The rest is nobody's change of the fleet: how many machines a group has come to, or what else now uses a thing.
    """
    changed = {step.urn for step in plan.steps if step.operation not in STILL}
    return [step for step in refresh.results if step.operation in ("update", "delete") and step.urn in changed]


def describe_progress(event: EngineEvent, done: int, total: int | None) -> str | None:
    """The line for an operation that has begun; `None` where nobody needs to hear of it."""
    if event.resource_pre_event is None:
        return None
    step = read_step(event.resource_pre_event.metadata)
    if step is None or step.operation in QUIET_OPERATIONS or step.operation not in VERBS:
        return None
    counted = f" ({done} of {total} done)" if total else ""
    return f"{VERBS[step.operation][0]} {step.kind} {step.name}{counted}"
