"""Labels: those of the program, those that Pulumi adds, those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stand_ins.core.wire import UNKNOWN, holds_unknown
from stand_ins.gcp.call import Settings

ATTRIBUTION, VALUE = "goog-pulumi-provisioned", "true"
OUTPUTS = ("pulumiLabels", "effectiveLabels")


def plan(settings: Settings, given: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs that follow from the labels of the program, with those that somebody else gave left as they are."""
    own = given.get("labels") or {}
    if holds_unknown(own):
        return dict.fromkeys(OUTPUTS, UNKNOWN)
    there, before = state.get("effectiveLabels") or {}, state.get("pulumiLabels") or {}
    managed = dict(settings.labels)
    proactive = settings.attribution == "PROACTIVE"
    if settings.attribution and (ATTRIBUTION in there or proactive or not state):
        managed[ATTRIBUTION] = VALUE
    managed |= own
    others = {key: value for key, value in there.items() if key not in before}
    return {"pulumiLabels": managed, "effectiveLabels": {**others, **managed}}


def describe(found: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """The labels that are there: of the program, of Pulumi, and all."""
    return {
        "labels": {key: found[key] for key in known.get("labels") or () if key in found},
        "pulumiLabels": {key: found[key] for key in known.get("pulumiLabels") or () if key in found},
        "effectiveLabels": dict(found),
    }
