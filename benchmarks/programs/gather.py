"""Bytes from a fleet's workers to its client: prints the seconds of each repetition, one JSON object a line.

It is run by `daskfleet connect`, whose environment leads the bare `Client()` to the fleet. The bytes are random, so
that nothing of them can be compressed, and in the workers' memory before.
"""

import argparse
import json
import os
import sys
import time

from distributed import Client, wait


def make_piece(size: int) -> bytes:
    return os.urandom(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--pieces", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    arguments = parser.parse_args()
    sizes = [arguments.bytes // arguments.pieces] * arguments.pieces
    with Client() as client:
        client.wait_for_workers(arguments.workers)
        pieces = client.map(make_piece, sizes, pure=False)
        wait(pieces)
        for number in range(arguments.repeats + 1):
            begin = time.perf_counter()
            gathered = client.gather(pieces)
            seconds = time.perf_counter() - begin
            if list(map(len, gathered)) != sizes:
                sys.exit("not everything has arrived")
            if number:  # The first only warms up.
                print(json.dumps({"seconds": seconds, "address": client.scheduler.address}), flush=True)


if __name__ == "__main__":
    main()
