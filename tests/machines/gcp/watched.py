"""Compute Engine as the launcher watches it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from google_client import GoogleRefusal
from machines.gcp.firewalls import plan_filter
from machines.gcp.google import GOOGLE_PORT, PROJECT, Google, render_overrides
from machines.gcp.instances import USER_DATA, GcpInstance, find_disk, last_part, parse_instance
from machines.gcp.metadata import render_hosts
from machines.launching.launch import Launch
from machines.launching.packet_filter import PacketFilter
from machines.launching.watched import Boot, Instance
from machines.metadata_service import METADATA_ADDRESS, METADATA_PORT
from machines.network import Network

COMPUTE = f"/compute/v1/projects/{PROJECT}"
DROP_IN = "/etc/systemd/system/daskfleet-node.service.d/90-endpoints.conf"
HOSTS = "/etc/hosts"


class WatchedGcp:
    """A project of Google Cloud, in its stand-in; see `Watched`."""

    name = "Compute Engine"

    def __init__(self, network: Network, google: Google) -> None:
        self.always_open: Collection[tuple[str, int]] = (
            (METADATA_ADDRESS, METADATA_PORT),
            (network.gateway, GOOGLE_PORT),
        )
        self._google = google
        self.client = google.services.client
        self._images: dict[str, str] = {}
        """Images by instance: neither changes, and the disk goes first."""
        self._shown: dict[str, str] = {}
        """Consoles by instance, as Compute Engine shows them."""

    def is_there(self) -> bool:
        return self._google.services.process.poll() is None

    def list_living(self) -> Mapping[str, GcpInstance]:
        return {str(each["id"]): parse_instance(each, self._find_image(each)) for each in self._list_instances()}

    def read_filter(self, instances: Sequence[GcpInstance]) -> PacketFilter:
        return plan_filter(list(self.client.list(f"{COMPUTE}/global/firewalls")), instances)

    def prepare(self, instance: GcpInstance) -> Boot:
        overrides = render_overrides(self._google.services.url)
        settings = "".join(f"Environment={name}={value}\n" for name, value in overrides.items() if "CLOUDSDK" in name)
        return Boot(
            user_data=instance.metadata.get(USER_DATA),
            public_keys=instance.public_keys,
            files={DROP_IN: f"[Service]\n{settings}", HOSTS: render_hosts()},
        )

    def is_refusal(self, error: Exception) -> bool:
        return isinstance(error, GoogleRefusal)

    def follow(self, launch: Launch) -> None:
        instance = launch.instance
        assert isinstance(instance, GcpInstance)
        told = (instance, launch.notices)
        if told != launch.told:
            launch.told = told
            self._google.metadata.add(instance, launch.notices)
        self._show_console(launch)

    def forget(self, launch: Launch) -> None:
        self._show_console(launch)
        instance = launch.instance
        found = self.client.get(f"{COMPUTE}/zones/{instance.zone}/instances/{instance.name}")
        if found is not None and str(found["id"]) == instance.id and found["status"] == "STOPPING":
            self.end_as_its_machine_did(instance)  # It was waited for.
        if launch.told is not None:
            self._google.metadata.remove(str(launch.instance.address))

    def end_as_its_machine_did(self, instance: Instance) -> None:
        """It is TERMINATED, and its managed instance group makes another in its place."""
        with contextlib.suppress(GoogleRefusal):  # It has just been deleted.
            self._google.services.control("power", zone=instance.zone, instance=instance.name, state="off")

    def terminate(self, instance: Instance) -> None:
        self.end_as_its_machine_did(instance)

    def settle(self, living: Mapping[str, GcpInstance]) -> None:
        """Managed instance groups are the server's."""

    def _list_instances(self) -> Iterator[Mapping[str, Any]]:
        for _, scope in self.client.list(f"{COMPUTE}/aggregated/instances"):
            yield from scope.get("instances") or []

    def _find_image(self, described: Mapping[str, Any]) -> str:
        """Name of the image that an instance's boot disk was made from; empty when there is none."""
        identity = str(described["id"])
        if identity not in self._images:
            disk = self.client.get(find_disk(described))
            if disk is None:
                return ""
            self._images[identity] = last_part(disk.get("sourceImage", ""))
        return self._images[identity]

    def _show_console(self, launch: Launch) -> None:
        """Have Compute Engine show what the machine writes (`getSerialPortOutput`)."""
        console, instance = launch.console, launch.instance
        if console != self._shown.get(instance.id, ""):
            self._shown[instance.id] = console
            with contextlib.suppress(GoogleRefusal):  # It has been deleted.
                self._google.services.control("console", zone=instance.zone, instance=instance.name, text=console)
