"""A secret of a Key Vault, read with the machine's user-assigned identity; and what a person is told instead."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daskfleet_images.node import azure, patience, secrets
from daskfleet_images.node.document import AzureSecret
from daskfleet_images.node.errors import NodeFailed, NotYet
from daskfleet_images.node.secrets import fetch_tls
from fake_azure import CLIENT, SECRET, TOKENS, VAULT, FakeAzure, Refusal, serve_azure

VALUE = json.dumps({"ca": "SECRETSECRET", "cert": "größer", "key": "SECRETSECRET"})
OTHER = "99999999-1111-2222-3333-444455556666"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    with serve_azure() as fake:
        fake.secrets[SECRET] = VALUE
        point_to(monkeypatch, fake.url)
        yield fake


def point_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Where this machine's metadata service is."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)


def reference(url: str | None, client_id: str = CLIENT) -> AzureSecret:
    return AzureSecret(vault=VAULT, secret=SECRET, client_id=client_id, endpoint_url=url)


def refusal(source: AzureSecret) -> NotYet:
    with pytest.raises(NotYet) as caught:
        azure.read_secret(source)
    told = caught.value
    assert (told.reason + told.remedy).isprintable()
    assert "TOKENTOKEN" not in told.reason + told.remedy
    return told


def issue_value() -> dict[str, str]:
    import datetime

    from daskfleet.providers.certificates import issue_certificates

    files = issue_certificates("x", datetime.datetime.now(datetime.UTC))
    return {"ca": files["ca.pem"], "cert": files["worker.pem"], "key": files["worker-key.pem"]}


def test_the_latest_version_is_read_with_the_identitys_token(cloud: FakeAzure):
    assert azure.read_secret(reference(cloud.url)) == VALUE
    assert azure.read_secret(reference(f"{cloud.url}/")) == VALUE
    assert cloud.calls == ["token", "secret"] * 2, "and nothing else is asked"


def test_a_vault_is_asked_at_its_own_address_where_the_document_says_no_other(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch
):
    urls: list[str] = []

    class Session:
        def request(self, method: str, url: str, **_options: Any) -> Any:
            urls.append(url)
            raise azure.requests.ConnectionError("no")

    monkeypatch.setattr(azure.requests, "Session", Session)
    refusal(reference(None))
    refusal(reference(None).model_copy(update={"vault": f"{VAULT}/"}))
    assert urls == [f"{VAULT}/secrets/worker"] * 2


@pytest.mark.parametrize(
    ("refused", "reason", "remedy"),
    [
        ((404, "SecretNotFound"), "SecretNotFound: it is refused", "make the secret"),
        (
            (403, "Forbidden/ForbiddenByRbac"),
            "ForbiddenByRbac: it is refused",
            "Key Vault Secrets User on it; it takes",
        ),
        ((403, "Forbidden/ForbiddenByFirewall"), "ForbiddenByFirewall: ", "subnet through the vault's firewall"),
        ((403, "Forbidden/AccessDenied"), "AccessDenied: ", "be roles of Azure's"),
        ((403, "Forbidden/SecretDisabled"), "SecretDisabled: ", "enable the secret's latest version"),
        ((403, "Forbidden/SomethingNew"), "Forbidden: ", "see what the service says"),
        ((401, "Unauthorized"), "Unauthorized: ", "same tenant"),
        ((429, "Throttled"), "Throttled: ", "fewer machines"),
        ((500, "InternalServerError"), "InternalServerError: ", "see what the service says"),
        ((502, ""), "HTTP 502", "see what the service says"),
        ((302, ""), "HTTP 302", "see what the service says"),
        ((0, ""), "the service cannot be reached: ", "the service endpoint Microsoft.KeyVault"),
    ],
)
def test_what_the_vault_refuses_has_a_reason_and_a_remedy_and_is_asked_once(
    cloud: FakeAzure, refused: Refusal, reason: str, remedy: str
):
    cloud.refusals["secret"] = [refused]
    told = refusal(reference(cloud.url))
    assert told.reason.startswith(reason)
    assert remedy in told.remedy
    assert cloud.calls.count("secret") == 1


@pytest.mark.parametrize(
    ("refused", "reason", "remedy"),
    [
        ((400, "identity_not_found"), "no credentials: identity_not_found: Identity not found", "give the machine the"),
        ((400, ""), "no credentials: the metadata service answers 400", "give the machine the user-assigned identity"),
        ((410, ""), "the metadata service answers 410", "let the machine reach its metadata service"),
        ((429, ""), "the metadata service answers 429", "let the machine reach its metadata service"),
        ((500, ""), "the metadata service answers 500", "let the machine reach its metadata service"),
        ((0, ""), "the metadata service does not answer: ", "let the machine reach its metadata service"),
    ],
)
def test_a_machine_without_a_token_is_told_at_once_and_asks_no_vault(
    cloud: FakeAzure, refused: Refusal, reason: str, remedy: str
):
    cloud.refusals["token"] = [refused]
    told = refusal(reference(cloud.url))
    assert reason in told.reason
    assert told.remedy.startswith(remedy)
    assert cloud.calls == ["token"]


def test_an_identity_that_the_machine_has_not_is_told(cloud: FakeAzure):
    told = refusal(reference(cloud.url, OTHER))
    assert told.reason == "this machine has no credentials: invalid_request: Identity not found"
    assert "`tls.client_id`" in told.remedy


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"access_token": "TOKENTOKEN"}', '{"access_token": "TOKENTOKEN\\n", "expires_in": "1"}']
)
def test_an_answer_that_is_no_token_is_told_without_any_of_it(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch, text: str
):
    monkeypatch.setattr(FakeAzure, "_tell", lambda *_arguments: (200, {}, text.encode()))
    assert refusal(reference(cloud.url)).reason.endswith("what the metadata service answers is no token")


def test_a_metadata_service_that_is_silent_is_told_after_its_seconds(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_to(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        before = time.monotonic()
        told = refusal(reference(cloud.url))
    assert told.kind == "metadata"
    assert time.monotonic() - before < 5


def test_the_metadata_service_is_never_asked_through_a_proxy(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    told = refusal(reference(cloud.url))
    assert told.kind == "ProxyError", "of the vault, which is asked through it"
    assert cloud.calls == ["token"]


def test_a_vault_that_is_silent_is_told_after_its_seconds(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(azure, "READ_SECONDS", 0.2)
    cloud.go.clear()
    told = refusal(reference(cloud.url))
    assert told.reason.startswith("the service cannot be reached: ")
    assert told.kind == "ReadTimeout"


@pytest.mark.parametrize("url", ["no-url", "http://", "http://[", "http://does-not-exist.invalid/"])
def test_an_address_that_is_none_is_told(cloud: FakeAzure, url: str):
    assert refusal(reference(url)).remedy.startswith("correct `tls")


@pytest.mark.parametrize("url", ["no-url", "http://", "http://[", "http://127.0.0.1:x"])
def test_an_address_of_the_metadata_service_that_is_none_is_told(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch, url: str
):
    point_to(monkeypatch, url)
    assert refusal(reference(cloud.url)).kind == "metadata"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"value": 3}', '"SECRETSECRET"', "SECRETSECRET", "[" * 100_000])
def test_an_answer_that_is_no_secret_is_told_without_any_of_it(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch, text: str
):
    monkeypatch.setattr(FakeAzure, "_read", lambda *_arguments: (200, {}, text.encode()))
    told = refusal(reference(cloud.url))
    assert told.reason == "what answers is no key vault"
    assert "SECRETSECRET" not in told.remedy


def test_neither_the_token_nor_the_secret_is_logged_even_at_debug(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    for name in ("requests", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
    logging.getLogger().addHandler(handler)
    try:
        assert azure.read_secret(reference(cloud.url)) == VALUE
        cloud.refusals["secret"] = [(403, "Forbidden/ForbiddenByRbac")]
        with pytest.raises(NodeFailed), fetch_tls(reference(cloud.url), 0):
            pass
    finally:
        logging.getLogger().removeHandler(handler)
    shown = "".join((*capfd.readouterr(), *(str(vars(record)) for record in caplog.records)))
    assert "TOKENTOKEN" not in shown
    assert "SECRETSECRET" not in shown


def test_a_token_is_kept_until_it_is_refused_or_nearly_over(cloud: FakeAzure):
    service = azure.Service(cloud.url, azure.VAULTS, CLIENT, azure.SECRET_REMEDIES)

    def ask() -> None:
        service.ask("GET", f"secrets/{SECRET}", query={"api-version": "7.4"})

    ask()
    ask()
    assert cloud.calls.count("token") == 1
    cloud.refusals["secret"] = [(401, "Unauthorized"), (200, "")]
    with pytest.raises(NotYet):
        ask()
    cloud.token_seconds = int(azure.RENEW_SECONDS) - 1
    ask()
    assert cloud.calls.count("token") == 2
    ask()
    assert cloud.calls.count("token") == 3


def test_many_threads_may_read_at_the_same_time(cloud: FakeAzure):
    values: list[str] = []
    threads = [
        threading.Thread(target=lambda: values.append(azure.read_secret(reference(cloud.url)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [VALUE] * 8


def test_without_requests_one_line_says_so(monkeypatch: pytest.MonkeyPatch):
    for name in ("azure", "requesting"):
        monkeypatch.delitem(sys.modules, f"daskfleet_images.node.{name}")
        monkeypatch.delattr(f"daskfleet_images.node.{name}")
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(NodeFailed, match=rf"the secret 'worker' of {VAULT} cannot be read: requests is not installed"):
        secrets.read_azure_secret(reference(None))


def test_the_secret_becomes_files_as_every_other(cloud: FakeAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    value = issue_value()
    cloud.secrets[SECRET] = json.dumps(value)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with fetch_tls(reference(cloud.url), 10) as tls:
        assert tls.key.read_text() == value["key"]
    assert list(tmp_path.iterdir()) == []


def test_a_role_and_an_identity_that_are_known_late_are_waited_for_and_each_reason_is_told_once(
    cloud: FakeAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(patience, "grow_pauses", lambda: iter([0.01] * 100))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    cloud.secrets[SECRET] = json.dumps(issue_value())
    cloud.refusals["token"] = [(400, "identity_not_found"), (500, ""), (429, ""), (200, "")]
    forbidden = (403, "Forbidden/ForbiddenByRbac")
    cloud.refusals["secret"] = [forbidden, forbidden, (429, "Throttled"), (200, "")]
    with fetch_tls(reference(cloud.url), 60) as tls:
        assert tls.ca_file.exists()
    told = [message for message in caplog.messages if "yet: " in message]
    words = ("identity_not_found", "the metadata service answers 500", "ForbiddenByRbac", "Throttled")
    assert len(told) == len(words)
    assert all(word in message for word, message in zip(words, told, strict=True))
    assert TOKENS["https://vault.azure.net"] not in caplog.text
