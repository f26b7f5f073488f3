"""What a fleet spec may say, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daskfleet.errors import FleetError
from daskfleet.home import check_fleet_name
from daskfleet.services.init import CIDR_TO_FILL_IN, render_fleet_file
from daskfleet_stacks.spec import LocalFleetSpec, SpecError, parse_fleet_spec, parse_fleet_yaml
from daskfleet_stacks.spec.local import LocalScheduler, LocalWorkerGroup
from daskfleet_stacks.spec.read import PROVIDERS


def group_of(**values: Any) -> LocalWorkerGroup:
    spec = parse_fleet_spec({"name": "x", "provider": "local", "workers": [{"name": "cpu", **values}]})
    assert isinstance(spec, LocalFleetSpec)
    return spec.workers[0]


def refused(**values: Any) -> str:
    with pytest.raises(SpecError) as caught:
        group_of(**values)
    (problem,) = [each for each in caught.value.problems if each.path[2:3] == (next(iter(values)),)]
    return problem.reason


GOOD_NAMES = ["a", "a1", "a-b", "x" * 40, "a--b", "local", "team-7-gpu"]
BAD_NAMES = [
    "", " ", "a b", "A", "a.b", "a_b", "-a", "a-", "1a", "../x", "..", ".", "a/b", "/etc", "ünï", "日本", "x" * 41,
    "x" * 300, "a\n", "a\x00", "a\n[program:evil]", "a%(ENV_HOME)s", "a;b", "a'b", 'a"b', "$(id)", "*", "~",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_good_for_a_fleet_a_group_and_a_folder(name: str):
    check_fleet_name(name)
    spec = parse_fleet_spec({"name": name, "provider": "local", "workers": [{"name": name}]})
    assert (spec.name, spec.workers[0].name) == (name, name)


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_bad_name_is_refused_for_a_fleet_a_group_and_a_folder(name: str):
    with pytest.raises(FleetError, match="no name of a fleet"):
        check_fleet_name(name)
    with pytest.raises(SpecError) as caught:
        parse_fleet_spec({"name": name, "provider": "local", "workers": [{"name": name}, {"name": "b", "count": 1}]})
    assert {("name",), ("workers", 0, "name")} <= {problem.path for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (False, "a truth value"),
        (5, "a number"),
        (1.5, "a number"),
        (None, "nothing"),
        (["a"], "a list"),
        ({}, "a mapping"),
    ],
)
def test_a_name_that_is_no_text_is_told_what_it_is(value: object, kind: str):
    assert refused(name=value) == f"a name is text, not {kind}"


def test_no_without_quotes_is_a_truth_value_and_with_quotes_a_name():
    with pytest.raises(SpecError, match="name: false: a name is text, not a truth value; put it in quotes"):
        parse_fleet_yaml("name: no\nprovider: local\n")
    assert parse_fleet_yaml("name: 'no'\nprovider: local\n").name == "no"


@pytest.mark.parametrize(
    "value", [True, False, "2", "", 2.0, -1, 10_001, 10**30, float("nan"), float("inf"), None, [], {}]
)
@pytest.mark.parametrize("field", ["count", "threads"])
def test_a_number_of_workers_or_threads_is_a_whole_number_within_limits(field: str, value: object):
    assert refused(**{field: value})


@pytest.mark.parametrize(("field", "values"), [("count", (0, 1, 10_000, "auto")), ("threads", (1, 1024, "auto"))])
def test_whole_numbers_within_the_limits_are_kept_as_they_are(field: str, values: tuple[object, ...]):
    for value in values:
        kept = getattr(group_of(**{field: value}), field)
        assert kept == value
        assert type(kept) is type(value)


@pytest.mark.parametrize("port", [0, 1, 80, 1023, 65536, -1, "8786", 8786.0, True, None])
def test_a_port_that_an_ordinary_user_cannot_have_is_refused(port: object):
    for field in ("port", "dashboard_port"):
        with pytest.raises(SpecError) as caught:
            parse_fleet_spec({"name": "x", "provider": "local", "scheduler": {field: port}})
        assert [problem.path for problem in caught.value.problems] == [("scheduler", field)]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * 2**30),
        ("500MB", 500 * 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("4 gib", 4 * 2**30),
        ("1e9", None),
        ("64MiB", 64 * 2**20),
        (2**30, 2**30),
        (0, 0),
        ("0", 0),
        ("0GiB", 0),
        ("auto", "auto"),
    ],
)
def test_a_memory_limit_is_bytes_or_auto(text: object, size: object):
    if size is None:
        assert refused(memory_limit=text) == "this is no size in bytes"
    else:
        assert group_of(memory_limit=text).memory_limit == size


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, float("nan"), float("inf"), [], {}, "", " ", "lots", "-4GiB", -1, "nan", "inf", "4 gigs", "GiB",
     "63MiB", 1, "1\n2GB", "1,5GiB", "0x10GiB", "Auto"],
)  # fmt: skip
def test_what_is_no_memory_size_is_refused(value: object):
    assert refused(memory_limit=value)


@pytest.mark.parametrize("value", ["0.5", "0.9B", "0.001kB"])
def test_a_size_of_less_than_a_byte_does_not_become_no_limit(value: str):
    assert refused(memory_limit=value)


@pytest.mark.parametrize("value", [10**27, "999999EiB"])
def test_a_memory_that_no_machine_has_is_refused(value: object):
    assert refused(memory_limit=value)


@pytest.mark.parametrize("amount", [0, -1, 0.0, True, "1", None, float("nan"), float("inf"), [], 10**400])
def test_an_amount_of_a_resource_is_a_positive_number(amount: object):
    assert refused(resources={"GPU": amount})


def test_amounts_of_resources_may_be_fractions():
    assert group_of(resources={"GPU": 0.5, "two words": 2}).resources == {"GPU": 0.5, "two words": 2.0}


@pytest.mark.parametrize(
    "tags",
    [
        {"": "a"},
        {"A": "a"},
        {"a b": "c"},
        {"a\n": "b"},
        {"a" * 64: "b"},
        {1: "a"},
        {"a": 1},
        {"a": "b" * 64},
        {"a": None},
        {"a": True},
    ],
)
def test_a_tag_that_a_cloud_would_refuse_is_refused(tags: dict[Any, Any]):
    with pytest.raises(SpecError):
        parse_fleet_spec({"name": "x", "provider": "local", "tags": tags})


def test_tags_within_the_limits_are_kept():
    tags = {"team": "climate", "a" * 63: "b" * 63, "a_b-1": "", "cost": "Größe [x] %s {y}"}
    assert parse_fleet_spec({"name": "x", "provider": "local", "tags": tags}).tags == tags


def test_an_explicit_zero_is_not_taken_for_absence():
    group = group_of(count=0, memory_limit=0)
    assert (group.count, group.memory_limit) == (0, 0)
    assert (group_of().count, group_of().memory_limit) == ("auto", "auto")


def test_an_empty_value_is_not_taken_for_the_default():
    for text in ("workers:\n", "workers: []\n", "scheduler:\n", "tags:\n", "workers: {}\n"):
        with pytest.raises(SpecError):
            parse_fleet_yaml(f"name: x\nprovider: local\n{text}")


def test_the_defaults_are_one_group_that_fills_the_machine():
    spec = parse_fleet_yaml("name: x\nprovider: local\n")
    assert spec == LocalFleetSpec(
        name="x", scheduler=LocalScheduler(port="auto", dashboard_port="auto"), workers=(LocalWorkerGroup(name="cpu"),)
    )


def test_a_spec_and_its_parts_are_frozen():
    spec = parse_fleet_yaml("name: x\nprovider: local\n")
    assert isinstance(spec, LocalFleetSpec)
    for model, field in ((spec, "name"), (spec.scheduler, "port"), (spec.workers[0], "count")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, field, "other")


def test_a_model_made_in_python_refuses_what_a_file_may_not_say():
    with pytest.raises(ValidationError, match="zebra"):
        LocalFleetSpec.model_validate({"name": "x", "zebra": 1})
    with pytest.raises(ValidationError, match="at least 0"):
        LocalWorkerGroup(name="a", count=-1)
    with pytest.raises(ValidationError, match="lower-case"):
        LocalFleetSpec(name="../x")


@pytest.mark.parametrize(
    "groups",
    [
        (LocalWorkerGroup(name="a", count=1), LocalWorkerGroup(name="a", count=1)),
        (LocalWorkerGroup(name="scheduler", count=1),),
        (LocalWorkerGroup(name="a"), LocalWorkerGroup(name="b", count=1)),
    ],
    ids=["one name twice", "the scheduler's name", "auto in several groups"],
)
def test_groups_made_in_python_keep_the_rules_between_groups(groups: tuple[LocalWorkerGroup, ...]):
    with pytest.raises(ValueError, match=r"workers|group|scheduler"):
        LocalFleetSpec(name="x", workers=groups)


FULL = """\
name: research
provider: local
scheduler: {port: 9000, dashboard_port: 9001}
workers:
  - {name: cpu, count: 3, threads: 2, memory_limit: 4GiB, resources: {A: 1, B: 0.5}}
  - {name: big, count: 0, memory_limit: 0}
  - {name: any, count: 1, memory_limit: auto}
