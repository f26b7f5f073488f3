"""Where files are kept, and how they are written: private, and whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from daskfleet.errors import FleetError
from daskfleet.home import (
    check_fleet_name,
    find_home,
    fleet_paths,
    list_fleet_names,
    make_private_folder,
    write_private_file,
)

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Names


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "x/..", "/", "/etc/passwd", "a/b", "a\\b", "a b", " a", "a ", "a.b", "a_b", "A", "-", "-a",
     "a-",
     "1", "1a", "ü", "日本", "x\n", "x\x00", "x" * 41, "x" * 300, "x;id", "$HOME", "*", "%(a)s", "local\u200b"],
)  # fmt: skip
def test_a_word_that_is_no_name_leads_to_no_path(home: Path, name: str):
    with pytest.raises(FleetError, match="is no name of a fleet") as caught:
        fleet_paths(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["a", "local", "a-1", "x" * 40])
def test_every_file_of_a_fleet_is_below_its_folder(home: Path, name: str):
    check_fleet_name(name)
    paths = fleet_paths(name)
    assert paths.root == home / "fleets" / name
    for path in (
        paths.state,
        paths.connection,
        paths.tls,
        paths.supervisor_config,
        paths.document("cpu"),
        paths.marks("cpu"),
        paths.log("cpu"),
    ):
        assert path.is_relative_to(paths.root)


def test_only_folders_with_a_name_of_a_fleet_are_fleets(home: Path):
    assert list_fleet_names() == []
    for name in ("b", "a", "Not-One", ".hidden", "a.b"):
        (home / "fleets" / name).mkdir(parents=True)
    (home / "fleets" / "file").touch()
    assert list_fleet_names() == ["a", "b"]


def test_fleets_that_cannot_be_listed_are_told(home: Path):
    home.mkdir()
    (home / "fleets").touch()
    with pytest.raises(FleetError, match="cannot be read: Not a directory"):
        list_fleet_names()


# The home


def test_the_home_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path))
    assert find_home() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DASKFLEET_HOME", "~/below")
    assert find_home() == tmp_path / "below"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASKFLEET_HOME", "relative")
    assert find_home() == tmp_path / "relative"


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_given_home_it_is_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str | None
):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if given is None:
        monkeypatch.delenv("DASKFLEET_HOME", raising=False)
    else:
        monkeypatch.setenv("DASKFLEET_HOME", given)
    home = find_home()
    assert home.is_relative_to(tmp_path)
    assert home.name == "daskfleet"


def forget_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this user one without a home and without an entry in the password database, as in many containers."""

    def getpwuid(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for variable in ("HOME", "XDG_DATA_HOME", "DASKFLEET_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", getpwuid)


def test_a_user_without_a_home_is_told_to_give_one(monkeypatch: pytest.MonkeyPatch):
    forget_user(monkeypatch)
    with pytest.raises(FleetError, match=r"HOME is not set and this user has none\. Set DASKFLEET_HOME"):
        find_home()


@pytest.mark.parametrize("given", ["~/x", "~", "~no-such-user/x"])
def test_a_given_home_below_a_home_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, given: str):
    forget_user(monkeypatch)
    monkeypatch.setenv("DASKFLEET_HOME", given)
    with pytest.raises(FleetError, match="DASKFLEET_HOME"):
        find_home()


# Folders


def test_a_private_folder_and_every_folder_made_for_it_is_only_this_users(tmp_path: Path, umask: int):
    folder = tmp_path / "a" / "b" / "c" / "d"
    make_private_folder(folder)
    modes = {path.name: oct(mode(path)) for path in (folder, *folder.parents[:3])}
    assert modes == dict.fromkeys(("a", "b", "c", "d"), "0o700")


def test_a_folder_that_others_could_read_is_closed(tmp_path: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    make_private_folder(folder)
    assert mode(folder) == 0o700


def test_making_a_folder_again_keeps_what_is_in_it(tmp_path: Path):
    make_private_folder(tmp_path / "a")
    (tmp_path / "a" / "file").touch()
    make_private_folder(tmp_path / "a")
    assert (tmp_path / "a" / "file").exists()


def test_a_link_is_no_private_folder(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(FleetError, match="belongs to another user or is a link"):
        make_private_folder(tmp_path / "link")
    assert mode(tmp_path / "real") == 0o755


@pytest.mark.parametrize("target", ["nowhere", "file"])
def test_a_link_that_leads_to_no_folder_is_refused(tmp_path: Path, target: str):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(FleetError, match="link"):
        make_private_folder(tmp_path / "link")


@needs_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(FleetError, match="belongs to another user or is a link; remove it, or set DASKFLEET_HOME"):
        make_private_folder(folder)


def test_a_folder_where_a_file_stands_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FleetError, match=r"cannot be written: (File exists|Not a directory)"):
            make_private_folder(path)


# Files


def test_a_private_file_is_only_this_users_whatever_the_umask(tmp_path: Path, umask: int):
    file = tmp_path / "key.pem"
    write_private_file(file, "secret ü\n")
    assert mode(file) == 0o600
    assert file.read_bytes() == "secret ü\n".encode()
    file.chmod(0o644)
    write_private_file(file, "newer")
    assert (mode(file), file.read_text()) == (0o600, "newer")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("old", ["the old content", None])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str | None
):
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "state.json"
    if old is not None:
        file.write_text(old)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FleetError, match=r"cannot be written: No space left on device\. Make room"):
        write_private_file(file, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == ([("state.json", old)] if old else [])


def test_a_write_that_is_interrupted_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fsync(_descriptor: int) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "state.json"
    file.write_text("old")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        write_private_file(file, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.json", "old")]


def test_what_is_not_text_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    file = tmp_path / "state.json"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_private_file(file, "\ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.json", "old")]


def test_a_file_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to("target")
    write_private_file(tmp_path / "link", "ours")
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_text() == "ours"


@pytest.mark.parametrize("place", ["none/file", "file/below", "folder"])
def test_a_place_that_cannot_be_written_is_told_with_a_way_out(tmp_path: Path, place: str):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "x").mkdir(parents=True)
    with pytest.raises(FleetError, match=r"cannot be written: .*Make room or mend its permissions, or set DASKFLEET"):
        write_private_file(tmp_path / place, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
