"""What the provider of Google Cloud answers to a program that runs without an engine."""

from __future__ import annotations

import re
from typing import Any

from components.plans import VERSIONS, Cloud
from daskfleet_components.gcp import Fleet
from daskfleet_stacks.gcp import build_fleet_args, deploy_gcp

PROJECT, REGION = "climate-dask", "europe-west1"
ZONES = tuple(f"{REGION}-{letter}" for letter in "bcd")
URL = "https://www.googleapis.com/compute/v1"

TYPES: dict[str, dict[str, Any]] = {
    "e2-standard-2": {},
    "n2-standard-8": {},
    "n2d-standard-8": {},
    "n1-standard-8": {},
    "c4-standard-8": {"zones": ZONES[:2]},
    "c4a-standard-4": {"architecture": "ARM64", "zones": ZONES[1:]},
    "g2-standard-4": {"gpus": 1, "zones": ZONES[:2]},
    "g2-standard-24": {"gpus": 2, "zones": ZONES[:1]},
    "g2-standard-48": {"gpus": 4, "zones": ZONES[1:2]},
}
"""Machine types, and how they differ from others."""


def make_image(number: int, *, arch: str = "x86_64", gpu: bool = False, **labels: str) -> dict[str, Any]:
    """An image as Compute Engine tells it."""
    facts = {
        "family": "daskfleet-gpu" if gpu else "daskfleet",
        "arch": arch,
        "gpu": str(gpu).lower(),
        **{package: version.replace(".", "-") for package, version in {**VERSIONS, "python": "3.11"}.items()},
        **labels,
    }
    return {
        "name": f"{facts['family']}-{number}",
        "creationTimestamp": f"2026-11-{number}T10:00:00.000-08:00",
        "labels": {f"daskfleet-{key}": value for key, value in facts.items()},
    }


IMAGES = (make_image(15), make_image(16, arch="aarch64"), make_image(17, gpu=True))


class Gcp(Cloud):
    """A region with these images."""

    fleet = Fleet
    build_fleet_args = staticmethod(build_fleet_args)
    deploy = staticmethod(deploy_gcp)

    def __init__(self, images: tuple[dict[str, Any], ...] = IMAGES) -> None:
        self._images = images

    def complete(self, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        made = f"{name}-4e17a0c"
        link = f"{URL}/projects/{PROJECT}/{kind.rpartition(':')[2]}/{made}"
        email = f"{inputs.get('accountId')}@{PROJECT}.iam.gserviceaccount.com"
        computed = {"id": f"{name}-id", "name": made, "selfLink": link}
        if kind.endswith(":Account"):
            return {**computed, "email": email, "member": f"serviceAccount:{email}"}
        if kind.endswith(":Secret"):
            return {**computed, "name": f"projects/{PROJECT}/secrets/{inputs['secretId']}"}
        if kind.endswith(":Address"):
            return {**computed, "address": "10.0.0.10" if inputs["addressType"] == "INTERNAL" else "198.51.100.99"}
        return computed

    def answer(self, token: str, given: dict[str, Any]) -> dict[str, Any]:
        if token == "gcp:organizations/getClientConfig:getClientConfig":
            return {"project": PROJECT, "region": REGION}
        assert given["project"], given
        if token == "gcp:compute/getZones:getZones":
            return {"names": list(ZONES)}
        if token == "gcp:compute/getMachineTypes:getMachineTypes":
            wanted = re.findall(r'name = "([^"]+)"', given["filter"])
            return {"machineTypes": [_describe_type(name) for name in wanted if _has(name, given["zone"])]}
        if token == "gcp:compute/getImages:getImages":
            return {"images": [image for image in self._images if _fits(image, given["filter"])]}
        raise AssertionError(f"nobody answers {token}")


def _has(name: str, zone: str) -> bool:
    return name in TYPES and zone in TYPES[name].get("zones", ZONES)


def _describe_type(name: str) -> dict[str, Any]:
    gpus = TYPES[name].get("gpus", 0)
    accelerators = [{"guestAcceleratorCount": gpus, "guestAcceleratorType": "nvidia-l4"}] if gpus else []
    return {"name": name, "architecture": TYPES[name].get("architecture", "X86_64"), "accelerators": accelerators}


def _fits(image: dict[str, Any], question: str) -> bool:
    wanted = dict(re.findall(r'([\w.-]+) = "([^"]*)"', question))
    assert wanted, question
    known = {
        "name": image["name"],
        "status": "READY",
        **{f"labels.{key}": value for key, value in image["labels"].items()},
    }
    return all(known.get(key) == value for key, value in wanted.items())
