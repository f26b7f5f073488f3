"""The machine's NVIDIA GPUs, as its driver tells them."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass

from daskfleet_images.node.errors import NodeFailed, one_line

COMMAND = ("nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader")

LIST_SECONDS = 60.0
"""How long the driver may take: it wakes the GPUs first, and a machine may have eight."""

REMEDY = "choose a machine type with an NVIDIA GPU and an image with its driver, or name a number of workers"


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    uuid: str
    """What `CUDA_VISIBLE_DEVICES` names it by: an index would depend on who counts."""
    name: str


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The GPUs in what `nvidia-smi` prints for `COMMAND`; a line that is no GPU is passed over."""
    rows = (tuple(part.strip() for part in line.split(",", 2)) for line in text.splitlines())
    return tuple(Gpu(row[1], row[2]) for row in rows if len(row) == 3 and row[0].isdigit() and row[1])


@functools.cache
def list_gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine, in the driver's order; at least one.

    Raises:
        NodeFailed: there is none, or no driver that knows it.
    """
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=LIST_SECONDS, check=False)
    except FileNotFoundError:
        raise _none("there is no program nvidia-smi") from None
    except OSError as error:
        raise _none(f"nvidia-smi: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _none(f"nvidia-smi gave no answer in {LIST_SECONDS:g} s") from None
    if done.returncode != 0:
        said = one_line((done.stdout.strip() or done.stderr.strip()).partition("\n")[0])
        raise _none(f"nvidia-smi ended with {done.returncode}: {said or 'it said nothing'}")
    gpus = parse_gpus(done.stdout)
    if not gpus:
        raise _none("nvidia-smi lists none")
    return gpus


def _none(reason: str) -> NodeFailed:
    return NodeFailed(f"this machine has no NVIDIA GPU that the driver knows: {reason}; {REMEDY}")
