"""The node's log to CloudWatch Logs, by the handler of watchtower.

watchtower batches, splits and sends in a thread of its own. It is left three things that it does not do: its queue is
bounded, what cannot be sent is tried again with growing pauses, and why is told once. It makes no log group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Any

import watchtower

from daskfleet_images.node.aws import open_client, told_as
from daskfleet_images.node.document import AwsLogs
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.marks import Mark
from daskfleet_images.node.remedies import CREDENTIALS, Remedies
from daskfleet_images.node.shipping import CLOSE_SECONDS, MOST_BYTES, MOST_WAITING, SEND_SECONDS, Sender

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

BUSY = ("ThrottlingException",)
HOPELESS = ("InvalidParameterException", "DataAlreadyAcceptedException")


class CloudWatchHandler(watchtower.CloudWatchLogHandler):
    """Sends records to one stream. It never waits, and never raises."""

    FLUSH_TIMEOUT = CLOSE_SECONDS

    def __init__(self, logs: AwsLogs, stream: str) -> None:
        warnings.filterwarnings("ignore", category=watchtower.WatchtowerWarning)  # The sender tells, and once.
        self._sender = CloudWatchSender(logs, stream)
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


class CloudWatchSender(Sender[dict[str, Any]]):
    """What watchtower takes for a client: it raises nothing."""

    def __init__(self, logs: AwsLogs, stream: str) -> None:
        super().__init__(logs.place, REMEDIES, busy=BUSY, hopeless=HOPELESS)
        self._logs = logs
        self._stream = stream
        self._client: Any = None

    def put_log_events(self, **batch: Any) -> dict[str, Any]:
        """As the client's; it returns when the batch is taken, or there is no time any more."""
        self.send(batch)
        return {}

    def put(self, batch: dict[str, Any]) -> None:
        try:
            with told_as(REMEDIES):
                if self._client is None:
                    self._client = open_client("logs", self._logs.region, self._logs.endpoint_url)
                answer = self._put_or_create(self._client, batch)
        except NotYet as failure:
            if failure.kind == CREDENTIALS:
                self._client = None
            raise
        if rejected := answer.get("rejectedLogEventsInfo"):
            self.tell(NotYet(f"lines were refused for their time ({rejected})", "set the machine's clock", "rejected"))

    def _put_or_create(self, client: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """Send, and make the stream only if there is none: a machine that starts anew has it."""
        try:
            answer: dict[str, Any] = client.put_log_events(**batch)
        except client.exceptions.ResourceNotFoundException:
            with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
                client.create_log_stream(logGroupName=self._logs.group, logStreamName=self._stream)
            answer = client.put_log_events(**batch)
        return answer
