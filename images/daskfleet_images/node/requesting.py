"""What goes wrong with services that are asked over requests, told alike for every cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from daskfleet_images.node.remedies import Remedies


@contextmanager
def told_as(remedies: Remedies) -> Iterator[None]:
    """What requests raises becomes `NotYet`, with the reason and the remedy."""
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise remedies.not_reached(error, find_reason(error)) from None
    except (requests.RequestException, ValueError) as error:
        raise remedies.wrong_document(error) from None


def find_reason(error: Any) -> object:
    """The innermost of what requests wraps: what went wrong, without the whole request."""
    while getattr(error, "args", None) and isinstance(error.args[0], Exception):
        error = error.args[0]
    return getattr(error, "reason", None) or error


def parse_values(answer: requests.Response) -> Any:
    """What the answer says in JSON; `None` where it is something else."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
