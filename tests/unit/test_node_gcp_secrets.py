"""A secret of Google's Secret Manager, read with the machine's service account; and what a person is told instead."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata

from daskfleet_images.node import gcp, secrets
from daskfleet_images.node.document import GcpSecret
from daskfleet_images.node.errors import NodeFailed, NotYet
from daskfleet_images.node.secrets import fetch_tls
from fake_google import SECRET, TOKEN, FakeGoogle, Refusal, serve_google

VALUE = json.dumps({"ca": "SECRETSECRET", "cert": "größer", "key": "SECRETSECRET"})


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    with serve_google() as fake:
        fake.secrets[SECRET] = VALUE
        point_to(monkeypatch, fake.host)
        yield fake


def point_to(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Where this machine's metadata service is; google-auth looks for it when it is imported."""
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)


def reference(url: str | None) -> GcpSecret:
    return GcpSecret(secret=SECRET, endpoint_url=url)


def refusal(source: GcpSecret) -> NotYet:
    with pytest.raises(NotYet) as caught:
        gcp.read_secret(source)
    told = caught.value
    assert (told.reason + told.remedy).isprintable()
    assert TOKEN not in told.reason + told.remedy
    return told


def test_the_latest_version_is_read_with_the_machines_token(google: FakeGoogle):
    assert gcp.read_secret(reference(google.url)) == VALUE
    assert google.calls == ["account", "token", "secret"], "and nothing else is asked"


def test_a_variable_of_gcloud_redirects_where_the_document_does_not(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", google.url)
    assert gcp.read_secret(reference(None)) == VALUE
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "http://127.0.0.1:9/")
    assert gcp.read_secret(reference(google.url)) == VALUE
    assert refusal(reference(None)).kind == "ConnectionError"


