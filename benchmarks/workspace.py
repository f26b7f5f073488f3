"""A private place for one benchmark: a folder, an environment, and every process and fleet that is started in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import BenchmarkFailed

COMMAND_SECONDS = 300.0
"""How long any one command may take before the benchmark gives up."""


class Workspace:
    """Runs commands, and knows what must be ended and removed after them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fleets: set[str] = set()
        config = folder / "dask"
        config.mkdir()
        own = ("DASK_", "DASKFLEET_")
        # Nobody's Dask configuration takes part. Peers spill to this folder; fleets, to one beside it on the same disk.
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(own)},
            "DASKFLEET_HOME": str(folder / "home"),
            "DASK_CONFIG": str(config),
            "DASK_TEMPORARY_DIRECTORY": str(folder / "scratch"),
        }

    @property
    def daskfleet(self) -> list[str]:
        """The `daskfleet` of this Python, as its users start it.

        Raises:
            BenchmarkFailed: it is not installed.
        """
        script = Path(sys.executable).parent / "daskfleet"
        if not script.exists():
            raise BenchmarkFailed(f"there is no {script}: install daskfleet into the environment of {sys.executable}")
        return [str(script)]

    @contextlib.contextmanager
    def start(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """Start a command in a process group of its own, which has ended, whole, when the block has."""
        with (self.folder / "stderr.txt").open("w") as stderr:
            process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        except BaseException:
            _end_group(process, grace=0.0)
            raise
        _end_group(process, grace=10.0)

    def run(self, command: Sequence[str]) -> tuple[float, str]:
        """Run a command to its end; returns its seconds as a whole process, and what it printed.

        Raises:
            BenchmarkFailed: it did not exit with 0.
        """
        begin = time.perf_counter()
        with self.start(command) as process:
            try:
                output, _ = process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                raise self.fail(command, f"did not end within {COMMAND_SECONDS:g} s") from None
            seconds = time.perf_counter() - begin
        if process.returncode != 0:
            raise self.fail(command, f"exited with {process.returncode}")
        return seconds, output

    def fail(self, command: Sequence[str], what: str) -> BenchmarkFailed:
        """The error for a command that went wrong, with the end of what it said."""
        said = (self.folder / "stderr.txt").read_text(errors="replace").strip()[-4000:]
        return BenchmarkFailed(f"`{' '.join(command)}` {what}\n{said}")

    def write_spec(self, name: str, workers: int) -> Path:
        """Write the file of a fleet with so many workers of one thread each."""
        path = self.folder / f"{name}.yaml"
        spec = {"name": name, "provider": "local", "workers": [{"name": "cpu", "count": workers, "threads": 1}]}
        path.write_text(json.dumps(spec))  # JSON is YAML.
        return path

    def up(self, spec: Path) -> float:
        """Start the fleet of a spec that `write_spec` wrote; returns the seconds that `daskfleet up` took."""
        self._fleets.add(spec.stem)
        seconds, _ = self.run([*self.daskfleet, "up", str(spec)])
        return seconds

    def count_workers(self, name: str) -> int:
        """How many workers of a fleet its scheduler knows."""
        code = "from distributed import Client; print(len(Client().scheduler_info(n_workers=-1)['workers']))"
        _, output = self.run([*self.daskfleet, "connect", name, "--", sys.executable, "-c", code])
        return int(output)

    def down(self, name: str) -> None:
        """Take a fleet down."""
        self.run([*self.daskfleet, "down", name])
        self._fleets.discard(name)

    def close(self) -> None:
        """End what still runs and remove the folder; a Ctrl-C meanwhile does not stop it."""
        previous = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
        left = []
        try:
            for name in sorted(self._fleets):
                try:
                    self.down(name)
                except BenchmarkFailed as error:
                    left.append(f"fleet {name} could not be taken down: {error}")
            if not left:  # Else its files are needed to take it down by hand.
                shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)
        if left:
            raise BenchmarkFailed("\n".join([*left, f"DASKFLEET_HOME={self.folder / 'home'}"]))


def _end_group(process: subprocess.Popen[str], *, grace: float) -> None:
    """End a process and all that it started in its group: it may end by itself, then is asked to, then has to."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    for signum, seconds in ((None, grace), (signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0)):
        if signum is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        if process.returncode is not None and not _is_group_alive(process.pid, seconds=1.0):
            return


def _is_group_alive(group: int, *, seconds: float) -> bool:
    """Whether a process of the group is left after some time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def open_workspace() -> Iterator[Workspace]:
    """A workspace that leaves nothing behind, however the block ends."""
    workspace = Workspace(Path(tempfile.mkdtemp(prefix="daskfleet-bench-")))
    try:
        yield workspace
    except BaseException as error:
        try:
            workspace.close()
        except BenchmarkFailed as left:
            raise BenchmarkFailed(f"{str(error) or type(error).__name__}\n{left}") from error
        raise
    workspace.close()
