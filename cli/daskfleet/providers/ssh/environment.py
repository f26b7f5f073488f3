"""The Python environment of the nodes: one that is there, or one that is built on the hosts from a lock file."""

from __future__ import annotations

import hashlib
import io
import platform
import re
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.progress import Progress
from daskfleet.providers.base import Check
from daskfleet.providers.ssh.crew import Crew
from daskfleet.providers.ssh.facts import NEEDED, HostFacts, find_python_problem
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.probing import probe_host
from daskfleet.providers.ssh.shell import Shell, run_script
from daskfleet.providers.ssh.state import Place, SshState
from daskfleet.services.images.uv import find_uv
from daskfleet_stacks.spec import SshFleetSpec
from daskfleet_stacks.spec.ssh import SshEnvironment

BUILD_SECONDS = 1800.0
FOLDER = ".environment"
"""Beside the nodes' folders, and not listed with them."""


class Environment:
    """What `environment` of a spec says."""

    def __init__(self, spec: SshFleetSpec, state: SshState) -> None:
        self._asked = spec.environment
        self._folder = state.folder(FOLDER)
        self._working_directory = state.working_directory

    def find_python(self, place: Place) -> str:
        """Path of the Python at that place; empty where it has yet to be built."""
        if not place.host or self._asked.mode == "same":
            return sys.executable
        return self._asked.python or "" if self._asked.mode == "existing" else ""

    def path(self, home: str) -> str:
        """Path of the Python that is built on a host with that home directory."""
        return f"{home}/.daskfleet/{self._folder}/venv/bin/python"

    def check(self) -> list[Check]:
        """What is wrong with it on this machine."""
        if self._asked.mode != "ship":
            return []
        try:
            lock = read_lock(self._asked)
            wheels = list_wheels(self._asked)
            if wheels is None:
                found = f"{lock.count('--hash=')} hashes, from the hosts' package index"
            else:
                found = f"{lock.count('--hash=')} hashes, from {len(wheels)} wheels"
        except FleetError as error:
            return [Check("environment", problem=str(error))]
        return [Check("environment", found=found)]

    async def provide(
        self,
        crew: Crew,
        places: Mapping[str, Place],
        installed: Mapping[str, Iterable[str]],
        facts: Mapping[str, HostFacts],
        progress: Progress,
    ) -> tuple[dict[str, HostFailed], dict[str, HostFacts]]:
        """Build the environment where it has to be built, once for each home directory.

        Args:
            places: where the nodes are.
            installed: for each node, the nodes whose folders its host sees: hosts that share a home see each other's.
            facts: what the hosts are like.

        Returns:
            The nodes whose hosts have no environment, and why; and of the others what their Python says.

        Raises:
            FleetError: the lock file or the wheels cannot be read.
        """
        nodes = {node: places[node] for node in installed if places[node].host}
        if self._asked.mode != "ship" or not nodes:
            return {}, {}
        lock, wheels = read_lock(self._asked), list_wheels(self._asked)
        homes = group_by_home({node: installed[node] for node in nodes})
        leaders = {members[0]: places[members[0]] for members in homes}
        progress.step(f"building the environment in {len(leaders)} home director{'ies' if len(leaders) > 1 else 'y'}")
        with_uv = build_archive(lock, wheels, uv=True)
        without_uv = build_archive(lock, wheels, uv=False)

        async def build(node: str, shell: Shell) -> None:
            uv = facts[node].values.get("uv", "")
            machine = facts[node].values.get("machine", "")
            if not uv and machine != platform.machine():
                raise HostFailed(
                    f"it has no uv, and ours is for {platform.machine()} where it is {machine}; install uv there"
                )
            await run_script(
                shell,
                "build",
                self._folder,
                uv,
                self._asked.python or ".".join(platform.python_version_tuple()[:2]),
                "" if wheels is None else "wheels",
                hashlib.sha256(lock.encode()).hexdigest(),
                data=without_uv if uv else with_uv,
                seconds=BUILD_SECONDS,
            )

        outcome = await crew.each(leaders, build, lambda done, total: progress.count("environments built", done, total))
        failed = {
            node: result
            for members in homes
            for node in members
            if isinstance(result := outcome[members[0]], HostFailed)
        }
        told = await self._ask(crew, {node: place for node, place in nodes.items() if node not in failed}, facts)
        return (
            failed | {node: each for node, each in told.items() if isinstance(each, HostFailed)},
            {node: each for node, each in told.items() if isinstance(each, HostFacts)},
        )

    async def _ask(
        self, crew: Crew, places: Mapping[str, Place], facts: Mapping[str, HostFacts]
    ) -> dict[str, HostFacts | HostFailed]:
        async def ask(node: str, shell: Shell) -> HostFacts:
            python = self.path(facts[node].home)
            told = await probe_host(shell, places[node], python, working_directory=self._working_directory)
            problem = find_python_problem(told, python, "ship")
            if problem:
                raise HostFailed(problem)
            return told

        return await crew.each(places, ask)


def read_lock(asked: SshEnvironment) -> str:
    """The text of the lock file.

    Raises:
        FleetError: it cannot be read, is no lock, or lacks what nodes need.
    """
    path = expand(asked.lock or "", "environment.lock")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise FleetError(f"environment.lock: {path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    names = {
        re.sub(r"[-_.]+", "-", match[1]).lower()
        for match in re.finditer(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==|@)", text, re.MULTILINE)
    }
    missing = [name for name in NEEDED if name not in names]
    if "--hash=" not in text:
        raise FleetError(
            f"environment.lock: {path} has no hashes; write it with `uv pip compile --generate-hashes` or `uv export "
            "--no-emit-project`."
        )
    if missing:
        raise FleetError(
            f"environment.lock: {path} lacks {', '.join(missing)}, which nodes need; add "
            f"{'them' if len(missing) > 1 else 'it'} and lock again."
        )
    return text


def expand(path: str, field: str) -> Path:
    """The path, with the home directory in the place of `~`.

    Raises:
        FleetError: it is of somebody who is not there.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FleetError(f"{field}: {path}: {error}; write the whole path.") from None


def list_wheels(asked: SshEnvironment) -> list[Path] | None:
    """The wheels to push; `None` where the hosts ask the package index.

    Raises:
        FleetError: there are none in the folder.
    """
    if asked.wheels is None:
        return None
    folder = expand(asked.wheels, "environment.wheels")
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise FleetError(
            f"environment.wheels: there are no wheels in {folder}; `pip download --only-binary :all: -r LOCK -d "
            f"{folder}` puts them there."
        )
    return found


def build_archive(lock: str, wheels: Iterable[Path] | None, *, uv: bool) -> bytes:
    """What the environment is built from on a host."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("requirements.txt")
        entry.size, entry.mode = len(lock.encode()), 0o600
        archive.addfile(entry, io.BytesIO(lock.encode()))
        if uv:
            archive.add(find_uv(), "uv")
        for wheel in wheels or ():
            archive.add(wheel, f"wheels/{wheel.name}")
    return buffer.getvalue()


def group_by_home(installed: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Nodes whose hosts share a home directory: one that sees the folder of another shares it. Pure."""
    seen = {node: set(each) for node, each in installed.items()}
    homes: list[list[str]] = []
    for node in seen:
        # Who looked first saw less, so it is enough that one of two sees the other.
        near = [home for home in homes if any(other in seen[node] or node in seen[other] for other in home)]
        homes = [home for home in homes if home not in near] + [[*(each for home in near for each in home), node]]
    return homes
