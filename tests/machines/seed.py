"""What cloud-init finds on a machine that it boots: the files of its NoCloud data source.

https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

SEED_LABEL = "CIDATA"
"""The label by which cloud-init knows the disk of a seed."""


@dataclass(frozen=True)
class Interface:
    """A machine's interface to its network."""

    address: str
    """Address and length of the prefix, `10.77.0.10/24`."""
    gateway: str
    """Where to send what is for others."""
    mac: str
    """Hardware address, by which the machine knows the interface."""


def render_seed(
    instance_id: str, hostname: str, user_data: str, interface: Interface | None, public_keys: Sequence[str] = ()
) -> dict[str, str]:
    """The texts of a seed by file name."""
    return {
        "meta-data": render_meta_data(instance_id, hostname, public_keys),
        "user-data": user_data,
        "network-config": render_network_config(interface),
    }


def render_meta_data(instance_id: str, hostname: str, public_keys: Sequence[str] = ()) -> str:
    """What cloud-init must know of an instance; another id makes it set up the machine anew."""
    keys = {"public-keys": list(public_keys)} if public_keys else {}
    return yaml.safe_dump({"instance-id": instance_id, "local-hostname": hostname, **keys})


def render_network_config(interface: Interface | None) -> str:
    """A static address for the interface, in version 2 of cloud-init's format; `None` leaves the network as it is."""
    if interface is None:
        return yaml.safe_dump({"config": "disabled"})
    ethernet = {
        "match": {"macaddress": interface.mac},
        "addresses": [interface.address],
        "routes": [{"to": "0.0.0.0/0", "via": interface.gateway}],
    }
    return yaml.safe_dump({"version": 2, "ethernets": {"primary": ethernet}})


def write_seed(seed: dict[str, str], folder: Path) -> Path:
    """Write a seed's files to a new folder, and return it."""
    folder.mkdir()
    for name, text in seed.items():
        (folder / name).write_text(text)
    return folder


def write_seed_disk(seed: dict[str, str], folder: Path, disk: Path) -> Path:
    """Write a seed's files to a new folder and from there to a disk image (ISO 9660), and return that."""
    write_seed(seed, folder)
    options = ("-quiet", "-volid", SEED_LABEL, "-joliet", "-rock", "-output", str(disk))
    command = ["xorriso", "-as", "genisoimage", *options, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return disk
