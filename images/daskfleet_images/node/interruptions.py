"""Whether the cloud is about to take this machine away, as the machine can learn it.

A further cloud joins with a word in `document.py` and a class in `WATCHES`.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import time
import urllib.parse
from collections.abc import Callable
from typing import Protocol

from daskfleet_images.node.azure_metadata import read_metadata as read_azure_metadata
from daskfleet_images.node.errors import one_line
from daskfleet_images.node.gcp_metadata import read_metadata

logger = logging.getLogger("daskfleet.node")

ANSWER_SECONDS = 2.0

AWS_NOTICE = "spot/instance-action"
"""Where in the metadata it is: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html.

The recommendation to rebalance is not heeded: it may come to nothing, and an Auto Scaling group that heeds it launches
another machine before it powers this one off, which is when the workers hand their data over."""

AZURE_ENDS = ("Preempt", "Terminate")
"""Types of scheduled events after which the machine is gone."""


class Watch(Protocol):
    """Asks one cloud."""

    poll_seconds: float
    """How long to wait before it is asked again."""

    def read(self) -> str | None:
        """The notice, if there is one; it may take some seconds.

        Raises:
            OSError: nobody can be asked.
        """


class AwsWatch:
    """Asks the metadata service of AWS, version 2."""

    poll_seconds = 5.0
    """As AWS advises; from the notice to the end there are two minutes."""

    def __init__(self) -> None:
        endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
        parts = urllib.parse.urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._token = ""

    def read(self) -> str | None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)
        try:
            status, text = self._get(connection, AWS_NOTICE)
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        return f"AWS takes this machine away: {describe_notice(text)}" if status == http.HTTPStatus.OK else None

    def _get(self, connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
        for _attempt in range(2):
            if not self._token:
                ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
                status, self._token = _ask(connection, "PUT", "/latest/api/token", ttl)
                if status != http.HTTPStatus.OK:
                    self._token = ""
                    raise OSError(f"the metadata service gave no token: {status}")
            token = {"X-aws-ec2-metadata-token": self._token}
            status, text = _ask(connection, "GET", f"/latest/meta-data/{path}", token)
            if status != http.HTTPStatus.UNAUTHORIZED:
                return status, text
            self._token = ""  # It is too old.
        return status, text


def _ask(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def describe_notice(text: str) -> str:
    """What the notice says, `terminate at 2026-11-24T10:02:00Z`; or the text itself, if its form is not known."""
    try:
        values = json.loads(text)
        return one_line(f"{values['action']} at {values['time']}")
    except (ValueError, KeyError, TypeError, RecursionError):
        return one_line(text)[:200]


class GcpWatch:
    """Asks the metadata service of Google Cloud.

    A live migration to another host is not heeded: the machine goes on.
    https://cloud.google.com/compute/docs/instances/preemptible, …/docs/metadata/getting-live-migration-notice
    """

    poll_seconds = 1.0
    """From the notice that a Spot VM is preempted to its end there are 30 seconds at most."""

    def read(self) -> str | None:
        preempted, maintenance = read_metadata(
            "instance/preempted", "instance/maintenance-event", seconds=ANSWER_SECONDS
        )
        if preempted.strip() == "TRUE":
            return "Google Cloud takes this machine away: it is preempted"
        if maintenance.strip().startswith("TERMINATE"):
            return "Google Cloud takes this machine away: its host is maintained"
        return None


class AzureWatch:
    """Asks the metadata service of Azure for scheduled events.

    A reboot, a freeze or a move to another host is not heeded: the machine goes on.
    https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events
    """

    poll_seconds = 1.0
    """From the notice that a Spot VM is preempted to its end there are 30 seconds."""

    begin_seconds = 180.0
    """The first question makes Azure schedule events for this machine, which it says takes up to two minutes; until
    then it may not answer."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._name = ""

    def read(self) -> str | None:
        if not self._name:
            query = {"api-version": "2021-02-01", "format": "text"}
            self._name = read_azure_metadata("instance/compute/name", seconds=ANSWER_SECONDS, **query).strip()
        try:
            text = read_azure_metadata("scheduledevents", seconds=ANSWER_SECONDS, **{"api-version": "2020-07-01"})
        except TimeoutError:
            if time.monotonic() < self._began + self.begin_seconds:
                return None
            raise
        return find_azure_notice(text, self._name)


def find_azure_notice(text: str, machine: str) -> str | None:
    """The notice among scheduled events that the machine of this name is taken away, if there is one.

    Raises:
        OSError: the text holds no scheduled events.
    """
    try:
        for event in json.loads(text)["Events"]:
            names = [each.casefold() for each in event["Resources"]]
            if event["EventType"] in AZURE_ENDS and machine.casefold() in names:
                when = event.get("NotBefore")  # Empty once it has begun.
                return one_line(f"Azure takes this machine away: {event['EventType']}{f' at {when}' if when else ''}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise OSError(f"what the metadata service answers are no scheduled events: {one_line(text[:200])}") from None
    return None


WATCHES: dict[str, Callable[[], Watch]] = {
    "aws-interruptions": AwsWatch,
    "gcp-interruptions": GcpWatch,
    "azure-interruptions": AzureWatch,
}
"""For each word of the document, what asks."""


async def await_notice(word: str) -> str:
    """Wait for the notice and return what it says. Asking is done in a thread; that nobody answers is told once."""
    watch, told = WATCHES[word](), False
    while True:
        try:
            notice = await asyncio.to_thread(watch.read)
        except OSError as error:
            if not told:
                logger.warning(
                    "this machine cannot learn that it will be taken away: %s; let it reach its metadata service", error
                )
            told, notice = True, None
        if notice is not None:
            return notice
        await asyncio.sleep(watch.poll_seconds)
