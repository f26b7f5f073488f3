"""User-data: the node document, whole and unchanged, in a `#cloud-config`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from daskfleet_images.node.document import SchedulerDocument, WorkersDocument, parse_node_document
from daskfleet_images.node.user_data import MOST_BYTES, render_user_data

GOLDEN = Path(__file__).parent / "golden" / "user_data"

SCHEDULER = SchedulerDocument.model_validate(
    {
        "fleet": "research",
        "scheduler_address": "tls://scheduler.research.internal:8786",
        "tls": {"source": "aws-secrets-manager", "secret": "daskfleet/research/scheduler", "region": "eu-west-1"},
        "marks_file": "/run/daskfleet/marks.jsonl",
        "logs": {"destination": "aws-cloudwatch", "group": "/daskfleet/research/nodes", "region": "eu-west-1"},
    }
)
WORKERS = WorkersDocument.model_validate(
    {
        "fleet": "research",
        "group": "gpu",
        "scheduler_address": "tls://10.0.0.10:8786",
        "tls": {"ca_file": "/tls/ca.pem", "cert": "/tls/worker.pem", "key": "/tls/worker-key.pem"},
        "workers": "per-gpu",
        "threads": "auto",
        "resources": {"MEMORY": 2.5},
        "local_directory": "/var/lib/daskfleet/scratch",
        "marks_file": "/run/daskfleet/marks.jsonl",
        "retire_on_stop": True,
        "watch": "aws-interruptions",
    }
)
DOCUMENTS = {"scheduler": SCHEDULER, "workers": WORKERS}


def unpack(text: str) -> dict[str, Any]:
    """The one file that the user-data writes."""
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config.keys() == {"write_files"}
    (file,) = config["write_files"]
    assert isinstance(file, dict)
    return file


@pytest.mark.parametrize("name", DOCUMENTS)
def test_user_data_is_what_the_golden_file_says(name: str):
    file, text = GOLDEN / f"{name}.yaml", render_user_data(DOCUMENTS[name])
    if os.environ.get("DASKFLEET_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), "DASKFLEET_UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_arrives_unchanged_in_a_file_that_the_node_may_read_and_no_other(name: str):
    file = unpack(render_user_data(DOCUMENTS[name]))
    assert parse_node_document(file.pop("content")) == DOCUMENTS[name]
    assert file == {"path": "/etc/daskfleet/node.json", "owner": "root:daskfleet", "permissions": "0640"}


@pytest.mark.parametrize(
    "text",
    ["größer “x” 日本語 😀", "# no comment", "a: b", "--- ", "\t\x1b\x7f\x85\u2028\ufeff", "'\"\\", "{{ jinja }}", "%x",
     "line\nline\n\n  indented", "trailing "],
    ids=repr,
)  # fmt: skip
def test_whatever_a_name_holds_arrives(text: str):
    document = WORKERS.model_copy(update={"node": text, "workers": (text, "b")})
    rendered = render_user_data(document)
    assert rendered.isascii()
    assert all(each.isprintable() or each == "\n" for each in rendered)
    assert parse_node_document(unpack(rendered)["content"]) == document


def test_no_user_data_holds_a_private_key():
    files = list(GOLDEN.glob("*.yaml"))
    assert {file.stem for file in files} == set(DOCUMENTS)
    for file in files:
        assert "PRIVATE KEY" not in file.read_text()


def test_user_data_that_a_cloud_would_refuse_is_refused_with_the_remedy():
    room = MOST_BYTES - len(render_user_data(WORKERS.model_copy(update={"group": ""})))
    longest = WORKERS.model_copy(update={"group": "x" * room})
    assert len(render_user_data(longest).encode()) == MOST_BYTES
    with pytest.raises(ValueError, match=f"clouds take {MOST_BYTES} at most; shorten the node document"):
        render_user_data(longest.model_copy(update={"group": "x" * (room + 1)}))
