"""What the images of a fleet must say of themselves, whatever the cloud. Pure."""

from collections.abc import Mapping

import pulumi

PREFIX = "daskfleet-"
"""What the names of marks begin with, in the clouds whose names hold no colon."""

VERSIONS = ("python", "dask", "distributed", "cloudpickle")
"""The facts about an image that a client must fit."""

DEFAULT_FAMILY = "daskfleet"
DEFAULT_GPU_FAMILY = "daskfleet-gpu"


def choose_family(family: str | None, *, gpu: bool) -> str:
    """The family that is meant where none is named, too."""
    return family or (DEFAULT_GPU_FAMILY if gpu else DEFAULT_FAMILY)


def describe_missing_family(
    provider: str, place: str, family: str, architecture: str, versions: Mapping[str, str], *, gpu: bool
) -> str:
    """What is told where a family has no image that fits, with the remedy."""
    told = ", ".join(f"{package} {version}" for package, version in versions.items())
    return (
        f"no image of the family '{family}' for {architecture} in {place} fits{' ' + told if told else ''}; build one "
        f"with `daskfleet image build --provider {provider} --family {family} --arch {architecture}"
        f"{' --gpu' if gpu else ''} --environment FILE`, where FILE is the lock of the environment that your scripts "
        "run in."
    )


def check_marks(name: str, marks: Mapping[str, str], architecture: str, *, gpu: bool, word: str) -> dict[str, str]:
    """The versions that an image says it holds, as its marks spell them.

    Args:
        marks: its labels or tags.
        architecture: what it is to be for.
        gpu: whether it is to hold a driver for GPUs.
        word: what the cloud calls its marks: `labels`, `tags`.

    Raises:
        pulumi.RunError: it does not say them, or is for another architecture, or lacks the driver.
    """
    missing = [f"{PREFIX}{each}" for each in (*VERSIONS, "arch") if not marks.get(f"{PREFIX}{each}")]
    if missing:
        raise pulumi.RunError(
            f"image: {name} lacks the {word} {', '.join(missing)}, and so does not say what clients must fit; take an "
            f"image that `daskfleet image build` made, or give this one its {word}."
        )
    own = marks[f"{PREFIX}arch"]
    if own != architecture:
        raise pulumi.RunError(
            f"image: {name} is for {own}, and the instance types are {architecture}; choose another image, or other "
            "instance types."
        )
    if gpu and marks.get(f"{PREFIX}gpu") != "true":
        raise pulumi.RunError(
            f"image: {name} holds no driver for the GPUs of the instance types; build one with `daskfleet image build "
            "--gpu`."
        )
    return {each: marks[f"{PREFIX}{each}"] for each in VERSIONS}


def check_same_versions(found: list[dict[str, str]]) -> None:
    """Make sure that all machines run the same.

    Raises:
        pulumi.RunError: they do not.
    """
    for package in found[0]:
        versions = list(dict.fromkeys(each[package] for each in found))
        if len(versions) > 1:
            raise pulumi.RunError(
                f"image: the fleet's images hold {package} {' and '.join(versions)}, and scheduler and workers must "
                "run the same; build them of one environment."
            )
