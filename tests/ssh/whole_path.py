"""A fleet on six hosts from end to end, everything killed that can be: `python -m ssh.whole_path` prints its table.

Each step is a fault and what becomes of it; a step that does not come out as it should raises.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import await_true
from ssh.fleet_lab import FLIGHTS, FleetLab, open_six

FLEET = """\
hosts: [desk-1, desk-2, {host: "rack[01-04]", workers: 2}]
scheduler: rack03
"""
ALL = 10
"""Its workers."""

STEADY = str(Path(__file__).parent / "steady.py")
COUNT = 400


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    seconds: float
    outcome: str


class WholePath:
    """The steps, on one lab."""

    def __init__(self, lab: FleetLab, tell: Callable[[Row], None]) -> None:
        self._lab = lab
        self._tell = tell

    def run(self) -> None:
        """All steps, in their order."""
        for step in (
            self.come_up,
            self.compute,
            self.lose_a_worker,
            self.lose_a_node,
            self.lose_a_supervisor,
            self.lose_the_scheduler,
            self.lose_the_network,
            self.restart_a_host,
            self.compute,
            self.scale,
            self.go_down,
        ):
            start = time.monotonic()
            outcome = step()
            self._tell(Row((step.__doc__ or "").rstrip("."), time.monotonic() - start, outcome))

    def come_up(self) -> str:
        """Up, from nothing."""
        told = self._lab.ok("up", self._lab.write(FLEET))
        assert "fleet 'lab' is up at tls://10.77." in told
        assert len(self._lab.workers()) == ALL
        return "10 workers on 6 hosts"

    def compute(self) -> str:
        """The flights script, unchanged."""
        told = self._lab.ok("connect", "lab", "--", "python", FLIGHTS, "--ship", "--check")
        assert "336,776 flights" in told
        return "the right figures"

    def lose_a_worker(self) -> str:
        """A worker is killed."""
        killed = self._lab.kill("desk-1", "spawn_main")
        await_true(
            lambda: self._count("desk-1") == 1 and killed != self._lab.find_processes("desk-1", "spawn_main"),
            "it is back",
        )
        return "its nanny starts it again"

    def lose_a_node(self) -> str:
        """A node is killed, with its workers."""
        before = self._lab.kill("rack04", "runtime node")
        await_true(lambda: self._lab.find_processes("rack04", "runtime node") not in ([], before), "the node is back")
        await_true(lambda: self._count("rack04") == 2, "its workers are back", timeout=60)
        return "its supervisor starts it again"

    def lose_a_supervisor(self) -> str:
        """A supervisor is killed."""
        self._lab.kill("desk-2", "runtime supervise")
        await_true(lambda: self._lab.find_processes("desk-2", "runtime") == [], "its node ends with it")
        status = self._lab.status()
        assert status["state"] == "degraded"
        assert any("desk-2: its node does not run" in problem for problem in status["problems"])
        self._lab.ok("up", "lab")
        assert len(self._lab.workers()) == ALL
        return "status tells it, up mends it"

    def lose_the_scheduler(self) -> str:
        """The scheduler is killed."""
        self._lab.kill("rack03", "runtime node nodes/scheduler.json")
        await_true(lambda: len(self._workers()) == ALL, "all workers are back", timeout=60)
        return "its supervisor starts it again, all workers join"

    def lose_the_network(self) -> str:
        """A host's packets are dropped in the middle of a computation."""
        work = self._lab.start("connect", "lab", "--", "python", STEADY, str(COUNT))
        assert work.stdout is not None
        assert work.stdout.readline().strip() == "begun"
        self._lab.hosts["rack01"].cut()
        out, err = work.communicate(timeout=180)
        assert out.strip() == str(sum(range(COUNT))), err
        self._lab.hosts["rack01"].mend()
        await_true(lambda: len(self._workers()) == ALL, "the host is back", timeout=120)
        return "the others finish it, the host rejoins"

    def restart_a_host(self) -> str:
        """A host restarts, and has no systemd that would start its node."""
        self._lab.hosts["desk-1"].reboot()
        status = self._lab.status()
        assert any("desk-1: its node does not run" in problem for problem in status["problems"]), status
        self._lab.ok("up", "lab")
        assert len(self._lab.workers()) == ALL
        return "status tells it, up mends it"

    def scale(self) -> str:
        """Fewer workers, then more."""
        self._lab.ok("scale", "lab", "cpu", "6")
        assert len(self._lab.workers()) == 6
        self._lab.ok("scale", "lab", "cpu", "12")
        assert len(self._lab.workers()) == 12
        return "6, then 12, spread over the hosts"

    def go_down(self) -> str:
        """Down."""
        assert "nothing left" in self._lab.ok("down", "lab")
        assert self._lab.look() == self._lab.before
        return "processes, files and ports of each host as before"

    def _count(self, host: str) -> int:
        return sum(worker.startswith(f"{host}-") for worker in self._workers())

    def _workers(self) -> set[str]:
        """The workers, or none while the scheduler cannot be asked."""
        return self._lab.workers()


def render_row(row: Row) -> str:
    """A line for a person. Pure."""
    return f"{row.what:<72} {row.seconds:6.1f} s  {row.outcome}"


@contextmanager
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="daskfleet-six-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    with open_folder() as folder, open_six(folder) as lab:
        WholePath(lab, lambda row: print(render_row(row), flush=True)).run()
    sys.exit(0)
