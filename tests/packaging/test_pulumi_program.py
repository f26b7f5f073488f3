"""The program that `pulumi up` runs, for what this version can and cannot deploy."""

from __future__ import annotations

import json

import pulumi
import pytest

from daskfleet_stacks.deploy import deploy


def test_a_stack_without_a_spec_is_told_what_to_give():
    with pytest.raises(pulumi.RunError, match="no daskfleet:fleet"):
        deploy()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "x", "provider": "local"}, "daskfleet up FILE"),
        ({"name": "x", "provider": "aws"}, "planned and not available yet"),
        ({"name": "x", "provider": "local", "worker": []}, "did you mean 'workers'"),
    ],
)
def test_a_spec_that_needs_no_stack_or_is_wrong_is_refused_with_the_reason(spec: dict[str, object], words: str):
    pulumi.runtime.set_config("daskfleet:fleet", json.dumps(spec))
    try:
        with pytest.raises(pulumi.RunError, match=words):
            deploy()
    finally:
        pulumi.runtime.set_all_config({})
