"""What the specs of all providers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from daskfleet_stacks.spec.fields import Name, Tags
from daskfleet_stacks.spec.problems import Problem


class SpecModel(BaseModel):
    """Base of every model of a spec: frozen, and it forbids what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FleetSpec(SpecModel):
    """The keys that mean the same on every provider. Each provider's own spec derives from this."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {}
    """Keys of the common vocabulary that this provider, or this version, cannot honour: `{path: why and what to do}`.
    They are refused with that text, never accepted and ignored. A path has `[]` for any index of a list."""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """What must hold between values and does not, in data that may have other mistakes besides."""
        return []

    @model_validator(mode="after")
    def _check_conflicts(self) -> Self:
        problems = self.find_conflicts(self.model_dump())
        if problems:
            told = "; ".join(problem.render() for problem in problems)
            raise PydanticCustomError("conflict", "{problems}", {"problems": told})
        return self

    name: Name
    """Name of the fleet, unique on this machine."""
    provider: str
    """Where the fleet lives."""
    tags: Tags = Field(default={})
    """Labels for people and bills; `list` and `status` show them."""
