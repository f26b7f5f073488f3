"""The Python environment of nodes on hosts: which Python they run, and what one is built from."""

from __future__ import annotations

import asyncio
import io
import os
import re
import stat
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from daskfleet.errors import FleetError
from daskfleet.providers.ssh.environment import (
    Environment,
    build_archive,
    group_by_home,
    list_wheels,
    read_lock,
)
from daskfleet.providers.ssh.facts import NEEDED
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.shell import LocalShell, run_script
from daskfleet.providers.ssh.state import Place, plan_state
from daskfleet_stacks.spec import SshFleetSpec, parse_fleet_spec
from daskfleet_stacks.spec.ssh import SshEnvironment

HASH = " \\\n    --hash=sha256:0123"
LOCK = "# Written by uv.\n" + "".join(f"{name}==1.0{HASH}\n    # via something\n" for name in NEEDED)


def ship(lock: Path | str, **values: Any) -> SshEnvironment:
    return SshEnvironment.model_validate({"mode": "ship", "lock": str(lock), **values})


def write_lock(folder: Path, text: str) -> SshEnvironment:
    path = folder / "lock.txt"
    path.write_text(text)
    return ship(path)


def make_environment(**environment: Any) -> Environment:
    spec = parse_fleet_spec({"name": "x", "provider": "ssh", "hosts": ["a"], "environment": environment})
    assert isinstance(spec, SshFleetSpec)
    return Environment(spec, plan_state(spec, None, new_id="0123abcd", now=0, working_directory="/"))


# Which Python


@pytest.mark.parametrize(
    ("environment", "there", "here"),
    [
        ({}, sys.executable, sys.executable),
        ({"mode": "existing", "python": "/opt/env/bin/python"}, "/opt/env/bin/python", sys.executable),
        ({"mode": "ship", "lock": "a"}, "", sys.executable),
        ({"mode": "ship", "lock": "a", "python": "3.12"}, "", sys.executable),
    ],
)
def test_the_python_of_a_node_is_as_the_mode_says_and_ours_on_this_machine(
    environment: dict[str, str], there: str, here: str
) -> None:
    found = make_environment(**environment)
    assert found.find_python(Place(host="a")) == there
    assert found.find_python(Place(host="")) == here


def test_what_is_built_is_beside_the_nodes_and_hidden_from_their_list() -> None:
    path = make_environment(mode="ship", lock="a").path("/home/u")
    assert path == "/home/u/.daskfleet/x-0123abcd/.environment/venv/bin/python"


# Locks


def test_a_lock_with_all_that_nodes_need_is_read_as_it_is(tmp_path: Path) -> None:
    assert read_lock(write_lock(tmp_path, LOCK)) == LOCK


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("cloudpickle==", "CloudPickle =="),
        lambda text: text.replace("distributed==1.0", "distributed[complete]==1.0"),
        lambda text: text.replace("dask==1.0", "dask[array,dataframe] == 1.0 ; python_version >= '3.11'"),
        lambda text: text.replace("dask==1.0", "dask @ https://example.org/dask-1.0-py3-none-any.whl"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "extra_package==2.0 --hash=sha256:ff\n# ü\n",
    ],
)
def test_a_lock_is_read_however_its_tool_writes_names(tmp_path: Path, change: Any) -> None:
    assert "--hash=" in read_lock(write_lock(tmp_path, change(LOCK)))


def test_the_lock_is_found_below_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_lock(tmp_path, LOCK)
    assert read_lock(ship("~/lock.txt")) == LOCK


@pytest.mark.parametrize("name", NEEDED)
def test_a_lock_that_lacks_what_nodes_need_is_refused_and_names_it(tmp_path: Path, name: str) -> None:
    text = re.sub(rf"^{name}==", f"not-{name}==", LOCK, flags=re.MULTILINE)
    with pytest.raises(FleetError, match=f"lock.txt lacks {name}, which nodes need; add it and lock again"):
        read_lock(write_lock(tmp_path, text))


def test_a_name_in_a_comment_or_in_another_name_is_not_in_the_lock(tmp_path: Path) -> None:
    text = LOCK.replace("dask==1.0", "dask-expr==1.0").replace("psutil==1.0", "# psutil==1.0")
    with pytest.raises(FleetError, match="lacks dask, psutil, which nodes need; add them and lock again"):
        read_lock(write_lock(tmp_path, text))


