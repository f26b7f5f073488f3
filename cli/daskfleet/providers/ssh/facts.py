"""What a host is like, and what is wrong with it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from daskfleet_stacks.connection import Versions

KIB = 1024
MIN_DISK = 64 * 2**20
"""A node's own files take a few MiB; what its workers spill, more."""

MIN_MEMORY = 256 * 2**20
"""A worker that has imported Dask holds some 100 MiB, its nanny and the supervisor as much again."""

CLOCK_SECONDS = 60.0
"""A clock that is off by more makes times in logs and on the dashboard useless."""

CLOCK_LIMIT_SECONDS = 20 * 3600.0
"""The fleet's certificates are valid from a day ago."""

TIED = ("python", "dask", "distributed", "cloudpickle")
"""What must be alike on all nodes and clients; of Python, the minor version."""

NEEDED = ("dask", "distributed", "cloudpickle", "pydantic", "psutil")


@dataclass(frozen=True)
class PythonFacts:
    """What a host's Python said."""

    versions: dict[str, str | None]
    cores: int


@dataclass(frozen=True)
class HostFacts:
    """What a host said."""

    values: dict[str, str] = field(default_factory=dict)
    python: PythonFacts | None = None
    clock_offset: float = 0.0
    """Seconds that its clock is ahead of ours."""

    def read_bytes(self, key: str) -> int | None:
        """A size; `None` where the host did not say it."""
        text = self.values.get(key, "")
        return int(text) * KIB if text.isdigit() else None

    @property
    def home(self) -> str:
        return self.values.get("home", "")

    @property
    def cores(self) -> int:
        """The cores that workers may use; at least 1."""
        told = self.values.get("cores", "")
        return max(1, self.python.cores if self.python is not None else int(told) if told.isdigit() else 1)

    @property
    def listening(self) -> frozenset[int]:
        """Ports that something listens on."""
        return frozenset(int(port) for port in self.values.get("listening", "").split())

    @property
    def has_manager(self) -> bool:
        """Whether systemd looks after this user's services, also when nobody is logged in."""
        return self.values.get("linger") == "yes" and self.values.get("manager") == "yes"


