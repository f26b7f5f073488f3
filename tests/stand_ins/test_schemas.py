"""What the stand-ins know of the SDKs is what the installed SDKs say."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from stand_ins.core.schema import SCHEMAS, load_schema
from stand_ins.sdk import PLUGINS

TESTS = SCHEMAS.parents[1]


@pytest.mark.parametrize("name", PLUGINS)
def test_schemas_say_what_the_installed_sdk_says(name: str):
    # Elsewhere: the SDK's modules load each other lazily, and not well after one of them was imported by its own name.
    program = f"from stand_ins.sdk import render_schema; print(render_schema({name!r}), end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TESTS)
    assert (SCHEMAS / f"{name}.json").read_text() == done.stdout, "renew it, in tests/: python -m stand_ins.sdk"


@pytest.mark.parametrize("name", PLUGINS)
def test_types_speak_of_properties_that_the_sdk_has(name: str):
    schema = load_schema(name)
    for token, resource in importlib.import_module(f"stand_ins.{name}.registry").RESOURCES.items():
        inputs = schema.resources[token].inputs
        outputs = schema.resources[token].outputs
        assert set(resource.inputs) <= set(inputs), token
        assert set(resource.replaces) <= {*resource.inputs, *outputs}, token
        assert set(resource.defaults) <= set(inputs), token
        assert set(resource.kept) <= set(inputs), token
        assert {path.partition(".")[0] for path in resource.inner_defaults} <= set(inputs), token
        assert set(resource.documents) <= set(inputs), token
        assert set(resource.secrets) <= {*inputs, *outputs}, token
