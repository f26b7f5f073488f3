"""What a build on this machine needs beside packer: a base image, a seed, and the way to run a machine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import daskfleet_images
from daskfleet.errors import FleetError
from daskfleet.home import explain_os_errors, make_private_folder
from daskfleet.progress import Progress
from daskfleet.services.images.logged import Program, run_logged
from daskfleet.services.images.names import find_images_folder

IMAGES = Path(daskfleet_images.__file__).parent
MAKE_BASE = IMAGES / "base" / "debian"
MAKE_SEED = IMAGES / "packer" / "make-seed"

DEBIAN_IMAGES = "Debian's own cloud image (debian-12-genericcloud, qcow2)"
LAST_LINES = 15


def find_base(given: Path | None, arch: str, machine: str, log: Path, progress: Progress) -> Path:
    """The base image: the one given, else one that is made once from Debian's packages and kept.

    Args:
        machine: architecture of this machine.
        log: where the output of its making goes.

    Raises:
        FleetError: there is no such file, or it cannot be made here.
    """
    if given is not None:
        if not given.is_file():
            raise FleetError(f"--base: there is no file {given}; give a qcow2 image, for example {DEBIAN_IMAGES}.")
        return given.absolute()
    kept = find_images_folder() / ".base" / f"debian-12-{arch}.qcow2"
    if kept.exists():
        days = (time.time() - kept.stat().st_mtime) / 86400
        progress.step(f"taking the base image made {days:.0f} days ago; remove {kept} to have it made anew")
        return kept
    if (arch, machine) != ("x86_64", "x86_64"):
        raise FleetError(
            f"a base image is made for x86_64 on x86_64 only, and this build is for {arch} on {machine}; give one with "
            "--base, "
            f"for example {DEBIAN_IMAGES} for that architecture."
        )
    progress.step("making the base image from Debian's packages, once")
    make_private_folder(kept.parent)
    partial = kept.with_suffix(".making.qcow2")
    try:
        _run_script(MAKE_BASE, partial, log, f"Or give one with --base, for example {DEBIAN_IMAGES}.")
        with explain_os_errors(kept):
            partial.replace(kept)
    finally:
        partial.unlink(missing_ok=True)
    return kept


def make_seed(folder: Path, log: Path) -> None:
    """Write what lets packer into its temporary machine: cloud-init's files and a key for this build alone.

    Raises:
        FleetError: it cannot be made.
    """
    _run_script(MAKE_SEED, folder, log, "It needs ssh-keygen (on Debian: apt-get install openssh-client).")


def _run_script(script: Path, output: Path, log: Path, remedy: str) -> None:
    """Run one of the scripts of `daskfleet_images`, which makes `output`; what it says goes to the log."""
    # By its shell, as a wheel that was unpacked by other means may have lost the mark that makes it executable.
    program = Program(["bash", str(script), str(output)], log, interrupt=signal.SIGTERM)
    code, said = run_logged(program)
    if code != 0 or not output.exists():
        told = "\n".join(f"  {line}" for line in said.splitlines()[-LAST_LINES:]) or "  (it said nothing)"
        raise FleetError(f"{script} failed:\n{told}\n{remedy}")


def choose_accelerator(given: str | None, arch: str, machine: str) -> str:
    """How qemu runs the machine: `kvm` where it works, else `tcg`, which emulates and takes minutes."""
    if given is not None:
        return given
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    return plan_accelerator(arch, machine, flags, os.access("/dev/kvm", os.R_OK | os.W_OK))


def plan_accelerator(arch: str, machine: str, cpuinfo: str, can_open_kvm: bool) -> str:
    """Whether KVM can work: the device may open on a machine whose processor has no virtualisation, and then hangs."""
    if arch != machine or not can_open_kvm:
        return "tcg"
    has_virtualisation = bool({"svm", "vmx"} & set(cpuinfo.split()))
    return "kvm" if has_virtualisation or machine == "aarch64" else "tcg"
