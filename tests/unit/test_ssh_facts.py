"""What a host says of itself, as a real one says it, and what is found wrong with it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from daskfleet.providers.ssh.facts import (
    CLOCK_LIMIT_SECONDS,
    CLOCK_SECONDS,
    MIN_DISK,
    MIN_MEMORY,
    NEEDED,
    HostFacts,
    PythonFacts,
    describe_host,
    find_host_problems,
    find_python_problem,
    find_shared_homes,
    find_version_problem,
    parse_facts,
    read_versions,
)
from daskfleet.providers.ssh.probing import probe_host
from daskfleet.providers.ssh.shell import LocalShell
from daskfleet.providers.ssh.state import Place
from daskfleet_stacks.connection import Versions
from daskfleet_stacks.versions import read_own_versions


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return home


def probe(python: str = "", *, scratch: Path | str = "/tmp", folder: Path | str = "") -> HostFacts:
    return asyncio.run(
        probe_host(LocalShell(), Place(host="", scratch=str(scratch)), python, working_directory=str(folder))
    )


def write_python(path: Path, text: str, mode: int = 0o700) -> str:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(mode)
    return str(path)


# A real answer


def test_this_machine_tells_what_it_is_like_and_nothing_is_wrong_with_it(home: Path) -> None:
    facts = probe(sys.executable)
    assert facts.values["system"] == platform.system()
    assert facts.values["machine"] == platform.machine()
    assert facts.values["uid"] == str(os.getuid())
    assert facts.home == str(home)
    assert facts.clock_offset == 0
    assert facts.values["missing"] == ""
    assert "python_problem" not in facts.values
    memory, free = facts.read_bytes("memory"), facts.read_bytes("memory_free")
    assert memory is not None
    assert free is not None
    assert 0 < free < memory == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), rel=0.01)
    assert find_host_problems(facts, "/tmp") == []
    assert find_python_problem(facts, sys.executable, "same") == ""


def test_this_python_tells_its_own_versions_and_cores(home: Path) -> None:
    facts = probe(sys.executable).python
    assert facts is not None
    assert facts.versions == {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in NEEDED},
    }
    assert 1 <= facts.cores <= (os.cpu_count() or 1)
    assert read_versions(facts) == read_own_versions()
    assert find_version_problem(facts, read_own_versions()) == ""


def test_asking_changes_nothing_in_the_home_directory_nor_where_it_would_spill(home: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    probe(sys.executable, scratch=scratch, folder=scratch)
    assert list(home.iterdir()) == list(scratch.iterdir()) == []


def test_a_port_that_somebody_listens_on_is_told(home: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        ports = {four.getsockname()[1], six.getsockname()[1]}
        assert ports <= probe().listening
    assert not ports & probe().listening


def test_without_a_python_none_is_asked(home: Path) -> None:
    facts = probe()
    assert facts.python is None
    assert facts.cores >= 1
    assert not {"python_facts", "python_problem"} & facts.values.keys()


def test_a_host_tells_by_which_address_it_is_reached_and_from_where(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50022 10.0.0.5 22")
    values = probe().values
    assert (values["client"], values["server"]) == ("10.0.0.1", "10.0.0.5")


def test_the_folder_that_tasks_would_start_in_is_looked_for(home: Path, tmp_path: Path) -> None:
    strange = tmp_path / 'it\'s a "$HOME" `id` ü'
    strange.mkdir()
    assert probe(folder=strange).values.get("folder") == "yes"
    assert "folder" not in probe(folder=strange / "none").values
    assert "folder" not in probe(folder="").values


def test_a_scratch_folder_that_is_not_there_is_a_problem(home: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    facts = probe(scratch=nowhere)
    assert find_host_problems(facts, str(nowhere)) == [
        f"{nowhere} is not there or cannot be written to; name another folder with `scratch`"
    ]


def test_a_home_directory_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    (problem,) = find_host_problems(probe(), "/tmp")
    assert f"cannot write to the home directory {tmp_path / 'none'}" in problem
    assert "name another user" in problem


def test_without_a_home_directory_there_is_a_problem_and_no_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    facts = probe(sys.executable)
    assert facts.python is not None
    (problem,) = find_host_problems(facts, "/tmp")
    assert "home directory (none)" in problem


def test_hosts_with_one_home_directory_are_told_apart_from_those_with_their_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, same = probe(), probe()
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("HOME", str(other))
    assert find_shared_homes([("a", one), ("b", probe()), ("c", same)]) == [["a", "c"]]


# A Python that is of no use


def test_a_python_that_is_not_there_is_told_with_what_to_do_in_each_mode(home: Path) -> None:
    facts = probe("/nowhere/python")
    told = {mode: find_python_problem(facts, "/nowhere/python", mode) for mode in ("same", "existing", "ship")}
    assert all(problem.startswith("there is no /nowhere/python; ") for problem in told.values())
    assert len(set(told.values())) == 3


def test_a_python_that_may_not_be_run_is_told_with_whose_it_would_be(home: Path, tmp_path: Path) -> None:
    python = write_python(tmp_path / "python", "exit 0\n", 0o600)
    problem = find_python_problem(probe(python), python, "existing")
    assert problem.startswith("user ")
    assert f" may not run {python}; give the path of one that is there" in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exit 1\n", "it said nothing"),
        ("echo first >&2; echo 'no such library' >&2; exit 127\n", "no such library"),
        ("exit 0\n", "it said nothing"),
        ("echo '{\"cores\": 1}'\n", "it said nothing"),
        ("echo hello\n", "it said nothing"),
    ],
)
def test_a_python_that_does_not_run_is_told_with_the_last_that_it_said(
    home: Path, tmp_path: Path, text: str, told: str
) -> None:
    python = write_python(tmp_path / "python", text)
    facts = probe(python)
    assert facts.python is None
    assert f"{python} does not run: {told}; " in find_python_problem(facts, python, "existing")


def test_a_python_that_warns_before_it_answers_is_heard_all_the_same(home: Path, tmp_path: Path) -> None:
    text = f'echo "UserWarning: x=1 is old" >&2; echo home=/elsewhere >&2\nexec {sys.executable} "$@"\n'
    facts = probe(write_python(tmp_path / "python", text))
    assert facts.python is not None
    assert facts.python.versions["python"] == platform.python_version()
    assert facts.home == str(home)


def test_a_python_without_what_nodes_need_is_told_how_to_get_it(home: Path) -> None:
    versions = {
        "python": "3.12.1",
        "dask": "1",
        "distributed": "1",
        "cloudpickle": None,
        "pydantic": None,
        "psutil": "1",
    }
    facts = HostFacts(python=PythonFacts(versions, 0))
    assert (
        find_python_problem(facts, "/p", "same")
        == "/p lacks cloudpickle, pydantic; /p -m pip install cloudpickle pydantic"
    )
    assert find_python_problem(facts, "/p", "ship") == "/p lacks cloudpickle, pydantic; put them into the lock file"
    assert facts.cores == 1


# Versions


WANTED = Versions("3.12.1", "2026.1.0", "2026.1.1", "3.1.0")


def versions(**changes: str | None) -> PythonFacts:
    told = {"python": "3.12.1", "dask": "2026.1.0", "distributed": "2026.1.1", "cloudpickle": "3.1.0", "psutil": "7"}
    return PythonFacts({**told, **changes}, 4)


@pytest.mark.parametrize("changes", [{}, {"python": "3.12.9"}, {"psutil": "1"}, {"pydantic": None}])
def test_versions_that_do_not_matter_may_differ(changes: dict[str, str | None]) -> None:
    assert find_version_problem(versions(**changes), WANTED) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"python": "3.11.1"}, "python 3.11.1 instead of 3.12.1"),
        ({"python": "3.1.2"}, "python 3.1.2 instead of 3.12.1"),
        ({"dask": "2026.1.1"}, "dask 2026.1.1 instead of 2026.1.0"),
        ({"distributed": "2026.1.0"}, "distributed 2026.1.0 instead of 2026.1.1"),
        ({"cloudpickle": None}, "cloudpickle None instead of 3.1.0"),
        ({"dask": "1", "cloudpickle": "2"}, "dask 1 instead of 2026.1.0, cloudpickle 2 instead of 3.1.0"),
    ],
)
def test_versions_that_tasks_depend_on_are_told(changes: dict[str, str | None], told: str) -> None:
    problem = find_version_problem(versions(**changes), WANTED)
    assert problem == f"it has other versions than the fleet: {told}; install the same"


# The clock


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 30.0, 600.0])
@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_a_clock_that_is_right_is_right_however_slow_the_answer(fraction: float, seconds: float, at: float) -> None:
    """The host looks at its clock at some moment between the question and the answer, and tells whole seconds."""
    before = 1_800_000_000 + fraction
    told = int(before + at * seconds)
    assert parse_facts(f"time={told}", before=before, after=before + seconds).clock_offset == 0


@pytest.mark.parametrize("offset", [-90_000.0, -3_600.0, -61.0, 61.0, 3_600.0, 90_000.0])
@pytest.mark.parametrize("seconds", [0.01, 5.0])
def test_a_clock_that_is_off_is_off_by_that_much_to_that_side(offset: float, seconds: float) -> None:
    before = 1_800_000_000.4
    told = int(before + seconds / 2 + offset)
    found = parse_facts(f"time={told}", before=before, after=before + seconds).clock_offset
    assert found == pytest.approx(offset, abs=seconds + 1)
    assert (found > 0) == (offset > 0)
    assert abs(found) <= abs(offset) + 1


@pytest.mark.parametrize("text", ["", "time=", "time=now", "time=-5"])
def test_a_host_without_a_clock_has_none_that_is_off(text: str) -> None:
    assert parse_facts(text, before=time.time(), after=time.time()).clock_offset == 0


# What it printed


def test_what_a_host_printed_is_read_line_by_line() -> None:
    facts = parse_facts("system=Linux\nhome=/a=b\nlistening= 22 8786\nno sense\ncores=6\n", before=0, after=0)
    assert facts.values == {"system": "Linux", "home": "/a=b", "listening": " 22 8786", "cores": "6"}
    assert facts.listening == {22, 8786}
    assert facts.cores == 6


@pytest.mark.parametrize("text", ["", "\n\n", "hello", "=", "python_facts=[]", "python_facts={", "python_facts=3"])
def test_an_answer_that_makes_no_sense_is_no_error(text: str) -> None:
    facts = parse_facts(text, before=0, after=0)
    assert facts.python is None
    assert (facts.home, facts.cores, facts.listening, facts.has_manager) == ("", 1, frozenset(), False)
    assert facts.read_bytes("memory_free") is None
    assert find_host_problems(facts, "/tmp")
    assert describe_host(facts)


@pytest.mark.parametrize(("cores", "told", "expected"), [(4, "8", 4), (0, "8", 1), (None, "8", 8), (None, "", 1)])
def test_the_cores_are_those_that_dask_would_use(cores: int | None, told: str, expected: int) -> None:
    python = None if cores is None else PythonFacts({}, cores)
    assert HostFacts({"cores": told}, python).cores == expected


# What is wrong with a host


GOOD = {
    "system": "Linux", "machine": "x86_64", "user": "u", "home": "/home/u", "home_writable": "yes",
    "scratch_writable": "yes", "home_free": "9999999", "scratch_free": "9999999", "memory_free": "9999999",
    "memory": "19999999", "missing": "", "cores": "4",
}  # fmt: skip


def facts_with(offset: float = 0.0, **changes: str | None) -> HostFacts:
    return HostFacts({key: value for key, value in {**GOOD, **changes}.items() if value is not None}, None, offset)


def test_nothing_is_wrong_with_a_good_host() -> None:
    assert find_host_problems(facts_with(), "/tmp") == []


@pytest.mark.parametrize(
    ("changes", "told", "remedy"),
    [
        ({"system": "Darwin"}, "it runs Darwin, and nodes over SSH need Linux", "leave it out"),
        ({"system": None}, "it runs an unknown system", "leave it out"),
        ({"missing": " setsid tar"}, "it lacks setsid, tar", "install what is missing"),
        ({"home": None}, "home directory (none)", "user@host"),
        ({"home": "relative"}, "home directory relative", "user@host"),
        ({"home_writable": None}, "user u cannot write to the home directory /home/u", "user@host"),
        ({"scratch_writable": None}, "/tmp is not there or cannot be written to", "`scratch`"),
        ({"home_free": "1024"}, "the home directory /home/u has 1 MiB left", "make room there"),
        ({"scratch_free": "0"}, "/tmp has 0 MiB left, and a node needs 64 MiB", "make room there"),
        ({"memory_free": "102400"}, "100 MiB of memory are free, and a node needs 256 MiB", "end something"),
    ],
)
def test_what_keeps_a_host_from_having_a_node_is_told_with_what_to_do(
    changes: dict[str, Any], told: str, remedy: str
) -> None:
    (problem,) = find_host_problems(facts_with(**changes), "/tmp")
    assert told in problem
    assert remedy in problem.partition("; ")[2]
    assert "\n" not in problem


def test_everything_that_is_wrong_with_a_host_is_told_at_once() -> None:
    changes = {
        "missing": "tar",
        "home_writable": None,
        "scratch_writable": None,
        "scratch_free": "1",
        "memory_free": "1",
    }
    assert len(find_host_problems(facts_with(90_000, **changes), "/tmp")) == 6


def test_what_a_host_does_not_tell_is_no_problem() -> None:
    assert find_host_problems(facts_with(home_free=None, scratch_free="", memory_free="much"), "/tmp") == []


@pytest.mark.parametrize(
    ("key", "least"), [("home_free", MIN_DISK), ("scratch_free", MIN_DISK), ("memory_free", MIN_MEMORY)]
)
def test_just_enough_is_enough(key: str, least: int) -> None:
    assert find_host_problems(facts_with(**{key: str(least // 1024)}), "/tmp") == []
    assert len(find_host_problems(facts_with(**{key: str(least // 1024 - 1)}), "/tmp")) == 1


@pytest.mark.parametrize(("offset", "told"), [(90_000.0, "25 hours ahead"), (-90_000.0, "25 hours behind")])
def test_a_clock_that_certificates_do_not_bear_is_a_problem(offset: float, told: str) -> None:
    (problem,) = find_host_problems(facts_with(offset), "/tmp")
    assert told in problem
    assert find_host_problems(facts_with(CLOCK_LIMIT_SECONDS - 1), "/tmp") == []


@pytest.mark.parametrize(("offset", "told"), [(120.0, "clock 120 s ahead"), (-120.0, "clock 120 s behind"), (30.0, "")])
def test_a_clock_that_is_off_is_told_where_a_host_is_described(offset: float, told: str) -> None:
    assert CLOCK_SECONDS == 60
    described = describe_host(facts_with(offset))
    assert told in described
    assert ("clock" in described) == bool(told)


def test_a_host_is_described_in_a_line() -> None:
    python = PythonFacts({"python": "3.12.1"}, 1)
    gib = {"memory": str(8 * 2**20), "memory_free": str(2**21), "scratch_free": str(2**20), "home_free": "1"}
    assert describe_host(HostFacts({**GOOD, **gib}, python)) == (
        "Python 3.12.1, 1 core, 2.0 of 8.0 GiB free, 1.0 GiB to spill to, "
        "does not rejoin after a restart (no systemd for its user)"
    )


@pytest.mark.parametrize(
    ("values", "manager", "told"),
    [
        ({}, False, "no systemd for its user"),
        ({"linger": "yes"}, False, "no systemd for its user"),
        ({"manager": "yes", "linger": "no"}, False, "loginctl enable-linger"),
        ({"manager": "yes", "linger": "yes"}, True, "rejoins after a restart"),
    ],
)
def test_who_looks_after_a_node_is_told(values: dict[str, str], manager: bool, told: str) -> None:
    facts = facts_with(**values)
    assert facts.has_manager == manager
    assert told in describe_host(facts)


def test_hosts_that_share_a_home_directory_are_told_together() -> None:
    def host(home: str, identity: str) -> HostFacts:
        return HostFacts({"home": home, "home_identity": identity})

    hosts = {
        "a": host("/home/u", "1:x"),
        "b": host("/home/u", "2:x"),
        "c": host("/home/u", "1:x"),
        "d": host("/home/v", "1:x"),
        "e": host("/home/u", ""),
        "f": host("/home/u", ""),
        "g": host("/home/u", "2:x"),
    }
    assert find_shared_homes(hosts.items()) == [["a", "c"], ["b", "g"]]
    assert find_shared_homes([]) == []


def test_what_a_python_says_is_one_line_of_json_that_imports_nothing_of_ours(tmp_path: Path) -> None:
    from daskfleet.providers.ssh.bundle import read_own

    program = read_own("scripts/facts.py")
    assert "daskfleet" not in program
    line = json.dumps({"versions": {"python": "3.12.1", "dask": None}, "cores": 3})
    assert parse_facts(f"python_facts={line}\n", before=0, after=0).python == PythonFacts(
        {"python": "3.12.1", "dask": None}, 3
    )
