"""Everything that can be known to be wrong before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from daskfleet.errors import FleetError
from daskfleet.providers.stack.cloud import Check, Cloud
from daskfleet.providers.stack.engine import EngineMissing, find_engine
from daskfleet_stacks.spec import FleetSpec

P = ParamSpec("P")


def run_checks(cloud: Cloud, spec: FleetSpec) -> list[Check]:
    """The engine, and what the cloud is asked."""
    return [check_engine(), *cloud.check(spec)]


def check_engine() -> Check:
    """Whether there is an engine."""
    try:
        return Check("engine", found=str(find_engine()))
    except EngineMissing as error:
        return Check("engine", str(error))


def guard(name: str, ask: Callable[P, Check], *arguments: P.args, **named: P.kwargs) -> Check:
    """What a check finds, also where asking fails."""
    try:
        return ask(*arguments, **named)
    except FleetError as error:
        return Check(name, str(error))


def require_checks(cloud: Cloud, spec: FleetSpec) -> None:
    """Make sure that nothing is known to be wrong.

    Raises:
        FleetError: with everything that is.
    """
    wrong = [check for check in cloud.check(spec) if not check.ok]
    if len(wrong) == 1:
        raise FleetError(f"fleet '{spec.name}' cannot be made: {wrong[0].name}: {wrong[0].problem}")
    if wrong:
        told = "\n".join(f"  - {check.name}: {check.problem}" for check in wrong)
        raise FleetError(f"fleet '{spec.name}' cannot be made, for {len(wrong)} reasons:\n{told}")
