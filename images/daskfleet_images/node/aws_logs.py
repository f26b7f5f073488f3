"""The node's log to CloudWatch Logs, by the handler of watchtower.

watchtower batches, splits and sends in a thread of its own. It is left three things that it does not do: its queue is
bounded, what cannot be sent is tried again with growing pauses, and why is told once. It makes no log group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from typing import Any

import watchtower

from daskfleet_images.node.aws import Remedies, open_client, told_as
from daskfleet_images.node.document import AwsLogs
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.marks import Mark
from daskfleet_images.node.patience import grow_pauses

logger = logging.getLogger("daskfleet.node")

SEND_SECONDS = 2
"""How long lines are gathered before they are sent. A thousand machines that all have something to say make 500
requests a second; a region takes thousands."""

CLOSE_SECONDS = 5
"""How long the end may take; nobody who stops a node waits longer for a service that does not answer."""

MOST_WAITING = 1000
MOST_BYTES = 16 * 1024
"""Of one line. So at worst, with a service that does not answer, 32 MiB wait: as many again are in a batch."""

REMEDIES = Remedies(
    {
        "ResourceNotFoundException": "make the log group, or correct `logs.group` and `logs.region`",
        "AccessDeniedException": "allow the machine's role logs:CreateLogStream and logs:PutLogEvents on the log group",
        "ThrottlingException": "nothing is lost so far: it is tried again, more slowly",
        "InvalidSignatureException": "set the machine's clock, and let it reach a time server",
    },
    "give the machine an instance profile whose role may write to the log group",
    "open a way to the service: a NAT gateway, or a VPC endpoint for logs",
    "correct `logs` in the node document",
)

MANY_ATTEMPTS = 5
"""After which it is told that the service asks for less: while hundreds of machines start, it is bound to."""

HOPELESS = ("InvalidParameterException", "DataAlreadyAcceptedException")
"""Answers that mean these lines: they would never be taken, and all after them wait."""


class CloudWatchHandler(watchtower.CloudWatchLogHandler):
    """Sends records to one stream. It never waits, and never raises."""

    FLUSH_TIMEOUT = CLOSE_SECONDS

    def __init__(self, logs: AwsLogs, stream: str) -> None:
        warnings.filterwarnings("ignore", category=watchtower.WatchtowerWarning)  # The sender tells, and once.
        self._sender = Sender(logs, stream)
        super().__init__(
            log_group_name=logs.group,
            log_stream_name=stream.replace("{", "{{").replace("}", "}}"),
            send_interval=SEND_SECONDS,
            max_batch_count=MOST_WAITING,
            max_message_size=MOST_BYTES,
            boto3_client=self._sender,
            create_log_group=False,
            create_log_stream=False,
        )

    def emit(self, record: logging.LogRecord) -> None:
        is_mark = isinstance(getattr(record, "mark", None), Mark)
        if not is_mark and sum(each.qsize() for each in self.queues.values()) >= MOST_WAITING:
            self._sender.lost += 1
            return
        super().emit(record)
        if is_mark:  # Whoever looks at the marks wants them at once.
            for each in self.queues.values():
                each.put(self.FLUSH)

    def close(self) -> None:
        self._sender.hurry()
        super().close()


class Sender:
    """What watchtower takes for a client: it gives up on nothing while there is time, and raises nothing."""

    def __init__(self, logs: AwsLogs, stream: str) -> None:
        self._logs = logs
        self._stream = stream
        self._client: Any = None
        self._hurry = threading.Event()
        self._told: set[str] = set()
        self.lost = 0
        """Lines that found no room."""

    def put_log_events(self, **batch: Any) -> dict[str, Any]:
        """Send a batch, with growing pauses until it is taken; once more at most when there is no time any more."""
        for attempt, pause in enumerate(grow_pauses()):
            is_last = self._hurry.is_set()
            try:
                self._put(batch)
            except NotYet as failure:
                if failure.kind != "ThrottlingException" or attempt >= MANY_ATTEMPTS:
                    self._tell(failure)
                if is_last or failure.kind in HOPELESS:
                    break
            except Exception as error:  # Whatever a library raises, the node must not hear of it.
                self._tell(NotYet(str(error), REMEDIES.document, type(error).__name__))
                if is_last:
                    break
            else:
                lost, self.lost = self.lost, 0
                if lost:
                    logger.warning("%d lines of the log were not sent: too many waited; the journal has them", lost)
                break
            self._hurry.wait(pause)
        return {}

    def hurry(self) -> None:
        """From now on there is no time for pauses."""
        self._hurry.set()

    def _put(self, batch: dict[str, Any]) -> None:
        try:
            with told_as(REMEDIES):
                if self._client is None:
                    self._client = open_client("logs", self._logs.region, self._logs.endpoint_url)
                answer = self._put_or_create(self._client, batch)
        except NotYet as failure:
            if failure.kind == "credentials":
                self._client = None
            raise
        if rejected := answer.get("rejectedLogEventsInfo"):
            self._tell(NotYet(f"lines were refused for their time ({rejected})", "set the machine's clock", "rejected"))

    def _put_or_create(self, client: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """Send, and make the stream only if there is none: a machine that starts anew has it."""
        try:
            answer: dict[str, Any] = client.put_log_events(**batch)
        except client.exceptions.ResourceNotFoundException:
            with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
                client.create_log_stream(logGroupName=self._logs.group, logStreamName=self._stream)
            answer = client.put_log_events(**batch)
        return answer

    def _tell(self, failure: NotYet) -> None:
        """Say what is wrong, each kind once: the line itself is one more for the log."""
        if failure.kind not in self._told:
            self._told.add(failure.kind)
            logger.warning("the log cannot be sent to %s: %s; %s", self._logs.place, failure.reason, failure.remedy)
