"""The node document: the one file that tells a node what to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daskfleet.home import FleetPaths
from daskfleet.providers.certificates import issue_certificates
from daskfleet.providers.local.documents import build_connection, render_scheduler_document, render_workers_document
from daskfleet.providers.local.state import LocalState, size_groups
from daskfleet_images.node.document import (
    AwsLogs,
    AwsSecret,
    AzureLogs,
    AzureSecret,
    GcpLogs,
    GcpSecret,
    SchedulerDocument,
    TLSFiles,
    WorkersDocument,
    parse_node_document,
    read_node_document,
)
from daskfleet_images.node.errors import NodeDocumentError
from daskfleet_stacks.spec import LocalFleetSpec, parse_fleet_yaml
from daskfleet_stacks.versions import read_own_versions

COMMON = {
    "fleet": "x",
    "node": "n",
    "scheduler_address": "tls://127.0.0.1:8786",
    "host": "127.0.0.1",
    "tls": {"ca_file": "/tls/ca.pem", "cert": "/tls/c.pem", "key": "/tls/k.pem"},
}
SCHEDULER = {**COMMON, "role": "scheduler", "dashboard_address": "127.0.0.1:8787"}
WORKERS = {**COMMON, "role": "workers", "group": "cpu", "workers": ["cpu-0", "cpu-1"], "threads": 2}
LOGS = {"destination": "aws-cloudwatch", "group": "/daskfleet/x/nodes", "region": "eu-west-1"}
GCP_SECRET = {"source": "gcp-secret-manager", "secret": "projects/p-1/secrets/daskfleet-x-worker"}
GCP_LOGS = {"destination": "gcp-cloud-logging", "log": "projects/p-1/logs/daskfleet/europe-west1/x"}
CLIENT = "0f0e0d0c-1111-2222-3333-444455556666"
AZURE_SECRET = {
    "source": "azure-key-vault",
    "vault": "https://df-x-1a2b.vault.azure.net",
    "secret": "worker",
    "client_id": CLIENT,
}
AZURE_LOGS = {
    "destination": "azure-blob",
    "container": "https://dfx1a2b.blob.core.windows.net/logs",
    "client_id": CLIENT,
}
SECRET = {"source": "aws-secrets-manager", "secret": "fleets/x/worker", "region": "eu-west-1"}

SPEC = """\
name: x
provider: local
workers:
- {name: cpu, count: 2, threads: 2, memory_limit: 1GiB, resources: {GPU: 0.5}}
- {name: none, count: 0}
"""


@pytest.fixture
def state() -> LocalState:
    spec = parse_fleet_yaml(SPEC)
    assert isinstance(spec, LocalFleetSpec)
    return LocalState(
        spec=spec,
        scheduler_port=1234,
        dashboard_port=5678,
        groups=size_groups(spec, lambda: 4),
        created=1.0,
        working_directory="/work here",
    )


def refusal(document: Any) -> str:
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    with pytest.raises(NodeDocumentError) as caught:
        parse_node_document(text)
    message = str(caught.value)
    assert message.startswith("the node document is not valid: ")
    assert message.isprintable(), "a message is one line"
    return message


def test_the_role_decides_what_a_document_is():
    assert isinstance(parse_node_document(json.dumps(SCHEDULER)), SchedulerDocument)
    workers = parse_node_document(json.dumps(WORKERS))
    assert isinstance(workers, WorkersDocument)
    assert workers.workers == ("cpu-0", "cpu-1")


def test_what_a_document_does_not_say_is_the_safe_default():
    scheduler, workers = (parse_node_document(json.dumps(each)) for each in (SCHEDULER, WORKERS))
    assert isinstance(workers, WorkersDocument)
    for document in (scheduler, workers):
        assert document.version == 1
        assert document.marks_file is document.working_directory is document.logs is None
        assert document.exit_on_stdin_eof is False
        assert document.log_level == "info"
        assert document.health_port is None
    assert (workers.memory_limit, workers.resources, workers.local_directory) == ("auto", {}, None)
    assert (scheduler.join_timeout, workers.join_timeout, workers.retire_on_stop) == (300, 300, False)
    assert workers.watch is None


def test_a_document_may_leave_to_the_machine_what_only_the_machine_knows():
    names = ("node", "host")
    document = {key: value for key, value in WORKERS.items() if key not in names} | {"threads": "auto", "workers": 4}
    workers = parse_node_document(json.dumps(document))
    assert isinstance(workers, WorkersDocument)
    assert (workers.node, workers.host, workers.threads, workers.workers) == (None, None, "auto", 4)
    for_gpus = parse_node_document(json.dumps({**WORKERS, "workers": "per-gpu", "node": None, "host": None}))
    assert isinstance(for_gpus, WorkersDocument)
    assert for_gpus.workers == "per-gpu"


def test_tls_material_is_in_files_or_in_a_secret_and_without_a_word_in_files():
    files = {"ca_file": "/a", "cert": "/b", "key": "/c"}
    for tls in (files, {"source": "files", **files}):
        assert parse_node_document(json.dumps({**WORKERS, "tls": tls})).tls == TLSFiles.model_validate(files)
    secret = parse_node_document(json.dumps({**SCHEDULER, "tls": SECRET})).tls
    assert secret == AwsSecret(secret="fleets/x/worker", region="eu-west-1")
    assert secret.place == "the secret 'fleets/x/worker' of AWS Secrets Manager in eu-west-1"
    google = parse_node_document(json.dumps({**SCHEDULER, "tls": GCP_SECRET})).tls
    assert google == GcpSecret(secret="projects/p-1/secrets/daskfleet-x-worker", endpoint_url=None)
    assert google.place == "the secret 'projects/p-1/secrets/daskfleet-x-worker' of Google's Secret Manager"
    azure = parse_node_document(json.dumps({**SCHEDULER, "tls": AZURE_SECRET})).tls
    assert azure == AzureSecret(vault="https://df-x-1a2b.vault.azure.net", secret="worker", client_id=CLIENT)
    assert azure.place == "the secret 'worker' of https://df-x-1a2b.vault.azure.net"


def test_the_log_of_either_role_may_go_to_cloudwatch():
    for document in (SCHEDULER, WORKERS):
        logs = parse_node_document(json.dumps({**document, "logs": LOGS})).logs
        assert logs == AwsLogs(group="/daskfleet/x/nodes", region="eu-west-1", endpoint_url=None)
        assert logs.place == "the log group '/daskfleet/x/nodes' of CloudWatch in eu-west-1"


def test_the_log_of_either_role_may_go_to_cloud_logging():
    for document in (SCHEDULER, WORKERS):
        logs = parse_node_document(json.dumps({**document, "logs": GCP_LOGS})).logs
        assert logs == GcpLogs(log="projects/p-1/logs/daskfleet/europe-west1/x", endpoint_url=None)
        assert logs.place == "the log 'projects/p-1/logs/daskfleet/europe-west1/x' of Cloud Logging"


def test_the_log_of_either_role_may_go_to_azures_storage():
    for document in (SCHEDULER, WORKERS):
        logs = parse_node_document(json.dumps({**document, "logs": AZURE_LOGS})).logs
        assert logs == AzureLogs(
            container="https://dfx1a2b.blob.core.windows.net/logs", client_id=CLIENT, endpoint_url=None
        )
        assert logs.place == "the container https://dfx1a2b.blob.core.windows.net/logs"


def test_a_log_without_a_word_is_one_of_cloudwatch():
    without = {key: value for key, value in LOGS.items() if key != "destination"}
    assert isinstance(parse_node_document(json.dumps({**WORKERS, "logs": without})).logs, AwsLogs)


def test_a_document_without_a_health_port_is_one_that_earlier_versions_read():
    for document in (SCHEDULER, WORKERS):
        parsed = parse_node_document(json.dumps(document))
        assert "health_port" not in parsed.model_dump()
        assert "health_port" not in parsed.model_dump_json()
        assert parsed.model_copy(update={"health_port": 8788}).model_dump()["health_port"] == 8788


@pytest.mark.parametrize(
    "document",
    [
        SCHEDULER,
        {**SCHEDULER, "health_port": 8788, "logs": GCP_LOGS},
        {**WORKERS, "tls": GCP_SECRET, "logs": {**GCP_LOGS, "endpoint_url": "http://x"}, "watch": "gcp-interruptions"},
        {**SCHEDULER, "tls": {**AZURE_SECRET, "vault": "https://x.vault.azure.net/"}, "logs": AZURE_LOGS},
        {
            **WORKERS,
            "tls": {**AZURE_SECRET, "endpoint_url": "http://x"},
            "logs": {**AZURE_LOGS, "endpoint_url": "http://x"},
            "watch": "azure-interruptions",
        },
        WORKERS,
        {
            **WORKERS,
            "memory_limit": 0,
            "workers": [],
            "join_timeout": 0.5,
            "exit_on_stdin_eof": True,
            "marks_file": "/m",
        },
        {**WORKERS, "tls": SECRET, "workers": 3, "threads": "auto", "node": None, "host": None},
        {**WORKERS, "tls": {**SECRET, "endpoint_url": "http://127.0.0.1:1"}, "workers": "per-gpu"},
    ],
)
def test_a_document_survives_being_written_and_read(document: dict[str, Any], tmp_path: Path):
    parsed = parse_node_document(json.dumps(document))
    file = tmp_path / "node.json"
    file.write_text(parsed.model_dump_json(indent=2))
    assert read_node_document(file) == parsed


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"role": "worker"}, "role"),
        ({"role": None}, "role"),
        ({"version": 2}, "version"),
        ({"fleet": 3}, "fleet"),
        ({"zebra": 1}, "zebra"),
        ({"scheduler_address": "tcp://127.0.0.1:8786"}, "scheduler_address"),
        ({"scheduler_address": "tls://127.0.0.1"}, "scheduler_address"),
        ({"scheduler_address": "127.0.0.1:8786"}, "scheduler_address"),
        ({"scheduler_address": "tls://127.0.0.1:99999"}, "scheduler_address"),
        ({"node": ""}, "node"),
        ({"host": ""}, "host"),
        ({"tls": {}}, "tls.files.ca_file"),
        ({"tls": "/tls"}, "tls"),
        ({"tls": {**COMMON["tls"], "password": "x"}}, "tls.files.password"),
        (
            {"tls": {"source": "a-drawer"}},
            "tls: source is 'files', 'aws-secrets-manager', 'gcp-secret-manager' or 'azure-key-vault'",
        ),
        ({"tls": {"source": ["files"]}}, "tls: source is 'files'"),
        ({"tls": {**GCP_SECRET, "secret": "daskfleet-x-worker"}}, "tls.gcp-secret-manager.secret"),
        ({"tls": {**GCP_SECRET, "secret": "projects/p/secrets/x/versions/1"}}, "tls.gcp-secret-manager.secret"),
        ({"tls": {**GCP_SECRET, "region": "x"}}, "tls.gcp-secret-manager.region"),
        ({"tls": {**AZURE_SECRET, "vault": "df-x-1a2b"}}, "tls.azure-key-vault.vault"),
        ({"tls": {**AZURE_SECRET, "vault": "http://x.vault.azure.net"}}, "tls.azure-key-vault.vault"),
        ({"tls": {**AZURE_SECRET, "vault": "https://x.vault.azure.net/secrets"}}, "tls.azure-key-vault.vault"),
        ({"tls": {**AZURE_SECRET, "secret": "worker/1"}}, "tls.azure-key-vault.secret"),
        ({"tls": {**AZURE_SECRET, "client_id": "x-worker"}}, "tls.azure-key-vault.client_id"),
        ({"tls": {**AZURE_SECRET, "region": "x"}}, "tls.azure-key-vault.region"),
        ({"tls": {**SECRET, "region": ""}}, "tls.aws-secrets-manager.region"),
        ({"tls": {**SECRET, "value": "x"}}, "tls.aws-secrets-manager.value"),
        ({"tls": {**COMMON["tls"], "source": "aws-secrets-manager"}}, "tls.aws-secrets-manager.secret"),
        ({"log_level": "loud"}, "log_level"),
        ({"logs": "aws-cloudwatch"}, "logs"),
        (
            {"logs": {**LOGS, "destination": "a-drawer"}},
            "logs: destination is 'aws-cloudwatch', 'gcp-cloud-logging' or 'azure-blob'",
        ),
        ({"logs": {**LOGS, "group": ""}}, "logs.aws-cloudwatch.group"),
        ({"logs": {**LOGS, "stream": "x"}}, "logs.aws-cloudwatch.stream"),
        ({"logs": {**GCP_LOGS, "log": "daskfleet/x"}}, "logs.gcp-cloud-logging.log"),
        ({"logs": {**GCP_LOGS, "log": "projects/p/logs/a%2Fb"}}, "logs.gcp-cloud-logging.log"),
        ({"logs": {**GCP_LOGS, "group": "x"}}, "logs.gcp-cloud-logging.group"),
        ({"logs": {**AZURE_LOGS, "container": "logs"}}, "logs.azure-blob.container"),
        ({"logs": {**AZURE_LOGS, "container": "https://x.blob.core.windows.net"}}, "logs.azure-blob.container"),
        ({"logs": {**AZURE_LOGS, "container": "https://x.blob.core.windows.net/a/b"}}, "logs.azure-blob.container"),
        ({"logs": {**AZURE_LOGS, "client_id": CLIENT[:-1]}}, "logs.azure-blob.client_id"),
        ({"logs": {**AZURE_LOGS, "group": "x"}}, "logs.azure-blob.group"),
        ({"health_port": 0}, "health_port"),
        ({"health_port": 65536}, "health_port"),
        ({"health_port": "http"}, "health_port"),
        ({"watch": "the-sky"}, "'aws-interruptions', 'gcp-interruptions' or 'azure-interruptions'"),
        ({"threads": 0}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"threads": "all"}, "threads: Value error, threads are a number above zero, or 'auto'"),
        ({"workers": "cpu-0"}, "workers: Value error, workers are a list of names, a number above zero, or 'per-gpu'"),
        ({"workers": [1]}, "workers: Value error"),
        ({"workers": 0}, "workers: Value error"),
        ({"workers": -1}, "workers: Value error"),
        ({"workers": {}}, "workers: Value error"),
        ({"workers": None}, "workers: Value error"),
        ({"memory_limit": "4GiB"}, "memory_limit"),
        ({"memory_limit": -1}, "memory_limit"),
        ({"resources": {"GPU": 0}}, "resources.GPU"),
        ({"join_timeout": 0}, "join_timeout"),
        ({"dashboard_address": "127.0.0.1:1"}, "dashboard_address"),
    ],
)
def test_a_wrong_field_is_refused_and_named(change: dict[str, Any], place: str):
    assert place in refusal({**WORKERS, **change})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", ":x", "127.0.0.1:99999", ""])
def test_a_dashboard_address_without_a_port_is_refused(address: str):
    assert "dashboard_address" in refusal({**SCHEDULER, "dashboard_address": address})


@pytest.mark.parametrize("field", ["fleet", "scheduler_address", "tls", "group", "workers", "threads"])
def test_a_missing_field_is_named(field: str):
    assert f"workers.{field}: Field required" in refusal({key: value for key, value in WORKERS.items() if key != field})


def test_every_problem_is_told_in_one_line():
    message = refusal({"role": "workers", "zebra": 1, "threads": -1})
    for place in ("fleet", "tls", "group", "scheduler_address", "zebra", "threads"):
        assert f"workers.{place}: " in message


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "3", '"x"', b"\xff\xfe", b"\x00", "[" * 100_000, "{}"])
def test_what_is_no_document_is_refused_in_one_line(text: str | bytes):
    assert len(refusal(text)) < 300


@pytest.mark.parametrize("change", [{"role": "a\nb"}, {"two\nlines": 1}, {"\x1b[31m": 1}])
def test_strange_words_do_not_break_the_line(change: dict[str, Any]):
    assert refusal({**WORKERS, **change})


def test_a_document_cut_at_any_byte_is_refused():
    text = json.dumps(WORKERS)
    for end in range(len(text)):
        refusal(text[:end])
    assert parse_node_document(text).node == "n"


def test_no_value_is_in_the_message():
    pem = "-----BEGIN PRIVATE KEY-----SECRETSECRET"
    for document in (
        {**WORKERS, "tls": {**COMMON["tls"], "key": [pem]}},
        {**WORKERS, "tls": {**COMMON["tls"], "key_text": pem}},
        {**WORKERS, "tls": {**SECRET, "secret": [pem]}},
        {**WORKERS, "tls": {**AZURE_SECRET, "secret": pem, "client_id": pem, "vault": pem}},
        {**WORKERS, "tls": {"source": pem}},
        {**WORKERS, "workers": {"x": pem}},
        {**WORKERS, "threads": pem},
        {**WORKERS, "fleet": [pem]},
        {**WORKERS, "log_level": pem},
        {**WORKERS, "scheduler_address": pem},
        json.dumps(WORKERS)[:-1] + f', "x": {pem}',
    ):
        assert "SECRET" not in refusal(document)


def test_a_document_that_is_not_there_is_told_with_its_path(tmp_path: Path):
    with pytest.raises(NodeDocumentError, match=r"the node document .*none\.json cannot be read: No such file"):
        read_node_document(tmp_path / "none.json")
    with pytest.raises(NodeDocumentError, match="cannot be read: Is a directory"):
        read_node_document(tmp_path)


def test_the_documents_of_a_local_fleet_say_what_its_state_says(state: LocalState, tmp_path: Path):
    paths = FleetPaths(tmp_path)
    scheduler = parse_node_document(render_scheduler_document(state, paths))
    workers = parse_node_document(render_workers_document(state, state.groups[0], paths, tmp_path / "scratch"))
    assert isinstance(scheduler, SchedulerDocument)
    assert isinstance(workers, WorkersDocument)
    assert scheduler.scheduler_address == workers.scheduler_address == "tls://127.0.0.1:1234"
    assert scheduler.host == workers.host == "127.0.0.1"
    assert scheduler.dashboard_address == "127.0.0.1:5678"
    assert (workers.workers, workers.threads) == (("cpu-0", "cpu-1"), 2)
    assert (workers.memory_limit, workers.resources) == (2**30, {"GPU": 0.5})
    assert workers.working_directory == Path("/work here")
    assert scheduler.exit_on_stdin_eof
    assert workers.exit_on_stdin_eof
    assert isinstance(scheduler.tls, TLSFiles)
    assert isinstance(workers.tls, TLSFiles)
    assert scheduler.tls.key == paths.tls / "scheduler-key.pem"
    assert workers.tls.key == paths.tls / "worker-key.pem"
    empty = parse_node_document(render_workers_document(state, state.groups[1], paths, tmp_path))
    assert isinstance(empty, WorkersDocument)
    assert empty.workers == ()


def test_no_document_and_no_connection_holds_key_material(state: LocalState, tmp_path: Path):
    import datetime

    paths = FleetPaths(tmp_path)
    paths.tls.mkdir()
    for name, text in issue_certificates("x", datetime.datetime.now(datetime.UTC)).items():
        (paths.tls / name).write_text(text)
    texts = [
        render_scheduler_document(state, paths),
        render_workers_document(state, state.groups[0], paths, tmp_path),
        repr(build_connection(state, paths, read_own_versions())),
    ]
    for text in texts:
        assert "BEGIN" not in text
        for key in paths.tls.glob("*-key.pem"):
            assert key.read_text().splitlines()[1] not in text
