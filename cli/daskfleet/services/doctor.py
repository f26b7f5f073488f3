"""Everything that keeps a fleet from being made, as far as it can be known before."""

from __future__ import annotations

from daskfleet.errors import FleetError
from daskfleet.providers import load_provider
from daskfleet.providers.base import Check
from daskfleet.services.specs import find_spec
from daskfleet_stacks.spec import SpecError


def examine(target: str | None) -> list[Check]:
    """The checks of the fleet that `target` names, those that failed included."""
    try:
        spec = find_spec(target)
    except SpecError as error:
        return [Check("fleet file", problem.render(error.source)) for problem in error.problems]
    checks = [Check("fleet file", found=f"fleet '{spec.name}' of provider {spec.provider}")]
    try:
        return [*checks, *load_provider(spec.provider).check(spec)]
    except FleetError as error:
        return [*checks, Check(spec.provider, str(error))]
