"""The spec of a fleet over SSH: how hosts are written, what it accepts, and what it refuses with a way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daskfleet_stacks.spec import SpecError, SshFleetSpec, parse_fleet_spec, parse_fleet_yaml
from daskfleet_stacks.spec.hosts import MAX_HOSTS, BadPattern, expand_hosts, split_user
from daskfleet_stacks.spec.problems import render_path
from daskfleet_stacks.spec.ssh import HostAddress, SshHost, find_scheduler_host, iterate_hosts

HEAD = "name: x\nprovider: ssh\n"


def make(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "provider": "ssh", "hosts": ["a"], **changes}


def parse(**changes: Any) -> SshFleetSpec:
    spec = parse_fleet_spec(make(**changes))
    assert isinstance(spec, SshFleetSpec)
    return spec


def refused(**changes: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_fleet_spec(make(**changes))
    return str(caught.value).splitlines()


def places(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(SpecError) as caught:
        parse_fleet_yaml(text, "fleet.yaml")
    return [(problem.line, render_path(problem.path)) for problem in caught.value.problems]


# Names of hosts


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("team-server.lan", ["team-server.lan"]),
        ("10.0.0.5", ["10.0.0.5"]),
        ("::1", ["::1"]),
        ("fe80::1%eth0", ["fe80::1%eth0"]),
        ("desk_17", ["desk_17"]),
        ("rack[01-03].lan", ["rack01.lan", "rack02.lan", "rack03.lan"]),
        ("rack[1,3,7-9]", ["rack1", "rack3", "rack7", "rack8", "rack9"]),
        ("[1,3,7-9]", ["1", "3", "7", "8", "9"]),
        ("a[1-2]b[3-4]", ["a1b3", "a1b4", "a2b3", "a2b4"]),
        ("r[1-2]x[07-08]y[5]", ["r1x07y5", "r1x08y5", "r2x07y5", "r2x08y5"]),
        ("10.0.[1-2].[1-2]", ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2"]),
        ("r[ 1 - 3 , 5 ]", ["r1", "r2", "r3", "r5"]),
        ("r[7]", ["r7"]),
        ("r[08-11]", ["r08", "r09", "r10", "r11"]),
        ("r[098-101]", ["r098", "r099", "r100", "r101"]),
        ("r[8-11]", ["r8", "r9", "r10", "r11"]),
        ("r[5-5]", ["r5"]),
        ("r[000]", ["r000"]),
    ],
)
def test_a_pattern_stands_for_its_hosts_in_order(pattern: str, hosts: list[str]):
    assert expand_hosts(pattern) == hosts


@pytest.mark.parametrize("size", [16, MAX_HOSTS])
def test_as_many_hosts_as_there_may_be_are_all_there(size: int):
    hosts = expand_hosts(f"rack[1-{size}]")
    assert len(set(hosts)) == len(hosts) == size
    assert (hosts[0], hosts[-1]) == ("rack1", f"rack{size}")


NO_HOSTS = {
    "nothing": ("", "no name or address"),
    "an option": ("-oProxyCommand=x", "no name or address"),
    "an option with a range": ("-[1-2]", "no name or address"),
    "a space": ("a b", "no name or address"),
    "a space after a range": ("a[1-2] b", "no name or address"),
    "a command": ("$(x)", "no name or address"),
    "a command in backticks": ("`x`", "no name or address"),
    "a line's end": ("a\n", "no name or address"),
    "a line's end after a range": ("a[1-2]\n", "no name or address"),
    "two lines": ("a\nb", "no name or address"),
    "a zero byte": ("a\0", "no name or address"),
    "a path": ("a/b", "no name or address"),
    "a semicolon": ("a;b", "no name or address"),
    "a quote": ("a'b", "no name or address"),
    "a letter of another alphabet": ("münchen.de", "no name or address"),
    "254 characters": ("a" * 254, "no name or address"),
    "a range that is open": ("rack[1-3", "no name or address"),
    "a range that was never opened": ("rack1-3]", "no name or address"),
    "ranges within ranges": ("a[[1-2]]", "no name or address"),
    "an empty range": ("a[]", "no range"),
    "a comma too many": ("a[1,,2]", "no range"),
    "letters": ("a[a-c]", "no range"),
    "a minus": ("a[-1]", "no range"),
    "three ends": ("a[1-2-3]", "no range"),
    "an address in brackets": ("[fe80::1]", "no range"),
    "a range from above": ("rack[10-01]", "ends before it begins"),
    "a range of too many": (f"rack[1-{MAX_HOSTS + 1}]", f"{MAX_HOSTS + 1} hosts"),
    "a range of a billion": ("rack[0-999999999]", "1000000000 hosts"),
    "ranges that are too many together": (f"rack[1-{MAX_HOSTS}]x[1-2]", f"{MAX_HOSTS * 2} hosts"),
    "twenty ranges": ("a" + "[1-2]" * 20, "20 ranges, and a pattern has at most 4"),
    "a list of too many": (f"r[{','.join(['1-2000'] * 3)}]", "6000 hosts"),
    "digits beyond reason": (f"r[1-{'9' * 5000}]", "no range"),
}


@pytest.mark.parametrize(("pattern", "why"), NO_HOSTS.values(), ids=NO_HOSTS.keys())
def test_what_stands_for_no_hosts_is_refused_and_says_why(pattern: str, why: str):
    with pytest.raises(BadPattern, match=why):
        expand_hosts(pattern)
    (problem,) = refused(hosts=[pattern])
    assert problem.startswith("hosts[0].host: ")
    assert problem.isprintable()


@pytest.mark.parametrize("host", [".", "..", ".environment", ".lan"])
def test_a_name_that_begins_with_a_dot_is_no_host_as_nodes_have_folders_of_that_name(host: str):
    with pytest.raises(BadPattern):
        expand_hosts(host)


def test_a_pattern_of_thousands_of_ranges_is_refused_like_any_other():
    with pytest.raises(BadPattern):
        expand_hosts("a" + "[1-2]" * 2000)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("", "a")),
        ("science@a", ("science", "a")),
        ("_svc.1-x@rack[01-16]", ("_svc.1-x", "rack[01-16]")),
        ("machine$@a", ("machine$", "a")),
        ("u@fe80::1%eth0", ("u", "fe80::1%eth0")),
    ],
)
def test_a_user_stands_before_the_pattern(text: str, parts: tuple[str, str]):
    assert split_user(text) == parts


@pytest.mark.parametrize("text", ["@a", "-x@a", "u ser@a", "u@b@a", "1u@a", "$(x)@a", "u\n@a", f"{'u' * 65}@a", "ü@a"])
def test_what_is_no_user_is_refused(text: str):
    with pytest.raises(BadPattern, match="no name of a user"):
        split_user(text)
    (problem,) = refused(hosts=[text])
    assert problem.startswith("hosts[0].host: ")


def test_a_user_without_a_host_is_refused():
    assert refused(hosts=["u@"])[0].startswith("hosts[0].host: ")


# What is accepted


def test_a_list_of_names_is_a_fleet():
    spec = parse(hosts=["a", "science@rack[1-2].lan"])
    assert [entry.host for entry in spec.hosts] == ["a", "science@rack[1-2].lan"]
    assert spec.hosts[0] == SshHost(host="a")
    assert (spec.hosts[0].group, spec.hosts[0].workers, spec.hosts[0].threads) == ("cpu", 1, "auto")
    assert (spec.hosts[0].memory_limit, spec.hosts[0].nice, spec.hosts[0].pause_when_busy) == ("auto", 10, False)
    assert (spec.scheduler.host, spec.environment.mode, spec.access.mode) == (None, "same", "auto")


def test_a_name_is_short_for_a_mapping_with_nothing_else():
    assert parse(hosts=["u@a"], scheduler="b") == parse(hosts=[{"host": "u@a"}], scheduler={"host": "b"})


def test_names_and_mappings_stand_in_one_list():
    spec = parse(hosts=["a", {"host": "b", "workers": 3, "group": "big"}])
    assert [(entry.host, entry.workers, entry.group) for entry in spec.hosts] == [("a", 1, "cpu"), ("b", 3, "big")]


FULL: dict[str, Any] = {
    "tags": {"team": "climate"},
    "hosts": [
        "a",
        {
            "host": "science@rack[01-03].lan",
            "port": 2222,
            "group": "big",
            "workers": "auto",
            "threads": 2,
            "memory_limit": "4GiB",
            "resources": {"GPU": 1},
            "nice": 0,
            "pause_when_busy": True,
            "scratch": "/local/scratch/",
        },
    ],
    "scheduler": {"host": "head", "ssh_port": 22, "address": "10.0.0.1", "port": 9000, "dashboard_port": 9001},
    "environment": {"mode": "ship", "python": "3.12", "lock": "lock.txt", "wheels": "wheels"},
    "access": {"mode": "ssh"},
}


def test_everything_that_can_be_said_is_kept():
    spec = parse(**FULL)
    entry = spec.hosts[1]
    assert (entry.port, entry.group, entry.workers, entry.threads) == (2222, "big", "auto", 2)
    assert (entry.memory_limit, entry.resources, entry.nice, entry.pause_when_busy) == (
        4 * 2**30,
        {"GPU": 1.0},
        0,
        True,
    )
    assert entry.scratch == "/local/scratch"
    assert spec.scheduler.model_dump() == FULL["scheduler"]
    assert spec.environment.model_dump() == FULL["environment"]


def test_what_a_spec_says_comes_back_from_its_own_text():
    for spec in (parse(), parse(**FULL)):
        assert parse_fleet_spec(json.loads(spec.model_dump_json())) == spec


def test_hosts_are_iterated_in_the_order_of_the_file_each_with_its_entry():
    spec = parse(hosts=["z", {"host": "u@r[2-3]", "port": 2222}, "a"])
    assert [(address, entry.host) for address, entry in iterate_hosts(spec)] == [
        (HostAddress("z", "", None), "z"),
        (HostAddress("r2", "u", 2222), "u@r[2-3]"),
        (HostAddress("r3", "u", 2222), "u@r[2-3]"),
        (HostAddress("a", "", None), "a"),
    ]


@pytest.mark.parametrize("folder", ["/", "/local/scratch", "/a folder/ü", "/a/"])
def test_a_folder_on_a_host_is_an_absolute_path(folder: str):
    assert parse(hosts=[{"host": "a", "scratch": folder}]).hosts[0].scratch == (folder.rstrip("/") or "/")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"mode": "same"},
        {"mode": "existing", "python": "/opt/env/bin/python"},
        {"mode": "ship", "lock": "a"},
        {"mode": "ship", "lock": "a", "python": "3.12"},
        {"mode": "ship", "lock": "a", "python": "3.12.1"},
        {"mode": "ship", "lock": "a", "wheels": "b"},
    ],
)
def test_an_environment_with_what_its_mode_needs_is_accepted(environment: dict[str, str]):
    spec = parse(environment=environment)
    assert spec.environment.model_dump(exclude_none=True) == {"mode": "same", **environment}


# The scheduler's host


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({}, HostAddress("a1", "u", 2222)),
        ({"host": "local"}, None),
        ("local", None),
        ("a2", HostAddress("a2", "u", 2222)),
        ("u@a2", HostAddress("a2", "u", 2222)),
        ("b", HostAddress("b", "", None)),
        ("root@a2", HostAddress("a2", "root", None)),
        ("root@b", HostAddress("b", "root", None)),
        ("elsewhere", HostAddress("elsewhere", "", None)),
        ({"host": "v@elsewhere", "ssh_port": 22}, HostAddress("elsewhere", "v", 22)),
        ({"port": 9000}, HostAddress("a1", "u", 2222)),
    ],
)
def test_the_scheduler_is_on_one_of_the_hosts_or_elsewhere_or_here(scheduler: Any, expected: HostAddress | None):
    spec = parse(hosts=[{"host": "u@a[1-2]", "port": 2222}, "b"], scheduler=scheduler)
    assert find_scheduler_host(spec) == expected


def test_a_scheduler_that_is_written_as_a_range_of_one_is_on_that_host():
    spec = parse(hosts=["a[01-02]"], scheduler="a[02]")
    assert find_scheduler_host(spec) == HostAddress("a02", "", None)


# What is refused


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"hosts": []}, "hosts", "at least one is needed"),
        ({"hosts": "a"}, "hosts", "begin each entry with `- `"),
        ({"hosts": {"host": "a"}}, "hosts", "begin each entry with `- `"),
        ({"hosts": [5]}, "hosts[0]", "mapping"),
        ({"hosts": [None]}, "hosts[0]", "mapping"),
        ({"hosts": [{}]}, "hosts[0].host", "add `host:`"),
        ({"hosts": [{"host": 5}]}, "hosts[0].host", "the name of a host is text"),
        ({"hosts": [{"host": ["a"]}]}, "hosts[0].host", "the name of a host is text"),
        ({"hosts": [{"host": "a", "port": 0}]}, "hosts[0].port", "from 1 to 65535"),
        ({"hosts": [{"host": "a", "port": "22"}]}, "hosts[0].port", "a whole number, not text"),
        ({"hosts": [{"host": "a", "port": True}]}, "hosts[0].port", "a whole number, not a truth value"),
        ({"hosts": [{"host": "a", "group": "My"}]}, "hosts[0].group", "such as 'my'"),
        ({"hosts": [{"host": "a", "workers": -1}]}, "hosts[0].workers", "from 0 to 10000"),
        ({"hosts": [{"host": "a", "workers": {"min": 0, "max": 9}}]}, "hosts[0].workers", "autoscaled counts are not"),
        ({"hosts": [{"host": "a", "threads": 0}]}, "hosts[0].threads", "from 1 to 1024"),
        ({"hosts": [{"host": "a", "memory_limit": "4 gigs"}]}, "hosts[0].memory_limit", "4GiB"),
        ({"hosts": [{"host": "a", "resources": ["GPU"]}]}, "hosts[0].resources", "{GPU: 1}"),
        ({"hosts": [{"host": "a", "nice": 20}]}, "hosts[0].nice", "from 0 to 19"),
        ({"hosts": [{"host": "a", "nice": -1}]}, "hosts[0].nice", "from 0 to 19"),
        ({"hosts": [{"host": "a", "pause_when_busy": "perhaps"}]}, "hosts[0].pause_when_busy", "true or false"),
        ({"hosts": [{"host": "a", "scratch": "tmp"}]}, "hosts[0].scratch", "begins with /"),
        ({"hosts": [{"host": "a", "scratch": "/a\nb"}]}, "hosts[0].scratch", "begins with /"),
        ({"hosts": [{"host": "a", "scratch": "~/x"}]}, "hosts[0].scratch", "begins with /"),
        ({"scheduler": 5}, "scheduler", "mapping"),
        ({"scheduler": "b[1-2]"}, "scheduler.host", "a fleet has one scheduler; give one of them"),
        ({"scheduler": "a b"}, "scheduler.host", "no name or address"),
        ({"scheduler": {"ssh_port": 65536}}, "scheduler.ssh_port", "from 1 to 65535"),
        ({"scheduler": {"address": "tls://10.0.0.1"}}, "scheduler.address", "such as 10.0.0.5"),
        ({"scheduler": {"address": "u@h"}}, "scheduler.address", "such as 10.0.0.5"),
        ({"scheduler": {"port": 80}}, "scheduler.port", "or 'auto'"),
        ({"scheduler": {"port": 9000, "dashboard_port": 9000}}, "scheduler.dashboard_port", "give them two"),
        ({"environment": {"mode": "ships"}}, "environment.mode", "'same', 'existing' or 'ship'"),
        ({"environment": {"mode": "ship", "lock": ""}}, "environment.lock", "give the path"),
        ({"environment": {"mode": "ship", "lock": "a", "wheels": " "}}, "environment.wheels", "path of a file"),
        ({"environment": {"mode": "ship", "lock": "a", "python": "3"}}, "environment.python", "'3.12' in quotes"),
        ({"environment": {"mode": "existing", "python": "env/bin/python"}}, "environment.python", "give"),
        ({"access": {"mode": "direkt"}}, "access.mode", "'auto', 'direct' or 'ssh'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_a_way_out(changes: dict[str, Any], path: str, told: str):
    lines = refused(**changes)
    assert {line.partition(": ")[0] for line in lines} == {path}, lines
    assert told in lines[0]
    assert "; " in lines[0]


@pytest.mark.parametrize(
    ("hosts", "wrong"),
    [
        (["a", "a"], ["hosts[1]"]),
        (["a", {"host": "a"}], ["hosts[1].host"]),
        ([{"host": "a"}, "b", {"host": "u@a", "port": 2222}], ["hosts[2].host"]),
        (["a[1-3]", "a2", "a4"], ["hosts[1]"]),
        (["a[1-3]", "a[2-4]"], ["hosts[1]", "hosts[1]"]),
        (["a", "a", "a"], ["hosts[1]", "hosts[2]"]),
        (["a[1,1]"], ["hosts[0]"]),
        (["local"], ["hosts[0]"]),
        ([{"host": "u@local"}], ["hosts[0].host"]),
    ],
)
def test_a_host_stands_in_the_list_once_and_is_not_this_machine(hosts: list[Any], wrong: list[str]):
    assert [line.partition(": ")[0] for line in refused(hosts=hosts)] == wrong


def test_a_host_that_stands_twice_is_named_with_the_entry_that_says_it_again():
    (line,) = refused(hosts=["rack[01-03]", "u@rack02"])
    assert line == (
        "hosts[1]: 'u@rack02': rack02 stands in the list already; name each host once, with all its workers"
    )


@pytest.mark.parametrize(
    ("environment", "wrong"),
    [
        ({"mode": "existing"}, ["python"]),
        ({"mode": "existing", "python": "3.12"}, ["python"]),
        ({"mode": "ship"}, ["lock"]),
        ({"mode": "ship", "lock": "a", "python": "/x"}, ["python"]),
        ({"mode": "ship", "python": "/x"}, ["lock", "python"]),
        ({"python": "/x"}, ["python"]),
        ({"mode": "same", "python": "3.12"}, ["python"]),
        ({"lock": "a"}, ["lock"]),
        ({"wheels": "a"}, ["wheels"]),
        ({"mode": "existing", "python": "/x", "lock": "a", "wheels": "b"}, ["lock", "wheels"]),
        ({"python": "/x", "lock": "a", "wheels": "b"}, ["lock", "python", "wheels"]),
    ],
)
def test_an_environment_says_what_its_mode_needs_and_nothing_else(environment: dict[str, str], wrong: list[str]):
    lines = refused(environment=environment)
    assert [line.partition(": ")[0] for line in lines] == [f"environment.{key}" for key in wrong]
    assert all("mode: " in line for line in lines)


def test_the_ssh_port_of_a_scheduler_that_has_another_is_not_ignored():
    """Its port is that of its entry, and on this machine SSH is not asked."""
    for scheduler in ({"host": "a", "ssh_port": 2222}, {"host": "local", "ssh_port": 2222}, {"ssh_port": 2222}):
        assert refused(scheduler=scheduler)[0].startswith("scheduler.ssh_port: ")


UNSUPPORTED = {
    "region": ("eu-west-1", "your own machines are in no region"),
    "workers": ([], "say under hosts how many workers each has"),
    "data": ({"read": []}, "the accounts on their hosts"),
    "lifetime": ({"idle": "20m"}, "not available yet"),
    "image": ({"family": "x"}, "say under environment"),
    "scheduler.instance_type": ("m7i.large", "give scheduler.host"),
    "hosts[].instance_types": (["m7i.large"], "leave it out"),
    "hosts[].spot": ("only", "no spot market"),
    "hosts[].count": (3, "say with workers how many"),
    "access.allowed_cidrs": (["10.0.0.0/8"], "does not change the firewalls"),
}


def test_every_key_that_is_refused_by_name_is_tested():
    assert SshFleetSpec.UNSUPPORTED.keys() == UNSUPPORTED.keys()


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_a_key_of_other_providers_is_refused_with_what_to_do_instead(key: str):
    value, told = UNSUPPORTED[key]
    parent, _, last = key.rpartition(".")
    if parent == "hosts[]":
        lines = refused(hosts=["b", {"host": "a", last: value}])
        path = f"hosts[1].{last}"
    else:
        lines = refused(**({parent: {last: value}} if parent else {last: value}))
        path = key
    assert len(lines) == 1
    assert lines[0].startswith(f"{path}: ")
    assert told in lines[0]
    assert "no such key" not in lines[0]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("wrokers", "workers"),
        ("hots", "host"),
        ("thread", "threads"),
        ("memory-limit", "memory_limit"),
        ("NICE", "nice"),
    ],
)
def test_a_misspelt_key_of_a_host_is_answered_with_the_nearest_key_of_a_host(word: str, near: str):
    (line,) = refused(hosts=["b", {"host": "a", word: 1}])
    assert line == f"hosts[1].{word}: 1: there is no such key; did you mean '{near}'?"


@pytest.mark.parametrize(
    ("section", "word", "near"),
    [
        ("scheduler", "hots", "host"),
        ("scheduler", "dashboard-port", "dashboard_port"),
        ("environment", "pyhton", "python"),
        ("access", "mod", "mode"),
    ],
)
def test_a_misspelt_key_of_a_section_is_answered_with_the_nearest_of_that_section(section: str, word: str, near: str):
    (line,) = refused(**{section: {word: 1}})
    assert line == f"{section}.{word}: 1: there is no such key; did you mean '{near}'?"


def test_a_word_that_is_near_nothing_is_answered_with_all_keys_of_a_host():
    (line,) = refused(hosts=[{"host": "a", "qqqq": 1}])
    assert line.endswith(f"the keys here are: {', '.join(SshHost.model_fields)}")


MISTAKES = """\
name: x
provider: ssh
region: home
hosts:
- a
- rack[9-1]
- host: b
  wrokers: 2
  count: 3
  port: 0
