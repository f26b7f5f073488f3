"""What holds for every type: it is made, compares equal to itself, is found again, and goes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from stand_ins.conftest import DEFAULT_TAGS, Cloud
from stand_ins.core.resource import Resource
from stand_ins.core.schema import load_schema
from stand_ins.core.wire import UNKNOWN, plain
from stand_ins.plugin_client import PluginClient, Refusal
from stand_ins.subjects import AWS, KINDS, SUBJECTS, Place, Subject
from stand_ins.world import ATTACHMENT, DEFAULT_GROUP, INPUTS, INSTANCE, SCALING_GROUP, World

TAGGED = sorted(kind for kind in INPUTS if "tags" in AWS.resources[kind].inputs and kind != SCALING_GROUP)


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=list(SUBJECTS))
def test_there_are_inputs_for_every_type(subject: Subject):
    assert {*subject.inputs, ATTACHMENT} == {*subject.resources, ATTACHMENT}


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_makes_nothing_and_is_kept(place: Place, kind: str):
    inputs = place.subject.inputs[kind](place.world)
    place.calls.clear()
    planned = plain(place.plugin.preview(kind, inputs))
    assert [call.name for call in place.calls.calls if call.changes] == []
    known = {key: value for key, value in planned.items() if value is not UNKNOWN and key != "__defaults"}
    resource = place.subject.resources[kind]
    assert all(holds(resource, name, known.get(name), value) for name, value in inputs.items())
    outputs = plain(place.plugin.create(kind, inputs).state)
    assert {key for key, value in outputs.items() if value} - {"id"} <= set(planned), "not promised by the preview"
    for name, value in known.items():
        assert holds(resource, name, outputs.get(name), value), f"{name} came out otherwise than the preview said"


def holds(resource: Resource[Any], name: str, came: Any, planned: Any) -> bool:
    """Whether `came` has what was planned, and perhaps what the cloud added or spells in its own way."""
    if isinstance(planned, dict) and isinstance(came, dict):
        return all(holds(resource, key, came.get(key), value) for key, value in planned.items())
    if isinstance(planned, list) and isinstance(came, list):
        return len(came) == len(planned) and all(
            any(holds(resource, name, one, other) for one in came) for other in planned
        )
    return resource.means_same(name, came, planned) or planned in (False, 0, "all")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_made_compares_equal_refreshed_and_imported_and_goes(place: Place, kind: str):
    subject, plugin = place.subject, place.plugin
    inputs = subject.inputs[kind](place.world)
    made = plugin.create(kind, inputs)
    assert plugin.diff(made, inputs).paths == {}

    again = plugin.refresh(made)
    assert again is not None
    assert again.inputs == made.inputs
    assert steady(subject, again.state) == steady(subject, made.state)
    assert plugin.diff(again, inputs).paths == {}

    found = plugin.find(kind, subject.imported.get(kind, lambda made: made.id)(made))
    assert found is not None
    assert found.id == made.id
    different = {path.partition(".")[0].partition("[")[0] for path in plugin.diff(found, inputs).paths}
    assert different <= {*subject.said_to_the_provider.get(kind, ()), *subject.untold}

    plugin.delete(made)
    if kind in subject.lasting:
        assert plugin.refresh(made) is not None, "AWS deletes neither a default group nor a secret's current version"
    else:
        assert plugin.refresh(made) is None
        twice = pytest.raises(Refusal, match="already destroyed") if kind in subject.once else nullcontext()
        with twice:  # It may be gone already.
            plugin.delete(made)


def steady(subject: Subject, state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in subject.restless}


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
def test_a_property_that_the_sdk_has_not_is_refused(place: Place, kind: str):
    failures = place.plugin.check_failures(kind, {"cidrBlok": "x"})
    assert "the SDK has no such property" in failures["cidrBlok"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_sdk_requires_is_required(place: Place, kind: str):
    members = load_schema(place.subject.name).resources[kind].inputs
    required = {name for name, member in members.items() if member.required}
    assert required <= set(place.plugin.check_failures(kind, {}))