@pytest.mark.parametrize("text", ["", LOCK.replace("--hash", "--hsah"), "[project]\nname = 'x'\n"])
def test_a_file_without_hashes_is_no_lock(tmp_path: Path, text: str) -> None:
    with pytest.raises(FleetError, match=r"lock\.txt has no hashes; write it with `uv pip compile --generate-hashes`"):
        read_lock(write_lock(tmp_path, text))


def test_a_lock_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"environment\.lock: .*none cannot be read: No such file"):
        read_lock(ship(tmp_path / "none"))
    with pytest.raises(FleetError, match="cannot be read: Is a directory"):
        read_lock(ship(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" * 9)
    with pytest.raises(FleetError, match="binary cannot be read"):
        read_lock(ship(tmp_path / "binary"))


def test_a_path_of_a_user_that_there_is_not_is_told_and_no_traceback() -> None:
    with pytest.raises(FleetError, match=r"environment\.lock"):
        read_lock(ship("~nobody-of-that-name/lock.txt"))
    with pytest.raises(FleetError, match=r"environment\.wheels"):
        list_wheels(ship("a", wheels="~nobody-of-that-name/wheels"))


# Wheels


def test_without_a_folder_of_wheels_the_hosts_ask_the_index() -> None:
    assert list_wheels(ship("a")) is None


def test_the_wheels_of_the_folder_are_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b-1-py3-none-any.whl", "a-1-py3-none-any.whl", "c-1.tar.gz", "notes.txt"):
        (tmp_path / name).touch()
    found = list_wheels(ship("a", wheels=str(tmp_path)))
    assert found is not None
    assert [path.name for path in found] == ["a-1-py3-none-any.whl", "b-1-py3-none-any.whl"]


@pytest.mark.parametrize("folder", [".", "none"])
def test_a_folder_without_wheels_is_refused_with_how_to_get_some(tmp_path: Path, folder: str) -> None:
    with pytest.raises(FleetError, match=r"environment\.wheels: there are no wheels in .*`pip download"):
        list_wheels(ship("a", wheels=str(tmp_path / folder)))


# What is checked before anything is begun


def test_an_environment_that_is_there_needs_no_look_on_this_machine() -> None:
    assert make_environment().check() == []
    assert make_environment(mode="existing", python="/opt/env/bin/python").check() == []


def test_a_lock_is_looked_at_before_any_host_is(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock.txt")
    (bad,) = make_environment(mode="ship", lock=lock).check()
    assert not bad.ok
    assert "cannot be read" in bad.problem
    write_lock(tmp_path, LOCK)
    (good,) = make_environment(mode="ship", lock=lock).check()
    assert (good.ok, good.found) == (True, f"{len(NEEDED)} hashes, from the hosts' package index")
    (bad,) = make_environment(mode="ship", lock=lock, wheels=str(tmp_path)).check()
    assert "there are no wheels" in bad.problem
    (tmp_path / "a-1-py3-none-any.whl").touch()
    (good,) = make_environment(mode="ship", lock=lock, wheels=str(tmp_path)).check()
    assert good.found == f"{len(NEEDED)} hashes, from 1 wheels"


# What is sent


def unpack(data: bytes) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {}
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None, entry.name
            found[entry.name] = (file.read(), entry.mode)
        return found


def test_an_environment_is_built_from_its_lock_and_the_wheels_that_were_given(tmp_path: Path) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    assert unpack(build_archive("lock ü\n", None, uv=False)) == {"requirements.txt": ("lock ü\n".encode(), 0o600)}
    found = unpack(build_archive("lock\n", [wheel], uv=False))
    assert {name: data for name, (data, _) in found.items()} == {
        "requirements.txt": b"lock\n",
        "wheels/a-1-py3-none-any.whl": b"wheel",
    }


def test_uv_goes_along_where_a_host_has_none_and_can_be_run_there() -> None:
    from daskfleet.services.images.uv import find_uv

    found = unpack(build_archive("lock\n", None, uv=True))
    data, mode = found["uv"]
    assert data == Path(find_uv()).read_bytes()
    assert mode & stat.S_IXUSR


# Who shares a home directory


@pytest.mark.parametrize(
    ("installed", "homes"),
    [
        ({}, []),
        ({"a": ["a"]}, [["a"]]),
        ({"a": ["a"], "b": ["b"]}, [["a"], ["b"]]),
        ({"a": ["a", "b"], "b": ["a", "b"]}, [["a", "b"]]),
        ({"a": ["a", "b", "c"], "b": ["a", "b", "c"], "c": ["a", "b", "c"]}, [["a", "b", "c"]]),
        (
            {"a": ["a", "c"], "b": ["b", "d"], "c": ["a", "c"], "d": ["b", "d"], "e": ["e"]},
            [["a", "c"], ["b", "d"], ["e"]],
        ),
    ],
)
def test_nodes_that_see_each_others_folders_share_a_home(
    installed: dict[str, list[str]], homes: list[list[str]]
) -> None:
    assert group_by_home(installed) == homes


@pytest.mark.parametrize(
    "installed",
    [
        {"a": ["a"], "b": ["a", "b"]},
        {"a": ["a", "b"], "b": ["b"]},
        {"a": ["a"], "b": ["a", "b"], "c": ["a", "b", "c"]},
        {"c": ["a", "b", "c"], "a": ["a"], "b": ["a", "b"]},
        {"a": ["a"], "b": ["b"], "c": ["a", "b", "c"]},
    ],
)
def test_of_a_home_that_is_shared_the_first_to_be_there_saw_nobody_else(installed: dict[str, list[str]]) -> None:
    """Hosts unpack at different moments, and a node that runs already tells of nobody but itself."""
    homes = group_by_home(installed)
    assert [sorted(members) for members in homes] == [sorted(installed)]


# Building, with a uv that only writes down what it is told


UV = """#!/bin/sh
set -eu
echo "$UV_CACHE_DIR $UV_PYTHON_INSTALL_DIR $*" >>"$HOME/told"
case $1 in
  venv) for folder; do :; done; mkdir -p "$folder/bin"; touch "$folder/bin/python" ;;
  pip) cat requirements.txt >"$HOME/installed"; [ ! -e "$HOME/fails" ] || { echo 'no such package' >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "a home's ü"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o700)
    return home


def build(uv: str, wheels: str = "", identity: str = "1", data: bytes | None = None) -> None:
    archive = build_archive(f"lock {identity}\n", None, uv=False) if data is None else data
    asyncio.run(run_script(LocalShell(), "build", "x-1/.environment", uv, "3.12", wheels, identity, data=archive))


def test_an_environment_is_built_below_the_fleets_folder_and_nowhere_else(home: Path, tmp_path: Path) -> None:
    build(str(tmp_path / "uv"))
    root = home / ".daskfleet/x-1/.environment"
    assert {entry.name for entry in root.iterdir()} == {"venv", "ready"}
    assert (home / "installed").read_text() == "lock 1\n"
    told = (home / "told").read_text().splitlines()
    assert all(line.startswith(f"{root}/build/cache {root}/python ") for line in told)
    assert told[0].endswith(f"venv --quiet --python 3.12 {root}/venv")
    assert "--require-hashes" in told[1]
    assert "--no-index" not in told[1]
    assert {entry.name for entry in home.iterdir()} == {".daskfleet", "told", "installed"}
    for folder, _, _ in os.walk(home / ".daskfleet"):
        assert Path(folder).stat().st_mode & 0o077 == 0, folder


def test_with_wheels_nothing_but_them_is_installed(home: Path, tmp_path: Path) -> None:
    build(str(tmp_path / "uv"), "wheels")
    assert "--no-index --find-links wheels requirements.txt" in (home / "told").read_text()


def test_an_environment_that_is_ready_is_not_built_again_until_its_lock_is_another(home: Path, tmp_path: Path) -> None:
    for identity, calls in (("1", 2), ("1", 2), ("2", 4)):
        build(str(tmp_path / "uv"), identity=identity)
        assert len((home / "told").read_text().splitlines()) == calls
    assert (home / "installed").read_text() == "lock 2\n"


def test_an_environment_that_was_not_finished_is_built_anew(home: Path, tmp_path: Path) -> None:
    (home / "fails").touch()
    with pytest.raises(HostFailed, match="build: no such package"):
        build(str(tmp_path / "uv"))
    assert not (home / ".daskfleet/x-1/.environment/ready").exists()
    (home / "fails").unlink()
    build(str(tmp_path / "uv"))
    assert (home / ".daskfleet/x-1/.environment/ready").read_text() == "1\n"


def test_the_uv_that_comes_along_is_used_where_there_is_none(home: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text, mode in (("requirements.txt", "lock\n", 0o600), ("uv", UV, 0o755)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    build("", data=buffer.getvalue())
    assert (home / "installed").read_text() == "lock\n"
    assert not (home / ".daskfleet/x-1/.environment/build").exists()
