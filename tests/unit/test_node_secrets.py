"""TLS material from a secret store: checked, written privately, tried again; and never in a message."""

from __future__ import annotations

import datetime
import functools
import json
import logging
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daskfleet.providers.certificates import issue_certificates
from daskfleet_images.node import aws, secrets
from daskfleet_images.node.document import AwsSecret, TLSFiles
from daskfleet_images.node.errors import NodeDocumentError, NodeFailed, NotYet
from daskfleet_images.node.patience import grow_pauses, keep_trying
from daskfleet_images.node.secrets import fetch_tls, parse_secret
from daskfleet_images.node.security import check_clock, describe_clock

SECRET = AwsSecret(secret="fleets/x/worker", region="eu-west-1")
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def pems() -> dict[str, str]:
    files = issue_certificates("x", NOW)
    return {"ca": files["ca.pem"], "cert": files["worker.pem"], "key": files["worker-key.pem"]}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Answers that reading the secret gives, one after another; the last again and again. No time passes."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    def serve(*answers: str | Exception) -> None:
        left = list(answers)

        def read(_source: AwsSecret) -> str:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setitem(secrets.READERS, AwsSecret, read)

    keep_trying_without_waiting = functools.partial(keep_trying, clock=lambda: passed[0], sleep=sleep)
    monkeypatch.setattr(secrets, "keep_trying", keep_trying_without_waiting)
    return serve


def test_a_secret_becomes_private_files_that_are_gone_at_the_end(
    pems: dict[str, str], serve: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    serve(json.dumps(pems))
    with fetch_tls(SECRET, 10) as files:
        folder = tmp_path / "tls"
        assert files == TLSFiles(ca_file=folder / "ca.pem", cert=folder / "cert.pem", key=folder / "key.pem")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path, part in ((files.ca_file, "ca"), (files.cert, "cert"), (files.key, "key")):
            assert path.read_text() == pems[part]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_life_left_is_replaced_and_made_private(
    pems: dict[str, str], serve: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "tls").mkdir(mode=0o755)
    (tmp_path / "tls/key.pem").write_text("old")
    (tmp_path / "tls/key.pem").chmod(0o644)
    serve(json.dumps(pems))
    with fetch_tls(SECRET, 10) as files:
        assert files.key.read_text() == pems["key"]
        assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
        assert stat.S_IMODE(files.key.parent.stat().st_mode) == 0o700


def test_without_a_runtime_directory_the_folder_is_temporary_and_private(
    pems: dict[str, str], serve: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    serve(json.dumps(pems))
    with fetch_tls(SECRET, 10) as files:
        assert files.key.parent.parent == tmp_path
        assert stat.S_IMODE(files.key.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []
    serve(NotYet("no", "wait"))
    with pytest.raises(NodeFailed), fetch_tls(SECRET, 10):
        pass
    assert list(tmp_path.iterdir()) == [], "gone after a failure too"


def test_files_are_checked_and_nothing_is_written(pems: dict[str, str], tmp_path: Path):
    files = TLSFiles(ca_file=tmp_path / "ca", cert=tmp_path / "cert", key=tmp_path / "key")
    with pytest.raises(NodeDocumentError, match="No such file"), fetch_tls(files, 10):
        pass
    for part, text in pems.items():
        (tmp_path / part).write_text(text)
    with fetch_tls(files, 10) as found:
        assert found is files
    assert {path.name for path in tmp_path.iterdir()} == set(pems)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "its value is no JSON"),
        ("{", "its value is no JSON"),
        ("[" * 100_000, "its value is no JSON"),
        ("KEYKEYKEY", "its value is no JSON"),
        ('"KEYKEYKEY"', "its value is JSON, but no object"),
        ("[]", "its value is JSON, but no object"),
        ("{}", "its value lacks ca, cert, key"),
        ('{"ca": "KEYKEYKEY", "cert": "c"}', "its value lacks key"),
        ('{"ca": 1, "cert": "-----BEGIN X", "key": "KEYKEYKEY"}', "what its value has as ca, key is no PEM text"),
    ],
)  # fmt: skip
def test_a_value_that_is_something_else_is_told_without_any_of_it(value: str, reason: str):
    with pytest.raises(NotYet) as caught:
        parse_secret(value)
    assert caught.value.reason == reason
    assert "KEYKEYKEY" not in caught.value.reason + caught.value.remedy
    assert caught.value.__cause__ is None


def test_the_material_shows_in_no_repr(pems: dict[str, str]):
    assert repr(parse_secret(json.dumps(pems))) == "TLSMaterial()"


def test_a_secret_that_appears_later_is_found_and_each_kind_of_failure_told_once(
    pems: dict[str, str], serve: Callable[..., None], caplog: pytest.LogCaptureFixture
):
    missing, denied = NotYet("not there", "make it", "Missing"), NotYet("denied", "allow it", "Denied")
    damaged = json.dumps({**pems, "key": "-----BEGIN NONSENSE-----"})
    serve(missing, missing, denied, missing, "{", damaged, json.dumps(pems))
    with caplog.at_level(logging.INFO, logger="daskfleet.node"), fetch_tls(SECRET, 300):
        pass
    start = f"no TLS material could be read from {SECRET.place} yet: "
    told = [message.removeprefix(start).partition(";")[0].partition(":")[0] for message in caplog.messages]
    assert told == ["not there", "denied", "its value is no JSON", "the node's TLS material is damaged"]
    assert all(pems["key"].splitlines()[1] not in message for message in caplog.messages)


