"""From a document to a fleet spec, or to everything that is wrong with it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from daskfleet_stacks.spec.aws import AwsFleetSpec
from daskfleet_stacks.spec.azure import AzureFleetSpec
from daskfleet_stacks.spec.base import FleetSpec
from daskfleet_stacks.spec.gcp import GcpFleetSpec
from daskfleet_stacks.spec.local import LocalFleetSpec
from daskfleet_stacks.spec.problems import Path, Problem, SpecError, find_nearest, render_path, render_value
from daskfleet_stacks.spec.ssh import SshFleetSpec
from daskfleet_stacks.spec.yaml_lines import LinedDocument, YamlProblem, load_yaml

PROVIDERS: Mapping[str, type[FleetSpec]] = {
    "local": LocalFleetSpec,
    "ssh": SshFleetSpec,
    "aws": AwsFleetSpec,
    "gcp": GcpFleetSpec,
    "azure": AzureFleetSpec,
}
"""The spec of each provider that this version has. A new provider joins with one entry."""


def parse_fleet_yaml(text: str, source: str | None = None) -> FleetSpec:
    """Read the text of a `fleet.yaml`.

    Raises:
        SpecError: it is no YAML, or no valid fleet spec; with every problem and its line.
    """
    try:
        document = load_yaml(text)
    except YamlProblem as error:
        raise SpecError([Problem((), f"this is not YAML: {error}", "mend the line", line=error.line)], source) from None
    return _parse(document, source)


def parse_fleet_spec(data: Any, source: str | None = None) -> FleetSpec:
    """Validate a fleet spec that is already data.

    Raises:
        SpecError: with every problem.
    """
    return _parse(LinedDocument(data), source)


def _parse(document: LinedDocument, source: str | None) -> FleetSpec:
    problems = [
        Problem(path, "this key stands twice", "keep one of the two", line=line) for path, line in document.duplicates
    ]
    spec: FleetSpec | None = None
    if not isinstance(document.data, dict):
        problems.append(
            Problem((), f"a fleet spec is a mapping, not {render_value(document.data)}", "see `daskfleet init`", line=1)
        )
    else:
        model, provider_problem = _choose_model(document)
        if provider_problem:
            problems.append(provider_problem)
        try:
            # Where the provider is unknown, the rest is checked as if it were a local fleet, without its key.
            spec = model.model_validate({**document.data, "provider": "local"} if provider_problem else document.data)
        except ValidationError as error:
            problems += [
                _explain(detail, model, document)
                for detail in error.errors(include_url=False)
                # A list whose entries are all wrong is told entry by entry, not as too short besides; conflicts follow.
                if not (detail["type"] == "too_short" and detail["input"]) and detail["type"] != "conflict"
            ]
        problems += [
            dataclasses.replace(problem, line=document.find_line(problem.path))
            for problem in model.find_conflicts(document.data)
        ]
    if problems or spec is None:
        problems.sort(key=lambda problem: (problem.line or 0, render_path(problem.path)))
        raise SpecError(problems, source)
    return spec


def _choose_model(document: LinedDocument) -> tuple[type[FleetSpec], Problem | None]:
    provider = document.data.get("provider")
    model = PROVIDERS.get(provider) if isinstance(provider, str) else None
    if model is not None:
        return model, None
    known = ", ".join(PROVIDERS)
    path: Path = ("provider",)
    line = document.find_line(path)
    if "provider" not in document.data:
        return LocalFleetSpec, Problem(
            path, "a fleet has a provider, and none is given", f"add one of: {known}", line=line
        )
    near = find_nearest(str(provider), list(PROVIDERS))
    remedy = f"did you mean '{near}'?" if near else f"choose one of: {known}"
    return LocalFleetSpec, Problem(path, "there is no such provider", remedy, provider, True, line)


def _explain(error: ErrorDetails, model: type[FleetSpec], document: LinedDocument) -> Problem:
    """One of pydantic's errors, as a problem with a way out."""
    context = error.get("ctx") or {}
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    value = error["input"]
    line = document.find_line(path)
    kind = error["type"]
    if kind == "extra_forbidden":
        reason, remedy = _explain_unknown(path, model)
        return Problem(path, reason, remedy, value, True, line)
    if kind == "missing":
        return Problem(path, "this key is required", f"add `{path[-1]}:`", line=line)
    if kind == "refused":
        return Problem(path, error["msg"], str(context["remedy"]), value, True, line)
    if kind == "too_short":
        return Problem(path, "at least one is needed", "add one", value, True, line)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return Problem(path, "this is a mapping of keys to values", "write `key: value` below it", value, True, line)
    if kind in ("tuple_type", "list_type"):
        return Problem(path, "this is a list", "begin each entry with `- `", value, True, line)
    return Problem(path, error["msg"], "give a value that fits", value, True, line)


def _explain_unknown(path: Path, model: type[FleetSpec]) -> tuple[str, str]:
    """Reason and remedy for a key that the model does not have."""
    generic = re.sub(r"\[\d+\]", "[]", render_path(path))
    if generic in model.UNSUPPORTED:
        reason, _, remedy = model.UNSUPPORTED[generic].partition("; ")
        return reason, remedy
    fields = list(_find_model(model, path[:-1]).model_fields)
    near = find_nearest(str(path[-1]), fields)
    remedy = f"did you mean '{near}'?" if near else f"the keys here are: {', '.join(fields)}"
    return "there is no such key", remedy


def _find_model(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that validates what stands at `path`."""
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[str(part)].annotation
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            candidate = getattr(candidate, "__origin__", candidate)  # Of what is annotated.
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
                break
    return model
