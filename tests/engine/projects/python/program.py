"""Greets, and knows a password: without a cloud."""

from __future__ import annotations

import pulumi


class Desk(pulumi.ComponentResource):
    def __init__(self, name: str, password: pulumi.Input[str]) -> None:
        super().__init__("greeting:index:Desk", name, {"password": password})
        self.register_outputs({"password": password})


def greet() -> None:
    config = pulumi.Config()
    password = config.require_secret("password")
    Desk("desk", password)
    pulumi.export("greeting", f"hello, {config.require('whom')}")
    pulumi.export("password", password)
