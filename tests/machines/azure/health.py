"""Azure's extension for health: it asks each machine, on the machine itself, and tells Azure what it found.

https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure_cloud.client import AzureRefusal
from machines.azure.azure import AzureServer
from machines.azure.instances import AzureInstance
from machines.container import Container
from machines.launching import Launcher
from machines.launching.launch import Launch
from machines.machine import MachineError
from machines.network import Network

POLL_SECONDS = 0.2
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"

ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
connection.request("GET", sys.argv[2])
sys.exit(connection.getresponse().status != 200)
"""
"""A program that fails where a machine does not say that it is well: `ASK PORT PATH`."""


@dataclass(frozen=True)
class Check:
    """How machines are asked, and by how many answers they are judged."""

    port: int
    path: str
    interval: float
    probes: int
    """So many answers that are alike, one after another, are believed."""


@dataclass
class Health:
    """What is known of one machine."""

    asked: float = -math.inf
    """When it was last asked."""
    answer: str = ""
    """The last one."""
    count: int = 0
    """How often that came, one after another."""
    told: str = ""
    """What Azure has been told."""


def parse_check(settings: Mapping[str, Any]) -> Check:
    """The settings of the extension."""
    return Check(
        int(settings["port"]),
        str(settings.get("requestPath", "/")),
        float(settings.get("intervalInSeconds", 5)),
        int(settings.get("numberOfProbes", 1)),
    )


def judge(health: Health, check: Check, answer: str, now: float) -> bool:
    """Note an answer; returns whether Azure is to be told."""
    health.count = health.count + 1 if answer == health.answer else 1
    health.answer, health.asked = answer, now
    if health.count < check.probes or health.told == answer:
        return False
    health.told = answer
    return True


class Prober:
    """Asks all machines whose scale sets want it, until it is closed: before the machines of its network are."""

    def __init__(self, network: Network, server: AzureServer, launcher: Launcher) -> None:
        self.pace = 1.0
        """How long each second of intervals takes."""
        self._server = server
        self._launcher = launcher
        self._known: dict[Launch, Health] = {}
        self._error: BaseException | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="prober", daemon=True)
        network.add_watcher(self)
        self._thread.start()

    def close(self) -> None:
        """Ask no more. May be called again.

        Raises:
            RuntimeError: asking had failed.
        """
        self._end.set()
        self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise RuntimeError("machines' health was not followed to the end") from error

    def _watch(self) -> None:
        try:
            while not self._end.wait(POLL_SECONDS):
                self._look()
        except Exception as error:
            if self._server.process.poll() is None:
                self._error = error

    def _look(self) -> None:
        """Ask those whose time it is."""
        for launch in self._launcher.launches:
            instance = launch.instance
            assert isinstance(instance, AzureInstance)
            if instance.health is None or not launch.booted.is_set() or launch.ending or self._end.is_set():
                continue
            check, health = parse_check(instance.health), self._known.setdefault(launch, Health())
            if time.monotonic() < health.asked + check.interval * self.pace:
                continue
            answer = HEALTHY if is_well(launch, check) else UNHEALTHY
            if judge(health, check, answer, time.monotonic()):
                with contextlib.suppress(AzureRefusal):  # It has just gone.
                    self._server.control("health", machine=instance.id, state=answer)


def is_well(launch: Launch, check: Check) -> bool:
    """Whether a machine says that it is."""
    machine = launch.machine
    assert isinstance(machine, Container | None)
    if machine is None or not machine.is_running():
        return False
    try:
        machine.exec(["python3", "-c", ASK, str(check.port), check.path], timeout=10)
    except (MachineError, subprocess.TimeoutExpired):
        return False
    return True
