"""Virtual machines of Azure as the launcher watches them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from azure_cloud.client import AzureRefusal
from machines.azure.azure import HTTPS_PORT, TERMINATION_SECONDS, Azure, render_hosts
from machines.azure.instances import LEAVING, RUNNING, AzureInstance, parse_instance
from machines.azure.metadata import TERMINATE
from machines.azure.security_groups import plan_filter
from machines.launching.launch import Launch, LaunchFailed
from machines.launching.packet_filter import PacketFilter
from machines.launching.watched import Boot, Instance
from machines.metadata_service import METADATA_ADDRESS, METADATA_PORT
from machines.network import Network

AUTHORITY = "/etc/azure-authority.pem"
DROP_IN = "/etc/systemd/system/daskfleet-node.service.d/90-authority.conf"
HOSTS = "/etc/hosts"
"""Where machines find vaults and storage accounts, and whom they trust there: by their own names, over HTTPS."""


class WatchedAzure:
    """A subscription of Azure, in its stand-in; see `Watched`."""

    name = "Azure"

    def __init__(self, network: Network, azure: Azure) -> None:
        self.always_open: Collection[tuple[str, int]] = (
            (METADATA_ADDRESS, METADATA_PORT),
            (network.gateway, HTTPS_PORT),
        )
        self._azure = azure
        self._shown: dict[str, str] = {}
        """Consoles by machine, as Azure shows them."""

    def is_there(self) -> bool:
        return self._azure.services.process.poll() is None

    def list_living(self) -> Mapping[str, AzureInstance]:
        return {each.id: each for each in map(parse_instance, self._azure.services.list_machines())}

    def read_filter(self, instances: Sequence[AzureInstance]) -> PacketFilter:
        groups = self._azure.services.list_all("Microsoft.Network/networkSecurityGroups")
        networks = self._azure.services.list_all("Microsoft.Network/virtualNetworks")
        return plan_filter(groups, networks, instances)

    def prepare(self, instance: AzureInstance) -> Boot:
        try:
            user_data = instance.user_data
        except ValueError as error:
            raise LaunchFailed(str(error)) from None
        settings = f"[Service]\nEnvironment=REQUESTS_CA_BUNDLE={AUTHORITY}\n"
        hosts = render_hosts(self._azure.services.gateway, self._list_hosts())
        return Boot(
            user_data=user_data,
            public_keys=instance.public_keys,
            files={DROP_IN: settings, AUTHORITY: self._azure.services.authority, HOSTS: hosts},
        )

    def is_refusal(self, error: Exception) -> bool:
        return isinstance(error, AzureRefusal)

    def follow(self, launch: Launch) -> None:
        instance = launch.instance
        assert isinstance(instance, AzureInstance)
        if instance.is_deleted and instance.is_warned and TERMINATE not in launch.notices:
            launch.notices = {**launch.notices, TERMINATE: render_begin(TERMINATION_SECONDS)}
        told = (replace(instance, state=RUNNING), launch.notices)
        if told != launch.told:
            launch.told = told
            self._azure.metadata.add(instance, launch.notices)
        self._show_console(launch)

    def forget(self, launch: Launch) -> None:
        self._show_console(launch)
        if launch.instance.state == LEAVING:
            self.end_as_its_machine_did(launch.instance)  # It was waited for.
        if launch.told is not None:
            self._azure.metadata.remove(str(launch.instance.address))

    def end_as_its_machine_did(self, instance: Instance) -> None:
        """It is stopped, and costs what it did; one that was being deleted, or evicted, is gone."""
        self._control("power", machine=instance.id, state="off")

    def terminate(self, instance: Instance) -> None:
        self.end_as_its_machine_did(instance)

    def settle(self, living: Mapping[str, AzureInstance]) -> None:
        """Scale sets are the server's."""

    def _list_hosts(self) -> list[str]:
        """The hosts of all vaults and storage accounts that there are."""
        vaults = self._azure.services.list_all("Microsoft.KeyVault/vaults")
        accounts = self._azure.services.list_all("Microsoft.Storage/storageAccounts")
        return [
            *(f"{each['name']}.vault.azure.net" for each in vaults),
            *(f"{each['name']}.blob.core.windows.net" for each in accounts),
        ]

    def _show_console(self, launch: Launch) -> None:
        """Have Azure show what the machine writes (boot diagnostics)."""
        console, instance = launch.console, launch.instance
        if console != self._shown.get(instance.id, ""):
            self._shown[instance.id] = console
            self._control("console", machine=instance.id, text=console)

    def _control(self, word: str, **arguments: Any) -> None:
        """Tell the server something of a machine, unless that has just gone."""
        with contextlib.suppress(AzureRefusal):
            self._azure.services.control(word, **arguments)


def render_begin(seconds: float) -> str:
    """When what happens in so many seconds begins, as scheduled events have it."""
    return formatdate(time.time() + seconds, usegmt=True)
