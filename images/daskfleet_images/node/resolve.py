"""From a node document that leaves things open, and the machine's facts, to one that leaves nothing open."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from pydantic import PositiveInt

from daskfleet_images.node.document import SchedulerDocument, TLSFiles, WorkersDocument
from daskfleet_images.node.patience import keep_trying


@dataclass(frozen=True)
class Facts:
    """What is true of the machine; `None` is what nobody asked for."""

    host_name: str | None = None
    address: str | None = None
    """The address that the rest of the fleet reaches it at."""
    cores: int | None = None
    gpus: tuple[str, ...] | None = None
    """What `CUDA_VISIBLE_DEVICES` names each GPU by."""


class ResolvedScheduler(SchedulerDocument):
    """A scheduler's document with everything decided."""

    node: str
    host: str
    tls: TLSFiles


class ResolvedWorkers(WorkersDocument):
    """A document of workers with everything decided."""

    node: str
    host: str
    tls: TLSFiles
    workers: tuple[str, ...]
    threads: PositiveInt
    gpus: dict[str, str] = {}
    """For each worker that has a GPU of its own, which."""


def read_facts(
    document: SchedulerDocument | WorkersDocument, known: Facts | None = None, *, seconds: float = 0
) -> Facts:
    """The facts that the document leaves to the machine, and no others; what is `known` is not asked again.

    A way to the scheduler is looked for again for `seconds`.

    Raises:
        NodeFailed: the machine has no way to the scheduler, or no GPU where the document wants them.
    """
    known = known or Facts()
    host_name, address, cores, gpus = known.host_name, known.address, known.cores, known.gpus
    if document.node is None and host_name is None:
        host_name = socket.gethostname()
    if document.host is None and address is None:
        from daskfleet_images.node.network import find_address

        is_scheduler = isinstance(document, SchedulerDocument)
        address = keep_trying(
            lambda: find_address(document.scheduler_address, is_scheduler=is_scheduler),
            "the address to listen on could not be found",
            seconds,
        )
    if isinstance(document, WorkersDocument):
        if document.threads == "auto" and cores is None:
            from dask.system import CPU_COUNT  # By affinity and control group, as Dask counts for its memory limit.

            cores = CPU_COUNT
        if document.workers == "per-gpu" and gpus is None:
            from daskfleet_images.node.gpus import list_gpus

            gpus = tuple(gpu.uuid for gpu in list_gpus())
    return Facts(host_name, address, cores, gpus)


def resolve_scheduler(document: SchedulerDocument, facts: Facts, tls: TLSFiles) -> ResolvedScheduler:
    """The document with what it leaves open taken from the facts, and its TLS material in files."""
    return ResolvedScheduler.model_validate({**_fields(document), **_common(document, facts, tls)})


def resolve_workers(document: WorkersDocument, facts: Facts, tls: TLSFiles) -> ResolvedWorkers:
    """The document with what it leaves open taken from the facts, and its TLS material in files."""
    common = _common(document, facts, tls)
    workers = name_workers(document, str(common["node"]), facts)
    gpus, resources = {}, document.resources
    if document.workers == "per-gpu":
        assert facts.gpus is not None
        gpus, resources = dict(zip(workers, facts.gpus, strict=True)), {"GPU": 1.0, **resources}
    threads = document.threads
    if threads == "auto":
        assert facts.cores is not None
        threads = share_cores(facts.cores, len(workers))
    return ResolvedWorkers.model_validate(
        {
            **_fields(document),
            **common,
            "workers": workers,
            "threads": threads,
            "resources": resources,
            "gpus": gpus,
        }
    )


def name_workers(document: WorkersDocument, node: str, facts: Facts) -> tuple[str, ...]:
    """The names of the workers."""
    if isinstance(document.workers, tuple):
        return document.workers
    if isinstance(document.workers, int):
        count = document.workers
    else:
        assert facts.gpus is not None
        count = len(facts.gpus)
    return tuple(f"{node}-{number}" for number in range(count))


def share_cores(cores: int, workers: int) -> int:
    """Threads of each of the workers, at least one."""
    return max(1, cores // max(1, workers))


def _fields(document: SchedulerDocument | WorkersDocument) -> dict[str, object]:
    return {name: getattr(document, name) for name in type(document).model_fields}


def _common(document: SchedulerDocument | WorkersDocument, facts: Facts, tls: TLSFiles) -> dict[str, str | TLSFiles]:
    node, host = document.node or facts.host_name, document.host or facts.address
    assert node is not None
    assert host is not None
    return {"node": node, "host": host, "tls": tls}
