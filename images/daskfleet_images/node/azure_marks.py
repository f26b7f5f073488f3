"""What the phase marks say about a node now, as a value of a blob's metadata.

So one question, for the list of blobs with their metadata, tells how far all nodes of a fleet are. A blob's metadata
may have 8 KiB. Pure.

https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources
"""

from __future__ import annotations

import base64
import json
import urllib.parse
import zlib
from collections.abc import Sequence
from dataclasses import replace

from daskfleet_images.node.marks import Mark, describe_mark, parse_marks

MOST_BYTES = 6 * 1024

DETAIL_LENGTHS = (1000, 200)
"""What details are cut to, one after another, until the marks fit. They are whole in the log."""


def condense_marks(marks: Sequence[Mark]) -> list[Mark]:
    """The marks since the last `booted`, and the `kernel` before it, without those that later ones supersede.

    `replay_marks` says the same of both, and the last one is the same.
    """
    begin = max((number for number, mark in enumerate(marks) if mark.phase == "booted"), default=0)
    if begin and marks[begin - 1].phase == "kernel":
        begin -= 1
    current = marks[begin:]
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    last_of_worker: dict[str, int] = {}
    for number, mark in enumerate(current):
        first.setdefault(mark.phase, number)
        last[mark.phase] = number
        if mark.worker is not None and mark.phase in ("registered", "left"):
            last_of_worker[mark.worker] = number
    kept = {*first.values(), *last.values(), *last_of_worker.values()}
    return [mark for number, mark in enumerate(current) if number in kept]


def render_metadata(marks: Sequence[Mark]) -> str:
    """A JSON list, percent-encoded. Where that is too long, as of a hundred workers, compressed and in Base64."""
    texts = [_render_list(marks, length) for length in DETAIL_LENGTHS]
    for text in texts:
        encoded = urllib.parse.quote(text, safe='[]{}":,')
        if len(encoded) <= MOST_BYTES:
            return encoded
    return base64.b64encode(zlib.compress(texts[-1].encode(), 9)).decode()


def parse_metadata(value: str) -> list[Mark]:
    """The marks in what `render_metadata` wrote; none in what is cut or something else."""
    try:
        if value.startswith("["):
            text = urllib.parse.unquote(value)
        else:
            text = zlib.decompress(base64.b64decode(value, validate=True)).decode()
        return parse_marks(json.dumps(each) for each in json.loads(text))
    except (ValueError, TypeError, RecursionError, zlib.error):
        return []


def _render_list(marks: Sequence[Mark], length: int) -> str:
    cut = (replace(mark, detail=mark.detail and mark.detail[:length]) for mark in marks)
    return json.dumps([describe_mark(mark) for mark in cut], separators=(",", ":"))
