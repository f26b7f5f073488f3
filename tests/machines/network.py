"""A network on this computer that reaches nothing outside: a bridge in a network namespace, and machines on it."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from machines.leftovers import (
    NAMESPACES,
    PREFIX,
    find_leftovers,
    make_state_folder,
    remove,
    remove_folder,
    sweep_leftovers,
)
from patience import PATIENCE

BRIDGE = "bridge"
FIRST_HOST = 10
"""The first host number that machines get; the ones before it are free for the caller."""

CLONE_NEWNET = 0x40000000
POLL_SECONDS = 0.05

T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> None: ...


class Network:
    """A bridge with machines on it, in a network namespace of its own, with no way to the outside.

    The gateway's address, and `addresses`, are on the bridge: what runs inside (`run_inside`) can listen there, and
    machines reach it. Machines send what is for others to the gateway, which answers that there is no way.

    Everything in it ends with it. What an owner that was killed left is removed when the next one is made.
    """

    def __init__(self, subnet: str = "10.77.0.0/24", *, addresses: Sequence[str] = ()) -> None:
        """Make the network.

        Args:
            subnet: its addresses; the first is the gateway's. Networks of the same subnet do not meet.
            addresses: more addresses of the gateway, for example 169.254.169.254.
        """
        sweep_leftovers()
        self.subnet = ipaddress.IPv4Network(subnet)
        self.gateway = str(self.subnet[1])
        self.folder = make_state_folder()
        """The network's own files, removed with it."""
        self.namespace = PREFIX + self.folder.name.partition(".")[0]
        self._ports: dict[str, str] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._watchers = ExitStack()
        self._members = ExitStack()
        self._members.callback(self._remove)
        try:
            self._make(addresses)
        except BaseException:
            self.close()
            raise

    def _make(self, addresses: Sequence[str]) -> None:
        _ip(f"netns add {self.namespace}")
        _ip(
            "link set lo up",
            f"link add {BRIDGE} type bridge",
            f"addr add {self.gateway}/{self.subnet.prefixlen} dev {BRIDGE}",
            *(f"addr add {address}/32 dev {BRIDGE}" for address in addresses),
            f"link set {BRIDGE} up",
            namespace=self.namespace,
        )
        # A gateway that forwards tells at once that it knows no way; one that does not is silent.
        self.call_inside(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything in it and remove it. May be called again."""
        try:
            self._watchers.close()
        finally:
            self._members.close()

    def _remove(self) -> None:
        remove(self.namespace)
        remove_folder(self.folder)
        left = find_leftovers(self.namespace)
        assert left == [], f"of network {self.namespace} there is still: {left}"

    # Clients and services

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` inside.

        Not `ip netns exec`: that also gives it another /sys, without control groups.
        """
        return ["nsenter", f"--net={NAMESPACES / self.namespace}", "--", *command]

    def popen_inside(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a command inside; it ends with the network at the latest.

        Args:
            env: its whole environment; `None` is this process's.
            options: of `subprocess.Popen`.
        """
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("start_new_session", True)
        process = subprocess.Popen(self.inside(command), env=env, **options)
        self._members.callback(_end, process)
        return process

    def run_inside(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        timeout: float = 120.0,
        check: bool = True,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; returns what it wrote.

        Args:
            env: its whole environment; `None` is this process's.
            timeout: seconds.
            check: whether another exit code than 0 is an error.
            options: of `subprocess.run`.

        Raises:
            RuntimeError: it failed, with what it wrote.
            subprocess.TimeoutExpired: it did not end in time.
        """
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(
            self.inside(command),
            env=env,
            timeout=timeout * PATIENCE,
            text=True,
            capture_output=True,
            check=False,
            **options,
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{command} inside the network ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def call_inside(self, function: Callable[[], T]) -> T:
        """Call a function of this process inside, and return what it does.

        A thread goes inside for it and ends. Sockets stay where they were made, so a connection may be returned; a
        library that opens connections later, in other threads, is not for this: run such a client with `run_inside`.
        """
        outcome: Future[T] = Future()

        def call() -> None:
            try:
                _enter(NAMESPACES / self.namespace)
                outcome.set_result(function())
            except BaseException as error:  # The caller raises it.
                outcome.set_exception(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return outcome.result()

    def connect(self, address: str, port: int, timeout: float = 5.0) -> socket.socket:
        """A TCP connection from the inside, for this process.

        Args:
            timeout: seconds that it may take, and each use of it later.

        Raises:
            OSError: nothing accepts it there.
        """
        return self.call_inside(lambda: socket.create_connection((address, port), timeout))

    def await_port(self, address: str, port: int, timeout: float, process: subprocess.Popen[Any] | None = None) -> None:
        """Wait until something accepts connections at an address, as seen from inside.

        Args:
            timeout: seconds.
            process: what is to listen there; that it ends is an error at once.

        Raises:
            TimeoutError: it was not in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.connect(address, port, timeout=1.0).close()
            except OSError as error:
                if process is not None and process.poll() is not None:
                    raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it listened") from None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"nothing listens on {address}:{port} after {timeout:g} s: {error}") from None
                time.sleep(POLL_SECONDS)
            else:
                return

    # Machines

    def add(self, member: _Closable) -> None:
        """Let `member` be closed with the network, before what was added earlier."""
        self._members.callback(member.close)

    def add_watcher(self, watcher: _Closable) -> None:
        """Let `watcher`, which acts on members by itself, be closed before any of them is."""
        self._watchers.callback(watcher.close)

    def next_name(self) -> str:
        """A name for what a machine is made of; by it the network's end finds what is left of the machine."""
        with self._lock:
            self._count += 1
            return f"{self.namespace}-{self._count}"

    def take_address(self, address: str | None = None) -> str:
        """Take an address, by default the next free one, for a machine.

        Raises:
            ValueError: it is taken, or not in the subnet; or none is left.
        """
        with self._lock:
            taken = self.gateway, *self._ports
            if address is None:
                hosts = (str(self.subnet[number]) for number in range(FIRST_HOST, self.subnet.num_addresses - 1))
                address = next((host for host in hosts if host not in taken), None)
                if address is None:
                    raise ValueError(f"{self.subnet} has no address left; make the network with a larger subnet")
            if ipaddress.IPv4Address(address) not in self.subnet:
                raise ValueError(f"{address} is not in {self.subnet}; choose one that is")
            if address in taken:
                raise ValueError(f"{address} is taken; choose another, or none to get a free one")
            self._ports[address] = ""
            return address

    def release_address(self, address: str) -> None:
        """Let another machine have this address, and remove the port to it."""
        if port := self._ports.pop(address, ""):
            subprocess.run(["ip", "-n", self.namespace, "link", "delete", port], check=False, capture_output=True)

    def plug_namespace(self, name: str, address: str) -> None:
        """Make the network namespace `name`, with an interface `eth0` that leads here and has the address."""
        port = self._ports[address] = f"veth-{name.rpartition('-')[2]}"
        _ip(f"netns add {name}")
        _ip(
            f"link add {port} type veth peer name eth0 address {render_mac(address)} netns {name}",
            f"link set {port} master {BRIDGE} up",
            namespace=self.namespace,
        )
        _ip(
            "link set lo up",
            f"addr add {address}/{self.subnet.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {self.gateway}",
            namespace=name,
        )

    def plug_tap(self, name: str, address: str) -> str:
        """Make a tap device that leads here, for the machine with the address; returns its name inside."""
        port = self._ports[address] = f"tap-{name.rpartition('-')[2]}"
        _ip(f"tuntap add dev {port} mode tap", f"link set {port} master {BRIDGE} up", namespace=self.namespace)
        return port

    def cut(self, address: str) -> None:
        """Take the machine with this address off the network, as a pulled cable does."""
        _ip(f"link set {self._ports[address]} down", namespace=self.namespace)

    def mend(self, address: str) -> None:
        """Undo `cut`."""
        _ip(f"link set {self._ports[address]} up", namespace=self.namespace)


def _end(process: subprocess.Popen[Any]) -> None:
    """End a process; its children end with the network."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def render_mac(address: str) -> str:
    """The hardware address of the machine with this address: locally administered, and unique in its network."""
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, *ipaddress.IPv4Address(address).packed))


def _enter(namespace: Path) -> None:
    """Let this thread go into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(namespace))
    finally:
        os.close(descriptor)


def _ip(*commands: str, namespace: str | None = None) -> None:
    """Run commands of `ip`.

    Raises:
        RuntimeError: one failed; those after it did not run.
    """
    inside = [] if namespace is None else ["-n", namespace]
    text = "\n".join(commands)
    done = subprocess.run(["ip", *inside, "-batch", "-"], input=text, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip{' in ' + namespace if namespace else ''}: {done.stderr.strip()}\n{text}")
