"""The spec of a fleet on machines that are reached by SSH."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from daskfleet_stacks.spec.base import FleetSpec, SpecModel
from daskfleet_stacks.spec.fields import Count, Memory, Name, Port, Resources, Threads, check_int, refuse
from daskfleet_stacks.spec.hosts import HOST, BadPattern, expand_hosts, split_user
from daskfleet_stacks.spec.ports import find_port_conflicts
from daskfleet_stacks.spec.problems import Path, Problem

_LATER = "is not available yet; leave it out"

LOCAL = "local"
"""Instead of a host: the machine that the command runs on."""

DEFAULT_GROUP = "cpu"

PYTHON = re.compile(r"\d+\.\d+(\.\d+)?")


def check_hosts(value: Any) -> str:
    """Validate the name of one host, or a pattern of several."""
    remedy = "give a name as `ssh` takes it, such as team-server.lan, science@team-server.lan or rack[01-16].lan"
    if not isinstance(value, str):
        raise refuse("the name of a host is text", remedy)
    try:
        expand_hosts(split_user(value)[1])
    except BadPattern as error:
        raise refuse(str(error), remedy) from None
    return value


def check_host(value: Any) -> str:
    """Validate the name of one host."""
    host = check_hosts(value)
    if len(expand_hosts(split_user(host)[1])) > 1:
        raise refuse("these are several hosts, and a fleet has one scheduler", "give one of them")
    return host


def check_folder(value: Any) -> str:
    """Validate the path of a folder on a host."""
    if not isinstance(value, str) or not value.startswith("/") or "\n" in value or "\0" in value:
        raise refuse("this is no absolute path", "give one that begins with /, such as /local/scratch")
    return value.rstrip("/") or "/"


def check_file(value: Any) -> str:
    """Validate the path of a file."""
    if not isinstance(value, str) or not value.strip() or "\n" in value or "\0" in value:
        raise refuse("this is no path", "give the path of a file")
    return value


def check_address(value: Any) -> str:
    """Validate a name or an address that machines reach each other by."""
    if not isinstance(value, str) or not re.fullmatch(HOST, value):
        raise refuse("this is no name or address of a host", "give one such as 10.0.0.5 or team-server.lan")
    return value


def check_python(value: Any) -> str:
    """Validate the path of a Python, or its version."""
    if isinstance(value, str) and (PYTHON.fullmatch(value) or (value.startswith("/") and check_file(value))):
        return value
    raise refuse("this is neither the path of a Python nor a version", "give /opt/env/bin/python, or '3.12' in quotes")


def check_ssh_port(value: Any) -> int:
    """Validate the port of an SSH server."""
    return check_int(value, 1, 65535, "a port")


def check_nice(value: Any) -> int:
    """Validate how far processes stand back."""
    return check_int(value, 0, 19, "niceness")


def check_truth(value: Any) -> bool:
    """Validate a truth value; YAML has several words for one, which it has read already."""
    if not isinstance(value, bool):
        raise refuse("this is true or false", "give one of the two, without quotes")
    return value


def widen(value: Any) -> Any:
    """`team-server.lan` is short for `{host: team-server.lan}`."""
    return {"host": value} if isinstance(value, str) else value


Hosts = Annotated[
    str, BeforeValidator(check_hosts), WithJsonSchema({"type": "string", "examples": ["rack[01-16].lan"]})
]
Host = Annotated[str, BeforeValidator(check_host), WithJsonSchema({"type": "string", "examples": ["team-server.lan"]})]
Folder = Annotated[str, BeforeValidator(check_folder), WithJsonSchema({"type": "string", "pattern": "^/"})]
File = Annotated[str, BeforeValidator(check_file), WithJsonSchema({"type": "string", "minLength": 1})]
Address = Annotated[str, BeforeValidator(check_address), WithJsonSchema({"type": "string", "minLength": 1})]
Python = Annotated[
    str, BeforeValidator(check_python), WithJsonSchema({"type": "string", "examples": ["/opt/env/bin/python", "3.12"]})
]
SshPort = Annotated[
    int, BeforeValidator(check_ssh_port), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535})
]
Truth = Annotated[bool, BeforeValidator(check_truth), WithJsonSchema({"type": "boolean"})]
Nice = Annotated[int, BeforeValidator(check_nice), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 19})]


class SshHost(SpecModel):
    """A host, or several that are alike, and the workers on each."""

    host: Hosts
    """A name as `ssh` takes it, with what `~/.ssh/config` says of it: `desk-17.lan`, `science@team-server.lan`; or
    several that are alike: `rack[01-16].lan`, `node[1,3,7-9]`."""
    port: SshPort | None = None
    """Port of its SSH server; without it, what `~/.ssh/config` says, or 22."""
    group: Name = DEFAULT_GROUP
    """Worker group that its workers belong to."""
    workers: Count = 1
    """Workers on each host; `auto` fills it as `LocalCluster` does."""
    threads: Threads = "auto"
    """Threads of each worker; `auto` shares the host's cores among its workers."""
    memory_limit: Memory = "auto"
    """Memory of each worker (`4GiB`): near it, Dask spills to disk, then restarts the worker; `0` is no limit; `auto`
    shares four fifths of what is free on the host when the fleet comes up among its workers."""
    resources: Resources = {}
    """Dask resources of each worker, for tasks that ask for them: `{GPU: 1}`."""
    nice: Nice = 10
    """How far workers stand back behind what else the host does: 0 not at all, 19 most; from 1 on their disk
    access waits for others', too."""
    pause_when_busy: Truth = False
    """Take no new tasks while others use the host's processors: for somebody's desktop."""
    scratch: Folder | None = None
    """Folder on a local disk of the host that workers spill to; without it, `/tmp`."""


