"""A machine that is a virtual machine: also kernel, boot loader, initial RAM disk, clock and its own networking.

Where the processor cannot run it (`has_kvm`) it is emulated, which is some ten times slower: see `patience`.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machines.acceleration import has_kvm
from machines.machine import KILL_SECONDS, ProcessMachine
from machines.network import Network, render_mac
from machines.seed import Interface, render_seed, write_seed_disk

EMULATED_PATIENCE = 10.0
KVM_PATIENCE = 2.0

QMP_SECONDS = 5.0


@dataclass(frozen=True)
class DirectBoot:
    """A kernel that QEMU starts itself, for a disk without a boot loader."""

    kernel: Path
    initrd: Path
    arguments: str = "root=/dev/vda rw console=ttyS0"
    """The kernel's command line."""


class VirtualMachine(ProcessMachine):
    """A virtual machine with an address in a `Network`."""

    def __init__(
        self,
        network: Network,
        name: str,
        address: str,
        process: subprocess.Popen[bytes],
        folder: Path,
        *,
        patience: float,
    ) -> None:
        super().__init__(name, address, process, folder / "console")
        self._network = network
        self._monitor = folder / "monitor"
        self.patience = patience

    def press_power_button(self) -> None:
        try:
            self.command("system_powerdown")
        except OSError:
            return  # QEMU has just ended, or has not made its socket yet.

    def command(self, name: str, **arguments: Any) -> Any:
        """Give QEMU a command, and return its answer.

        https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html

        Raises:
            OSError: QEMU does not answer.
            RuntimeError: it refuses the command.
        """
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(QMP_SECONDS)
            monitor.connect(str(self._monitor))
            with monitor.makefile("rw") as stream:
                stream.readline()  # Its greeting.
                for message in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                    stream.write(json.dumps(message) + "\n")
                    stream.flush()
                    answer = _read_answer(stream)
        if "error" in answer:
            raise RuntimeError(self._describe(f"refuses {name}: {answer['error']}"))
        return answer["return"]

    def kill(self) -> None:
        if self.is_running():
            self.process.kill()
        self.process.wait(KILL_SECONDS)

    def close(self) -> None:
        self.kill()
        self._network.release_address(self.address)


def _read_answer(stream: Any) -> dict[str, Any]:
    """The next message that is no event."""
    while line := stream.readline():
        message: dict[str, Any] = json.loads(line)
        if "event" not in message:
            return message
    raise ConnectionResetError("QEMU closed its monitor")


def start_virtual_machine(
    network: Network,
    disk: Path,
    name: str,
    *,
    user_data: str = "#cloud-config\n{}\n",
    address: str | None = None,
    instance_id: str | None = None,
    public_keys: Sequence[str] = (),
    cpus: int = 1,
    memory: int = 768,
    rtc: str = "utc",
    boot: DirectBoot | None = None,
    options: Sequence[str] = (),
) -> VirtualMachine:
    """Switch on a virtual machine; it is closed with the network at the latest.

    Args:
        disk: the image, qcow2. It is not changed; what the machine writes is lost with it.
        name: its name and host name.
        user_data: what cloud-init is to do.
        address: its address; `None` is a free one.
        instance_id: by which cloud-init knows a new machine; `None` is one that was never used.
        public_keys: keys of SSH that cloud-init lets the image's user log in with.
        cpus: its processors.
        memory: its memory in MiB.
        rtc: what its clock shows when it is switched on, `2035-01-01` or `2035-01-01T12:00:00`; `utc` is right.
            One before systemd was built becomes that moment.
        boot: a kernel to start; `None` is the disk's own boot loader.
        options: more of QEMU's options.
    """
    if not disk.is_file():
        raise FileNotFoundError(f"{disk} is no disk image")
    resource = network.next_name()
    address = network.take_address(address)
    folder = network.folder / resource
    folder.mkdir()
    mac = render_mac(address)
    interface = Interface(f"{address}/{network.subnet.prefixlen}", network.gateway, mac)
    seed = render_seed(instance_id or resource, name, user_data, interface, public_keys)
    seed_disk = write_seed_disk(seed, folder / "seed", folder / "seed.iso")
    console_file = folder / "console"
    tap = network.plug_tap(resource, address)
    kvm = has_kvm()
    command = [
        "qemu-system-x86_64",
        *("-name", name, "-M", "q35", "-cpu", "host" if kvm else "max"),
        *("-accel", "kvm" if kvm else "tcg,thread=multi,tb-size=128"),
        *("-smp", str(cpus), "-m", str(memory), "-rtc", f"base={rtc}"),
        *("-nodefaults", "-display", "none", "-device", "virtio-rng-pci"),
        *("-drive", f"file={disk},format=qcow2,if=virtio,snapshot=on,cache=unsafe"),
        *("-drive", f"file={seed_disk},format=raw,if=virtio,readonly=on"),
        *("-netdev", f"tap,id=network,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=network,mac={mac}"),
        *("-chardev", f"file,id=console,path={console_file},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"),
        *options,
    ]
    if boot is not None:
        command += ["-kernel", str(boot.kernel), "-initrd", str(boot.initrd), "-append", boot.arguments]
    with console_file.open("wb") as console:  # What QEMU itself has to say is there too.
        process = network.popen_inside(command, stdout=console, stderr=subprocess.STDOUT)
    machine = VirtualMachine(
        network, name, address, process, folder, patience=KVM_PATIENCE if kvm else EMULATED_PATIENCE
    )
    network.add(machine)
    return machine
