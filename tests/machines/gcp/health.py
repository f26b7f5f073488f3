"""Google's health checks: managed instance groups have machines made anew that do not say they are well.

https://cloud.google.com/compute/docs/instance-groups/autohealing-instances-in-migs
"""

from __future__ import annotations

import http.client
import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google_client import GoogleRefusal
from machines.gcp.google import PROBER_ADDRESS
from machines.gcp.instances import GcpInstance, cut_host
from machines.gcp.watched import COMPUTE, WatchedGcp
from machines.network import Network

POLL_SECONDS = 0.5
MOST_FAILURES = 5
"""Looks that may fail, one after another."""


@dataclass(frozen=True)
class Check:
    """How a group's machines are asked, and by how many answers they are judged."""

    port: int
    path: str
    interval: float
    timeout: float
    unhealthy_threshold: int
    initial_delay: float
    """Seconds that a new machine has to become well."""


@dataclass
class Health:
    """What is known of one instance."""

    since: float
    """When it was first seen."""
    asked: float = -math.inf
    """When it was last asked."""
    was_well: bool = False
    failures: int = 0
    """One after another, by now."""


def parse_check(described: Mapping[str, Any], policy: Mapping[str, Any]) -> Check:
    """A health check that asks over HTTP, as Compute Engine describes it, and a group's policy about it."""
    asked = described["httpHealthCheck"]
    return Check(
        int(asked.get("port", 80)),
        asked.get("requestPath", "/"),
        float(described.get("checkIntervalSec", 5)),
        float(described.get("timeoutSec", 5)),
        int(described.get("unhealthyThreshold", 2)),
        float(policy.get("initialDelaySec", 0)),
    )


def judge(health: Health, check: Check, *, is_well: bool, now: float, pace: float) -> bool:
    """Note an answer; returns whether the machine is to be made anew.

    One that has not been well yet has its initial delay for it.
    """
    health.was_well |= is_well
    is_new = not health.was_well and now - health.since < check.initial_delay * pace
    health.failures = 0 if is_well or is_new else health.failures + 1
    health.asked = now
    return health.failures >= check.unhealthy_threshold


class Prober:
    """Asks all machines of groups that want it, until it is closed: before the machines of its network are."""

    def __init__(self, network: Network, watched: WatchedGcp) -> None:
        self.pace = 1.0
        """How long each second of intervals, delays and time-outs takes."""
        self._network = network
        self._watched = watched
        self._known: dict[str, Health] = {}
        self._error: BaseException | None = None
        self._end = threading.Event()
        network.call_inside(lambda: socket.create_server((PROBER_ADDRESS, 0))).close()  # It is there.
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
        failures = 0
        while not self._end.wait(POLL_SECONDS):
            try:
                self._look()
                failures = 0
            except Exception as error:
                if not self._watched.is_there():
                    return
                failures += 1
                if failures == MOST_FAILURES:
                    self._error = error
                    return

    def _look(self) -> None:
        """Ask those whose time it is, and have made anew who must be."""
        groups = dict(self._list_groups())
        living = self._watched.list_living() if groups else {}
        asked = {each.id: each for each in living.values() if each.runs and each.group in groups}
        self._known = {known: health for known, health in self._known.items() if known in asked}
        for instance in asked.values():
            path, check = groups[str(instance.group)]
            now = time.monotonic()
            health = self._known.setdefault(instance.id, Health(now))
            if self._end.is_set() or now < health.asked + check.interval * self.pace:
                continue
            is_well = self._ask(str(instance.address), check)
            if judge(health, check, is_well=is_well, now=time.monotonic(), pace=self.pace):
                del self._known[instance.id]
                self._recreate(path, instance)

    def _list_groups(self) -> Iterator[tuple[str, tuple[str, Check]]]:
        """Groups by name, with their paths and their health checks."""
        client = self._watched.client
        for _, scope in client.list(f"{COMPUTE}/aggregated/instanceGroupManagers"):
            for group in scope.get("instanceGroupManagers") or ():
                for policy in group.get("autoHealingPolicies") or ():
                    described = client.get(cut_host(policy["healthCheck"]))
                    if described is not None and "httpHealthCheck" in described:
                        yield group["name"], (cut_host(group["selfLink"]), parse_check(described, policy))

    def _ask(self, address: str, check: Check) -> bool:
        timeout = max(check.timeout * self.pace, POLL_SECONDS)
        connection = http.client.HTTPConnection(address, check.port, timeout=timeout)
        try:
            connection.sock = self._network.call_inside(
                lambda: socket.create_connection((address, check.port), timeout, (PROBER_ADDRESS, 0))
            )
            connection.request("GET", check.path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _recreate(self, group: str, instance: GcpInstance) -> None:
        url = f"zones/{instance.zone}/instances/{instance.name}"
        try:
            self._watched.client.change("POST", f"{group}/recreateInstances", {"instances": [url]})
        except GoogleRefusal:
            return  # Both may have gone meanwhile.
