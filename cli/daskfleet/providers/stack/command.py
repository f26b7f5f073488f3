"""The Pulumi engine as a child process: it gets signals from us, not from the terminal, and what it says is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from daskfleet.errors import FleetError
from daskfleet.interrupts import hold_interrupts
from daskfleet.providers.stack.engine import INSTALL
from daskfleet.providers.stack.redact import redact

OLDEST = VersionInfo(3, 150, 0)

CANCEL_SECONDS = 300.0
"""How long the engine may take to finish the calls that are under way, once it was told to stop."""


class EngineCommand(PulumiCommand):
    """Runs the engine in a session of its own: a Ctrl-C reaches it through us, once, and it stops in order."""

    def __init__(self, engine: Path, log: Path, on_cancel: Callable[[], None]) -> None:
        self.command = str(engine)
        self._log = log
        self._on_cancel = on_cancel
        self.version = read_version(engine)
        self.last: CommandResult | None = None
        """What the last run said."""

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        path = os.pathsep.join((str(Path(self.command).parent), os.environ.get("PATH", "")))
        environment = {**os.environ, "PATH": path, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        command = [self.command, "--non-interactive", *args]
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        said: tuple[list[str], list[str]] = ([], [])
        readers = [
            threading.Thread(target=_read, args=(stream, callback, lines), daemon=True)
            for stream, callback, lines in zip(
                (process.stdout, process.stderr), (on_output, on_error), said, strict=True
            )
        ]
        for reader in readers:
            reader.start()
        # Not waited for here: after a Ctrl-C, `Popen.wait` first gives a child a quarter of a second to hear of it.
        waiter = threading.Thread(target=process.wait, daemon=True)
        waiter.start()
        try:
            waiter.join()
        except BaseException:
            with hold_interrupts():
                self._cancel(process)
            raise
        finally:
            for reader in readers:
                reader.join(timeout=5)
            self._keep(args, said, process.returncode)
        result = self.last = CommandResult("\n".join(said[0]), "\n".join(said[1]), process.returncode)
        if process.returncode != 0:
            raise create_command_error(result)
        return result

    def _cancel(self, process: subprocess.Popen[str]) -> None:
        """Have it stop in order: it finishes the calls that are under way, and keeps in its state what they made."""
        if process.poll() is not None:
            return
        self._on_cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(CANCEL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _keep(self, args: list[str], said: tuple[list[str], list[str]], code: int | None) -> None:
        """Add what the engine said to the log, which is for whoever has to look closer."""
        if args[:2] in (["stack", "output"], ["stack", "export"]):
            said = ([], said[1])  # Data, and maybe secrets.
        text = "\n".join([f"$ pulumi {' '.join(args)}", *said[0], *said[1], f"exit code {code}", ""])
        try:
            descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as file:
                file.write(redact(text))
        except OSError:
            return  # A full disk must not stop what is under way.


def read_version(engine: Path) -> VersionInfo:
    """The engine's version.

    Raises:
        FleetError: it does not run, or is too old.
    """
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [engine, "version"], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        version = VersionInfo.parse(done.stdout.strip().removeprefix("v"))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise FleetError(f"the Pulumi engine {engine} does not run: {error}. Install it anew: `{INSTALL}`.") from None
    if not OLDEST <= version < OLDEST.bump_major():
        raise FleetError(
            f"the Pulumi engine {engine} is version {version}, and daskfleet needs {OLDEST} or newer, below "
            f"{OLDEST.bump_major()}. Install another: `{INSTALL}`."
        )
    return version


def _read(stream: IO[str], callback: Callable[[str], Any] | None, lines: list[str]) -> None:
    for line in stream:
        text = line.rstrip()
        if callback is not None:
            callback(text)
        lines.append(text)
    stream.close()
