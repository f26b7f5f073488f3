"""Everything that is wrong with a fleet file is told at once, each thing with its place, its value and a way out."""

from __future__ import annotations

import pytest

from daskfleet_stacks.spec import Problem, SpecError, parse_fleet_spec, parse_fleet_yaml
from daskfleet_stacks.spec.problems import find_nearest, render_path, render_value

HEAD = "name: x\nprovider: local\n"

MISTAKES = """\
name: My Fleet!
provider: lokal
nmae: research
region: eu-west-1
access: {mode: ssh}
data: {read: []}
lifetime: {idle: 20m}
environment: {}
zebra: 1
tags: [a, b]
scheduler:
  instance_type: m7i.large
  port: 80
  dashboard_port: yes
  prot: 8786
workers:
  - name: good
    count: 1
  - name: ../x
    count: -1
    threads: 0
    memory_limit: 4 gigs
    resources: [GPU]
    spot: fallback
    instance_types: [m7i.large]
  - name: no
    count: 2.5
    threads: "2"
    memory_limit: 10
    resources: 4
    cuont: 3
  - name: 5
    count: 10001
    threads: 1025
    memory_limit: yes
    resources:
  - name:
    count: auto
    threads: many
    memory_limit: 1.5
  - name: good
  - just text
  - count: 1
  - name: scheduler
    count: {min: 0, max: 5}
  - name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    count: .inf
  - name: größe
    threads: 2
    count: three
    threads: 3
region: eu-west-2
"""

# Line, path, the value as it is shown, and a phrase each of the reason and of the remedy.
GOLDEN = [
    (1, "name", "'My Fleet!'", "lower-case letters a to z", "such as 'my-fleet'"),
    (2, "provider", "'lokal'", "no such provider", "did you mean 'local'?"),
    (3, "nmae", "'research'", "there is no such key", "did you mean 'name'?"),
    (5, "access", "{'mode': 'ssh'}", "through the loopback interface", "leave it out"),
    (6, "data", "{'read': []}", "your own credentials and files", "leave it out"),
    (7, "lifetime", "{'idle': '20m'}", "not available yet", "daskfleet down"),
    (8, "environment", "{}", "the Python that ran `daskfleet up`", "leave it out"),
    (9, "zebra", "1", "there is no such key", "the keys here are: name, provider, tags, scheduler, workers"),
    (10, "tags", "['a', 'b']", "tags are a mapping, not a list", "{team: climate}"),
    (12, "scheduler.instance_type", "'m7i.large'", "processes, not instances", "leave it out"),
    (13, "scheduler.port", "80", "at least 1024 and at most 65535", "or 'auto'"),
    (14, "scheduler.dashboard_port", "true", "not a truth value", "a whole number from 1024 to 65535"),
    (15, "scheduler.prot", "8786", "there is no such key", "did you mean 'port'?"),
    (19, "workers[1].name", "'../x'", "lower-case letters a to z", "such as 'x'"),
    (20, "workers[1].count", "-1", "at least 0 and at most 10000", "from 0 to 10000"),
    (21, "workers[1].threads", "0", "at least 1 and at most 1024", "from 1 to 1024"),
    (22, "workers[1].memory_limit", "'4 gigs'", "no size in bytes", "4GiB"),
    (23, "workers[1].resources", "['GPU']", "resources are a mapping, not a list", "{GPU: 1}"),
    (24, "workers[1].spot", "'fallback'", "no spot market", "leave it out"),
    (25, "workers[1].instance_types", "['m7i.large']", "processes, not instances", "threads and memory_limit"),
    (26, "workers[2].name", "false", "a name is text, not a truth value", "put it in quotes"),
    (27, "workers[2].count", "2.5", "a whole number, not a fraction", "from 0 to 10000"),
    (28, "workers[2].threads", "'2'", "a whole number, not text", "from 1 to 1024"),
    (29, "workers[2].memory_limit", "10", "at least 64MiB", "4GiB"),
    (30, "workers[2].resources", "4", "resources are a mapping, not a number", "{GPU: 1}"),
    (31, "workers[2].cuont", "3", "there is no such key", "did you mean 'count'?"),
    (32, "workers[3].name", "5", "a name is text, not a number", "put it in quotes"),
    (33, "workers[3].count", "10001", "at least 0 and at most 10000", "from 0 to 10000"),
    (34, "workers[3].threads", "1025", "at least 1 and at most 1024", "from 1 to 1024"),
    (35, "workers[3].memory_limit", "true", "a size, not a truth value", "4GiB"),
    (36, "workers[3].resources", "null", "resources are a mapping, not nothing", "{GPU: 1}"),
    (37, "workers[4].name", "null", "a name is text, not nothing", "put it in quotes"),
    (38, "workers[4].count", "'auto'", "more than one group", "give a number"),
    (39, "workers[4].threads", "'many'", "a whole number, not text", "or 'auto'"),
    (40, "workers[4].memory_limit", "1.5", "a size, not a number", "4GiB"),
    (41, "workers[5].count", "'auto'", "more than one group", "give a number"),
    (41, "workers[5].name", "'good'", "another group has this name", "give each group its own"),
    (42, "workers[6]", "'just text'", "a mapping of keys to values", "`key: value`"),
    (43, "workers[7].name", "", "this key is required", "add `name:`"),
    (44, "workers[8].name", "'scheduler'", "the scheduler's own node", "choose another"),
    (45, "workers[8].count", "{'min': 0, 'max': 5}", "autoscaled counts are not available", "Fleet.adapt"),
    (46, "workers[9].name", f"'{'a' * 41}'", "41 characters, a name has at most 40", "choose a shorter one"),
    (47, "workers[9].count", "inf", "a whole number, not a fraction", "from 0 to 10000"),
    (48, "workers[10].name", "'größe'", "lower-case letters a to z", "such as 'gr-e'"),
    (50, "workers[10].count", "'three'", "a whole number, not text", "from 0 to 10000"),
    (51, "workers[10].threads", "", "this key stands twice", "keep one of the two"),
    (52, "region", "", "this key stands twice", "keep one of the two"),
    (52, "region", "'eu-west-2'", "a local fleet is on this machine", "leave it out"),
]


