"""Run a script on a host, or on this machine: what it is told goes in as arguments, secrets as standard input."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shlex
from typing import Protocol

from daskfleet.providers.ssh.bundle import read_own
from daskfleet.providers.ssh.login import HostFailed, Logins, asyncssh
from daskfleet_stacks.spec.ssh import HostAddress

SCRIPT_SECONDS = 60.0
"""How long a script may take that does little."""

BEGIN = "::daskfleet::"
"""What people's shells write before a script's own output (a greeting in `.bashrc`) ends here."""


class Shell(Protocol):
    """Runs scripts on one host."""

    async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
        """Run a command line; returns its exit code, and what it wrote."""
        ...


class SshShell:
    """Runs scripts on a host that SSH leads to."""

    def __init__(self, logins: Logins, address: HostAddress) -> None:
        self._logins = logins
        self._address = address

    async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
        connection = await self._logins.open(self._address)
        try:
            done = await connection.run(command, input=data, encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise HostFailed(f"the connection was lost: {error}; is the host still on?") from None
        assert isinstance(done.stdout, bytes)
        assert isinstance(done.stderr, bytes)
        return -1 if done.exit_status is None else done.exit_status, done.stdout, done.stderr


class LocalShell:
    """Runs scripts on this machine."""

    async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(data)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        return process.returncode or 0, out, err


async def run_script(
    shell: Shell, script: str, *arguments: str, data: bytes = b"", seconds: float = SCRIPT_SECONDS
) -> str:
    """Run one of our scripts and return what it printed.

    Args:
        script: its name, such as `probe`.
        arguments: what it is told; no secret, as others on the host can see it.
        data: its standard input.
        seconds: how long it may take.

    Raises:
        HostFailed: it failed, or did not end in time; with the last that it said.
    """
    try:
        async with asyncio.timeout(seconds):
            code, out, err = await shell.run(render_command(read_script(script), arguments), data)
    except TimeoutError:
        raise HostFailed(
            f"{script}: it does not answer within {seconds:g} s; is the host overloaded, or off?"
        ) from None
    text = out.decode(errors="replace").partition(f"{BEGIN}\n")[2]
    if code != 0:
        raise HostFailed(f"{script}: {_shorten(err.decode(errors='replace')) or f'exit code {code}'}")
    return text


def _shorten(said: str) -> str:
    """What a program said, in one line: what it began with, and what it ended with, which is where causes stand."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join(lines if len(lines) <= 3 else [lines[0], "…", *lines[-2:]])


def render_command(script: str, arguments: tuple[str, ...]) -> str:
    """The command line for whichever shell a person has there: one line, without what any shell would read. Pure."""
    words = " ".join(map(shlex.quote, arguments))
    encoded = base64.b64encode(f"echo {BEGIN}\nset -- {words}\n{script}".encode()).decode()
    return f"sh -c 'eval \"$(echo {encoded} | base64 -d)\"'"


def read_script(name: str) -> str:
    """The text of one of our scripts."""
    return read_own(f"scripts/{name}.sh")
