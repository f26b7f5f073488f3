"""What `daskfleet status` looks like."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from daskfleet.errors import FleetError
from daskfleet.providers.base import FleetStatus, GroupStatus, NodeStatus, WorkerStatus, iterate_nodes

STATE_STYLES = {"running": "bold green", "starting": "bold yellow", "degraded": "bold yellow"}
BAR_WIDTH = 10
SVG_WIDTH = 112
MIN_BAR_WIDTH = 80


def render_status(status: FleetStatus, width: int) -> RenderableType:
    """The whole view, for a terminal of `width` columns."""
    parts: list[RenderableType] = [_render_head(status)]
    if status.groups:
        parts += [Text(), _render_workers(status.groups, bars=width >= MIN_BAR_WIDTH), Text(), _render_phases(status)]
    parts += [Text(f"! {problem}", style="red") for problem in status.problems]
    return Group(*parts)


def export_svg(status: FleetStatus, path: Path, *, title: str) -> None:
    """Save the whole view as a picture.

    Raises:
        FleetError: the file cannot be written.
    """
    console = Console(record=True, width=SVG_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(render_status(status, SVG_WIDTH))
    try:
        # Without rich's web fonts: a picture in a page should ask nobody for anything.
        path.write_text(re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL))
    except OSError as error:
        raise FleetError(f"{path} cannot be written: {error.strerror}.") from None


def _render_head(status: FleetStatus) -> RenderableType:
    head = Table.grid(padding=(0, 2))
    head.add_row(
        "fleet", Text(status.fleet, style="bold"), Text(status.state, style=STATE_STYLES.get(status.state, "bold red"))
    )
    if status.scheduler_address:
        age = f"up for {format_duration(time.time() - status.created)}"
        head.add_row("scheduler", status.scheduler_address, f"{status.provider}, {age}")
        head.add_row("dashboard", Text(status.dashboard_url, style=f"link {status.dashboard_url}"), "")
    if status.tags:
        head.add_row("tags", Text(" ".join(f"{key}={value}" for key, value in status.tags.items())), "")
    return head


def _render_workers(groups: tuple[GroupStatus, ...], *, bars: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title, justify in (
        ("GROUP", "left"),
        ("WORKER", "left"),
        ("THREADS", "right"),
        ("MEMORY", "left"),
        ("CPU", "right"),
        ("TASKS", "right"),
    ):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for group in groups:
        counted = f"{group.name} {len(group.workers)}/{group.wanted}"
        style = "green" if len(group.workers) == group.wanted else "yellow"
        if not group.workers:
            table.add_row(Text(counted, style=style), "none", "", "", "", "")
        for index, worker in enumerate(group.workers):
            table.add_row(Text(counted if index == 0 else "", style=style), *_render_worker(worker, bar=bars))
    return table


def _render_worker(worker: WorkerStatus, *, bar: bool) -> tuple[RenderableType, ...]:
    memory = format_bytes(worker.memory)
    if worker.memory_limit:
        memory = f"{memory} of {format_bytes(worker.memory_limit)}"
        if bar:
            memory = f"{_bar(worker.memory / worker.memory_limit)} {memory}"
    name = worker.name if worker.state == "running" else f"{worker.name} ({worker.state})"
    return name, str(worker.threads), memory, f"{worker.cpu:.0f}%", str(worker.executing)


def _bar(share: float) -> str:
    filled = round(min(max(share, 0.0), 1.0) * BAR_WIDTH)
    return "█" * filled + "░" * (BAR_WIDTH - filled)


def _render_phases(status: FleetStatus) -> Table:
    """Each node's phase marks, in seconds after its machine or its process began."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("NODE", "PID", "PHASES"):
        table.add_column(title)
    for node in iterate_nodes(status):
        process = str(node.pid) if node.pid else node.state
        table.add_row(node.name, process, _render_node_phases(node))
    return table


def _render_node_phases(node: NodeStatus) -> str:
    if not node.phases:
        return "none yet"
    start = min(node.phases.values())
    return "  ".join(f"{phase} +{at - start:.2f} s" for phase, at in node.phases.items() if phase != "left")


def format_bytes(size: float) -> str:
    """`1.2 GiB`, as Dask writes sizes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if round(size, 1) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def format_duration(seconds: float) -> str:
    """`42 s`, `5 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(max(seconds, 0))} s"
