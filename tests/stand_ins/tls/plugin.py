"""The provider itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stand_ins.core.provider import Provider
from stand_ins.core.server import serve
from stand_ins.tls.registry import FUNCTIONS, RESOURCES


class Tls(Provider[None]):
    """`pulumi-tls`."""

    name = "tls"
    version = "5.6.2"
    resources = RESOURCES
    functions = FUNCTIONS

    def call(self, properties: Mapping[str, Any], seconds: float | None = None) -> None:
        """All is done here."""


def main() -> None:
    """Serve as the engine's plugin."""
    serve(Tls())
