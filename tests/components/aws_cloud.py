"""What the provider of AWS answers to a program that runs without an engine."""

from __future__ import annotations

from typing import Any

from components.plans import VERSIONS, Cloud
from daskfleet_components.aws import Fleet
from daskfleet_stacks.aws import build_fleet_args, deploy_aws

REGION = "eu-west-1"
ACCOUNT = "123456789012"
GPUS = {"g6.xlarge": 1, "g6.12xlarge": 4}


class Aws(Cloud):
    """A region with these images."""

    fleet = Fleet
    build_fleet_args = staticmethod(build_fleet_args)
    deploy = staticmethod(deploy_aws)

    def __init__(self, images: dict[str, dict[str, Any]] | None = None) -> None:
        self._images = IMAGES if images is None else images

    def complete(self, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "secretArn": f"arn:aws:mock:{REGION}:{ACCOUNT}:{name}",
            "arn": f"arn:aws:mock:{REGION}:{ACCOUNT}:{name}",
            "name": inputs.get("name") or inputs.get("namePrefix", "") + name,
            "privateIp": "10.0.0.10",
            "publicIp": "198.51.100.99",
            "latestVersion": 1,
            "keyName": name,
        }

    def answer(self, token: str, given: dict[str, Any]) -> dict[str, Any]:
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
