"""The JSON Schema for editors agrees with the parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from daskfleet.services.init import render_fleet_file
from daskfleet_stacks.spec import SpecError, build_json_schema, parse_fleet_spec

GROUP = {"name": "cpu", "count": 2, "threads": 1, "memory_limit": "4GiB", "resources": {"GPU": 0.5}}
GOOD: dict[str, Any] = {
    "name": "x",
    "provider": "local",
    "scheduler": {"port": 9000, "dashboard_port": "auto"},
    "workers": [GROUP, {"name": "b", "count": 0, "threads": "auto", "memory_limit": 0}],
    "tags": {"team": "climate"},
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = build_json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("cpus", [1, 2, 3, 5, 64])
def test_the_schema_accepts_what_init_writes(validator: Draft202012Validator, cpus: int):
    data = yaml.safe_load(render_fleet_file("local", "research", "fleet.yaml", cpus=cpus))
    assert list(validator.iter_errors(data)) == []


SSH_HOST = {"host": "science@rack[01-16].lan", "port": 2222, "group": "big", "workers": "auto", "threads": 2}
SSH_HOST |= {"memory_limit": "4GiB", "resources": {"GPU": 1}, "nice": 0, "pause_when_busy": True, "scratch": "/local"}
SSH: dict[str, Any] = {
    "name": "x",
    "provider": "ssh",
    "hosts": ["a", SSH_HOST, {"host": "b", "workers": 0}],
    "scheduler": {"host": "head", "ssh_port": 22, "address": "10.0.0.1", "port": 9000, "dashboard_port": "auto"},
    "environment": {"mode": "ship", "python": "3.12", "lock": "lock.txt", "wheels": "wheels"},
    "access": {"mode": "ssh"},
    "tags": {"team": "climate"},
}
SSH_SHORT = {"name": "x", "provider": "ssh", "hosts": ["a"]}
GOOD_SSH = [
    SSH,
    SSH_SHORT,
    {**SSH_SHORT, "scheduler": "a"},
    {**SSH_SHORT, "scheduler": {}, "environment": {}, "access": {}},
    {**SSH_SHORT, "environment": {"mode": "existing", "python": "/opt/env/bin/python"}},
    {**SSH_SHORT, "scheduler": {"host": None, "ssh_port": None, "address": None}},
    {**SSH_SHORT, "hosts": [{"host": "a", "port": None, "scratch": None, "memory_limit": 0}]},
]


@pytest.mark.parametrize("data", [GOOD, {"name": "x", "provider": "local"}, *GOOD_SSH])
def test_the_schema_accepts_what_the_parser_accepts(validator: Draft202012Validator, data: dict[str, Any]):
    assert parse_fleet_spec(data).name == "x"
    assert list(validator.iter_errors(data)) == []


def with_group(**values: Any) -> dict[str, Any]:
    return {**GOOD, "workers": [{**GROUP, **values}, GOOD["workers"][1]]}


BAD = [
    {},
    [],
    {"name": "x"},
    {"provider": "local"},
    {**GOOD, "provider": "aws"},
    {**GOOD, "zebra": 1},
    {**GOOD, "region": "eu-west-1"},
    {**GOOD, "name": "My Fleet"},
    {**GOOD, "name": "x" * 41},
    {**GOOD, "name": False},
    {**GOOD, "workers": []},
    {**GOOD, "workers": {}},
    {**GOOD, "workers": ["cpu"]},
    {**GOOD, "scheduler": {"port": 80}},
    {**GOOD, "scheduler": {"port": "9000"}},
    {**GOOD, "scheduler": {"prot": 9000}},
    {**GOOD, "scheduler": None},
    {**GOOD, "tags": {"team": 1}},
    {**GOOD, "tags": {"team": "x" * 64}},
    {**GOOD, "tags": {"Not A Label": "x"}},
    with_group(name=5),
    with_group(count=-1),
    with_group(count=10_001),
    with_group(count=1.5),
    with_group(count={"min": 0, "max": 2}),
    with_group(count=True),
    with_group(threads=0),
    with_group(threads="2"),
    with_group(memory_limit=True),
    with_group(memory_limit=-1),
    with_group(resources={"GPU": 0}),
    with_group(resources=["GPU"]),
    with_group(spot="only"),
]


def with_host(**values: Any) -> dict[str, Any]:
    return {**SSH, "hosts": [{**SSH_HOST, **values}]}


BAD += [
    {"name": "x", "provider": "ssh"},
    {**SSH, "name": "My Fleet"},
    {**SSH, "hosts": []},
    {**SSH, "hosts": "a"},
    {**SSH, "hosts": {"host": "a"}},
    {**SSH, "hosts": [5]},
    {**SSH, "hosts": [None]},
    {**SSH, "hosts": [{}]},
    {**SSH, "hosts": [{"workers": 2}]},
    {**SSH, "workers": [GROUP]},
    {**SSH, "region": "eu-west-1"},
    {**SSH, "scheduler": 5},
    {**SSH, "scheduler": None},
    {**SSH, "scheduler": {"prot": 9000}},
    {**SSH, "scheduler": {"port": 80}},
    {**SSH, "scheduler": {"host": 5}},
    {**SSH, "scheduler": {"host": "a", "ssh_port": 0}},
    {**SSH, "scheduler": {"address": ""}},
    {**SSH, "environment": "same"},
    {**SSH, "environment": {"mode": "ships"}},
    {**SSH, "environment": {"mode": "existing", "python": 3.12}},
    {**SSH, "environment": {"mode": "ship", "lock": ""}},
    {**SSH, "access": {"mode": "direkt"}},
    {**SSH, "access": {"mode": "auto", "allowed_cidrs": []}},
    with_host(host=5),
    with_host(port=0),
    with_host(port=65536),
    with_host(port="22"),
    with_host(port=True),
    with_host(group="My Group"),
    with_host(workers=-1),
    with_host(workers={"min": 0, "max": 2}),
    with_host(threads=0),
    with_host(memory_limit=True),
    with_host(resources={"GPU": 0}),
    with_host(nice=20),
    with_host(nice=-1),
    with_host(nice=1.5),
    with_host(pause_when_busy="perhaps"),
    with_host(scratch="tmp"),
    with_host(scratch=5),
    with_host(count=3),
    with_host(spot="only"),
    with_host(zebra=1),
]


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_the_schema_refuses_what_the_parser_refuses(validator: Draft202012Validator, data: Any):
    with pytest.raises(SpecError):
        parse_fleet_spec(data)
    assert list(validator.iter_errors(data))


@pytest.mark.parametrize("value", ["yes", "true", 1, 0, "off"])
def test_a_truth_value_is_one_for_the_parser_as_for_the_schema(validator: Draft202012Validator, value: Any):
    data = with_host(pause_when_busy=value)
    assert list(validator.iter_errors(data))
    with pytest.raises(SpecError):
        parse_fleet_spec(data)


def iterate_properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, definition in schema["$defs"].items():
        for name, each in definition["properties"].items():
            yield f"{title}.{name}", each


REQUIRED = {
    "AwsFleetSpec.provider",
    "AwsFleetSpec.region",
    "AwsFleetSpec.workers",
    "AwsWorkerGroup.instance_types",
    "AzureFleetSpec.provider",
    "AzureFleetSpec.region",
    "AzureFleetSpec.workers",
    "AzureWorkerGroup.instance_types",
    "GcpAccelerator.type",
    "GcpFleetSpec.provider",
    "GcpFleetSpec.region",
    "GcpFleetSpec.workers",
    "GcpWorkerGroup.instance_types",
    "SshFleetSpec.hosts",
    "SshHost.host",
}
NESTED = ("scheduler", "access", "network", "image", "data", "environment")
"""What is a model of its own, whose fields tell their defaults."""


def test_every_field_of_the_schema_is_described():
    fields = dict(iterate_properties(build_json_schema()))
    assert {"LocalFleetSpec.workers", "LocalWorkerGroup.memory_limit", "LocalScheduler.port"} <= fields.keys()
    assert [name for name, field in fields.items() if len(field.get("description", "")) < 10] == []
    assert [
        name
        for name, field in fields.items()
        if "default" not in field and name not in REQUIRED and name.split(".")[1] not in ("name", *NESTED)
    ] == []


def test_the_schema_knows_no_key_that_the_parser_does_not():
    schema = build_json_schema()
    assert all(definition["additionalProperties"] is False for definition in schema["$defs"].values())