def parse_problems(text: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        parse_fleet_yaml(text, "fleet.yaml")
    return list(caught.value.problems)


def shown(problem: Problem) -> str:
    return render_value(problem.value) if problem.has_value else ""


def places(text: str) -> list[tuple[int | None, str]]:
    return [(problem.line, render_path(problem.path)) for problem in parse_problems(text)]


def test_a_spec_with_40_mistakes_reports_every_one():
    problems = parse_problems(MISTAKES)
    assert len(GOLDEN) >= 40
    assert [(problem.line, render_path(problem.path), shown(problem)) for problem in problems] == [
        row[:3] for row in GOLDEN
    ]
    for problem, (*place, reason, remedy) in zip(problems, GOLDEN, strict=True):
        assert reason in problem.reason, place
        assert remedy in problem.remedy, place


def test_each_of_40_mistakes_is_told_in_one_line_with_file_line_value_reason_and_remedy():
    with pytest.raises(SpecError) as caught:
        parse_fleet_yaml(MISTAKES, "dir/fleet.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == len(GOLDEN)
    for line, (number, path, value, reason, remedy) in zip(lines, GOLDEN, strict=True):
        assert line.startswith(f"dir/fleet.yaml:{number}: {path}:{f' {value}:' if value else ''} ")
        told_reason, _, told_remedy = line.partition(reason)[2].partition("; ")
        assert remedy in told_remedy, (told_reason, line)


def test_without_a_source_the_path_stands_first():
    with pytest.raises(SpecError) as caught:
        parse_fleet_spec({"name": "x", "provider": "local", "zebra": 1})
    assert str(caught.value).startswith("zebra: 1: there is no such key; ")


def test_mistakes_in_the_only_worker_group_do_not_read_as_if_there_were_none():
    assert places(HEAD + "workers:\n  - name: a\n    count: -1\n") == [(5, "workers[0].count")]


def test_two_ports_that_are_the_same_are_told_beside_other_mistakes():
    text = HEAD + "scheduler:\n  port: 9000\n  dashboard_port: 9000\nzebra: 1\n"
    assert places(text) == [(5, "scheduler.dashboard_port"), (6, "zebra")]


def test_two_ports_that_are_the_same_are_told_with_the_value():
    (problem,) = parse_problems(HEAD + "scheduler:\n  port: 9000\n  dashboard_port: 9000\n")
    assert (problem.line, render_path(problem.path), shown(problem)) == (5, "scheduler.dashboard_port", "9000")


def test_every_wrong_resource_is_told_with_its_own_line():
    text = (
        HEAD + "workers:\n  - name: a\n    resources:\n      GPU: -1\n      BIG: lots\n      OK: 1\n      NAN: .nan\n"
    )
    assert places(text) == [
        (6, "workers[0].resources.GPU"),
        (7, "workers[0].resources.BIG"),
        (9, "workers[0].resources.NAN"),
    ]


def test_every_wrong_tag_is_told_with_its_own_line():
    text = HEAD + "tags:\n  Team: climate\n  cost: 3\n  fine: yes please\n"
    assert places(text) == [(4, "tags.Team"), (5, "tags.cost")]


@pytest.mark.parametrize("key", ["1", "yes", "~", "2.5", "2001-01-01"])
def test_a_key_that_is_not_text_is_told_with_its_line_and_its_value(key: str):
    (problem,) = parse_problems(f"{HEAD}scheduler:\n  port: 9000\n  {key}: surplus\n")
    assert problem.line == 5
    assert shown(problem) == "'surplus'"
    assert problem.path[0] == "scheduler"
    assert len(problem.path) == 2


@pytest.mark.parametrize("key", [r'"\x1b[31mred"', r'"two\nlines"', r'"bell\a"', '"\u202eltr"'])
def test_a_key_with_control_characters_is_shown_harmless_and_in_one_line(key: str):
    with pytest.raises(SpecError) as caught:
        parse_fleet_yaml(f"{HEAD}{key}: 1\n", "fleet.yaml")
    assert str(caught.value).isprintable()


def test_a_value_with_control_characters_is_shown_harmless_and_in_one_line():
    with pytest.raises(SpecError) as caught:
        parse_fleet_yaml(HEAD + r'zebra: ["\x1b[31m", {"a\nb": "c\rd"}]' + "\n", "fleet.yaml")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["true", "3", "[local]", "{local: 1}", "", '""', "LOCALE.UTF"])
def test_a_provider_that_is_none_is_one_problem_with_the_providers_there_are(value: str):
    problems = parse_problems(f"name: x\nprovider: {value}\n")
    assert [problem.path for problem in problems] == [("provider",)]
    assert "local" in problems[0].remedy


def test_a_file_without_provider_and_name_is_told_both():
    assert places("tags: {}\n") == [(1, "name"), (1, "provider")]


@pytest.mark.parametrize(
    ("word", "near"),
    [("nmae", "name"), ("worker", "workers"), ("Workers", "workers"), ("sheduler", "scheduler"), ("tag", "tags")],
)
def test_a_misspelt_key_is_answered_with_the_nearest_valid_name(word: str, near: str):
    (problem,) = parse_problems(f"{HEAD}{word}: 1\n")
    assert problem.remedy == f"did you mean '{near}'?"


@pytest.mark.parametrize(
    ("word", "near"),
    [("thread", "threads"), ("memory-limit", "memory_limit"), ("resource", "resources"), ("COUNT", "count")],
)
def test_a_misspelt_key_of_a_group_is_answered_with_the_nearest_key_of_a_group(word: str, near: str):
    text = f"{HEAD}workers:\n  - {{name: a, count: 1}}\n  - name: b\n    count: 1\n    {word}: 1\n"
    (problem,) = parse_problems(text)
    assert render_path(problem.path) == f"workers[1].{word}"
    assert problem.remedy == f"did you mean '{near}'?"


def test_a_word_that_is_near_nothing_is_answered_with_all_keys():
    (problem,) = parse_problems(HEAD + "scheduler: {qqq: 1}\n")
    assert problem.remedy == "the keys here are: port, dashboard_port"


def test_find_nearest_knows_when_nothing_is_near():
    assert find_nearest("qqqq", ["name", "workers"]) is None
    assert find_nearest("WORKER", ["name", "workers"]) == "workers"


def test_keys_that_stand_twice_are_told_at_the_second_wherever_they_are():
    text = HEAD + "name: y\nworkers:\n  - name: a\n    count: 1\n    name: b\nscheduler: {port: auto, port: auto}\n"
    assert places(text) == [(3, "name"), (7, "workers[0].name"), (8, "scheduler.port")]


def test_groups_of_one_name_are_told_at_each_that_comes_later():
    text = (
        HEAD + "workers:\n- {name: a, count: 1}\n- {name: a, count: 1}\n- {name: b, count: 1}\n- {name: a, count: 1}\n"
    )
    assert places(text) == [(5, "workers[1].name"), (7, "workers[3].name")]


@pytest.mark.parametrize("sequence", [list, tuple])
def test_groups_of_one_name_are_refused_in_data_too(sequence: type):
    groups = sequence([{"name": "a", "count": 1}, {"name": "a", "count": 1}])
    with pytest.raises(SpecError, match="another group has this name"):
        parse_fleet_spec({"name": "x", "provider": "local", "workers": groups})


def test_auto_is_refused_in_each_of_several_groups_also_where_it_is_the_default():
    text = HEAD + "workers:\n- name: a\n- {name: b, count: auto}\n- {name: c, count: 0}\n"
    assert places(text) == [(4, "workers[0].count"), (5, "workers[1].count")]


def test_an_alias_is_read_as_what_it_stands_for():
    text = HEAD + "workers:\n- &a {name: a, count: 1, threads: 2}\n- {<<: *a, name: b}\n"
    assert [(group.name, group.count, group.threads) for group in parse_fleet_yaml(text).workers] == [
        ("a", 1, 2),
        ("b", 1, 2),
    ]


def nested(opening: str, closing: str, depth: int) -> str:
    return HEAD + "zebra: " + opening * depth + closing * depth + "\n"


def multiplying_aliases() -> str:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(lines)


HOSTILE = {
    "empty": "",
    "blank": "\n\n  \n",
    "only a comment": "# nothing\n",
    "null": "~\n",
    "a list": "- a\n- b\n",
    "a word": "hello\n",
    "a number": "42\n",
    "two documents": "name: x\n---\nname: y\n",
    "an open bracket": "name: [\n",
    "an open quote": 'name: "x\n',
    "a tab": "name: x\n\tprovider: local\n",
    "a bare colon": ":\n",
    "an unknown alias": "name: *nobody\n",
    "an unknown tag": "name: !foo x\n",
    "a Python tag": "name: !!python/object/apply:os.system [ls]\n",
    "a zero byte": "name: \x00\n",
    "all bytes": bytes(range(256)).decode("latin-1"),
    "a bell": "name: x\x07\n",
    "a lone surrogate": 'name: "\\ud800"\nprovider: local\n',
    "a list as key": "? [a, b]\n: 1\n",
    "a mapping as key": "? {a: b}\n: 1\n",
    "a bad truth value": "name: !!bool perhaps\n",
    "a bad number": "name: !!int many\n",
    "a bad fraction": "name: !!float many\n",
    "a bad date": "name: 2001-99-99\n",
    "bad base64": "name: !!binary x=y\n",
    "a set": "name: !!set {a, b}\nprovider: local\n",
    "pairs": "name: !!omap [a: 1]\n",
    "a number of 5000 digits": f"{HEAD}workers: [{{name: a, count: {'9' * 5000}}}]\n",
    "a resource of 400 digits": f"{HEAD}workers: [{{name: a, resources: {{A: {'9' * 400}}}}}]\n",
    "a memory of 400 digits": f"{HEAD}workers: [{{name: a, memory_limit: {'9' * 400}}}]\n",
    "a memory of 400 digits and a unit": f"{HEAD}workers: [{{name: a, memory_limit: {'9' * 400}GiB}}]\n",
    "a merge of a number": "<<: 3\nname: x\n",
    "a merge of itself": "&a\n<<: *a\nname: x\n",
    "a list that holds itself": "a: &a [*a]\n",
    "a mapping that holds itself": "&a\nname: *a\n",
    "a group that holds itself": f"{HEAD}workers: &a [*a]\n",
    "aliases that multiply": multiplying_aliases(),
    "deep lists": nested("[", "]", 2000),
    "deep mappings": nested("{a: ", "}", 2000),
    "deep blocks": "\n".join(f"{' ' * depth}a:" for depth in range(1000)),
    "deep dashes": "- " * 1000,
    "25 levels": nested("[", "]", 25),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_that_is_no_spec_is_told_as_problems_and_never_as_a_traceback(text: str):
    problems = parse_problems(text)
    assert problems
    for problem in problems:
        line = problem.render("fleet.yaml")
        assert line.startswith("fleet.yaml:")
        assert line.isprintable(), line
        assert len(line) < 1000
        assert problem.remedy


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\nprovider: local\ntags: {a: b\n", 4),
        ("name: x\n\tprovider: local\n", 2),
        ("name: x\nprovider: !foo y\n", 2),
        ("name: x\nprovider: local\n? [a]\n: 1\n", 3),
        ("name: x\nprovider: local\nzebra: &a [*a]\n", 3),
        ("name: x\nprovider: !!int y\n", 2),
        ("name: x\nprovider: \x07\n", 2),
    ],
)
def test_a_text_that_is_no_yaml_is_told_with_the_line(text: str, line: int):
    (problem,) = parse_problems(text)
    assert problem.line == line


GOOD = """\
name: x
provider: local
tags: {team: a}
scheduler: {port: 9000, dashboard_port: auto}
workers:
- {name: a, count: 2, threads: 1, memory_limit: 1GiB, resources: {GPU: 1}}
- {name: b, count: 0}
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
    None, True, False, -1, 0, 2.5, float("nan"), float("inf"), 10**400, "", " ", "auto", "ü", "x" * 300, "../x", b"x",
    [], {}, [[]], [{}], {"a": {}}, {1: 2}, {None: None}, ["a"], object(), {"name": "a"}, [{"name": ["a"]}],
]  # fmt: skip


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
def test_a_strange_value_anywhere_is_a_spec_or_problems_and_nothing_else(value: object):
    group = {"name": "a", "count": 1, "threads": 1, "memory_limit": 0, "resources": {"A": 1}}
    good = {"name": "x", "provider": "local", "tags": {"a": "b"}, "scheduler": {"port": 9000}, "workers": [group]}
    documents = [
        value,
        *({**good, key: value} for key in good),
        {**good, "scheduler": {"port": value, "dashboard_port": value}},
        *({**good, "workers": [{**group, key: value}, {**group, "name": "b"}]} for key in group),
        {**good, "workers": [{**group, "resources": {"A": value}}]},
        {**good, "tags": {"a": value}},
        {**good, "workers": [value, group, value]},
        {**good, "zebra": value},
    ]
    for document in documents:
        try:
            text = repr(parse_fleet_spec(document))
        except SpecError as error:
            text = str(error).replace("\n", "")
        assert text.isprintable()


def test_paths_and_values_are_written_as_a_person_would():
    assert render_path(()) == "fleet"
    assert render_path(("workers", 0, "resources", "GPU")) == "workers[0].resources.GPU"
    assert [render_value(value) for value in (None, True, False, 0, "no", 2.5)] == [
        "null",
        "true",
        "false",
        "0",
        "'no'",
        "2.5",
    ]
    assert render_value("x" * 300) == f"'{'x' * 58}…"


@pytest.mark.parametrize("image", ["{family: daskfleet}", "{id: ami-0123}", "{family: daskfleet, arch: aarch64}"])
def test_an_image_is_for_machines_and_a_local_fleet_has_none(image: str):
    (problem,) = parse_problems(f"{HEAD}image: {image}\n")
    assert problem.render().startswith("image: {")
    assert "a local fleet is made of processes, and nothing boots an image; leave it out" in problem.render()
