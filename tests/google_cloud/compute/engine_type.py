"""`Engine`, for annotations: the module that has it knows all collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google_cloud.compute.engine import Engine
else:
    Engine = Any

__all__ = ["Engine"]
