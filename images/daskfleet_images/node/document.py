"""The node document: the one file that tells a node what to be.

A node reads this and nothing else. It holds *references* to secrets (paths on this machine, names in a secret store),
never a secret, so it may travel in user-data and be printed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
)

from daskfleet_images.node.errors import NodeDocumentError
from daskfleet_images.problems import describe_problems

LogLevel = Literal["debug", "info", "warning", "error"]

CLIENT_ID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
"""Of an identity in Azure."""


def check_port(address: str) -> str:
    """Make sure that an address ends in a port."""
    port = address.rpartition(":")[2]
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("an address ends in a colon and a port from 1 to 65535")
    return address


def _told_as(constraint: str) -> WrapValidator:
    """Tell a value that is none of several kinds in one sentence, instead of once for each kind."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(constraint) from None

    return WrapValidator(validate)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TLSFiles(_Model):
    """TLS material that is on this machine; the names are those of `distributed.Security`."""

    source: Literal["files"] = "files"
    ca_file: Path
    """Certificate of the fleet's own authority, PEM."""
    cert: Path
    """Certificate of this node's role, PEM."""
    key: Path
    """Private key of this node's role, PEM."""


class AwsSecret(_Model):
    """TLS material in AWS Secrets Manager, read with the machine's role.

    The secret's value is JSON: `{"ca": PEM, "cert": PEM, "key": PEM}`.
    """

    source: Literal["aws-secrets-manager"] = "aws-secrets-manager"
    secret: str = Field(min_length=1)
    """Name or ARN of the secret."""
    region: str = Field(min_length=1)
    """Region that the secret is in."""
    endpoint_url: str | None = None
    """Address of the service, where it is not the region's own."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the secret {self.secret!r} of AWS Secrets Manager in {self.region}"


class GcpSecret(_Model):
    """TLS material in Google's Secret Manager, read with the machine's service account.

    The value of the secret's latest version is JSON: `{"ca": PEM, "cert": PEM, "key": PEM}`.
    """

    source: Literal["gcp-secret-manager"] = "gcp-secret-manager"
    secret: str = Field(pattern=r"^projects/[^/\s]+/secrets/[A-Za-z0-9_-]+$")
    """The secret, `projects/PROJECT/secrets/NAME`."""
    endpoint_url: str | None = None
    """Address of the service, where it is not Google's own."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the secret {self.secret!r} of Google's Secret Manager"


class AzureSecret(_Model):
    """TLS material in a Key Vault of Azure's, read with a user-assigned identity of the machine.

    The value of the secret's latest version is JSON: `{"ca": PEM, "cert": PEM, "key": PEM}`.
    """

    source: Literal["azure-key-vault"] = "azure-key-vault"
    vault: str = Field(pattern=r"^https://[A-Za-z0-9-]+\.vault\.azure\.net/?$")
    """Address of the vault, `https://NAME.vault.azure.net`."""
    secret: str = Field(pattern=r"^[A-Za-z0-9-]{1,127}$")
    """Name of the secret in it."""
    client_id: str = Field(pattern=CLIENT_ID)
    """Client ID of the identity: a machine may have several."""
    endpoint_url: str | None = None
    """Where the vault is asked, where it is not at its own address."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the secret {self.secret!r} of {self.vault}"


class AwsLogs(_Model):
    """The node's log in CloudWatch Logs, written with the machine's role.

    The log group is there already. Each machine makes a stream in it, `scheduler/HOST` or `GROUP/HOST`.
    """

    destination: Literal["aws-cloudwatch"] = "aws-cloudwatch"
    group: str = Field(min_length=1)
    """Name of the log group."""
    region: str = Field(min_length=1)
    """Region that the log group is in."""
    endpoint_url: str | None = None
    """Address of the service, where it is not the region's own."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the log group {self.group!r} of CloudWatch in {self.region}"


class GcpLogs(_Model):
    """The node's log in Cloud Logging, written with the machine's service account.

    Its entries have the labels `daskfleet-group`, which is `scheduler` for the scheduler, and `daskfleet-node`, the
    machine's host name. A phase mark is a JSON payload, every other line a text.
    """

    destination: Literal["gcp-cloud-logging"] = "gcp-cloud-logging"
    log: str = Field(pattern=r"^projects/[^/\s]+/logs/[A-Za-z0-9/_.-]+$")
    """Name of the log, `projects/PROJECT/logs/LOG_ID`; slashes of the LOG_ID as they are."""
    endpoint_url: str | None = None
    """Address of the service, where it is not Google's own."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the log {self.log!r} of Cloud Logging"


class AzureLogs(_Model):
    """The node's log in a container of Azure's storage, written with a user-assigned identity of the machine.

    The container is there already. Each machine appends to blobs of its own in it, `scheduler/HOST/00000` or
    `GROUP/HOST/00000` and, once a blob holds as many blocks as it can, the next number. Each line is JSON: `time`, in
    seconds since the epoch, and `line`, a text, or `mark`, a phase mark. What the marks say about the node now is
    besides in the blob's metadata, as `marks`.
    """

    destination: Literal["azure-blob"] = "azure-blob"
    container: str = Field(pattern=r"^https://[a-z0-9]+\.blob\.core\.windows\.net/[a-z0-9-]+$")
    """Address of the container, `https://ACCOUNT.blob.core.windows.net/CONTAINER`."""
    client_id: str = Field(pattern=CLIENT_ID)
    """Client ID of the identity: a machine may have several."""
    endpoint_url: str | None = None
    """Where the account's blobs are asked for, where it is not at their own address."""

    @property
    def place(self) -> str:
        """What a person calls it."""
        return f"the container {self.container}"


