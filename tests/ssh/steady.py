"""Work that takes a while, for a fleet that loses a host meanwhile: prints `begun`, then the sum."""

from __future__ import annotations

import sys
import time

from distributed import Client, as_completed

COUNT = int(sys.argv[1])


def work(number: int) -> int:
    """A task of half a second."""
    time.sleep(0.5)
    return number


if __name__ == "__main__":
    with Client() as client:
        futures = client.map(work, range(COUNT), pure=False)
        for position, _ in enumerate(as_completed(futures)):
            if position == 10:
                print("begun", flush=True)
                break
        print(sum(client.gather(futures)), flush=True)
