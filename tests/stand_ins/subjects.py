"""The plugins for clouds, as tests that hold for all of them see them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stand_ins import azure_world, gcp_world, world
from stand_ins.aws.registry import RESOURCES as AWS_RESOURCES
from stand_ins.azure.registry import RESOURCES as AZURE_RESOURCES
from stand_ins.core.resource import Resource
from stand_ins.gcp.registry import RESOURCES as GCP_RESOURCES
from stand_ins.plugin_client import Made, PluginClient


@dataclass(frozen=True)
class Subject:
    """A plugin, and what a program may give for each of its types."""

    name: str
    resources: Mapping[str, Resource[Any]]
    inputs: Mapping[str, Callable[[Any], dict[str, Any]]]
    said_to_the_provider: Mapping[str, Collection[str]]
    """What an import finds otherwise than the program: no API tells it, or the cloud chose it."""
    imported: Mapping[str, Callable[[Made], str]]
    """What a person names, where it is not the id."""
    lasting: Collection[str] = ()
    """The types that the cloud does not delete."""
    once: Collection[str] = ()
    """Those of which the cloud refuses to delete one that is deleted already, and the real provider tells so."""
    restless: Collection[str] = ()
    """Outputs that change by themselves."""
    untold: Collection[str] = ()
    """What an import leaves to the program, whatever the cloud knows."""


@dataclass(frozen=True)
class Place:
    """A running plugin, a world in its cloud, and that cloud."""

    subject: Subject
    plugin: PluginClient
    world: Any
    calls: Any


AWS = Subject(
    "aws",
    AWS_RESOURCES,
    world.INPUTS,
    {
        world.INSTANCE: {"userDataReplaceOnChange"},
        world.KEY_PAIR: {"publicKey"},
        world.SCALING_GROUP: {"forceDelete", "waitForCapacityTimeout"},
        world.SECRET: {"recoveryWindowInDays"},
        world.TEMPLATE: {"updateDefaultVersion"},
    },
    {
        world.ASSOCIATION: lambda made: f"{made['subnetId']}/{made['routeTableId']}",
        world.ROUTE: lambda made: f"{made['routeTableId']}_{made['destinationCidrBlock']}",
    },
    lasting=(world.DEFAULT_GROUP, world.SECRET_VERSION),
)
GCP = Subject(
    "gcp",
    GCP_RESOURCES,
    gcp_world.INPUTS,
    gcp_world.SAID_TO_THE_PROVIDER,
    gcp_world.IMPORTED,
    once=(gcp_world.SECRET_VERSION,),
    restless=("statuses", "fingerprint", "currentStatus"),
    untold=("labels", "pulumiLabels", "effectiveLabels"),
)
AZURE = Subject("azure", AZURE_RESOURCES, azure_world.INPUTS, azure_world.IMPORTED_OTHERWISE, {})
SUBJECTS = {subject.name: subject for subject in (AWS, AZURE, GCP)}
KINDS = sorted(kind for subject in SUBJECTS.values() for kind in subject.inputs)
