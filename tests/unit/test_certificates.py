"""The fleet's own authority and the certificates that it issues."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from daskfleet.providers.certificates import ROLES, issue_certificates

NOW = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return issue_certificates("x", NOW)


def load(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def write(files: dict[str, str], folder: Path) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def shake_hands(server: Path, client: Path, server_role: str = "scheduler", client_role: str = "client") -> str:
    """A real handshake, checked both ways as Dask does it; returns `ok` or why it was refused."""
    accept = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server / "ca.pem")
    accept.verify_mode = ssl.CERT_REQUIRED
    accept.load_cert_chain(server / f"{server_role}.pem", server / f"{server_role}-key.pem")
    call = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=client / "ca.pem")
    call.check_hostname = False
    call.load_cert_chain(client / f"{client_role}.pem", client / f"{client_role}-key.pem")
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    refusals: list[str] = []

    def serve() -> None:
        try:
            with accept.wrap_socket(theirs, server_side=True) as stream:
                stream.sendall(stream.recv(2))
        except (ssl.SSLError, OSError) as error:
            refusals.append(str(error))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with call.wrap_socket(ours) as stream:
            stream.sendall(b"ok")
            answer = stream.recv(2).decode()
    except (ssl.SSLError, OSError) as error:
        answer = str(error)
    finally:
        ours.close()
        thread.join()
        theirs.close()
    return "; ".join(refusals) or answer


def test_there_is_a_certificate_and_a_key_for_each_role_and_no_key_of_the_authority(files: dict[str, str]):
    assert set(files) == {"ca.pem", *(f"{role}.pem" for role in ROLES), *(f"{role}-key.pem" for role in ROLES)}
    authority = load(files["ca.pem"]).public_key()
    numbers = set()
    for name, text in files.items():
        assert text.count("-----BEGIN") == 1
        assert ("PRIVATE KEY" in text) == name.endswith("-key.pem")
        if name.endswith("-key.pem"):
            key = serialization.load_pem_private_key(text.encode(), None).public_key()
            assert key != authority
            assert key == load(files[name.replace("-key", "")]).public_key()
            numbers.add(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    assert len(numbers) == len(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_each_certificate_is_signed_by_the_authority(files: dict[str, str], role: str):
    authority, certificate = load(files["ca.pem"]), load(files[f"{role}.pem"])
    certificate.verify_directly_issued_by(authority)
    assert certificate.subject.rfc4514_string() == f"CN=daskfleet x {role}"
    assert certificate.issuer == authority.subject


def test_the_authority_signs_only_and_issues_no_further_authority(files: dict[str, str]):
    authority = load(files["ca.pem"])
    authority.verify_directly_issued_by(authority)
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature


@pytest.mark.parametrize("role", ROLES)
def test_a_role_cannot_sign_certificates_and_a_client_cannot_serve(files: dict[str, str], role: str):
    extensions = load(files[f"{role}.pem"]).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert not usage.value.crl_sign
    purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    expected = {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert purposes == (expected if role == "client" else expected | {ExtendedKeyUsageOID.SERVER_AUTH})


def test_every_certificate_is_valid_from_yesterday_for_ten_years(files: dict[str, str]):
    for name, text in files.items():
        if "key" not in name:
            certificate = load(text)
            assert certificate.not_valid_before_utc == NOW - datetime.timedelta(days=1)
            assert certificate.not_valid_after_utc == NOW + datetime.timedelta(days=3650)


def test_serial_numbers_are_unique(files: dict[str, str]):
    serials = {load(text).serial_number for name, text in files.items() if "key" not in name}
    assert len(serials) == 4


def test_the_roles_of_a_fleet_speak_with_each_other(tmp_path: Path):
    folder = write(issue_certificates("x", datetime.datetime.now(datetime.UTC)), tmp_path / "x")
    for server in ("scheduler", "worker"):
        for client in ROLES:
            assert shake_hands(folder, folder, server, client) == "ok", (server, client)


def test_a_client_certificate_cannot_pose_as_the_scheduler(tmp_path: Path):
    folder = write(issue_certificates("x", datetime.datetime.now(datetime.UTC)), tmp_path / "x")
    assert "unsuitable certificate purpose" in shake_hands(folder, folder, server_role="client").lower().replace(
        "unsupported certificate", "unsuitable certificate purpose"
    )


def test_every_fleet_has_another_authority_also_under_the_same_name(tmp_path: Path):
    now = datetime.datetime.now(datetime.UTC)
    ours, theirs = (write(issue_certificates("x", now), tmp_path / name) for name in ("ours", "theirs"))
    assert shake_hands(ours, ours) == "ok"
    assert shake_hands(ours, theirs) != "ok"
    # The client would take the server, but the server does not take the client.
    (theirs / "ca.pem").write_text((ours / "ca.pem").read_text())
    assert "certificate" in shake_hands(ours, theirs).lower()


def test_a_name_of_40_characters_is_a_valid_subject():
    files = issue_certificates("x" * 40, NOW)
    assert load(files["scheduler.pem"]).subject.rfc4514_string() == f"CN=daskfleet {'x' * 40} scheduler"