HostEntry = Annotated[SshHost, BeforeValidator(widen, json_schema_input_type=str | SshHost)]


class SshScheduler(SpecModel):
    """The scheduler, on one of the hosts, on another one, or on this machine."""

    host: Host | None = None
    """A host, as in `hosts`; `local` is the machine that `daskfleet up` runs on; without it, the first of `hosts`."""
    ssh_port: SshPort | None = None
    """Port of the host's SSH server, where it is not one of `hosts`; without it, what `~/.ssh/config` says, or 22."""
    address: Address | None = None
    """Name or address by which the other hosts reach it; without it, the address that SSH reaches it at."""
    port: Port = "auto"
    """Port of the scheduler, which it keeps for the fleet's life; `auto` is 8786, or a free one if that is taken."""
    dashboard_port: Port = "auto"
    """Port of the dashboard, on the host's loopback interface; `auto` is 8787, or a free one if that is taken."""


SchedulerEntry = Annotated[SshScheduler, BeforeValidator(widen, json_schema_input_type=str | SshScheduler)]


class SshEnvironment(SpecModel):
    """What Python the nodes run."""

    mode: Literal["same", "existing", "ship"] = "same"
    """`same`: the path of the Python that runs `daskfleet`, on every host (a shared home directory, or the same path);
    `existing`: `python` says the path; `ship`: the environment of a lock file is built on each host."""
    python: Python | None = None
    """With `existing`, the path of the Python on the hosts; with `ship`, the version to build with (`3.12`), without it
    the one that runs `daskfleet`."""
    lock: File | None = None
    """With `ship`: the lock file on this machine, a `requirements.txt` with hashes, as `uv pip compile
    --generate-hashes` or `uv export` write it."""
    wheels: File | None = None
    """With `ship`: a folder of wheels on this machine to install from, pushed to the hosts; without it, the hosts
    ask the package index."""


class SshAccess(SpecModel):
    """The way from a client to the scheduler."""

    mode: Literal["auto", "direct", "ssh"] = "auto"
    """`direct`: at its address; `ssh`: through a tunnel; `auto`: at its address if that answers when the fleet comes
    up, otherwise through a tunnel."""


class SshFleetSpec(FleetSpec):
    """A fleet on machines that you reach by SSH."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {
        "region": "your own machines are in no region; leave it out",
        "workers": "your own machines are listed one by one; say under hosts how many workers each has",
        "data": "workers read and write with the accounts on their hosts; leave it out",
        "lifetime": f"stopping by itself {_LATER}, and stop the fleet with `daskfleet down`",
        "image": "nothing boots an image on machines that run already; say under environment what they are to have",
        "scheduler.instance_type": "your own machines are what they are; give scheduler.host",
        "hosts[].instance_types": "your own machines are what they are; leave it out",
        "hosts[].spot": "your own machines have no spot market; leave it out",
        "hosts[].count": "a host is one machine; say with workers how many workers it has",
        "access.allowed_cidrs": "daskfleet does not change the firewalls of your machines; leave it out",
    }

    provider: Literal["ssh"] = "ssh"
    """`ssh`: on machines that you reach by SSH."""
    hosts: tuple[HostEntry, ...] = Field(min_length=1)
    """The hosts: names, or names with what is to be on them."""
    scheduler: SchedulerEntry = Field(default_factory=SshScheduler)
    """The scheduler; or just its host."""
    environment: SshEnvironment = Field(default_factory=SshEnvironment)
    """The Python environment of the nodes."""
    access: SshAccess = Field(default_factory=SshAccess)
    """How clients reach the scheduler."""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """Hosts that stand twice, counts that leave it open where workers go, and an environment that lacks a part."""
        return [
            *_find_host_conflicts(data.get("hosts")),
            *find_port_conflicts(data.get("scheduler")),
            *_find_ssh_port_conflicts(data.get("scheduler"), data.get("hosts")),
            *_find_environment_conflicts(data.get("environment")),
        ]


@dataclass(frozen=True)
class HostAddress:
    """One host, as SSH is told of it."""

    host: str
    user: str
    """Empty: as `~/.ssh/config` says."""
    port: int | None
    """`None`: as `~/.ssh/config` says."""


def iterate_hosts(spec: SshFleetSpec) -> Iterator[tuple[HostAddress, SshHost]]:
    """Each host of the fleet, in the order of the file, with its entry. Pure."""
    for entry in spec.hosts:
        user, pattern = split_user(entry.host)
        for host in expand_hosts(pattern):
            yield HostAddress(host, user, entry.port), entry


def find_scheduler_host(spec: SshFleetSpec) -> HostAddress | None:
    """The scheduler's host; `None` is the local machine. Pure."""
    hosts = [address for address, _ in iterate_hosts(spec)]
    if spec.scheduler.host is None:
        return hosts[0]
    if spec.scheduler.host == LOCAL:
        return None
    user, pattern = split_user(spec.scheduler.host)
    (host,) = expand_hosts(pattern)
    for address in hosts:
        if address.host == host and user in ("", address.user):
            return address
    return HostAddress(host, user, spec.scheduler.ssh_port)


