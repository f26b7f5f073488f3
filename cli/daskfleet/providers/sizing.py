"""How many workers a machine gets, and what they are called. Pure."""

from __future__ import annotations

import math


def fill_machine(cpus: int) -> tuple[int, int]:
    """Workers and threads of each that fill `cpus` cores: few workers with some threads each.

    The rule is `LocalCluster`'s (`distributed.deploy.utils.nprocesses_nthreads`), so that a fleet has the shape that
    its user knows.
    """
    if cpus <= 4:
        return cpus, 1
    count = min(n for n in range(1, cpus + 1) if cpus % n == 0 and n >= math.sqrt(cpus))
    return count, cpus // count


def choose_workers(group: str, count: int, current: tuple[str, ...]) -> tuple[str, ...]:
    """Names for `count` workers: those that are there first, then the lowest free numbers."""
    kept = list(current[:count])
    number = 0
    while len(kept) < count:
        name = f"{group}-{number}"
        if name not in kept:
            kept.append(name)
        number += 1
    return tuple(kept)