tags: {team: climate, empty: ""}
"""


@pytest.mark.parametrize("text", [FULL, "name: x\nprovider: local\n"])
def test_a_spec_survives_being_dumped_and_parsed(text: str):
    spec = parse_fleet_yaml(text)
    assert parse_fleet_spec(spec.model_dump()) == spec
    assert parse_fleet_spec(spec.model_dump(mode="json")) == spec
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("cpus", range(1, 65))
def test_the_file_that_init_writes_is_a_spec_without_problems(cpus: int):
    spec = parse_fleet_yaml(render_fleet_file("local", "research", "dir/my fleet.yaml", cpus=cpus))
    assert isinstance(spec, LocalFleetSpec)
    (group,) = spec.workers
    assert spec.name == "research"
    assert isinstance(group.count, int)
    assert isinstance(group.threads, int)
    assert 1 <= group.count <= 4
    assert cpus - group.count < group.count * group.threads <= cpus


@pytest.mark.parametrize("provider", sorted({*PROVIDERS} - {"local"}))
def test_the_file_that_init_writes_is_valid_once_its_gaps_are_filled_in(provider: str):
    text = render_fleet_file(provider, "research", "fleet.yaml", cpus=4)
    assert parse_fleet_yaml(text.replace(CIDR_TO_FILL_IN, "198.51.100.7/32")).provider == provider
    if CIDR_TO_FILL_IN in text:
        with pytest.raises(SpecError, match="this is no IPv4 network"):
            parse_fleet_yaml(text)


def test_what_init_shows_as_comments_is_valid_when_it_is_uncommented():
    text = render_fleet_file("local", "research", "fleet.yaml", cpus=4)
    settings = [
        line.replace("# ", "", 1)
        if line.lstrip().startswith(("# scheduler", "#   port", "#   dash", "# memory_limit", "# resources", "# tags"))
        or line.startswith(("  # - name", "  #   count", "  #   threads", "  #   memory_limit", "  #   resources"))
        else line
        for line in text.splitlines()
    ]
    spec = parse_fleet_yaml("\n".join(settings))
    assert isinstance(spec, LocalFleetSpec)
    assert [group.name for group in spec.workers] == ["cpu", "big"]
    assert [group.resources for group in spec.workers] == [{"GPU": 1}, {"BIG": 1}]
    assert spec.tags == {"team": "climate"}
