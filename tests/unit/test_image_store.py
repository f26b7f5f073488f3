"""The images of this machine, which of them a client is given, and the folders that builds leave."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from daskfleet.errors import FleetError
from daskfleet.services.images import store, workspace
from daskfleet.services.images.catalogue import find_image
from daskfleet.services.images.choose import NoFittingImage, choose_image, find_defaults, find_differences
from daskfleet.services.images.model import Image
from daskfleet.services.images.names import (
    check_family,
    choose_version,
    complete_families,
    complete_images,
    parse_image_name,
)
from daskfleet.services.images.workspace import open_workspace
from daskfleet_stacks.connection import Versions
from images import VERSION, make_image, make_manifest

CLIENT = Versions(python="3.11.7", dask="2026.8.0", distributed="2026.8.0", cloudpickle="3.1.2")
NOW = datetime.datetime(2026, 11, 24, 8, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def image(version: str = VERSION, **changes: Any) -> Image:
    values = {**dataclasses.asdict(CLIENT), "python": "3.11.2", "arch": "x86_64"}
    return Image(**{"provider": "local", "family": "f", "version": version, "id": version, **values, **changes})


# Names


@pytest.mark.parametrize("text", ["", "A", "../x", "f/", "f/latest", "f/2026", "f/202611240830/x", "f/../x"])
def test_a_word_that_is_no_image_is_refused(text: str):
    with pytest.raises(FleetError):
        parse_image_name(text)


def test_a_name_is_a_family_with_or_without_a_version():
    assert parse_image_name("f") == ("f", None)
    assert parse_image_name(f"f/{VERSION}") == ("f", VERSION)


def test_a_name_that_is_good_here_is_good_in_a_manifest():
    for family in ("a", "a-b", "x" * 40):
        check_family(family)
        assert make_manifest(family=family).family == family


def test_a_version_is_its_minute_or_the_first_that_is_free():
    assert choose_version(NOW, set()) == "202611240830"
    assert choose_version(NOW.replace(minute=59), {"202611240859"}) == "202611240900"
    east = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert choose_version(east, set()) == "202611240830"


def test_families_and_versions_are_completed(home: Path):
    assert complete_families("") == complete_images("") == []
    make_image(home, family="a", version="202601010000")
    assert complete_images("") == ["a/202601010000"]
    make_image(home, family="b", version="202601010000")
    make_image(home, family="b", version="202602010000")
    assert complete_families("b") == ["b"]
    assert complete_images("") == ["a", "b"]
    assert complete_images("b/") == ["b/202602010000", "b/202601010000"]
    assert complete_images("b/202602") == ["b/202602010000"]
    assert complete_images("../") == []


# Which image a client is given


def test_the_newest_that_fits_is_chosen():
    images = [image("202601010000"), image("202603010000"), image("202602010000"), image("202604010000", dask="1")]
    assert choose_image(images, "f", "x86_64", CLIENT).version == "202603010000"
    assert find_defaults(images, CLIENT) == {"202603010000"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"python": "3.12.1"}, "python is 3.12.1 in it and 3.11.7 here"),
        ({"dask": "2026.8.1"}, "dask is 2026.8.1 in it and 2026.8.0 here"),
        ({"distributed": "1"}, "distributed is 1 in it"),
        ({"cloudpickle": ""}, "cloudpickle is unknown in it"),
        ({"arch": "aarch64"}, "it is for aarch64, and x86_64 is wanted"),
        ({"problem": "image.qcow2 is empty"}, "it is damaged: image.qcow2 is empty"),
    ],
)
def test_where_none_fits_it_is_told_what_differs_and_how_to_build_one(changes: dict[str, str], words: str):
    with pytest.raises(NoFittingImage, match=words) as caught:
        choose_image([image(**changes)], "f", "x86_64", CLIENT)
    assert "daskfleet image build --family f --arch x86_64 --environment FILE" in str(caught.value)


def test_the_patch_release_of_python_does_not_count():
    assert find_differences(image(python="3.11.2"), CLIENT) == []


def test_the_nearest_is_the_one_that_differs_least():
    images = [image("202601010000", dask="1"), image("202602010000", dask="1", distributed="1")]
    with pytest.raises(NoFittingImage, match=r"none of the 2 images .* The nearest is f/202601010000: dask"):
        choose_image(images, "f", "x86_64", CLIENT)


def test_a_family_without_images_is_told():
    with pytest.raises(NoFittingImage, match="there is no image of the family 'g'"):
        choose_image([image()], "g", "x86_64", CLIENT)


def test_each_architecture_of_each_family_has_a_default():
    images = [image("202601010000", id="1"), image("202602010000", id="2", arch="aarch64"), image(id="3", family="g")]
    assert find_defaults(images, CLIENT) == {"1", "2", "3"}


def test_without_a_version_the_default_is_found_or_else_the_newest():
    images = [image("202602010000", dask="1"), image("202601010000")]
    assert find_image(images, "f", None, CLIENT).version == "202601010000"
    assert find_image(images[:1], "f", None, CLIENT).version == "202602010000"
    with pytest.raises(FleetError, match="of this family there is: 202602010000, 202601010000"):
        find_image(images, "f", "202603010000", CLIENT)


# The store


def test_images_are_listed_by_family_newest_first(home: Path):
    for family, version in (("b", "202601010000"), ("b", "202602010000"), ("a", "202601010000")):
        make_image(home, family=family, version=version)
    assert [each.name for each in store.list_images()] == ["a/202601010000", "b/202602010000", "b/202601010000"]
    (only,) = store.list_images("a")
    assert only.size is not None
    assert only.size >= 100_000
    assert store.list_images("nothing") == []


def test_what_is_no_image_is_not_listed(home: Path):
    for name in (".partial/x", "A/202601010000", "a/latest", "a/.202601010000.deleting"):
        (home / "images" / name).mkdir(parents=True)
    (home / "images/file").touch()
    assert store.list_images() == []


def test_without_a_home_there_are_no_images():
    assert store.list_images() == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "image.json").unlink(), "image.json cannot be read"),
        (lambda folder: (folder / "image.qcow2").unlink(), "image.qcow2 cannot be read"),
        (lambda folder: (folder / "image.qcow2").write_bytes(b""), "image.qcow2 is empty"),
        (lambda folder: (folder / "image.json").write_bytes(b"\xff\x00"), "the image manifest is not valid"),
        (lambda folder: (folder / "image.json").write_text("{}"), "the image manifest is not valid"),
        (
            lambda folder: (folder / "image.json").write_text(make_manifest(family="other").model_dump_json()),
            f"that of other/{VERSION}",
        ),
    ],
)
def test_a_damaged_image_is_listed_with_what_is_wrong_and_can_be_deleted(home: Path, damage: Any, words: str):
    damage(make_image(home))
    (found,) = store.list_images()
    assert words in found.problem
    assert find_defaults([found], CLIENT) == set()
    assert store.delete_image("daskfleet", VERSION)
    assert store.list_images() == []


def test_deleting_takes_an_image_its_log_and_an_empty_family_and_may_be_repeated(home: Path):
    folder = make_image(home)
    log = home / "images/.logs" / f"daskfleet-{VERSION}.log"
    log.parent.mkdir()
    log.touch()
    assert store.delete_image("daskfleet", VERSION)
    assert not folder.parent.exists()
    assert not log.exists()
    assert not store.delete_image("daskfleet", VERSION)


# The folder of a build


def fill(space: workspace.Workspace, **changes: Any) -> None:
    space.output.mkdir()
    (space.output / "image.qcow2").write_bytes(b"QFI")
    (space.output / "image.json").write_text(
        make_manifest(**{"family": space.family, "version": space.version, **changes}).model_dump_json()
    )


def test_a_build_is_kept_whole_and_its_folder_goes(home: Path):
    with open_workspace("f", NOW) as space:
        assert space.version == VERSION
        fill(space)
        folder = space.keep()
        assert space.folder.stat().st_mode & 0o077 == 0
    assert folder == home / "images/f" / VERSION
    assert not space.folder.exists()
    assert [each.problem for each in store.list_images()] == [""]


@pytest.mark.parametrize("changes", [{"version": "202601010000"}, {"family": "other"}])
def test_an_image_of_another_name_is_not_kept(changes: dict[str, str]):
    with open_workspace("f", NOW) as space:
        fill(space, **changes)
        with pytest.raises(FleetError, match=r"image\.json is that of"):
            space.keep()
    assert store.list_images() == []


def test_builds_side_by_side_and_images_have_versions_of_their_own(home: Path):
    make_image(home, family="f", version=VERSION)
    with open_workspace("f", NOW) as first, open_workspace("f", NOW) as second, open_workspace("g", NOW) as other:
        assert [first.version, second.version, other.version] == ["202611240831", "202611240832", VERSION]
        assert first.folder.exists()


def test_a_family_whose_name_begins_as_another_does_not_disturb_it(home: Path):
    with open_workspace("f-x", NOW) as first, open_workspace("f", NOW) as second:
        assert (first.version, second.version) == (VERSION, VERSION)


def test_what_killed_builds_and_deletions_have_left_goes_with_the_next_build(home: Path):
    partial = home / "images/.partial"
    for name in ("dead-202601010000", "unlocked-202601010000"):
        (partial / name).mkdir(parents=True)
    (partial / "dead-202601010000/lock").touch()
    (home / "images/f/.202601010000.deleting").mkdir(parents=True)
    alive = partial / "alive-202601010000"
    alive.mkdir()
    descriptor = os.open(alive / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # As packer holds it when its daskfleet was killed.
    try:
        with open_workspace("f", NOW):
            assert {path.name for path in partial.iterdir()} == {"alive-202601010000", f"f-{VERSION}"}
    finally:
        os.close(descriptor)
    assert list((home / "images/f").iterdir()) == []
    with open_workspace("f", NOW):
        assert not alive.exists()


def test_only_the_newest_logs_are_kept(home: Path):
    logs = home / "images/.logs"
    logs.mkdir(parents=True)
    for number in range(30):
        (logs / f"f-{number:012}.log").touch()
        os.utime(logs / f"f-{number:012}.log", (number, number))
    with open_workspace("f", NOW):
        assert sorted(path.name for path in logs.glob("f-0*")) == [f"f-{number:012}.log" for number in range(10, 30)]
    assert not (logs / f"f-{VERSION}.log").exists()  # Nothing was said.


def test_a_disk_without_room_is_told(tmp_path: Path):
    with pytest.raises(FleetError, match="make room, or set DASKFLEET_HOME"):
        workspace.check_room(tmp_path, 10**18)
