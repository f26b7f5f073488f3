"""What holds for every type: it is made, compares equal to itself, is found again, and goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stand_ins.aws.registry import RESOURCES
from stand_ins.conftest import DEFAULT_TAGS, Cloud
from stand_ins.core.schema import load_schema
from stand_ins.core.wire import UNKNOWN, plain
from stand_ins.plugin_client import Made, PluginClient
from stand_ins.world import (
    ASSOCIATION,
    ATTACHMENT,
    DEFAULT_GROUP,
    INPUTS,
    INSTANCE,
    KEY_PAIR,
    ROUTE,
    SCALING_GROUP,
    SECRET,
    SECRET_VERSION,
    TEMPLATE,
    World,
)

KINDS = sorted(INPUTS)
TAGGED = sorted(kind for kind in KINDS if "tags" in RESOURCES[kind].inputs and kind != SCALING_GROUP)
SAID_TO_THE_PROVIDER = {
    INSTANCE: {"userDataReplaceOnChange"},
    KEY_PAIR: {"publicKey"},
    SCALING_GROUP: {"forceDelete", "waitForCapacityTimeout"},
    SECRET: {"recoveryWindowInDays"},
    TEMPLATE: {"updateDefaultVersion"},
}
"""What no API tells back, so that an import cannot find it."""
IMPORTED: dict[str, Callable[[Made], str]] = {
    ASSOCIATION: lambda made: f"{made['subnetId']}/{made['routeTableId']}",
    ROUTE: lambda made: f"{made['routeTableId']}_{made['destinationCidrBlock']}",
}
"""What a person names, where it is not the id."""


def test_there_are_inputs_for_every_type():
    assert set(INPUTS) | {ATTACHMENT} == set(RESOURCES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_makes_nothing_and_is_kept(aws: PluginClient, world: World, cloud: Cloud, kind: str):
    inputs = INPUTS[kind](world)
    cloud.calls.clear()
    planned = plain(aws.preview(kind, inputs))
    assert [call.name for call in cloud.calls.calls if call.changes] == []
    known = {key: value for key, value in planned.items() if value is not UNKNOWN and key != "__defaults"}
    assert inputs.items() <= known.items()
    outputs = plain(aws.create(kind, inputs).state)
    assert {key for key, value in outputs.items() if value} - {"id"} <= set(planned), "not promised by the preview"
    for name, value in known.items():
        assert holds(outputs.get(name), value), f"{name} came out otherwise than the preview said"


def holds(came: Any, planned: Any) -> bool:
    """Whether `came` has what was planned, and perhaps what the cloud added or spells in its own way."""
    if isinstance(planned, dict) and isinstance(came, dict):
        return all(holds(came.get(key), value) for key, value in planned.items())
    if isinstance(planned, list) and isinstance(came, list):
        return len(came) == len(planned) and all(any(holds(one, other) for one in came) for other in planned)
    return bool(came == planned) or planned in (False, 0, "all")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_made_compares_equal_refreshed_and_imported_and_goes(aws: PluginClient, world: World, kind: str):
    inputs = INPUTS[kind](world)
    made = aws.create(kind, inputs)
    assert aws.diff(made, inputs).paths == {}

    again = aws.refresh(made)
    assert again is not None
    assert (again.inputs, again.state) == (made.inputs, made.state)
    assert aws.diff(again, inputs).paths == {}

    found = aws.find(kind, IMPORTED.get(kind, lambda made: made.id)(made))
    assert found is not None
    assert found.id == made.id
    assert set(aws.diff(found, inputs).paths) <= SAID_TO_THE_PROVIDER.get(kind, set())

    aws.delete(made)
    if kind in (DEFAULT_GROUP, SECRET_VERSION):
        assert aws.refresh(made) is not None, "AWS deletes neither a default group nor a secret's current version"
    else:
        assert aws.refresh(made) is None
        aws.delete(made)  # It may be gone already.


@pytest.mark.parametrize("kind", TAGGED)
def test_tags_and_default_tags_are_there_from_the_start_and_change_in_place(
    aws: PluginClient, world: World, cloud: Cloud, kind: str
):
    inputs = INPUTS[kind](world)
    cloud.calls.clear()
    made = aws.create(kind, inputs)
    assert (made["tags"], made["tagsAll"]) == (inputs["tags"], {**DEFAULT_TAGS, **inputs["tags"]})
    if kind != DEFAULT_GROUP:  # which is there before anybody could tag it
        later = [call.name for call in cloud.calls.calls if "Tag" in call.action and call.changes]
        # The volume of an instance gets the default tags as the real provider gives them: once it is there.
        assert later == (["ec2:CreateTags"] if kind == INSTANCE else [])

    changed = {**inputs, "tags": {"Name": "other", "more": "x"}}
    difference = aws.diff(made, changed)
    assert difference.replaces == []
    assert {path.partition(".")[0].partition("[")[0] for path in difference.paths} == {"tags", "tagsAll"}
    updated = aws.update(made, changed)
    assert updated["tagsAll"] == {**DEFAULT_TAGS, **changed["tags"]}
    assert aws.diff(updated, inputs).changes


@pytest.mark.parametrize("kind", KINDS)
def test_a_property_that_the_sdk_has_not_is_refused(aws: PluginClient, kind: str):
    failures = aws.check_failures(kind, {"cidrBlok": "x"})
    assert "the SDK has no such property" in failures["cidrBlok"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_sdk_requires_is_required(aws: PluginClient, kind: str):
    required = {name for name, member in load_schema("aws").resources[kind].inputs.items() if member.required}
    assert required <= set(aws.check_failures(kind, {"region": "eu-west-1"}))
