"""What runs in the user's Python before its client connects: versions are compared and the difference is told."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import sys

import pytest

from daskfleet.client.daskfleet_client_preload import find_mismatch
from daskfleet.connections import PRELOAD

OWN = {
    "python": platform.python_version(),
    "dask": importlib.metadata.version("dask"),
    "distributed": importlib.metadata.version("distributed"),
    "cloudpickle": importlib.metadata.version("cloudpickle"),
}
MAJOR, MINOR, PATCH = (part for part in platform.python_version_tuple())


def load_as_dask_does() -> object:
    """Load the file by its path, under its own name, as `distributed.client.preload` has it."""
    spec = importlib.util.spec_from_file_location(PRELOAD.stem, PRELOAD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of a fleet that this Python does not fit, in a script."""
    monkeypatch.setenv("DASKFLEET_FLEET", "x")
    monkeypatch.setenv("DASKFLEET_VERSIONS", json.dumps({**OWN, "dask": "1.0"}))
    monkeypatch.delenv("DASKFLEET_VERSION_CHECK", raising=False)
    monkeypatch.delattr(sys, "ps1", raising=False)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


def test_equal_versions_are_no_mismatch():
    assert find_mismatch("x", OWN) is None
    assert find_mismatch("x", {}) is None


@pytest.mark.parametrize("patch", [f"{int(PATCH.rstrip('+').split('r')[0]) + 1}", "99", "0rc1"])
def test_another_patch_release_of_python_fits(patch: str):
    assert find_mismatch("x", {**OWN, "python": f"{MAJOR}.{MINOR}.{patch}"}) is None


@pytest.mark.parametrize(
    "theirs", [f"{MAJOR}.{int(MINOR) + 1}.0", f"{MAJOR}.1.{PATCH}", "2.7.18", f"{MAJOR}.{MINOR}1.0"]
)
def test_another_minor_release_of_python_is_told_with_both(theirs: str):
    message = find_mismatch("x", {**OWN, "python": theirs})
    assert message is not None
    assert f"python is {MAJOR}.{MINOR} here and {'.'.join(theirs.split('.')[:2])} on the fleet" in message
    assert "To fix: run this with the fleet's Python" in message
    assert "pip install" not in message


@pytest.mark.parametrize("package", ["dask", "distributed", "cloudpickle"])
def test_another_version_of_a_package_is_told_with_the_command_that_mends_it(package: str):
    message = find_mismatch("x", {**OWN, package: "0.0.1"})
    assert message is not None
    assert f"{package} is {OWN[package]} here and 0.0.1 on the fleet" in message
    assert f"To fix: pip install '{package}==0.0.1', or start the fleet from this environment" in message
    assert sys.executable in message
    assert "fleet 'x'" in message
    assert "DASKFLEET_VERSION_CHECK=off" in message


def test_all_differences_are_told_at_once():
    message = find_mismatch("x", {"dask": "1", "distributed": "2", "cloudpickle": "3"})
    assert message is not None
    assert "pip install 'dask==1' 'distributed==2' 'cloudpickle==3'" in message


def test_where_python_differs_too_the_way_out_says_so():
    message = find_mismatch("x", {**OWN, "python": "2.7.18", "dask": "1.0"})
    assert message is not None
    remedy = message.splitlines()[1]
    assert "the fleet's Python" in remedy, "another dask does not make another python"


def test_a_script_ends_with_the_message_alone(versions: None):
    with pytest.raises(SystemExit) as caught:
        load_as_dask_does()
    assert caught.value.code == find_mismatch("x", {**OWN, "dask": "1.0"})


def test_an_interactive_session_gets_an_exception_and_lives_on(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(RuntimeError, match="do not fit together: dask is") as caught:
        load_as_dask_does()
    assert type(caught.value).__name__ == "VersionMismatch"


def test_a_notebook_gets_an_exception_and_lives_on(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "IPython", sys)
    with pytest.raises(RuntimeError, match="do not fit together"):
        load_as_dask_does()


def test_the_check_can_be_switched_off(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DASKFLEET_VERSION_CHECK", "off")
    assert load_as_dask_does()


def test_versions_that_fit_let_the_script_go_on(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DASKFLEET_VERSIONS", json.dumps(OWN))
    assert load_as_dask_does()


def test_without_a_fleet_in_the_environment_nothing_is_checked(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DASKFLEET_VERSIONS")
    assert load_as_dask_does()


def test_importing_it_for_its_function_checks_nothing(versions: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "daskfleet.client.daskfleet_client_preload")
    module = importlib.import_module("daskfleet.client.daskfleet_client_preload")
    assert module.find_mismatch is not find_mismatch


def test_the_files_that_run_in_the_users_python_need_no_daskfleet():
    for file in PRELOAD.parent.glob("daskfleet_client_*.py"):
        imported = [line for line in file.read_text().splitlines() if line.strip().startswith(("import ", "from "))]
        assert imported
        assert not [line for line in imported if "daskfleet" in line or "pydantic" in line]
