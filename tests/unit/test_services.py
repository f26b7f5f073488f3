"""What the commands do, without a terminal: which spec is meant, logs that are followed, words that are completed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers import find_provider, load_provider
from daskfleet.providers.local import LocalProvider
from daskfleet.providers.local.state import LocalState, size_groups
from daskfleet.services.logs import LogFile, follow_logs, read_last_lines
from daskfleet.services.names import complete_fleets, complete_groups, complete_nodes
from daskfleet.services.overview import read_overviews
from daskfleet.services.specs import build_default_spec, find_spec
from daskfleet_stacks.spec import LocalFleetSpec, SpecError, parse_fleet_spec


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def make_fleet(name: str, *groups: str) -> LocalFleetSpec:
    """The files of a fleet of which nothing runs."""
    spec = parse_fleet_spec(
        {"name": name, "provider": "local", "workers": [{"name": group, "count": 1} for group in groups or ("cpu",)]}
    )
    assert isinstance(spec, LocalFleetSpec)
    state = LocalState(
        spec=spec,
        scheduler_port=8786,
        dashboard_port=8787,
        groups=size_groups(spec, lambda: 1),
        created=1.0,
        working_directory="/",
    )
    paths = fleet_paths(name)
    paths.root.mkdir(parents=True)
    paths.state.write_text(state.model_dump_json())
    return spec


# Which spec is meant


def test_nothing_means_a_fleet_that_fills_this_machine():
    assert find_spec(None) == build_default_spec() == LocalFleetSpec(name="local")


def test_nothing_means_the_default_fleet_as_it_is_where_there_is_one():
    spec = make_fleet("local", "gpu")
    assert find_spec(None) == spec


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_nothing_means_a_fresh_fleet_where_the_default_one_is_damaged(content: bytes):
    make_fleet("local", "gpu")
    fleet_paths("local").state.write_bytes(content)
    assert find_spec(None) == build_default_spec()


def test_a_file_is_read_and_a_name_is_the_fleet_as_it_is():
    spec = make_fleet("x", "gpu")
    Path("fleet.yaml").write_text("name: y\nprovider: local\n")
    assert find_spec("fleet.yaml").name == "y"
    assert find_spec(str(Path("fleet.yaml").absolute())).name == "y"
    assert find_spec("x") == spec


def test_a_file_comes_before_a_fleet_of_the_same_name():
    make_fleet("x", "gpu")
    Path("x").write_text("name: y\nprovider: local\n")
    assert find_spec("x").name == "y"


def test_a_file_with_mistakes_is_told_with_its_name():
    Path("bad.yaml").write_text("name: x\n\nprovider: lokal\n")
    with pytest.raises(SpecError, match=r"^bad\.yaml:3: provider: 'lokal'"):
        find_spec("bad.yaml")


def test_a_file_that_is_no_text_is_told():
    Path("fleet.yaml").write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(FleetError, match=r"fleet\.yaml is no text file in UTF-8"):
        find_spec("fleet.yaml")


def test_a_file_that_begins_with_a_byte_order_mark_is_read():
    Path("fleet.yaml").write_bytes("\ufeffname: x\nprovider: local\n".encode())
    assert find_spec("fleet.yaml").name == "x"


def test_a_misspelt_file_or_fleet_is_answered_with_the_nearest():
    Path("fleet.yaml").touch()
    make_fleet("research")
    with pytest.raises(FleetError, match=r"there is no file fleet\.yml\. Did you mean fleet\.yaml\?"):
        find_spec("fleet.yml")
    with pytest.raises(FleetError, match=r"no file reserch, and no fleet named 'reserch'\. Did you mean research\?"):
        find_spec("reserch")


def test_a_folder_is_told_as_a_folder():
    with pytest.raises(FleetError, match=r"\. is a folder; give the fleet file in it"):
        find_spec(".")


@pytest.mark.parametrize(
    "target", ["nothing", "../x", "a b", "ü", "x" * 300, "a\x00b", "x/" * 3000, "/dev/null/x", "~"]
)
def test_a_target_that_is_nothing_is_told_with_the_way_to_begin(target: str):
    with pytest.raises(FleetError, match=r"there is no file .*`daskfleet init` writes a file to begin with"):
        find_spec(target)


# Which provider


def test_a_provider_that_this_version_lacks_is_told():
    assert isinstance(load_provider("local"), LocalProvider)
    with pytest.raises(FleetError, match="no provider 'slurm'; it has: local, ssh, aws, gcp, azure"):
        load_provider("slurm")


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"provider": 3}', "\x00"])
def test_a_fleet_of_which_the_files_are_damaged_still_has_its_provider(content: str):
    make_fleet("x")
    fleet_paths("x").state.write_text(content)
    assert isinstance(find_provider("x"), LocalProvider)


def test_the_connection_tells_the_provider_where_the_state_does_not():
    make_fleet("x")
    fleet_paths("x").state.write_text("{")
    fleet_paths("x").connection.write_text('{"provider": "slurm"}')
    with pytest.raises(FleetError, match="no provider 'slurm'"):
        find_provider("x")


def test_the_overview_lists_fleets_that_are_damaged_too():
    make_fleet("b")
    make_fleet("a")
    fleet_paths("a").state.write_bytes(b"\xff\xfe")
    fleet_paths("b").connection.write_bytes(b"\xff\xfe")
    assert [(each.name, each.state) for each in read_overviews()] == [("a", "damaged"), ("b", "damaged")]


# Completion


def test_fleets_are_completed_by_their_beginning():
    for name in ("research", "reserve", "local"):
        make_fleet(name)
    assert complete_fleets("") == ["local", "research", "reserve"]
    assert complete_fleets("rese") == ["research", "reserve"]
    assert complete_fleets("../") == []


def test_groups_and_nodes_are_completed_for_the_fleet_named_before():
    make_fleet("local", "cpu")
    make_fleet("x", "gpu", "general")
    context = SimpleNamespace(params={"name": "x"})
    assert complete_groups(context, "g") == ["gpu", "general"]
    assert complete_groups(context, "ge") == ["general"]
    assert complete_nodes(context, "") == ["scheduler", "gpu", "general"]
    assert complete_nodes(context, "s") == ["scheduler"]
    assert complete_groups(SimpleNamespace(params={}), "") == ["cpu"]
    assert complete_groups(SimpleNamespace(params={"name": None}), "") == ["cpu"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b'{"groups": 3}', b'{"groups": [3]}', b"\xff\xfe", b'{"groups": {"a": 1}}']
)
def test_completion_says_nothing_where_it_knows_nothing(content: bytes):
    make_fleet("x")
    fleet_paths("x").state.write_bytes(content)
    for name in ("x", "nobody", "../x", "", "x" * 300):
        assert complete_groups(SimpleNamespace(params={"name": name}), "") == []
        assert complete_nodes(SimpleNamespace(params={"name": name}), "") == ["scheduler"]


def test_completion_says_nothing_without_a_home(monkeypatch: pytest.MonkeyPatch):
    def getpwuid(uid: int) -> None:
        raise KeyError(uid)

    for variable in ("HOME", "XDG_DATA_HOME", "DASKFLEET_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", getpwuid)
    assert complete_fleets("") == []
    assert complete_groups(SimpleNamespace(params={"name": "x"}), "") == []


# Logs


def make_log(name: str = "cpu", text: str | None = "") -> LogFile:
    path = Path(f"{name}.log").absolute()
    if text is not None:
        path.write_text(text)
    return LogFile(name, str(path))


def append(log: LogFile, data: str | bytes) -> None:
    with Path(log.path).open("ab") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def rotate(log: LogFile) -> None:
    """As supervisord does it."""
    os.replace(log.path, f"{log.path}.1")  # noqa: PTH105
    Path(log.path).touch()


def follow(logs: list[LogFile], *steps: Callable[[], Any], lines: int = 10) -> list[tuple[str, str]]:
    """What is told when the steps happen one after the other, each before the logs are looked at again."""
    todo: Iterator[Callable[[], Any]] = iter(steps)

    def is_over() -> bool:
        step = next(todo, None)
        if step is not None:
            step()
        return step is None

    return list(follow_logs(logs, lines, is_over=is_over))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daskfleet.services.logs.POLL_SECONDS", 0)


def test_the_last_lines_of_a_log_are_read():
    log = make_log(text="a\nb\nc\n")
    assert read_last_lines(log, 2) == ["b", "c"]
    assert read_last_lines(log, 99) == ["a", "b", "c"]
    assert read_last_lines(log, 0) == []
    assert read_last_lines(make_log("none", None), 5) == []


def test_a_log_that_is_no_text_is_read_all_the_same():
    log = make_log()
    append(log, b"a\xff\nb\n")
    assert read_last_lines(log, 5) == ["a\ufffd", "b"]


def test_what_is_added_is_told_once_and_in_order():
    log = make_log(text="old 1\nold 2\n")
    told = follow([log], lambda: append(log, "new 1\nnew 2\n"), lambda: None, lambda: append(log, "new 3\n"), lines=1)
    assert told == [("cpu", "old 2"), ("cpu", "new 1"), ("cpu", "new 2"), ("cpu", "new 3")]


def test_a_line_that_grows_is_told_when_it_is_whole():
    log = make_log()
    assert follow([log], lambda: append(log, "begin"), lambda: append(log, "ning\nnext\n")) == [
        ("cpu", "beginning"),
        ("cpu", "next"),
    ]


def test_a_character_that_is_written_in_two_parts_is_told_whole():
    log = make_log()
    first, second = "größe\n".encode()[:3], "größe\n".encode()[3:]
    assert follow([log], lambda: append(log, first), lambda: append(log, second)) == [("cpu", "größe")]


def test_a_log_that_is_rotated_is_followed_into_its_new_file():
    log = make_log(text="old\n")
    told = follow(
        [log],
        lambda: append(log, "before\n"),
        lambda: rotate(log),
        lambda: append(log, "after\n"),
        lambda: append(log, "later\n"),
    )
    assert [line for _, line in told] == ["old", "before", "after", "later"]


def test_a_new_file_that_is_already_longer_than_the_old_is_told_from_its_beginning():
    log = make_log(text="old\n")

    def grow() -> None:
        rotate(log)
        append(log, "after 1, much longer than all that was before\nafter 2\n")

    assert [line for _, line in follow([log], grow)] == [
        "old",
        "after 1, much longer than all that was before",
        "after 2",
    ]


def test_what_was_added_just_before_a_rotation_is_told_too():
    log = make_log(text="old\n")

    def finish() -> None:
        append(log, "before\n")
        rotate(log)
        append(log, "after\n")

    assert [line for _, line in follow([log], finish)] == ["old", "before", "after"]


def test_a_log_that_is_truncated_is_told_from_its_new_beginning():
    log = make_log(text="a long old line\n")
    told = follow([log], lambda: Path(log.path).write_text("new\n"))
    assert [line for _, line in told] == ["a long old line", "new"]


def test_a_log_that_comes_later_and_goes_and_comes_back_is_followed():
    log = make_log(text=None)
    told = follow(
        [log],
        lambda: append(log, "first\n"),
        lambda: Path(log.path).unlink(),
        lambda: None,
        lambda: append(log, "second\n"),
    )
    assert [line for _, line in told] == ["first", "second"]


def test_several_logs_are_told_with_their_nodes():
    a, b = make_log("a", "a old\n"), make_log("b", "b old\n")
    told = follow([a, b], lambda: append(b, "b new\n"), lambda: append(a, "a new\n"))
    assert told == [("a", "a old"), ("b", "b old"), ("b", "b new"), ("a", "a new")]


def test_what_is_written_until_the_end_is_still_told():
    log = make_log(text="old\n")

    def is_over() -> bool:
        append(log, "last words\n")
        return True

    assert list(follow_logs([log], 5, is_over=is_over)) == [("cpu", "old"), ("cpu", "last words")]
