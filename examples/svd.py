"""Singular value decomposition of a tall matrix that is never in one place.

The matrix is cut into blocks of rows, each made by the worker that uses it. Dask decomposes the
blocks on their own and then combines the small results. Four numbers are checked: how far the
product of the factors is from the matrix, how far the two sets of singular vectors are from being
orthonormal, and how far the singular values are from the ones found another way, as the square
roots of the eigenvalues of the small matrix x'x.
"""

import argparse
import sys
import time

import dask
import dask.array as da
import numpy as np
from distributed import Client

TOLERANCE = 1e-10


def decompose(rows: int, columns: int, blocks: int) -> tuple[np.ndarray, dict[str, float]]:
    """Decompose a random matrix; give its singular values and the four errors."""
    # The seed makes the matrix the same wherever, and however often, a block is made.
    random = da.random.default_rng(seed=1)
    x = random.normal(size=(rows, columns), chunks=(-(-rows // blocks), columns))
    u, s, v = da.linalg.svd(x)

    identity = da.eye(columns, chunks=columns)
    values, gram, size, product, left, right = dask.compute(
        s,
        x.T @ x,
        da.linalg.norm(x),
        da.linalg.norm((u * s) @ v - x),
        da.linalg.norm(u.T @ u - identity),
        da.linalg.norm(v @ v.T - identity),
    )
    other_values = np.sqrt(np.linalg.eigvalsh(gram)[::-1])
    return values, {
        "|u s v - x| / |x|": float(product / size),
        "|u'u - 1|": float(left),
        "|v v' - 1|": float(right),
        "singular values, relative": float(np.max(np.abs(values / other_values - 1))),
    }


def main() -> None:
    """Read the options, decompose on whatever Client() finds, and judge the errors."""
    parser = argparse.ArgumentParser(description="SVD of a tall random matrix with dask.array")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--blocks", type=int, default=16, help="number of blocks of rows")
    options = parser.parse_args()
    if min(options.columns, options.blocks) < 1 or options.rows < options.columns * options.blocks:
        parser.error("each block must have at least as many rows as columns")

    with Client():
        started = time.perf_counter()
        values, errors = decompose(options.rows, options.columns, options.blocks)
        seconds = time.perf_counter() - started

    megabytes = options.rows * options.columns * 8 / 1e6
    print(f"{options.rows:,} x {options.columns} matrix ({megabytes:,.0f} MB) in {seconds:.1f} s")
    print(f"singular values from {values[0]:.3f} down to {values[-1]:.3f}")
    for name, error in errors.items():
        print(f"  {name:28}{error:.1e}")
    if not max(errors.values()) < TOLERANCE:
        sys.exit(f"Check failed: an error is not below {TOLERANCE:g}.")
    print(f"Check passed: every error is below {TOLERANCE:g}.")


if __name__ == "__main__":
    main()
