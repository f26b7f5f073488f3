"""The Pulumi engine and its language hosts, built from their Go modules and kept.

Python's packages hold neither. Each folder in `modules/` is a Go module that names one program and pins, with their
checksums, everything that goes into it. To renew one: `go get MODULE@VERSION && go mod tidy` in its folder. (`go
install` could not: it refuses a module with replacements.)

Only these versions run, also where a person has a `pulumi`: what the tests see depends on nobody's installation.

A first build takes some five minutes and, until it is done, 3 GB for the modules that it downloads.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from go_programs import render_go_environment, require_go, run
from kept import keep

MODULES = Path(__file__).parent / "modules"
SDK = "github.com/pulumi/pulumi/sdk/v3"
GO_LEAST = (1, 25, 11)
"""What the newest of the modules asks for."""

FOREIGN = ("AWS_", "DASK", "PULUMI_")
"""How somebody's own settings begin."""


@dataclass(frozen=True)
class Program:
    """One Go program, and the module in `modules/` that pins it."""

    name: str
    module: str
    """Whose version is the program's."""
    version_variable: str
    """What the program says its version is. The Automation API refuses an engine that does not say one."""

    @property
    def folder(self) -> Path:
        return MODULES / self.name

    @property
    def version(self) -> str:
        found = re.search(rf"^\s*(?:require )?{re.escape(self.module)} v(\S+)", self.definition, re.M)
        assert found, f"{self.folder}/go.mod requires no {self.module}"
        return found[1]

    @property
    def definition(self) -> str:
        return (self.folder / "go.mod").read_text()


PULUMI = Program("pulumi", "github.com/pulumi/pulumi/pkg/v3", f"{SDK}/go/common/version.Version")
# The last version that is in a module which can be downloaded. It runs programs of the newest SDK, but ignores the
# options of a project's runtime, `virtualenv` among them: the interpreter is the first one on PATH.
PYTHON_HOST = Program("pulumi-language-python", SDK, f"{SDK}/go/common/version.Version")
YAML_HOST = Program(
    "pulumi-language-yaml", "github.com/pulumi/pulumi-yaml", "github.com/pulumi/pulumi-yaml/pkg/version.Version"
)
PROGRAMS = (PULUMI, PYTHON_HOST, YAML_HOST)


@dataclass(frozen=True)
class Engine:
    """The folder with `pulumi` and the hosts of the languages Python and YAML."""

    home: Path
    """As `pulumi.automation.PulumiCommand(root=…)` takes it."""

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    def environment(self, home: Path) -> dict[str, str]:
        """For runs without an account, with this interpreter, whose state is in `home`; nobody's own settings.

        Makes the folder.
        """
        state = home / "state"
        state.mkdir(parents=True, exist_ok=True)
        path = (str(Path(sys.executable).parent), str(self.bin), os.environ.get("PATH", os.defpath))
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(home / "pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }


def require_engine(cache: Path) -> Engine:
    """The engine, built if these versions are not in `cache` yet.

    Skips the test, with the reason, where Go is missing or too old.
    """
    versions = "-".join(f"{program.name.removeprefix('pulumi-language-')}-{program.version}" for program in PROGRAMS)
    name = f"{versions}-{hash_modules()}"
    return Engine(keep(cache, PULUMI.name, name, build_all))


def hash_modules() -> str:
    """Of what the programs are made from, beside the versions that a name can show."""
    digest = hashlib.sha256()
    for program in PROGRAMS:
        for file in ("go.mod", "go.sum"):
            digest.update((program.folder / file).read_bytes())
    return digest.hexdigest()[:8]


def build_all(partial: Path) -> None:
    """Everything into a folder, which can be renamed; what an interrupted build has left there shortens this one."""
    require_go(GO_LEAST, "the Pulumi engine")
    work, binaries = partial / "go", partial / "bin"
    for folder in (work, binaries):
        folder.mkdir(parents=True, exist_ok=True)
    environment = render_go_environment(work)
    for program in PROGRAMS:
        options = f"-s -w -X {program.version_variable}=v{program.version}"
        # `tool` is what go.mod names as such: the program.
        command = ("go", "build", "-mod=readonly", "-trimpath", "-ldflags", options, "-o", f"{binaries}/", "tool")
        run(*command, environment=environment, folder=program.folder)
    # What the Python host starts: a script, which is as new as the engine.
    sdk = run("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK, environment=environment, folder=PULUMI.folder)
    script = binaries / "pulumi-language-python-exec"
    shutil.copyfile(Path(sdk.strip()) / "python" / "cmd" / script.name, script)
    script.chmod(0o755)
    shutil.rmtree(work)
