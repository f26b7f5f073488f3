"""What a fleet spec becomes in Pulumi, recorded without an engine: every resource with its inputs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc

from daskfleet_components.aws import Fleet
from daskfleet_stacks.aws import build_fleet_args, deploy_aws
from daskfleet_stacks.spec import AwsFleetSpec, parse_fleet_yaml

VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
REGION = "eu-west-1"
ACCOUNT = "123456789012"
KEY = "-----BEGIN PRIVATE KEY-----\nMOCKED\n-----END PRIVATE KEY-----\n"
"""What every private key is here; it must stand nowhere in a plan."""

GPUS = {"g6.xlarge": 1, "g6.12xlarge": 4}


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


class _Recorder(mocks.Mocks):
    """Answers what a provider would, with identifiers that are made of the names."""

    def __init__(self, plan: Plan, images: dict[str, dict[str, Any]]) -> None:
        self._plan = plan
        self._images = images

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        key = f"{args.typ} {args.name}"
        assert key not in self._plan.resources, f"two resources are called {key}"
        inputs = unwrap(args.inputs)
        self._plan.resources[key] = inputs
        computed = {
            "secretArn": f"arn:aws:mock:{REGION}:{ACCOUNT}:{args.name}",
            "arn": f"arn:aws:mock:{REGION}:{ACCOUNT}:{args.name}",
            "id": f"{args.name}-id",
            "name": inputs.get("name") or inputs.get("namePrefix", "") + args.name,
            "privateIp": "10.0.0.10",
            "publicIp": "198.51.100.99",
            "latestVersion": 1,
            "privateKeyPem": KEY,
            "privateKeyPemPkcs8": KEY,
            "privateKeyOpenssh": KEY,
            "publicKeyOpenssh": f"ssh-ed25519 public key of {args.name}",
            "keyName": args.name,
            "certPem": f"certificate of {args.name}",
            "certRequestPem": f"request of {args.name}",
        }
        return f"{args.name}-id", {**computed, **inputs}

    def call(self, args: mocks.MockCallArgs) -> dict[Any, Any]:
        token, given = args.token, unwrap(args.args)
        if token == "aws:index/getAvailabilityZones:getAvailabilityZones":
            return {"names": [f"{REGION}{letter}" for letter in "cab"]}
        if token == "aws:index/getRegion:getRegion":
            return {"region": REGION}
        if token == "aws:index/getPartition:getPartition":
            return {"partition": "aws"}
        if token == "aws:ec2/getInstanceType:getInstanceType":
            return _describe_type(given["instanceType"])
        if token == "aws:ssm/getParameter:getParameter":
            return {"value": "ami-0000000000000000f"}
        if token in ("aws:ec2/getAmiIds:getAmiIds", "aws:ec2/getAmi:getAmi"):
            image = self._find_image(given["filters"])
            if token.endswith("getAmiIds"):
                return {"ids": [image["id"]] if image else []}
            assert image, given
            return image
        raise AssertionError(f"nobody answers {token}")

    def _find_image(self, filters: list[dict[str, Any]]) -> dict[str, Any] | None:
        wanted = {each["name"]: each["values"] for each in filters}
        for image in self._images.values():
            tags = image["tags"]
            if "image-id" in wanted and image["id"] not in wanted["image-id"]:
                continue
            if "architecture" in wanted and image["architecture"] not in wanted["architecture"]:
                continue
            if "name" in wanted and image["name"] not in wanted["name"]:
                continue
            tagged = {key.removeprefix("tag:"): values for key, values in wanted.items() if key.startswith("tag:")}
            if all(any(_matches(tags.get(key, ""), each) for each in values) for key, values in tagged.items()):
                return image
        return None


def _matches(value: str, pattern: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _describe_type(name: str) -> dict[str, Any]:
    gpus = GPUS.get(name, 0)
    arm = name.partition(".")[0].endswith("g")
    return {
        "instanceType": name,
        "supportedArchitectures": ["arm64" if arm else "x86_64"],
        "gpuses": [{"count": gpus, "manufacturer": "NVIDIA", "name": "L4", "memorySize": 24}] if gpus else [],
    }


def make_image(number: int, *, arch: str = "x86_64", gpu: bool = False, **tags: str) -> dict[str, Any]:
    """An image as EC2 tells it."""
    facts = {"family": "daskfleet-gpu" if gpu else "daskfleet", "gpu": str(gpu).lower(), **VERSIONS, **tags}
    return {
        "id": f"ami-{number:017x}",
        "name": f"{facts['family']}-{number}",
        "architecture": arch,
        "rootDeviceName": "/dev/xvda",
        "tags": {f"daskfleet:{key}": value for key, value in facts.items()},
    }


IMAGES = {each["id"]: each for each in (make_image(15), make_image(16, arch="arm64"), make_image(17, gpu=True))}


def record_specs(*texts: str, images: dict[str, dict[str, Any]] = IMAGES) -> Plan:
    """The plan of a stack with this fleet; with several, of a component author's program that holds them all."""
    specs = [parse_fleet_yaml(text) for text in texts]

    def program() -> None:
        for spec in specs:
            assert isinstance(spec, AwsFleetSpec)
            if len(specs) == 1:
                deploy_aws(spec, VERSIONS)
            else:
                Fleet(spec.name, build_fleet_args(spec, VERSIONS))

    return record(program, images=images)


def record(program: Callable[[], None], images: dict[str, dict[str, Any]] = IMAGES) -> Plan:
    """The plan of a program."""
    plan = Plan()
    exported: dict[str, Any] = {}

    @pulumi.runtime.test
    def run() -> Any:
        with _collecting_exports(exported):
            program()
        return pulumi.Output.all(**exported).apply(plan.outputs.update)

    with _own_event_loop():
        mocks.set_mocks(_Recorder(plan, images), project="daskfleet", stack="test")
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
    text = inputs.get("userData")
    if isinstance(text, str) and not text.startswith("#"):
        return {**inputs, "userData": base64.b64decode(text).decode()}
    return inputs
