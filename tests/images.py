"""What tests of images share: images that nothing has built, and a packer that does what a test wants."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from daskfleet_images.manifest import ImageManifest
from daskfleet_stacks.versions import read_own_versions

VERSION = "202611240830"


def make_manifest(**changes: Any) -> ImageManifest:
    """A manifest of an image that fits this client, but for `changes`."""
    client = read_own_versions()
    packages = {"cloudpickle": client.cloudpickle, "dask": client.dask, "distributed": client.distributed}
    values = {
        "family": "daskfleet",
        "version": VERSION,
        "arch": "x86_64",
        "gpu": False,
        "python": client.python,
        **packages,
        "daskfleet": "0.1.0",
        "lock_sha256": "ab" * 32,
        "base": "Debian GNU/Linux 12 (bookworm), kernel 6.1.0",
        "built": "2026-11-24T08:35:00+00:00",
        "packages": packages,
    }
    return ImageManifest.model_validate({**values, **changes})


def make_image(home: Path, **changes: Any) -> Path:
    """The folder of such an image in the store of `home`."""
    manifest = make_manifest(**changes)
    folder = home / "images" / manifest.family / manifest.version
    folder.mkdir(parents=True)
    (folder / "image.qcow2").write_bytes(b"QFI\xfb" + b"x" * 100_000)
    (folder / "image.json").write_text(manifest.model_dump_json())
    (folder / "boot.txt").write_text("kernel 1.0 s\nregistered 20.5 s\n")
    return folder


FAKE_PACKER = """\
#!{python}
import json, os, signal, sys, time
from pathlib import Path

record = Path(os.environ["FAKE_PACKER_RECORD"])
mode = os.environ.get("FAKE_PACKER", "ok")
if sys.argv[1:] == ["version"]:
    print(os.environ.get("FAKE_PACKER_VERSION", "Packer v1.6.6"))
    sys.exit()
variables = dict(word.split("=", 1) for flag, word in zip(sys.argv, sys.argv[1:]) if flag == "-var")
with record.open("a") as file:
    requirements = Path(variables["requirements"]).read_text() if "requirements" in variables else None
    seed = sorted(os.listdir(variables["seed"])) if "seed" in variables else None
    file.write(json.dumps({{"arguments": sys.argv[1:], "variables": variables, "requirements": requirements,
                           "seed": seed, "pid": os.getpid()}}) + "\\n")
if sys.argv[1] == "init":
    sys.exit(1 if mode == "no-plugins" else 0)

def say(text):
    print(text, flush=True)

say("==> qemu.daskfleet: Starting VM, booting disk image")
say("    qemu.daskfleet: 30-python: 85 packages")
if mode == "fail":
    say("==> qemu.daskfleet: Provisioning step had errors: Running the cleanup provisioner, if present...")
    say("Build 'qemu.daskfleet' errored: Script exited with non-zero exit status: 1")
    say("Error: Could not access KVM kernel module: No such file or directory")
    sys.exit(1)
if mode == "hang":
    machine = Path(variables["output_directory"]).parent / "machine"

    def clean(signum, frame):
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Another one would end it at once, as it does packer.
        say("==> qemu.daskfleet: Deleting output directory...")
        time.sleep(0.5)
        machine.unlink()
        record.with_suffix(".cleaned").touch()
        sys.exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if inner := os.fork():  # As packer does: its outer process ignores Ctrl-C, and waits for its inner one.
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    signal.signal(signal.SIGINT, clean)
    machine.touch()
    say("==> qemu.daskfleet: Waiting for SSH to become available...")
    while True:
        signal.pause()
report = Path(variables["report"])
report.mkdir()
if mode != "partial":
    manifest = json.loads(os.environ["FAKE_PACKER_MANIFEST"])
    manifest.update({{name: variables[name] for name in ("family", "version", "arch")}})
    (report / "image.json").write_text(json.dumps(manifest))
(report / "boot.txt").write_text("registered 20.5 s\\n")
if "output_directory" in variables:
    output = Path(variables["output_directory"])
    output.mkdir()
    (output / "image.qcow2").write_bytes(b"QFI" * 1000)
    say("==> Builds finished. The artifacts of successful builds are:")
    say("--> qemu.daskfleet: VM files in directory: " + str(output))
elif "azure_subscription_id" in variables:
    say("==> Builds finished. The artifacts of successful builds are:")
    say("--> azure-arm.daskfleet: Azure.ResourceManagement.VMImage:")
    if mode != "silent":
        say("")
        say("ManagedImageId: " + os.environ["FAKE_PACKER_IMAGE"])
else:
    say("==> Builds finished. The artifacts of successful builds are:")
    say("--> amazon-ebs.daskfleet: AMIs were created:")
    say("eu-west-1: ami-0123456789abcdef0")
"""


class FakePacker:
    """A program `packer` that records how it is called; `FAKE_PACKER` in its environment says what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.path = self.folder / "packer"
        self.path.write_text(FAKE_PACKER.format(python=sys.executable))
        self.path.chmod(0o755)
        self.record = folder / "packer.jsonl"

    def environment(self, environment: dict[str, str], mode: str = "ok", **more: str) -> dict[str, str]:
        return {
            **environment,
            "PATH": f"{self.folder}:{environment['PATH']}",
            "FAKE_PACKER": mode,
            "FAKE_PACKER_RECORD": str(self.record),
            "FAKE_PACKER_MANIFEST": make_manifest().model_dump_json(),
            **more,
        }

    @property
    def calls(self) -> list[dict[str, Any]]:
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    @property
    def has_cleaned(self) -> bool:
        return self.record.with_suffix(".cleaned").exists()
