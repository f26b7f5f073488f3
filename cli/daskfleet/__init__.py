"""daskfleet: Dask fleets from one spec file, one command and one connection contract.

`connect(name)` gives a `distributed.Client` on a fleet; `Fleet(name)` is the fleet as a `distributed.deploy.Cluster`.
Names are imported when they are used, so that `import daskfleet` and light commands stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daskfleet.errors import FleetError
    from daskfleet.fleet import Fleet, connect
    from daskfleet_stacks.connection import Connection
    from daskfleet_stacks.spec import FleetSpec

__all__ = ["Connection", "Fleet", "FleetError", "FleetSpec", "connect"]

_HOMES = {
    "Connection": "daskfleet_stacks.connection",
    "Fleet": "daskfleet.fleet",
    "FleetError": "daskfleet.errors",
    "FleetSpec": "daskfleet_stacks.spec",
    "connect": "daskfleet.fleet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'daskfleet' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
