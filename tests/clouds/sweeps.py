"""Many cases of one question, several at a time; in continuous integration a choice of them, on demand all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

THREADS = 2

Case = Callable[[], object]


def sweep(cases: Mapping[str, Case]) -> None:
    """Check all cases, and fail with all that failed."""
    assert cases, "there is nothing to check"

    def judge(case: Case) -> tuple[str, float]:
        begin = time.monotonic()
        try:
            case()
        except (Exception, AssertionError) as error:
            return f"{type(error).__name__}: {error}", time.monotonic() - begin
        return "", time.monotonic() - begin

    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(cases, pool.map(judge, cases.values()), strict=True))
    for name, (failure, seconds) in found.items():
        print(f"{seconds:6.1f} s  {'FAILED' if failure else 'ok    '}  {name}")
    failed = {name: failure for name, (failure, _) in found.items() if failure}
    assert not failed, "\n\n".join(f"{name}\n{failure}" for name, failure in failed.items())