def parse_facts(text: str, *, before: float, after: float) -> HostFacts:
    """What the probe printed.

    Args:
        before: when it was asked, seconds since the epoch.
        after: when it had answered.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    python = None
    try:
        told = json.loads(values.get("python_facts", "").strip().splitlines()[-1])
        python = PythonFacts(dict(told["versions"]), int(told["cores"]))
    except (ValueError, KeyError, TypeError, IndexError):
        pass
    offset = 0.0
    if values.get("time", "").isdigit():
        time = int(values["time"])  # Whole seconds.
        offset = min((time + 1 - before, time - after), key=abs) if not before <= time + 1 <= after + 1 else 0.0
    return HostFacts(values, python, offset)


def find_host_problems(facts: HostFacts, scratch: str) -> list[str]:
    """What keeps a host from having a node, whichever Python it has; each with what to do."""
    problems = []
    values = facts.values
    if values.get("system") != "Linux":
        return [f"it runs {values.get('system') or 'an unknown system'}, and nodes over SSH need Linux; leave it out"]
    if values.get("missing", "").strip():
        problems.append(f"it lacks {', '.join(values['missing'].split())}; install what is missing")
    if not facts.home.startswith("/") or values.get("home_writable") != "yes":
        problems.append(
            f"user {values.get('user', '')} cannot write to the home directory {facts.home or '(none)'}; mend that, or "
            "name another user: `user@host`"
        )
    if values.get("scratch_writable") != "yes":
        problems.append(f"{scratch} is not there or cannot be written to; name another folder with `scratch`")
    for what, key in ((f"the home directory {facts.home}", "home_free"), (scratch, "scratch_free")):
        free = facts.read_bytes(key)
        if free is not None and free < MIN_DISK:
            problems.append(f"{what} has {free >> 20} MiB left, and a node needs {MIN_DISK >> 20} MiB; make room there")
    memory = facts.read_bytes("memory_free")
    if memory is not None and memory < MIN_MEMORY:
        problems.append(
            f"{memory >> 20} MiB of memory are free, and a node needs {MIN_MEMORY >> 20} MiB; end something"
        )
    if abs(facts.clock_offset) > CLOCK_LIMIT_SECONDS:
        problems.append(
            f"its clock is {abs(facts.clock_offset) / 3600:.0f} hours {_side(facts)}, so the fleet's certificates are "
            "not valid there; set it, and let the host ask a time server"
        )
    return problems


def _side(facts: HostFacts) -> str:
    return "ahead" if facts.clock_offset > 0 else "behind"


def find_python_problem(facts: HostFacts, python: str, mode: str) -> str:
    """What is wrong with the Python at that path, whichever versions it has; empty where nothing is."""
    remedy = {
        "same": "with `environment: {mode: same}` it is the path of your own Python: share it, or use existing or ship",
        "existing": "give the path of one that is there with `environment: {mode: existing, python: PATH}`",
        "ship": "take the fleet down, and up again",
    }[mode]
    problem = facts.values.get("python_problem", "")
    if problem == "missing":
        return f"there is no {python}; {remedy}"
    if problem == "forbidden":
        return f"user {facts.values.get('user', '')} may not run {python}; {remedy}"
    if facts.python is None:
        return f"{python} does not run: {problem or 'it said nothing'}; {remedy}"
    missing = [name for name in NEEDED if not facts.python.versions.get(name)]
    if missing:
        install = f"{python} -m pip install {' '.join(missing)}" if mode != "ship" else "put them into the lock file"
        return f"{python} lacks {', '.join(missing)}; {install}"
    return ""


def find_version_problem(facts: PythonFacts, wanted: Versions) -> str:
    """How its versions differ from those of the fleet; empty where they do not."""
    wrong = [
        f"{name} {facts.versions.get(name)} instead of {getattr(wanted, name)}"
        for name in TIED
        if _cut(name, facts.versions.get(name) or "") != _cut(name, getattr(wanted, name))
    ]
    return f"it has other versions than the fleet: {', '.join(wrong)}; install the same" if wrong else ""


def _cut(name: str, version: str) -> str:
    return ".".join(version.split(".")[:2]) if name == "python" else version


def read_versions(facts: PythonFacts) -> Versions:
    """The versions of a host that has all that is needed."""
    return Versions(**{name: facts.versions[name] or "" for name in TIED})


def describe_host(facts: HostFacts) -> str:
    """What a host has, in a line."""
    parts = []
    if facts.python is not None:
        parts.append(f"Python {facts.python.versions['python']}")
    parts.append(f"{facts.cores} core{'s' if facts.cores != 1 else ''}")
    free, memory = facts.read_bytes("memory_free"), facts.read_bytes("memory")
    if free is not None and memory is not None:
        parts.append(f"{free / 2**30:.1f} of {memory / 2**30:.1f} GiB free")
    spill = facts.read_bytes("scratch_free")
    if spill is not None:
        parts.append(f"{spill / 2**30:.1f} GiB to spill to")
    if abs(facts.clock_offset) > CLOCK_SECONDS:
        parts.append(f"clock {abs(facts.clock_offset):.0f} s {_side(facts)}")
    parts.append(describe_care(facts))
    return ", ".join(parts)


def describe_care(facts: HostFacts) -> str:
    """Who looks after the node when the host has restarted."""
    if facts.has_manager:
        return "rejoins after a restart"
    if facts.values.get("manager") == "yes":
        user = facts.values.get("user", "")
        return f"does not rejoin after a restart (`loginctl enable-linger {user}` there lets it)"
    return "does not rejoin after a restart (no systemd for its user)"


def find_shared_homes(facts: Iterable[tuple[str, HostFacts]]) -> list[list[str]]:
    """Hosts whose home directory is one and the same, by name."""
    shared: dict[str, list[str]] = {}
    for name, each in facts:
        identity = each.values.get("home_identity", "")
        if identity:
            shared.setdefault(f"{each.home} {identity}", []).append(name)
    return [names for names in shared.values() if len(names) > 1]
