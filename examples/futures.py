"""Count the primes below a power of ten with futures: a map, then a reduction in pairs.

Each task counts the primes of one stretch of numbers. The counts are then added two by two, and
the sums again, so no number but the last comes back to this machine. The result must be the known
one. The functions of this file reach the workers with the tasks.
"""

import argparse
import sys
import time

import numpy as np
from distributed import Client, Future

# The number of primes below 10**n.
KNOWN = {4: 1_229, 5: 9_592, 6: 78_498, 7: 664_579, 8: 5_761_455, 9: 50_847_534}


def sieve(stop: int) -> np.ndarray:
    """List the primes below stop."""
    is_prime = np.ones(stop, dtype=bool)
    is_prime[:2] = False
    for number in range(2, int(stop**0.5) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = False
    return np.flatnonzero(is_prime)


def count_primes(start: int, stop: int) -> int:
    """Count the primes from start up to, but not including, stop."""
    is_prime = np.ones(stop - start, dtype=bool)
    is_prime[: max(0, 2 - start)] = False
    for prime in sieve(int(stop**0.5) + 1).tolist():
        first = max(prime * prime, -(-start // prime) * prime)
        is_prime[first - start :: prime] = False
    return int(is_prime.sum())


def add_in_pairs(client: Client, counts: list[Future]) -> Future:
    """Add up futures as a tree, each sum on a worker."""
    while len(counts) > 1:
        counts = [client.submit(sum, counts[i : i + 2]) for i in range(0, len(counts), 2)]
    return counts[0]


def main() -> None:
    """Read the options, count on whatever Client() finds, and judge the result."""
    parser = argparse.ArgumentParser(description="count primes with Dask futures")
    parser.add_argument("--power", type=int, choices=KNOWN, default=8, help="count below 10**POWER (default: 8)")
    parser.add_argument("--tasks", type=int, default=100, help="stretches to count (default: 100)")
    options = parser.parse_args()
    limit = 10**options.power
    if not 1 <= options.tasks <= limit:
        parser.error("--tasks must be between 1 and the numbers to look at")

    edges = [limit * i // options.tasks for i in range(options.tasks + 1)]
    with Client() as client:
        started = time.perf_counter()
        counts = client.map(count_primes, edges[:-1], edges[1:])
        found = add_in_pairs(client, counts).result()
        seconds = time.perf_counter() - started

    print(f"{found:,} primes below {limit:,}, in {options.tasks} tasks, in {seconds:.1f} s")
    if found != KNOWN[options.power]:
        sys.exit(f"Check failed: there are {KNOWN[options.power]:,}.")
    print("Check passed: that is the known number.")


if __name__ == "__main__":
    main()
