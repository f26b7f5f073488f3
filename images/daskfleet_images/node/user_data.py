"""User-data: how a machine gets its node document, the same on every cloud."""

from __future__ import annotations

import json

from daskfleet_images.node.document import SchedulerDocument, WorkersDocument

DOCUMENT_PATH = "/etc/daskfleet/node.json"

MOST_BYTES = 16 * 1024
"""The least that a cloud allows: AWS, before it is encoded. Azure takes 64 KB, Google 256 KB."""


def render_user_data(document: SchedulerDocument | WorkersDocument) -> str:
    """The `#cloud-config` that writes the document, and nothing else: the image starts the node.

    The file belongs to a user of the image, so that cloud-init can write it before the node's unit starts.

    Raises:
        ValueError: it is longer than every cloud takes.
    """
    content = "".join(f"      {line}\n" for line in render_json(document).splitlines())
    text = (
        "#cloud-config\n"
        "write_files:\n"
        f"  - path: {DOCUMENT_PATH}\n"
        "    owner: root:daskfleet\n"
        '    permissions: "0640"\n'
        "    content: |\n"
        f"{content}"
    )
    if len(text) > MOST_BYTES:
        raise ValueError(
            f"the user-data has {len(text)} bytes, and clouds take {MOST_BYTES} at most; shorten the node document "
            "(give a number of workers instead of their names)"
        )
    return text


def render_json(document: SchedulerDocument | WorkersDocument) -> str:
    """The document as JSON of printable ASCII only, which a literal block of YAML holds as it is."""
    text = json.dumps(document.model_dump(mode="json"), indent=2)
    return text.replace("\x7f", "\\u007f")  # The one control character that JSON does not escape.
