"""What a suite for every cloud must know of one: which of its calls do what, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud_calls import Call, Refusal


@dataclass(frozen=True)
class Landmarks:
    """Calls by their actions (`CreateVpc`), but for those of `denied` and `seen`, which are by their names."""

    network: str
    """Makes the first thing of a fleet."""
    subnet: str
    machine: str
    """Makes the scheduler's machine."""
    group: str
    """Makes what keeps a worker group's machines."""
    template: str
    """Makes the template of them."""
    resize: str
    """Changes how many machines a worker group has, and nothing else."""
    middle: tuple[str, ...]
    """Others, in the middle of making a fleet."""
    once: tuple[str, ...]
    """Each makes what cannot be made twice."""
    removing: tuple[str, ...]
    """What is done on the way down, at its beginning, middle and end."""
    hindered: str
    """One on the way down that can be denied for good: nothing else of the fleet is that kind."""
    denied: tuple[str, ...]
    """One of each service; each in the middle of making something."""
    seen: tuple[str, ...]
    """Some that every fleet makes."""
    expiring: tuple[str, ...]
    """Calls at which credentials expire, the first of them the first call of all."""
    network_type: str
    """Plans and messages call it so."""
    group_type: str
    types: tuple[str, ...]
    """Some that every plan of a new fleet has."""
    scheduler_type: str
    """Type of the scheduler's machine, if nobody says which."""
    other_architecture: str
    """A type of machines that the image for others does not boot on."""
    gpu_type: str
    """A type of machines with one GPU."""
    no_type: str
    """Fits, and is the name of no type of machines."""
    type_words: str
    """What the checks are called that look at types."""
    addresses: str
    """How those of the machines begin."""


@dataclass(frozen=True)
class Component:
    """How a cloud's fleet is said in a program in YAML, so that it is the same as that of a fleet file."""

    kind: str
    """`daskfleet:AwsFleet`."""
    groups: str
    """Its output that has what each group is made of."""
    tags: str
    """Its argument with tags."""
    properties: Mapping[str, Any]
    """Arguments besides those of every cloud's."""
    config: Mapping[str, str]
    """Of the default provider."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the fleet file besides those of every cloud's."""


@dataclass(frozen=True)
class Refusals:
    """How a cloud says no, and what a person is told."""

    throttled: Refusal
    broken: Refusal
    expired: Refusal
    denied: Callable[[Call], Refusal]
    denied_words: Callable[[str], str]
    """What is told of a denied call, by its name."""
    expired_words: str
    """What is told when credentials expire: a pattern."""
    no_spot_words: str
    """How the cloud begins to say that it has no spot machines."""
    shortages: Mapping[str, tuple[Refusal, str]]
    """Refusals of the scheduler's machine, and their remedies."""
