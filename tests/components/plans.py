"""What a fleet spec becomes in Pulumi, recorded without an engine: every resource with its inputs."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pulumi
import yaml
from pulumi.runtime import mocks, rpc

from daskfleet_stacks.spec import parse_fleet_yaml

VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
KEY = "-----BEGIN PRIVATE KEY-----\nMOCKED\n-----END PRIVATE KEY-----\n"
"""What every private key is here; it must stand nowhere in a plan."""


@dataclass
class Plan:
    """The resources of one run of a program."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Inputs by `TYPE NAME`."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """What the stack exports."""

    def find(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a type, `aws:ec2/vpc:Vpc`, by name."""
        return {
            key.partition(" ")[2]: inputs for key, inputs in self.resources.items() if key.partition(" ")[0] == kind
        }


class Cloud(ABC):
    """What a cloud's provider answers, and the program of its fleets."""

    fleet: ClassVar[Any]
    """The component."""
    build_fleet_args: ClassVar[Callable[..., Any]]
    deploy: ClassVar[Callable[..., None]]

    @abstractmethod
    def complete(self, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """What a resource has besides its inputs, once it is made."""

    @abstractmethod
    def answer(self, token: str, given: dict[str, Any]) -> dict[str, Any]:
        """What a function answers."""


class _Recorder(mocks.Mocks):
    """Answers what providers would, with identifiers that are made of the names."""

    def __init__(self, plan: Plan, cloud: Cloud) -> None:
        self._plan = plan
        self._cloud = cloud

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        key = f"{args.typ} {args.name}"
        assert key not in self._plan.resources, f"two resources are called {key}"
        inputs = unwrap(args.inputs)
        self._plan.resources[key] = inputs
        computed = {
            "id": f"{args.name}-id",
            "privateKeyPem": KEY,
            "privateKeyPemPkcs8": KEY,
            "privateKeyOpenssh": KEY,
            "publicKeyOpenssh": f"ssh-ed25519 public key of {args.name}",
            "certPem": f"certificate of {args.name}",
            "certRequestPem": f"request of {args.name}",
            **self._cloud.complete(args.typ, args.name, inputs),
        }
        return str(computed["id"]), {**inputs, **computed}

    def call(self, args: mocks.MockCallArgs) -> dict[Any, Any]:
        return self._cloud.answer(args.token, unwrap(args.args))


def record_specs(cloud: Cloud, *texts: str) -> Plan:
    """The plan of a stack with this fleet; with several, of a component author's program that holds them all."""
    specs = [parse_fleet_yaml(text) for text in texts]

    def program() -> None:
        for spec in specs:
            if len(specs) == 1:
                cloud.deploy(spec, VERSIONS)
            else:
                cloud.fleet(spec.name, cloud.build_fleet_args(spec, VERSIONS))

    return record(program, cloud)


def record(program: Callable[[], None], cloud: Cloud) -> Plan:
    """The plan of a program."""
    plan = Plan()
    exported: dict[str, Any] = {}

    @pulumi.runtime.test
    def run() -> Any:
        with _collecting_exports(exported):
            program()
        return pulumi.Output.all(**exported).apply(plan.outputs.update)

    with _own_event_loop():
        mocks.set_mocks(_Recorder(plan, cloud), project="daskfleet", stack="test")
        run()
    return plan


@contextmanager
def _own_event_loop() -> Iterator[None]:
    """Pulumi takes the thread's event loop, and whoever ran one before may have left none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def _collecting_exports(exported: dict[str, Any]) -> Iterator[None]:
    """Keep what the program exports: without an engine there is no stack that would."""
    export = pulumi.export
    pulumi.export = exported.__setitem__
    try:
        yield
    finally:
        pulumi.export = export


def unwrap(value: Any) -> Any:
    """The value with every secret replaced by a word, as a plan that is shown has it."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return "[secret]"
        return {key: unwrap(each) for key, each in value.items()}
    if isinstance(value, list):
        return [unwrap(each) for each in value]
    return value


def render_plan(plan: Plan) -> str:
    """The plan as text for a golden file; user-data readable."""
    resources = {key: _readable(inputs) for key, inputs in sorted(plan.resources.items())}
    return yaml.dump({"resources": resources}, Dumper=_Dumper, sort_keys=True, width=120)


ENCODED = ("userData", "customData")
"""Inputs that clouds take in base64, some of them."""


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it is."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _represent_number(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    # Pulumi knows no whole numbers.
    return dumper.represent_int(int(number)) if number.is_integer() else dumper.represent_float(number)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_number)


def _readable(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: _decode(each) if key in ENCODED else _read(each) for key, each in inputs.items()}


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return _readable(value)
    return [_read(each) for each in value] if isinstance(value, list) else value


def _decode(text: str) -> str:
    return text if text.startswith("#") else base64.b64decode(text).decode()
