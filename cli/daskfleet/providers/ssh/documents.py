"""The files of a fleet over SSH, as text: node documents and the connection. Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath

from daskfleet.home import FleetPaths
from daskfleet.providers.ssh.state import SCHEDULER, HostState, SshState
from daskfleet_images.node.document import SchedulerDocument, TLSFiles, WorkersDocument
from daskfleet_stacks.connection import Connection, Versions, validate_connection


def render_scheduler_document(state: SshState, folder: str, working_directory: str) -> str:
    """The node document of the scheduler, whose folder on its host is `folder`."""
    return SchedulerDocument(
        fleet=state.spec.name,
        node=SCHEDULER,
        scheduler_address=state.scheduler_address,
        tls=_tls_files(folder, SCHEDULER),
        dashboard_address=f"127.0.0.1:{state.dashboard_port}",
        marks_file=_marks(folder, SCHEDULER),
        working_directory=Path(working_directory),
        exit_on_stdin_eof=True,
    ).model_dump_json(indent=2)


def render_workers_document(state: SshState, host: HostState) -> str:
    """The node document of a host's workers."""
    assert host.sizes is not None
    return WorkersDocument(
        fleet=state.spec.name,
        node=host.node,
        group=host.group,
        scheduler_address=state.scheduler_address,
        tls=_tls_files(host.folder, "worker"),
        workers=host.workers,
        threads=host.sizes.threads,
        memory_limit=host.sizes.memory_limit,
        resources=host.asked.resources,
        pause_when_busy=host.asked.pause_when_busy,
        local_directory=Path(state.runtime(host.node, host.place)) / "scratch",
        marks_file=_marks(host.folder, host.node),
        working_directory=Path(host.working_directory),
        exit_on_stdin_eof=True,
    ).model_dump_json(indent=2)


def read_tls_texts(paths: FleetPaths, role: str) -> dict[str, str]:
    """The TLS material of a role, by its path in the node's folder."""
    names = ("ca.pem", f"{role}.pem", f"{role}-key.pem")
    return {f"tls/{name}": (paths.tls / name).read_text() for name in names}


def _tls_files(folder: str, role: str) -> TLSFiles:
    tls = Path(folder) / "tls"
    return TLSFiles(ca_file=tls / "ca.pem", cert=tls / f"{role}.pem", key=tls / f"{role}-key.pem")


def _marks(folder: str, node: str) -> Path:
    return Path(folder) / "nodes" / f"{node}.marks.jsonl"


def build_connection(state: SshState, paths: FleetPaths, versions: Versions, mode: str) -> Connection:
    """The connection of a fleet over SSH, whose scheduler is reached in the way that `mode` says."""
    access: dict[str, object] = {"mode": mode}
    if state.scheduler.host:
        access |= {"host": state.scheduler.host, "user": state.scheduler.user, "port": state.scheduler.port or 0}
    return validate_connection(
        {
            "fleet": state.spec.name,
            "provider": "ssh",
            "scheduler_address": state.scheduler_address,
            "dashboard_url": state.dashboard_url,
            "security": {
                "tls_ca_file": str(paths.tls / "ca.pem"),
                "tls_client_cert": str(paths.tls / "client.pem"),
                "tls_client_key": str(paths.tls / "client-key.pem"),
            },
            "access": access,
            "versions": dataclasses.asdict(versions),
        }
    )


def absolute(home: str, folder: str) -> str:
    """A node's folder on its host."""
    return str(PurePosixPath(home) / ".daskfleet" / folder)
