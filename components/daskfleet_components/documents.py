"""The node documents of a fleet's machines, and the user-data that carries them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daskfleet_images.node.document import Logs, SchedulerDocument, TLSSource, WorkersDocument
from daskfleet_images.node.user_data import render_user_data

SCRATCH = Path("/var/lib/daskfleet/scratch")
"""Where the image has room for spilled data."""

MARKS = Path("/run/daskfleet/marks.jsonl")


@dataclass(frozen=True)
class Common:
    """What the documents of all of a fleet's machines say."""

    fleet: str
    address: str
    """The scheduler's, `tls://host:8786`."""
    tls: TLSSource
    """Where the machine reads its TLS material."""
    logs: Logs
    """Where its log goes to."""
    versions: Mapping[str, str] | None
    """What it must hold; `None` is whatever it has."""
    health_port: int | None = None
    """Where it tells the cloud whether it is well; `None` is nowhere."""
    health_host: str | None = None
    """The address of that; `None` is its own in the network."""

    def render(self) -> dict[str, Any]:
        """By the names of the document."""
        return {
            "fleet": self.fleet,
            "scheduler_address": self.address,
            "tls": self.tls,
            "logs": self.logs,
            "versions": self.versions or None,
            "marks_file": MARKS,
            "health_port": self.health_port,
            "health_host": self.health_host,
        }


def render_scheduler(common: Common) -> str:
    """User-data of the scheduler's machine."""
    return render_user_data(SchedulerDocument(**common.render()))


def render_workers(
    common: Common,
    *,
    group: str,
    workers: Any,
    threads: int | None,
    memory_limit: int | None,
    resources: Mapping[str, float],
    watch: Any,
) -> str:
    """User-data of each machine of a worker group.

    Args:
        workers: how many each machine runs, or `per-gpu`.
        threads: of each; `None` shares the machine's cores.
        memory_limit: bytes of each; `None` shares the machine's memory.
        watch: whom it asks whether the cloud takes the machine away; `None` asks nobody.
    """
    document = WorkersDocument(
        **common.render(),
        group=group,
        workers=workers,
        threads="auto" if threads is None else threads,
        memory_limit="auto" if memory_limit is None else memory_limit,
        resources=dict(resources),
        local_directory=SCRATCH,
        retire_on_stop=True,
        watch=watch,
    )
    return render_user_data(document)
