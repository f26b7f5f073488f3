"""One fleet's stack, through Pulumi's Automation API. The only module beside `command` that imports Pulumi."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pulumi.automation import EngineEvent, LocalWorkspace, OutputMap, PulumiFn, Stack, UpdateSummary
from pulumi.automation._stack import StackInitMode
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from daskfleet.errors import FleetError
from daskfleet.home import make_private_folder, write_private_file
from daskfleet.progress import Progress
from daskfleet.providers.stack.command import EngineCommand
from daskfleet.providers.stack.engine import Backend
from daskfleet.providers.stack.events import STILL, EngineReport, describe_progress, note_event, read_step
from daskfleet.providers.stack.explain import explain_failure, find_kind
from daskfleet.providers.stack.locks import LockHolder, is_dead, parse_lock_holders

PROJECT = "daskfleet"
CONFIG_KEY = "daskfleet:fleet"

LOCK_SECONDS = 60.0
"""How long to wait for another update of the stack: that of an engine whose daskfleet was killed ends by itself."""

LOCK_POLL_SECONDS = 1.0


class EngineFailed(FleetError):
    """The engine could not do what it was asked."""

    def __init__(self, what: str, provider: str, report: EngineReport, output: str) -> None:
        found = find_kind(" ".join(report.errors) or output, provider)
        self.kind = found.kind if found is not None else "other"
        """What kind of failure it is, by the words of `explain`."""
        super().__init__(f"{what}: {explain_failure(report.errors, provider, output)}")


class StackLocked(FleetError):
    """Somebody else changes the stack."""


class FleetStack:
    """A stack of the project `daskfleet`, with a folder of its own for its settings."""

    def __init__(
        self, name: str, provider: str, folder: Path, backend: Backend, engine: Path, progress: Progress
    ) -> None:
        self.name = name
        self.made = False
        """Whether this object has made the stack."""
        self._provider = provider
        self._folder = folder
        self._progress = progress
        make_private_folder(folder)
        write_private_file(folder / "Pulumi.yaml", yaml.safe_dump({"name": PROJECT, "runtime": "python"}))
        self._command = EngineCommand(engine, folder / "engine.log", self._tell_cancel)
        self._workspace = _Workspace(
            work_dir=str(folder),
            env_vars={"PULUMI_SKIP_UPDATE_CHECK": "true", "NO_COLOR": "1", **backend.environment},
            pulumi_command=self._command,
        )
        self._stack: Stack | None = None

    # What the stack is

    def open(self) -> bool:
        """Find the stack; returns whether it is there."""
        try:
            self._stack = _Stack(self.name, self._workspace, StackInitMode.SELECT)
        except StackNotFoundError:
            return False
        except CommandError as error:
            raise self._explain("the stack cannot be opened", EngineReport(), error) from None
        return True

    def create(self) -> None:
        """Make the stack, which is not there."""
        try:
            self._stack = _Stack(self.name, self._workspace, StackInitMode.CREATE)
        except CommandError as error:
            raise self._explain("the stack cannot be made", EngineReport(), error) from None
        self.made = True

    def configure(self, spec: dict[str, Any]) -> None:
        """Give the stack its spec, as `pulumi config` would."""
        path = self._folder / f"Pulumi.{self.name}.yaml"
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            settings = {}
        settings["config"] = {**settings.get("config", {}), CONFIG_KEY: spec}
        write_private_file(path, yaml.safe_dump(settings, sort_keys=False))

    def read_outputs(self) -> dict[str, Any]:
        """What the stack exports, with secrets in the clear."""
        try:
            return {key: output.value for key, output in self._workspace.stack_outputs(self.name).items()}
        except CommandError as error:
            raise self._explain("the stack's outputs cannot be read", EngineReport(), error) from None

    def read_state(self) -> dict[str, Any]:
        """The stack's state: `resources`, `pending_operations`; secrets are encrypted."""
        try:
            done = self._workspace.run(["stack", "export", "--stack", self.name])
        except CommandError as error:
            raise self._explain("the stack's state cannot be read", EngineReport(), error) from None
        deployment: dict[str, Any] = json.loads(done).get("deployment") or {}
        return deployment

    # What is done with it

    def preview(self, program: PulumiFn, *, refresh: bool = False) -> EngineReport:
        """What an update would do."""
        return self._operate(
            "the plan cannot be made",
            lambda stack, listen: stack.preview(program=program, refresh=refresh or None, on_event=listen),
        )

    def preview_refresh(self) -> EngineReport:
        """What is otherwise in the cloud than the state says."""
        return self._operate(
            "the cloud cannot be compared with the stack's state",
            lambda stack, listen: stack.preview_refresh(on_event=listen),
        )

    def up(self, program: PulumiFn, *, total: int | None = None, refresh: bool = False) -> EngineReport:
        """Make it so.

        Args:
            total: how many resources will change, for who watches.
        """
        return self._operate(
            f"fleet '{self.name}' could not be made so",
            lambda stack, listen: stack.up(program=program, refresh=refresh or None, on_event=listen),
            total=total,
        )

    def refresh(self) -> EngineReport:
        """Bring the state to what is in the cloud, and forget calls of which a killed update did not learn the end."""
        return self._operate(
            "the stack's state cannot be brought to what is in the cloud",
            lambda stack, listen: stack.refresh(clear_pending_creates=True, on_event=listen),
        )

    def destroy(self, *, total: int | None = None) -> EngineReport:
        """Remove every resource."""
        return self._operate(
            f"not everything of fleet '{self.name}' could be removed",
            lambda stack, listen: stack.destroy(on_event=listen),
            total=total,
        )

    def remove(self) -> None:
        """Remove the stack itself, which has no resources any more."""
        try:
            self._workspace.remove_stack(self.name)
        except StackNotFoundError:
            return
        except CommandError as error:
            raise self._explain("the stack cannot be removed", EngineReport(), error) from None

    def _operate(
        self, what: str, operation: Callable[[Stack, Callable[[EngineEvent], None]], object], total: int | None = None
    ) -> EngineReport:
        assert self._stack is not None
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            report = EngineReport()
            listen = _Listener(report, self._progress, total)
            try:
                operation(self._stack, listen)
            except ConcurrentUpdateError as error:
                self._handle_lock(error, deadline)
                continue
            except CommandError as error:
                raise self._explain(what, report, error) from None
            return report

    def _handle_lock(self, error: ConcurrentUpdateError, deadline: float) -> None:
        """Clear the lock of an update that was killed on this machine; wait a little for one that goes on."""
        holders = parse_lock_holders(str(error))
        if holders and all(is_dead(holder) for holder in holders):
            self._progress.step(f"clearing the lock of an update that was killed ({holders[0].describe()})")
            try:
                self._workspace.run(["cancel", "--yes", self.name])
            except CommandError as failure:
                raise self._explain("the lock of a killed update cannot be cleared", EngineReport(), failure) from None
            return
        if time.monotonic() > deadline:
            raise StackLocked(_describe_lock(self.name, holders)) from None
        who = holders[0].describe() if holders else "unknown"
        self._progress.step(f"another update of fleet '{self.name}' goes on ({who}); waiting for it")
        time.sleep(LOCK_POLL_SECONDS)

    def _explain(self, what: str, report: EngineReport, error: CommandError) -> EngineFailed:
        last = self._command.last
        if last is not None and last.code < 0 and not report.errors:
            report.errors.append(f"the engine was killed (signal {-last.code}). Say the same command again: it goes on")
        output = f"{last.stdout}\n{last.stderr}" if last is not None else str(error)
        return EngineFailed(what, self._provider, report, output)

    def _tell_cancel(self) -> None:
        self._progress.step("telling the engine to stop; it finishes the calls that are under way")


