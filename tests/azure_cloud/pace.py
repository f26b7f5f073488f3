"""How long things take."""

from __future__ import annotations

from dataclasses import dataclass, field

USUAL = "*"


@dataclass
class Pace:
    """As tests make it."""

    seconds: dict[str, float] = field(default_factory=lambda: {USUAL: 0.2})
    """Of operations, by type or by `DELETE TYPE`; `*` is all others."""
    retry_after: int = 1
    """What answers say: ask again after so many seconds."""
    replication: float = 0.0
    """Seconds until a new identity is known wherever roles are given."""
    roles: float = 0.0
    """Seconds until a role that was given or taken counts."""
    grace: float | None = None
    """Seconds before unhealthy machines are replaced; `None` is what their scale set says."""
    page: int = 100
    """Items of a page."""

    def find(self, method: str, type_: str) -> float:
        for name in (f"{method} {type_}", type_):
            if name in self.seconds:
                return self.seconds[name]
        return self.seconds.get(USUAL, 0.0)