- a
- {}
- local
scheduler:
  host: c[1-2]
  port: 9000
  dashboard_port: 9000
environment:
  mode: ship
  python: /x
access:
  allowed_cidrs: []
zebra: 1
"""


def test_everything_that_is_wrong_is_told_at_once_each_with_its_line():
    assert places(MISTAKES) == [
        (3, "region"),
        (6, "hosts[1].host"),
        (8, "hosts[2].wrokers"),
        (9, "hosts[2].count"),
        (10, "hosts[2].port"),
        (11, "hosts[3]"),
        (12, "hosts[4].host"),
        (13, "hosts[5]"),
        (15, "scheduler.host"),
        (17, "scheduler.dashboard_port"),
        (18, "environment.lock"),
        (20, "environment.python"),
        (22, "access.allowed_cidrs"),
        (23, "zebra"),
    ]


def test_a_short_form_that_is_wrong_is_told_at_its_own_line():
    assert places(f"{HEAD}hosts:\n- a\n- a b\nscheduler: c d\n") == [(5, "hosts[1].host"), (6, "scheduler.host")]


GOOD = """\
name: x
provider: ssh
hosts:
- a
- {host: "u@rack[01-03].lan", port: 2222, workers: 2, scratch: /local}
scheduler: {host: local, port: 9000, address: 10.0.0.1}
environment: {mode: existing, python: /opt/bin/python}
access: {mode: direct}
"""


def test_a_file_cut_anywhere_is_a_spec_or_problems_and_nothing_else():
    assert parse_fleet_yaml(GOOD).name == "x"
    outcomes = set()
    for end in range(len(GOOD)):
        try:
            parse_fleet_yaml(GOOD[:end])
            outcomes.add("spec")
        except SpecError:
            outcomes.add("problems")
    assert outcomes == {"spec", "problems"}


STRANGE = [
    None, True, False, -1, 0, 2.5, float("nan"), float("inf"), 10**400, "", " ", "auto", "local", "ü", "x" * 300,
    "../x", b"x", "a[1-2]", "@", "[", [], {}, [[]], [{}], {"a": {}}, {1: 2}, {None: None}, ["a"], object(),
    {"host": "a"}, [{"host": ["a"]}],
]  # fmt: skip


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
def test_a_strange_value_anywhere_is_a_spec_or_problems_and_nothing_else(value: object):
    good = make(**FULL)
    entry = FULL["hosts"][1]
    documents = [
        *({**good, key: value} for key in good if key != "provider"),
        *({**good, "hosts": [{**entry, key: value}, "b"]} for key in entry),
        {**good, "hosts": [value, "a", value]},
        {**good, "hosts": [{**entry, "resources": {"A": value}}]},
        *(
            {**good, section: {**FULL[section], key: value}}
            for section in ("scheduler", "environment", "access")
            for key in FULL[section]
        ),
    ]
    for document in documents:
        try:
            text = repr(parse_fleet_spec(document))
        except SpecError as error:
            text = str(error).replace("\n", "")
        assert text.isprintable()
