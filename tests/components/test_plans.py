"""What the spec of a fleet in a cloud becomes: golden plans, and what holds in every one of them, in every cloud.

`DASKFLEET_UPDATE_GOLDEN=1 pytest tests/components` writes the goldens anew; read the difference before you commit it.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.clouds import CLOUDS, Looked, find_documents
from components.plans import KEY, Plan, record_specs, render_plan
from daskfleet_images.node.document import parse_node_document

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """A fleet file in a cloud, and what becomes of it."""

    provider: str
    name: str
    cloud: Looked
    plan: Plan

    @property
    def golden(self) -> Path:
        return GOLDEN / self.provider / f"{self.name}.yaml"


@pytest.fixture(
    scope="module",
    params=[(provider, name) for provider, cloud in CLOUDS.items() for name in cloud.specs],
    ids=lambda pair: f"{pair[0]}-{pair[1]}",
)
def case(request: pytest.FixtureRequest) -> Case:
    provider, name = request.param
    cloud = CLOUDS[provider]
    return Case(provider, name, cloud, record_specs(cloud.make(), *cloud.specs[name]))


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Looked:
    return CLOUDS[request.param]


def test_a_plan_is_the_golden_one(case: Case) -> None:
    text = render_plan(case.plan)
    if os.environ.get("DASKFLEET_UPDATE_GOLDEN") == "1":
        case.golden.parent.mkdir(parents=True, exist_ok=True)
        case.golden.write_text(text)
    assert text == case.golden.read_text()


def test_no_private_key_stands_in_a_plan_or_its_golden(case: Case) -> None:
    for text in (render_plan(case.plan), case.golden.read_text()):
        assert "[secret]" in text
        for part in ("PRIVATE KEY", "MOCKED", base64.b64encode(KEY.encode()).decode()[:40]):
            assert part not in text


def test_nobody_is_let_in_from_outside_but_whom_the_file_names(case: Case) -> None:
    outside = list(case.cloud.find_outside_rules(case.plan))
    if case.name in case.cloud.closed:
        assert outside == []
    for network, ports in outside:
        assert network in "".join(case.cloud.specs[case.name])
        assert ports in ("tcp 8786-8786", "tcp 22-22")


def test_everything_that_can_have_tags_has_the_fleets(case: Case) -> None:
    for key, inputs in case.plan.resources.items():
        marks = case.cloud.find_marks(key.partition(" ")[0], inputs)
        if marks is not None:
            assert marks["daskfleet-fleet"] in ("research", "one", "two"), key
            assert marks["daskfleet-role"] in ("scheduler", "worker", "client", "network"), key


def test_user_data_is_a_node_document_and_no_secret(case: Case) -> None:
    for document in find_documents(case.cloud, case.plan):
        node = parse_node_document(json.dumps(document))
        assert node.tls.source == case.cloud.secret_source
        assert node.logs is not None


def test_a_fleet_of_a_thousand_machines_has_as_many_resources_as_one(cloud: Looked) -> None:
    (text,) = cloud.specs["minimal"]
    few = record_specs(cloud.make(), text)
    many = record_specs(cloud.make(), text.replace(cloud.more, f"{cloud.more}, count: 1000"))
    assert few.resources.keys() == many.resources.keys()
    assert "1000" in render_plan(many)


def test_the_exported_connection_is_the_contract(cloud: Looked) -> None:
    from daskfleet_stacks.connection import validate_connection

    outputs = dict(record_specs(cloud.make(), *cloud.specs["minimal"]).outputs)
    resources = outputs.pop("resources")
    connection = validate_connection(outputs)
    assert connection.scheduler_address == "tls://10.0.0.10:8786"
    assert connection.security.tls_client_key == KEY
    assert resources["groups"]["cpu"]["workers_per_instance"] == 1
    assert "research" in resources["connection_secret"]
    assert "client" in resources["connection_secret"]


def test_direct_access_opens_the_schedulers_port_to_the_named_networks_and_nothing_else(cloud: Looked) -> None:
    plan = record_specs(cloud.make(), *cloud.specs["public"])
    assert list(cloud.find_outside_rules(plan)) == [("198.51.100.7/32", "tcp 8786-8786")]
    assert plan.outputs["scheduler_address"] == "tls://198.51.100.99:8786"
    assert plan.outputs["access"] == {"mode": "direct", "host": "", "user": ""}


def test_access_by_ssh_opens_its_port_alone_and_the_address_is_the_one_behind_it(cloud: Looked) -> None:
    plan = record_specs(cloud.make(), *cloud.specs["ssh"])
    assert list(cloud.find_outside_rules(plan)) == [("198.51.100.7/32", "tcp 22-22")]
    assert plan.outputs["scheduler_address"] == "tls://10.0.0.10:8786"
    assert plan.outputs["access"] == {"mode": "ssh", "host": "198.51.100.99", "user": "fleet"}
    assert plan.outputs["security"]["ssh_key"] == KEY


def test_machines_with_gpus_run_a_worker_on_each(cloud: Looked) -> None:
    plan = record_specs(cloud.make(), *cloud.specs["gpu"])
    documents = [each for each in find_documents(cloud, plan) if each.get("resources") == {"GPU": 1}]
    assert documents
    assert {each["workers"] for each in documents} == {"per-gpu"}
    assert all(each["watch"] for each in documents)
