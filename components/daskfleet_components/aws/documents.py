"""The node documents of a fleet's machines, and the user-data that carries them. Pure."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daskfleet_images.node.document import AwsLogs, AwsSecret, SchedulerDocument, WorkersDocument
from daskfleet_images.node.user_data import render_user_data

SCRATCH = Path("/var/lib/daskfleet/scratch")
"""Where the image has room for spilled data."""

MARKS = Path("/run/daskfleet/marks.jsonl")


def render_scheduler(
    *, fleet: str, address: str, secret: str, region: str, log_group: str, versions: Mapping[str, str] | None
) -> str:
    """User-data of the scheduler's machine.

    Args:
        versions: what the machine must hold; `None` is whatever it has.
    """
    document = SchedulerDocument(**_common(fleet, address, secret, region, log_group, versions))
    return render_user_data(document)


def render_workers(
    *,
    fleet: str,
    group: str,
    address: str,
    secret: str,
    region: str,
    log_group: str,
    versions: Mapping[str, str] | None,
    workers: Any,
    threads: int | None,
    memory_limit: int | None,
    resources: Mapping[str, float],
    spot: bool,
) -> str:
    """User-data of each machine of a worker group, in base64 as launch templates want it.

    Args:
        versions: what the machine must hold; `None` is whatever it has.
        workers: how many each machine runs, or `per-gpu`.
        threads: of each; `None` shares the machine's cores.
        memory_limit: bytes of each; `None` shares the machine's memory.
        spot: whether AWS may take the machine away, and gives notice of it.
    """
    document = WorkersDocument(
        **_common(fleet, address, secret, region, log_group, versions),
        group=group,
        workers=workers,
        threads="auto" if threads is None else threads,
        memory_limit="auto" if memory_limit is None else memory_limit,
        resources=dict(resources),
        local_directory=SCRATCH,
        retire_on_stop=True,
        watch="aws-interruptions" if spot else None,
    )
    return base64.b64encode(render_user_data(document).encode()).decode()


def _common(
    fleet: str, address: str, secret: str, region: str, log_group: str, versions: Mapping[str, str] | None
) -> dict[str, Any]:
    return {
        "fleet": fleet,
        "scheduler_address": address,
        "tls": AwsSecret(secret=secret, region=region),
        "logs": AwsLogs(group=log_group, region=region),
        "versions": versions or None,
        "marks_file": MARKS,
    }