def _describe_lock(name: str, holders: list[LockHolder]) -> str:
    who = "; ".join(holder.describe() for holder in holders) or "by someone that the engine does not name"
    return (
        f"the stack of fleet '{name}' is locked: another update of it goes on ({who}). Wait for it to end. If you are "
        f"sure that it has, remove the lock: `pulumi cancel --stack {name}` in the project {PROJECT}; then try again."
    )


class _Listener:
    """Takes the engine's events: for the report, and for whoever watches."""

    def __init__(self, report: EngineReport, progress: Progress, total: int | None) -> None:
        self._report = report
        self._progress = progress
        self._total = total
        self._done: set[str] = set()

    def __call__(self, event: EngineEvent) -> None:
        note_event(self._report, event)
        if event.res_outputs_event is not None:
            step = read_step(event.res_outputs_event.metadata)
            if step is not None and step.operation not in STILL:
                self._done.add(step.urn)
        planning = event.resource_pre_event is not None and event.resource_pre_event.planning
        line = None if planning else describe_progress(event, len(self._done), self._total)
        if line:
            self._progress.step(line)


class _Workspace(LocalWorkspace):
    """A workspace that starts the engine no more often than is needed: each start takes most of a second."""

    def stack_outputs(self, stack_name: str) -> OutputMap:
        from pulumi.automation import OutputValue

        text = self.run(["stack", "output", "--json", "--show-secrets", "--stack", stack_name])
        return {key: OutputValue(value, secret=True) for key, value in json.loads(text).items()}

    def run(self, arguments: list[str]) -> str:
        """Run the engine; returns what it printed."""
        return self.pulumi_command.run(arguments, self.work_dir, self.env_vars).stdout


class _Stack(Stack):
    """A stack that reads neither outputs nor history after each operation.

    Made by its constructor: `select` and `create` of the class it comes from return that class's.
    """

    def outputs(self) -> OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary | None:
        import datetime

        return UpdateSummary("update", datetime.datetime.now(datetime.UTC), "", {}, {}, "succeeded")