def _named_by(field: str, default: str) -> Callable[[Any], Any]:
    """What tells a value's kind: the word in its `field`, or `default` where it has none."""

    def find(value: Any) -> Any:
        return value.get(field, default) if isinstance(value, dict) else getattr(value, field, default)

    return find


Secret = AwsSecret | GcpSecret | AzureSecret

TLSSource = Annotated[
    Annotated[TLSFiles, Tag("files")]
    | Annotated[AwsSecret, Tag("aws-secrets-manager")]
    | Annotated[GcpSecret, Tag("gcp-secret-manager")]
    | Annotated[AzureSecret, Tag("azure-key-vault")],
    Discriminator(
        _named_by("source", "files"),
        custom_error_type="tls_source",
        custom_error_message="source is 'files', 'aws-secrets-manager', 'gcp-secret-manager' or 'azure-key-vault'",
    ),
]

Logs = Annotated[
    Annotated[AwsLogs, Tag("aws-cloudwatch")]
    | Annotated[GcpLogs, Tag("gcp-cloud-logging")]
    | Annotated[AzureLogs, Tag("azure-blob")],
    Discriminator(
        _named_by("destination", "aws-cloudwatch"),
        custom_error_type="logs_destination",
        custom_error_message="destination is 'aws-cloudwatch', 'gcp-cloud-logging' or 'azure-blob'",
    ),
]


LATER_FIELDS = ("health_port", "health_host")
"""Which nodes of earlier versions do not know."""


class _Node(_Model):
    version: Literal[1] = 1
    """Version of this format."""
    fleet: str
    """Name of the fleet."""
    node: str | None = Field(default=None, min_length=1)
    """Name of this node, unique in the fleet; `None` is the machine's host name."""
    scheduler_address: Annotated[str, Field(pattern=r"^tls://.+:\d+$"), AfterValidator(check_port)]
    """Address of the fleet's scheduler, `tls://host:port`."""
    host: str | None = Field(default=None, min_length=1)
    """Address to listen on; the node listens nowhere else. `None` is the machine's address that leads to the scheduler,
    for the scheduler itself the machine's own."""
    tls: TLSSource
    """References to the node's TLS material."""
    join_timeout: PositiveFloat = 300
    """Seconds that the node tries to read its secrets and, for workers, again as many to reach the scheduler, before it
    gives up and exits with 1."""
    versions: dict[str, str] | None = None
    """What the fleet runs: versions by package, and of `python`, of which the minor version counts. A node that has
    others does not join, as tasks would fail on it. `None` is whatever this machine has."""
    log_level: LogLevel = "info"
    """Level of the `distributed` logger."""
    marks_file: Path | None = None
    """File that the phase marks are appended to, besides the log."""
    logs: Logs | None = None
    """Where the log and the phase marks go to besides; `None` is nowhere. It never keeps the node from its work."""
    working_directory: Path | None = None
    """Directory to change to; `None` stays where the node was started."""
    exit_on_stdin_eof: bool = False
    """End when standard input closes: a supervisor that dies, however it dies, takes its nodes with it."""
    health_port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """Port of `GET /health`, for what replaces machines that are not well: 200 once the node has registered and while
    it is well, otherwise 503 with the reason. It is plain HTTP, which tells nothing else: let only the cloud's health
    checks reach it. `None` is no such port."""
    health_host: str | None = Field(default=None, min_length=1)
    """Address that it is at, and nowhere else: the loopback interface's, where it is asked on the machine itself.
    `None` is the node's address."""

    @model_serializer(mode="wrap")
    def _leave_out(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what says nothing and came later: nodes of earlier versions refuse it."""
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if value is not None or key not in LATER_FIELDS}


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
    workers: Annotated[
        tuple[str, ...] | PositiveInt | Literal["per-gpu"],
        _told_as("workers are a list of names, a number above zero, or 'per-gpu'"),
    ]
    """The workers to run: their names; or how many, named `{node}-0` and so on; or `per-gpu`, one for each NVIDIA GPU
    of the machine, which it has to itself. The document is read again at SIGHUP, and this is then made true."""
    threads: Annotated[PositiveInt | Literal["auto"], _told_as("threads are a number above zero, or 'auto'")]
    """Threads of each worker (`nthreads`); `auto` shares the machine's cores among its workers."""
    memory_limit: Literal["auto"] | NonNegativeInt = "auto"
    """Bytes that each worker may use before its nanny restarts it; `0` is no limit; `auto` is the machine's memory
    times the worker's share of its cores, as `dask worker` has it."""
    resources: dict[str, PositiveFloat] = {}
    """Dask resources of each worker."""
    local_directory: Path | None = None
    """Directory for spilled data; `None` is Dask's own default."""
    retire_on_stop: bool = False
    """At SIGTERM, move the workers' data to other workers before stopping. A fleet that goes down as a whole has no
    use for it; a machine that is taken away has."""
    pause_when_busy: bool = False
    """Whether the workers take no new tasks while others use the machine's processors: for somebody's desktop."""
    watch: Literal["aws-interruptions", "gcp-interruptions", "azure-interruptions"] | None = None
    """Whose notice that the machine will be taken away is heeded: the workers then move their data and stop."""


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
        raise NodeDocumentError(f"the node document is not valid: {describe_problems(error)}") from None


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