def test_a_secret_that_never_appears_is_given_up_with_its_name_the_reason_and_the_remedy(serve: Callable[..., None]):
    serve(NotYet("Access\nDenied", "allow it", "Denied"))
    with pytest.raises(NodeFailed) as caught, fetch_tls(SECRET, 300):
        pass
    assert str(caught.value) == (
        "no TLS material could be read from the secret 'fleets/x/worker' of AWS Secrets Manager in eu-west-1 in 300 s: "
        "Access Denied; allow it"
    )


def test_what_waiting_cannot_mend_is_not_waited_for(serve: Callable[..., None]):
    serve(NodeFailed("no botocore"))
    with pytest.raises(NodeFailed, match="no botocore"), fetch_tls(SECRET, 300):
        pass


def test_without_botocore_one_line_says_so(monkeypatch: pytest.MonkeyPatch):
    for name in ("botocore", "botocore.config", "botocore.session"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(NodeFailed, match=r"cannot be read: botocore is not installed; add it, or s3fs"):
        aws.read_secret(SECRET)


@pytest.mark.parametrize(
    ("response", "reason", "remedy"),
    [
        ({"Error": {"Code": "ResourceNotFoundException", "Message": "Can't find it."}},
         "ResourceNotFoundException: Can't find it.", "make the secret"),
        ({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "AccessDeniedException: no", "GetSecretValue"),
        ({"Error": {"Code": "ThrottlingException"}}, "ThrottlingException", "fewer machines"),
        ({"Error": {"Code": "Zebra", "Message": "two\nlines"}}, "Zebra: two lines", "see what"),
        ({}, "unknown", "see what"),
    ],
)  # fmt: skip
def test_an_answer_of_the_service_has_a_remedy(response: dict[str, Any], reason: str, remedy: str):
    told = aws.explain_answer(response)
    assert told.reason == reason
    assert remedy in told.remedy
    assert told.kind == reason.partition(":")[0]


def test_pauses_double_up_to_a_quarter_of_a_minute_and_differ_between_machines():
    middle = grow_pauses(lambda: 0.5)
    assert [next(middle) for _ in range(8)] == [0.5, 1, 2, 4, 8, 15, 15, 15]
    short, long = grow_pauses(lambda: 0.0), grow_pauses(lambda: 1.0)
    assert (next(short), next(long)) == (0.375, 0.625)


def test_the_last_attempt_is_at_the_end_of_the_time():
    now, times = [0.0], []

    def attempt() -> None:
        times.append(now[0])
        raise NotYet("no", "wait")

    with pytest.raises(NodeFailed, match=r"^it failed in 10 s: no; wait$"):
        keep_trying(attempt, "it failed", 10, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    assert (times[0], times[-1]) == (0, 10)
    times.clear()
    with pytest.raises(NodeFailed, match=r"^it failed: no; wait$"):
        keep_trying(attempt, "it failed", 0)
    assert len(times) == 1


CERTIFICATE = {"notBefore": "Nov 24 00:00:00 2026 GMT", "notAfter": "Nov 24 00:00:00 2036 GMT"}


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        ("Nov 24 00:00:00 2026 GMT", None),
        ("Nov 24 00:00:00 2036 GMT", None),
        ("Jan  1 00:00:00 1970 GMT",
         "this machine's clock says 1970-01-01 00:00:00 UTC, and the fleet's certificates are valid from "
         "2026-11-24 00:00:00 UTC to 2036-11-24 00:00:00 UTC; set the clock, and let the machine reach a time server "
         "(`timedatectl` tells whether it does)"),
        ("Nov 25 00:00:00 2036 GMT", "; if it is right, make the fleet's certificates anew"),
    ],
)  # fmt: skip
def test_a_clock_outside_of_the_certificates_time_is_told_with_both_and_the_remedy(now: str, problem: str | None):
    told = describe_clock([CERTIFICATE], ssl.cert_time_to_seconds(now))
    assert (told or "").endswith(problem or "")
    assert (told is None) == (problem is None)


def test_without_an_authority_the_clock_is_not_judged():
    assert describe_clock([], 0.0) is None


@pytest.mark.parametrize("years", [-20, 0, 5])
def test_the_clock_is_checked_against_the_certificate_of_the_authority(years: int, tmp_path: Path):
    for name, text in issue_certificates("x", NOW + datetime.timedelta(days=365 * years)).items():
        (tmp_path / name).write_text(text)
    files = TLSFiles(ca_file=tmp_path / "ca.pem", cert=tmp_path / "worker.pem", key=tmp_path / "worker-key.pem")
    if years == 0:
        check_clock(files)
        return
    with pytest.raises(NodeFailed, match=f"this machine's clock says {NOW:%Y}-") as caught:
        check_clock(files)
    assert str(caught.value).isprintable()
