"""Current packer and its plugins, built from their Go modules and kept.

Each program is built as its release was: its module, whose checksum
stands here, is the main module, with the dependencies, replacements and checksums of its own `go.mod` and `go.sum`.
(`go install` could not: it refuses a module with replacements.)

A first build takes some ten minutes and, until it is done, 8 GB for the modules that it downloads.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from go_programs import render_go_environment, require_go, run
from kept import keep


@dataclass(frozen=True)
class Program:
    """One Go module with a program at its root."""

    name: str
    version: str
    checksum: str
    """Of the module, as `go.sum` has it."""

    @property
    def module(self) -> str:
        return f"github.com/hashicorp/{self.name}"

    @property
    def source(self) -> str:
        """Of a plugin, as a build's `required_plugins` has it."""
        return self.module.replace("packer-plugin-", "")


# 1.15.1 adds what nothing here uses, lists of the software in an image, and takes four times as long to build.
PACKER = Program("packer", "1.15.0", "h1:5PBKxoRXClaOVLe8g0tqQtZnEWyrbsyUkQOTIxANeTY=")
PLUGINS = (
    Program("packer-plugin-amazon", "1.8.1", "h1:zI2+Kn3zteqPVbQ2A2G6vekTW0YX2Kc1jPnyDdhZg1I="),
    # The last one that is a Go module: 2.x lacks the /v2 that Go wants in its path.
    Program("packer-plugin-azure", "1.4.5", "h1:nnk3kVCWqIUnjdqEc0xoIGaKdWFdJkBVOfzqqh2powc="),
    Program("packer-plugin-googlecompute", "1.2.6", "h1:fD0XI/3HCtHyhgp/1gx/AT4iICdPN+YRvEp1RC6IZ3w="),
    Program("packer-plugin-qemu", "1.0.9", "h1:1YKBBzBULYUBWtpAZJTbaLjjZPAdQ63okkpTqMBTnzM="),
)
GO_LEAST = (1, 25, 10)
"""What the newest of the modules asks for."""


@dataclass(frozen=True)
class CurrentPacker:
    """The folder with the program and its plugins."""

    home: Path

    @property
    def program(self) -> Path:
        return self.home / "packer"

    @property
    def environment(self) -> dict[str, str]:
        """This one's plugins and nobody's settings; it asks nobody whether there is a newer one."""
        own = {
            "CHECKPOINT_DISABLE": "1",
            "PACKER_CONFIG_DIR": str(self.home),
            "PACKER_PLUGIN_PATH": str(self.home / "plugins"),
        }
        return {**os.environ, **own}


def require_current_packer(cache: Path) -> CurrentPacker:
    """Packer with its plugins, built if these versions are not in `cache` yet.

    Skips the test, with the reason, where Go is missing or too old.
    """
    name = "-".join(f"{Path(program.source).name}-{program.version}" for program in (PACKER, *PLUGINS))
    return CurrentPacker(keep(cache, PACKER.name, name, build_all))


def build_all(partial: Path) -> None:
    """Everything into a folder, which can be renamed; what an interrupted build has left there shortens this one."""
    require_go(GO_LEAST, "current packer and its plugins")
    work = partial / "go"
    work.mkdir(parents=True, exist_ok=True)
    environment = render_go_environment(work)
    build(PACKER, work, environment).replace(partial / "packer")
    packer = CurrentPacker(partial)
    for plugin in PLUGINS:
        binary = build(plugin, work, environment)
        run(packer.program, "plugins", "install", "--path", binary, plugin.source, environment=packer.environment)
    shutil.rmtree(work)


def build(program: Program, work: Path, environment: dict[str, str]) -> Path:
    """The binary of one program."""
    downloaded = run(
        "go", "mod", "download", "-json", f"{program.module}@v{program.version}", environment=environment, folder=work
    )
    module = json.loads(downloaded)
    assert module["Sum"] == program.checksum, f"{program}: {module['Sum']} was downloaded"
    sources, binary = work / program.name, work / f"{program.name}.built"
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(module["Dir"], sources)
    # A release says that it is one: without the option, some of these modules call themselves a development version.
    options = f"-s -w -X {program.module}/version.VersionPrerelease="
    run("go", "build", "-trimpath", "-ldflags", options, "-o", binary, ".", environment=environment, folder=sources)
    return binary