@pytest.mark.parametrize(
    ("refused", "reason", "remedy"),
    [
        ((404, "NOT_FOUND", ""), "NOT_FOUND: it is refused", "make the secret and a version of it"),
        ((403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"), "PERMISSION_DENIED: ", "secretmanager.secretAccessor"),
        ((403, "PERMISSION_DENIED", "SERVICE_DISABLED"), "SERVICE_DISABLED: ", "enable secretmanager.googleapis.com"),
        ((403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "ACCESS_TOKEN_SCOPE", "auth/cloud-platform"),
        ((400, "FAILED_PRECONDITION", ""), "FAILED_PRECONDITION: ", "enable the secret's latest version"),
        ((429, "RESOURCE_EXHAUSTED", ""), "RESOURCE_EXHAUSTED: ", "fewer machines"),
        ((401, "UNAUTHENTICATED", ""), "UNAUTHENTICATED: ", "service account is enabled"),
        ((503, "UNAVAILABLE", ""), "UNAVAILABLE: ", "see what the service says"),
        ((502, "", ""), "HTTP 502", "see what the service says"),
        ((302, "", ""), "HTTP 302", "see what the service says"),
        ((0, "", ""), "the service cannot be reached: ", "private Google access of the subnet, or Cloud NAT"),
    ],
)
def test_what_the_service_refuses_has_a_reason_and_a_remedy_and_is_asked_once(
    google: FakeGoogle, refused: Refusal, reason: str, remedy: str
):
    google.refusals["secret"] = [refused]
    told = refusal(reference(google.url))
    assert told.reason.startswith(reason)
    assert remedy in told.remedy
    assert google.calls.count("secret") == 1


@pytest.mark.parametrize(
    ("refused", "reason", "remedy"),
    [
        ((404, "", ""), "this machine has no credentials: it has no service account", "give the machine a service"),
        ((503, "", ""), "this machine has no credentials: the metadata service answers 503", "give the machine a"),
        ((0, "", ""), "the metadata service does not answer: ", "let the machine reach its metadata service"),
    ],
)
def test_a_machine_without_a_token_is_told_at_once(google: FakeGoogle, refused: Refusal, reason: str, remedy: str):
    google.refusals["token"] = [refused]
    before = time.monotonic()
    told = refusal(reference(google.url))
    assert told.reason.startswith(reason)
    assert told.remedy.startswith(remedy)
    assert google.calls == ["account"], "google-auth would ask five times, with pauses of half a minute"
    assert time.monotonic() - before < 5


def test_a_metadata_service_that_is_silent_is_told_after_its_seconds(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_to(monkeypatch, f"127.0.0.1:{silent.getsockname()[1]}")
        before = time.monotonic()
        told = refusal(reference(google.url))
    assert told.kind == "metadata"
    assert time.monotonic() - before < 5


def test_a_service_that_is_silent_is_told_after_its_seconds(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gcp, "READ_SECONDS", 0.2)
    google.go.clear()
    told = refusal(reference(google.url))
    assert told.reason.startswith("the service cannot be reached: ")
    assert told.kind == "ReadTimeout"


@pytest.mark.parametrize("url", ["no-url", "http://", "http://[", "http://does-not-exist.invalid/"])
def test_an_address_that_is_none_is_told(google: FakeGoogle, url: str):
    assert refusal(reference(url)).remedy.startswith(("correct `tls`", "open a way"))


def test_an_answer_that_is_no_secret_is_told_without_any_of_it(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    for answer in ({}, {"payload": {}}, {"payload": {"data": "/w=="}}, {"payload": {"data": "SECRETSECRET!"}}, [], "x"):
        monkeypatch.setattr(FakeGoogle, "answer", _answering(FakeGoogle.answer, answer))
        told = refusal(reference(google.url))
        monkeypatch.undo()
        point_to(monkeypatch, google.host)
        assert "SECRETSECRET" not in told.reason + told.remedy


def _answering(original, answer):
    def respond(self, method, path, headers, body):
        return original(self, method, path, headers, body) if "computeMetadata" in path else (200, answer)

    return respond


def test_neither_the_token_nor_the_secret_is_logged_even_at_debug(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    for name in ("google", "google.auth", "requests", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
    logging.getLogger().addHandler(handler)
    try:
        assert gcp.read_secret(reference(google.url)) == VALUE
        google.refusals["secret"] = [(403, "PERMISSION_DENIED", "")]
        with pytest.raises(NodeFailed), fetch_tls(reference(google.url), 0):
            pass
    finally:
        logging.getLogger().removeHandler(handler)
    shown = "".join((*capfd.readouterr(), *(str(vars(record)) for record in caplog.records)))
    assert "TOKENTOKEN" not in shown
    assert "SECRETSECRET" not in shown


def test_a_token_that_is_refused_is_got_anew(google: FakeGoogle):
    service = gcp.Service("secretmanager", google.url, gcp.SECRET_REMEDIES)
    path = f"v1/{SECRET}/versions/latest:access"
    google.refusals["secret"] = [(401, "UNAUTHENTICATED", ""), (200, "", "")]
    with pytest.raises(NotYet):
        service.ask("GET", path)
    service.ask("GET", path)
    service.ask("GET", path)
    assert google.calls.count("token") == 2, "one that is taken is kept"


def test_many_threads_may_read_at_the_same_time(google: FakeGoogle):
    values: list[str] = []
    threads = [threading.Thread(target=lambda: values.append(gcp.read_secret(reference(google.url)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [VALUE] * 8


@pytest.mark.parametrize("missing", ["google.auth", "requests"])
def test_without_google_auth_one_line_says_so(monkeypatch: pytest.MonkeyPatch, missing: str):
    monkeypatch.delitem(sys.modules, "daskfleet_images.node.gcp")
    monkeypatch.delattr("daskfleet_images.node.gcp")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NodeFailed, match=rf"cannot be read: {missing} is not installed; add google-auth\[requests\]"):
        secrets.read_gcp_secret(reference(None))


def test_the_secret_becomes_files_as_every_other(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import datetime

    from daskfleet.providers.certificates import issue_certificates

    files = issue_certificates("x", datetime.datetime.now(datetime.UTC))
    value = {"ca": files["ca.pem"], "cert": files["worker.pem"], "key": files["worker-key.pem"]}
    google.secrets[SECRET] = json.dumps(value)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with fetch_tls(reference(google.url), 10) as tls:
        assert tls.key.read_text() == value["key"]
    assert list(tmp_path.iterdir()) == []
