"""The JSON Schema of the fleet spec, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from daskfleet_stacks.spec.read import PROVIDERS


def build_json_schema() -> dict[str, Any]:
    """One schema for the specs of all providers, told apart by `provider`."""
    keys, definitions = models_json_schema([(model, "validation") for model in PROVIDERS.values()])
    references = [keys[model, "validation"] for model in PROVIDERS.values()]
    for reference in references:
        definition = definitions["$defs"][reference["$ref"].rsplit("/", 1)[1]]
        definition["required"] = sorted({*definition.get("required", []), "provider"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "daskfleet fleet spec",
        "oneOf": references,
        **definitions,
    }
