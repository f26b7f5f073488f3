"""The node document: the one file that tells a node what to be.

A node reads this and nothing else. It holds *references* to secrets (paths on this machine), never a secret,
so it may travel in user-data and be printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from daskfleet_images.node.errors import NodeDocumentError

LogLevel = Literal["debug", "info", "warning", "error"]


def check_port(address: str) -> str:
    """Make sure that an address ends in a port."""
    port = address.rpartition(":")[2]
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("an address ends in a colon and a port from 1 to 65535")
    return address


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TLSFiles(_Model):
    """Where the node finds its TLS material; the names are those of `distributed.Security`."""

    ca_file: Path
    """Certificate of the fleet's own authority, PEM."""
    cert: Path
    """Certificate of this node's role, PEM."""
    key: Path
    """Private key of this node's role, PEM."""


class _Node(_Model):
    version: Literal[1] = 1
    """Version of this format."""
    fleet: str
    """Name of the fleet."""
    node: str
    """Name of this node, unique in the fleet."""
    scheduler_address: Annotated[str, Field(pattern=r"^tls://.+:\d+$"), AfterValidator(check_port)]
    """Address of the fleet's scheduler, `tls://host:port`."""
    host: str = Field(min_length=1)
    """Address to listen on. The node listens nowhere else."""
    tls: TLSFiles
    """References to the node's TLS material."""
    log_level: LogLevel = "info"
    """Level of the `distributed` logger."""
    marks_file: Path | None = None
    """File that the phase marks are appended to, besides the log."""
    working_directory: Path | None = None
    """Directory to change to; `None` stays where the node was started."""
    exit_on_stdin_eof: bool = False
    """End when standard input closes: a supervisor that dies, however it dies, takes its nodes with it."""


class SchedulerDocument(_Node):
    """A node that becomes the fleet's scheduler."""

    role: Literal["scheduler"] = "scheduler"
    dashboard_address: Annotated[str, AfterValidator(check_port)] = "127.0.0.1:8787"
    """`host:port` of the dashboard, which has no authentication: keep it on the loopback interface."""


class WorkersDocument(_Node):
    """A node that becomes one or more workers of one worker group, each in a process of its own."""

    role: Literal["workers"] = "workers"
    group: str
    """Name of the worker group."""
    workers: tuple[str, ...]
    """Names of the workers to run. The document is read again at SIGHUP, and this list is then made true."""
    threads: PositiveInt
    """Threads of each worker (`nthreads`)."""
    memory_limit: Literal["auto"] | NonNegativeInt = "auto"
    """Bytes that each worker may use before its nanny restarts it; `0` is no limit; `auto` is the machine's memory
    times the worker's share of its cores, as `dask worker` has it."""
    resources: dict[str, PositiveFloat] = {}
    """Dask resources of each worker."""
    local_directory: Path | None = None
    """Directory for spilled data; `None` is Dask's own default."""
    join_timeout: PositiveFloat = 300
    """Seconds that a worker tries to reach the scheduler before the node gives up and exits with 1."""
    retire_on_stop: bool = False
    """At SIGTERM, move the workers' data to other workers before stopping. A fleet that goes down as a whole has no
    use for it; a machine that is taken away has."""


NodeDocument = Annotated[SchedulerDocument | WorkersDocument, Field(discriminator="role")]
_ADAPTER: TypeAdapter[SchedulerDocument | WorkersDocument] = TypeAdapter(NodeDocument)


def parse_node_document(text: str | bytes) -> SchedulerDocument | WorkersDocument:
    """Validate a node document.

    Raises:
        NodeDocumentError: it is no JSON, or a field is missing, unknown or wrong; all problems in one line.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        shown = "".join(each if each.isprintable() else "?" for each in problems)
        raise NodeDocumentError(f"the node document is not valid: {shown}") from None


def read_node_document(path: Path) -> SchedulerDocument | WorkersDocument:
    """Read and validate the node document at `path`.

    Raises:
        NodeDocumentError: it cannot be read, or is not valid.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise NodeDocumentError(f"the node document {path} cannot be read: {error.strerror}") from None
    return parse_node_document(text)
