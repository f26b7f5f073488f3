"""What a cloud says of its instances, and is told of their machines: all that the launcher knows of a cloud."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from machines.launching.packet_filter import PacketFilter

if TYPE_CHECKING:
    from machines.launching.launch import Launch


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance as its cloud describes it."""

    id: str
    """It is never used again."""
    name: str
    """Its machine's name."""
    state: str
    """In the cloud's own word, in lower case."""
    address: str | None
    image: str
    """By which the image was registered."""
    type: str
    zone: str

    @property
    def group(self) -> str | None:
        """Name of the group that keeps it; `None` when nobody does."""
        return None

    @property
    def runs(self) -> bool:
        """Whether it is to have a machine."""
        return self.state == "running"

    @property
    def is_off(self) -> bool:
        """Whether it is only kept."""
        return self.state in ("stopped", "terminated")


@dataclass(frozen=True)
class Boot:
    """What the machine of an instance boots with."""

    user_data: str | None = None
    public_keys: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts by their paths on a container, each machine's own: where in this network its cloud is."""


class Watched(Protocol):
    """A cloud, watched."""

    name: str
    """In messages."""

    @property
    def always_open(self) -> Collection[tuple[str, int]]:
        """Addresses and ports that every machine reaches, whatever the cloud's rules say."""

    def is_there(self) -> bool:
        """Whether there is still a cloud to watch."""

    def list_living(self) -> Mapping[str, Any]:
        """Its instances by id, without those that are gone for good."""

    def read_filter(self, instances: Sequence[Any]) -> PacketFilter:
        """Who of these may reach whom."""

    def prepare(self, instance: Any) -> Boot:
        """What it boots with.

        Raises:
            LaunchFailed: it cannot boot.
            Exception: one of which `is_refusal` is true.
        """

    def is_refusal(self, error: Exception) -> bool:
        """Whether the cloud refused something, for example as it does not exist any more."""

    def follow(self, launch: Launch) -> None:
        """Bring what machines are told (metadata), and what the cloud shows of them, to what is true now."""

    def forget(self, launch: Launch) -> None:
        """The machine is off, and nobody is to be answered at its address."""

    def end_as_its_machine_did(self, instance: Any) -> None:
        """Have it end, as a machine of the cloud's does that powers itself off."""

    def terminate(self, instance: Any) -> None:
        """Have it gone, as one that cannot boot or is taken away."""

    def settle(self, living: Mapping[str, Any]) -> None:
        """Do what the cloud does by itself and its stand-in does not."""