def _find_host_conflicts(hosts: Any) -> list[Problem]:
    """Hosts that stand twice: a host has one entry, as its workers share its cores and its memory."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, entry in enumerate(hosts if isinstance(hosts, list | tuple) else ()):
        path: Path = ("hosts", index)
        if isinstance(entry, Mapping) and entry.get("group") == "scheduler":
            reason = "this is the name of the scheduler's own node"
            problems.append(Problem((*path, "group"), reason, "choose another", "scheduler", True))
        if isinstance(entry, Mapping):
            path, entry = (*path, "host"), entry.get("host")
        try:
            names = expand_hosts(split_user(entry)[1]) if isinstance(entry, str) else []
        except BadPattern:
            continue  # Told where it stands.
        for name in names:
            if name == LOCAL:
                reason = "a fleet over SSH has workers on hosts that SSH leads to"
                problems.append(Problem(path, reason, "for workers on this machine, name it as `ssh` does", name, True))
            elif name.lower() in seen:
                reason = f"{name} stands in the list already"
                problems.append(Problem(path, reason, "name each host once, with all its workers", entry, True))
            seen.add(name.lower())
    return problems


def _find_ssh_port_conflicts(scheduler: Any, hosts: Any) -> list[Problem]:
    """A port for a host that has an entry of its own, or for none at all."""
    if not isinstance(scheduler, Mapping) or scheduler.get("ssh_port") is None:
        return []
    path: Path = ("scheduler", "ssh_port")
    host = scheduler.get("host")
    if host in (None, LOCAL):
        reason, remedy = (
            "it belongs to a host that `scheduler.host` names, and none is named",
            "name it, or leave this out",
        )
    elif isinstance(host, str) and host.rpartition("@")[2] in _list_names(hosts):
        reason, remedy = "this host is one of `hosts`", "give its port there"
    else:
        return []
    return [Problem(path, reason, remedy, scheduler["ssh_port"], True)]


def _list_names(hosts: Any) -> set[str]:
    """The hosts that a list stands for, as far as it is right."""
    names: set[str] = set()
    for entry in hosts if isinstance(hosts, list | tuple) else ():
        pattern = entry.get("host") if isinstance(entry, Mapping) else entry
        with contextlib.suppress(BadPattern):
            names |= set(expand_hosts(split_user(pattern)[1])) if isinstance(pattern, str) else set()
    return names


def _find_environment_conflicts(environment: Any) -> list[Problem]:
    if not isinstance(environment, Mapping):
        return []
    mode = environment.get("mode", "same")
    python = environment.get("python") or ""
    problems = []

    def tell(key: str, reason: str, remedy: str) -> None:
        has_value = environment.get(key) is not None
        problems.append(Problem(("environment", key), reason, remedy, environment.get(key), has_value))

    if mode == "existing" and not str(python).startswith("/"):
        tell("python", "with `mode: existing` the hosts have a Python, and its path is not given", "give its path")
    if mode == "ship" and str(python).startswith("/"):
        tell("python", "with `mode: ship` the environment is built, and has no path yet", "give a version, as 3.12")
    if mode == "ship" and not environment.get("lock"):
        tell("lock", "with `mode: ship` an environment is built, and what it holds is not given", "give a lock file")
    if mode == "same" and python:
        tell("python", "with `mode: same` the path is that of your own Python", "leave it out, or say mode: existing")
    for key in ("lock", "wheels"):
        if mode != "ship" and environment.get(key):
            tell(key, f"with `mode: {mode}` nothing is installed", "leave it out, or say mode: ship")
    return problems
