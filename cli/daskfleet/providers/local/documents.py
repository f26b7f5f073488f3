"""The files of a local fleet, as text: node documents and the connection. Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from daskfleet.home import FleetPaths
from daskfleet.providers.local.state import GroupState, LocalState
from daskfleet.reach import HOST
from daskfleet_images.node.document import SchedulerDocument, TLSFiles, WorkersDocument
from daskfleet_stacks.connection import Connection, Versions, validate_connection

SCHEDULER = "scheduler"
"""Name of the scheduler's node; no worker group may have it."""


def render_scheduler_document(state: LocalState, paths: FleetPaths) -> str:
    """The node document of the scheduler."""
    return SchedulerDocument(
        fleet=state.spec.name,
        node=SCHEDULER,
        scheduler_address=state.scheduler_address,
        host=HOST,
        tls=_tls_files(paths, "scheduler"),
        dashboard_address=f"{HOST}:{state.dashboard_port}",
        marks_file=paths.marks(SCHEDULER),
        working_directory=Path(state.working_directory),
        exit_on_stdin_eof=True,
    ).model_dump_json(indent=2)


def render_workers_document(state: LocalState, group: GroupState, paths: FleetPaths, scratch: Path) -> str:
    """The node document of one worker group: on this machine, all its workers are one node."""
    return WorkersDocument(
        fleet=state.spec.name,
        node=group.name,
        group=group.name,
        scheduler_address=state.scheduler_address,
        host=HOST,
        tls=_tls_files(paths, "worker"),
        workers=group.workers,
        threads=group.threads,
        memory_limit=group.memory_limit,
        resources=group.resources,
        local_directory=scratch,
        marks_file=paths.marks(group.name),
        working_directory=Path(state.working_directory),
        exit_on_stdin_eof=True,
    ).model_dump_json(indent=2)


def _tls_files(paths: FleetPaths, role: str) -> TLSFiles:
    return TLSFiles(ca_file=paths.tls / "ca.pem", cert=paths.tls / f"{role}.pem", key=paths.tls / f"{role}-key.pem")


def build_connection(state: LocalState, paths: FleetPaths, versions: Versions) -> Connection:
    """The connection of a local fleet."""
    tls = _tls_files(paths, "client")
    return validate_connection(
        {
            "fleet": state.spec.name,
            "provider": "local",
            "scheduler_address": state.scheduler_address,
            "dashboard_url": state.dashboard_url,
            "security": {
                "tls_ca_file": str(tls.ca_file),
                "tls_client_cert": str(tls.cert),
                "tls_client_key": str(tls.key),
            },
            "access": {"mode": "local"},
            "versions": dataclasses.asdict(versions),
        }
    )
