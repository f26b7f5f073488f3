"""Whether virtual machines run on this computer's processor (KVM) or are emulated."""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from pathlib import Path

PROBE_SECONDS = 20.0

PROBE_EXIT = 3
"""What QEMU ends with when the probe wrote 1 to the debug port: twice that, plus one."""

PROBE_SECTOR = bytes.fromhex("ba f4 00 b0 01 ee f4 eb fd").ljust(510, b"\0") + b"\x55\xaa"
"""A boot sector that writes 1 to the debug port: `mov dx, 0xf4; mov al, 1; out dx, al; hlt; jmp -1`."""


@functools.cache
def has_kvm() -> bool:
    """Whether this computer's processor runs virtual machines; tried once.

    That /dev/kvm opens proves nothing: there are substitutes under which a machine dies of an unknown instruction after
    minutes. So the processor must say that it can, and a small machine must boot.
    """
    return has_processor_flag(Path("/proc/cpuinfo").read_text()) and boots_with_kvm()


def has_processor_flag(cpuinfo: str) -> bool:
    """Whether /proc/cpuinfo names the instructions of virtual machines."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return flags is not None and not {"svm", "vmx"}.isdisjoint(flags[1].split())


def boots_with_kvm() -> bool:
    """Whether a machine with KVM gets through its firmware to the first instructions of a disk."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "probe.img"
        disk.write_bytes(PROBE_SECTOR.ljust(1 << 20, b"\0"))
        return run_probe(disk, "kvm") == PROBE_EXIT


def run_probe(disk: Path, accelerator: str) -> int | None:
    """Boot the probe; returns QEMU's exit code, or `None` when it did not end in time."""
    command = [
        *("qemu-system-x86_64", "-M", "q35", "-accel", accelerator, "-cpu", "max", "-m", "64", "-display", "none"),
        *("-nodefaults", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
        *("-drive", f"file={disk},format=raw,if=virtio,snapshot=on"),
    ]
    try:
        return subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        return None
