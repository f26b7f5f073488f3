"""What is in the image, and what is not."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
from pathlib import Path

import pytest

from image.built import SOURCES, BuiltImage

UNITS = sorted((SOURCES / "rootfs/etc/systemd/system").glob("*.service"))
USER_DATA = sorted((Path(__file__).parents[1] / "unit/golden/user_data").glob("*.yaml"))
MOST_EXPOSURE = 3.0
MOST_DISK_MIB = 1800
LOCK = SOURCES / "environment/requirements.txt"


def chroot(image: BuiltImage, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the image's root file system, without booting it."""
    return subprocess.run(
        ["chroot", str(image.root), *command], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_no_complaint_about_a_unit(image: BuiltImage, unit: Path):
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={image.root}", f"/etc/systemd/system/{unit.name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardly_exposed(image: BuiltImage, unit: Path):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={image.root}", "--no-pager", unit.name],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stdout
    assert float(found[1]) < MOST_EXPOSURE


@pytest.mark.parametrize("file", USER_DATA, ids=lambda file: file.stem)
def test_the_cloud_init_of_the_image_finds_the_user_data_valid(image: BuiltImage, file: Path):
    inside = image.root / "run" / file.name
    inside.write_text(file.read_text())
    try:
        done = chroot(image, "cloud-init", "schema", "--config-file", f"/run/{file.name}")
    finally:
        inside.unlink()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_overlay_is_in_the_image_file_for_file(image: BuiltImage):
    overlay = SOURCES / "rootfs"
    files = [path.relative_to(overlay) for path in overlay.rglob("*") if path.is_file()]
    assert files
    for file in files:
        inside = image.root / file
        assert inside.read_text() == (overlay / file).read_text(), file
        assert (inside.stat().st_uid, inside.stat().st_mode & 0o022) == (0, 0), file


def test_the_manifest_says_what_is_installed_from_which_lock(image: BuiltImage):
    manifest = image.manifest
    assert manifest == type(manifest).model_validate_json((image.root / "etc/daskfleet/image.json").read_text())
    assert manifest.lock_sha256 == hashlib.sha256(LOCK.read_bytes()).hexdigest()
    listing = chroot(image, "/opt/daskfleet/bin/python", "-m", "importlib.metadata")  # There is no pip to ask.
    assert listing.returncode == 0 or "No module" in listing.stderr
    code = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    installed = json.loads(chroot(image, "/opt/daskfleet/bin/python", "-c", code).stdout)
    assert manifest.packages == {re.sub(r"[-_.]+", "-", name): version for name, version in installed.items()}
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(), re.M))
    assert installed.keys() == locked.keys() | set()
    assert all(manifest.packages[name] == version for name, version in locked.items())


def test_a_client_of_this_checkout_fits_the_image(image: BuiltImage):
    for package in ("dask", "distributed", "cloudpickle"):
        assert getattr(image.manifest, package) == importlib.metadata.version(package)


def test_no_identity_and_no_secret_is_in_the_image(image: BuiltImage):
    root = image.root
    assert (root / "etc/machine-id").read_text() == ""
    assert not list((root / "etc/ssh").glob("ssh_host_*"))
    assert not (root / "etc/daskfleet/node.json").exists()
    assert not (root / "var/lib/cloud/instance").exists()
    for folder in (root / "root", root / "home"):
        assert not [path for path in folder.rglob("*") if path.name.endswith("_history") or path.parent.name == ".ssh"]
    search = subprocess.run(
        ["grep", "-rlI", "PRIVATE KEY-----", *(str(root / each) for each in ("etc", "home", "root", "var"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert search.stdout == ""
    passwords = [line.split(":")[1] for line in (root / "etc/shadow").read_text().splitlines()]
    assert passwords
    assert all(word.startswith(("!", "*")) for word in passwords)


def test_sshd_takes_keys_only_and_never_root(image: BuiltImage):
    key = image.root / "run/test-host-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (image.root / "run/sshd").mkdir(exist_ok=True)
    try:
        done = chroot(image, "/usr/sbin/sshd", "-T", "-h", "/run/test-host-key")
    finally:
        key.unlink()
        key.with_suffix(".pub").unlink()
    assert done.returncode == 0, done.stderr
    settings = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert settings["passwordauthentication"] == "no"
    assert settings["kbdinteractiveauthentication"] == "no"
    assert settings["permitrootlogin"] == "no"
    assert settings["allowtcpforwarding"] == "local"  # How a tunnel to a private scheduler is made.
    assert settings["permitopen"] == "*:8786 127.0.0.1:8787 localhost:8787"
    for name in ("x11forwarding", "allowagentforwarding", "allowstreamlocalforwarding", "permittunnel", "gatewayports"):
        assert settings[name] == "no", name


def test_object_stores_of_all_clouds_can_be_read(image: BuiltImage):
    code = "import fsspec; print(*(fsspec.get_filesystem_class(name).__module__ for name in ('s3', 'gs', 'abfs')))"
    done = chroot(image, "/opt/daskfleet/bin/python", "-c", code)
    assert [name.split(".")[0] for name in done.stdout.split()] == ["s3fs", "gcsfs", "adlfs"], done.stderr


def test_the_image_is_no_larger_than_stated(image: BuiltImage):
    assert image.disk.stat().st_blocks * 512 / 2**20 <= MOST_DISK_MIB


def test_the_boot_report_names_the_chain_to_the_node(image: BuiltImage):
    report = image.boot_report.read_text()
    assert "Startup finished in" in report
    assert "daskfleet-node.service" in report
    assert "cloud-init.service" in report
