"""Whether the cloud is about to take this machine away, as the machine can learn it.

A further cloud joins with a word in `document.py` and a class in `WATCHES`.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import urllib.parse
from collections.abc import Callable
from typing import Protocol

from daskfleet_images.node.errors import one_line

logger = logging.getLogger("daskfleet.node")

POLL_SECONDS = 5.0
"""As AWS advises; from the notice to the end there are two minutes."""

ANSWER_SECONDS = 2.0

AWS_NOTICE = "spot/instance-action"
"""Where in the metadata it is: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html.

The recommendation to rebalance is not heeded: it may come to nothing, and an Auto Scaling group that heeds it launches
another machine before it powers this one off, which is when the workers hand their data over."""


class Watch(Protocol):
    """Asks one cloud."""

    def read(self) -> str | None:
        """The notice, if there is one; it may take some seconds.

        Raises:
            OSError: nobody can be asked.
        """


class AwsWatch:
    """Asks the metadata service of AWS, version 2."""

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


WATCHES: dict[str, Callable[[], Watch]] = {"aws-interruptions": AwsWatch}
"""For each word of the document, what asks."""


async def await_notice(word: str, *, poll_seconds: float = POLL_SECONDS) -> str:
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
        await asyncio.sleep(poll_seconds)
