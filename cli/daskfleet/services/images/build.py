"""Building an image: the environment first, then what the provider needs, then packer."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.progress import Progress
from daskfleet.services.images import azure, local_build, packer
from daskfleet.services.images.environment import Environment, resolve_environment
from daskfleet.services.images.logged import Program, run_logged
from daskfleet.services.images.model import Image
from daskfleet.services.images.names import check_family, find_images_folder
from daskfleet.services.images.packer_output import explain_failure, find_image_id, parse_artifacts, parse_step
from daskfleet.services.images.requirements import find_version
from daskfleet.services.images.settings import check_buildable, plan_variables
from daskfleet.services.images.store import MANIFEST, describe_image, describe_manifest
from daskfleet.services.images.workspace import Workspace, check_room, open_workspace
from daskfleet_stacks.connection import Versions
from daskfleet_stacks.versions import read_own_versions

ROOM = 4 * 2**30
"""Bytes that a build on this machine takes at its height, about."""


@dataclass(frozen=True)
class BuildRequest:
    """What a person asks for."""

    provider: str
    arch: str | None = None
    """`x86_64` or `aarch64`; `None` is `x86_64`."""
    gpu: bool = False
    environment: Path | None = None
    family: str | None = None
    """`None` is `daskfleet`, or `daskfleet-gpu`."""
    packer: str | None = None
    settings: Mapping[str, str | None] = field(default_factory=dict)
    """Options of the provider; see `SETTINGS`."""


@dataclass(frozen=True)
class Built:
    """What came of it."""

    provider: str
    family: str
    version: str
    arch: str
    gpu: bool
    id: str | None
    """A path, or the cloud's own name of the image; `None` where packer does not tell it plainly."""
    artifacts: tuple[str, ...]
    """What packer says that it has built."""
    image: Image | None
    """What is in it, as it says itself."""
    log: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The result as data."""
        return dataclasses.asdict(self)


def build_image(request: BuildRequest, progress: Progress) -> Built:
    """Build an image and keep it. What is asked for is checked before anything takes long.

    Raises:
        FleetError: it could not be built; nothing is left of it but the log.
        KeyboardInterrupt: it was interrupted, and packer has removed its temporary machine.
    """
    start = time.monotonic()
    machine = read_machine()
    arch = request.arch or "x86_64"
    family = request.family or ("daskfleet-gpu" if request.gpu else "daskfleet")
    check_family(family)
    check_buildable(request.provider, arch)
    variables = plan_variables(request.provider, request.settings, os.environ)
    program = packer.find_packer(request.packer, os.environ)
    version = packer.read_version(program)
    python = find_python()
    with open_workspace(family, datetime.datetime.now(datetime.UTC)) as workspace:
        progress.step("resolving the environment")
        environment = resolve_environment(
            request.environment, request.provider, arch, workspace.folder, gpu=request.gpu
        )
        workspace.requirements.write_text(environment.text, encoding="utf-8")
        for note in (*environment.notes, *find_client_differences(environment, read_own_versions())):
            progress.step(note)
        common = {
            "family": family,
            "version": workspace.version,
            "arch": arch,
            "gpu": "true" if request.gpu else "false",
            "requirements": str(workspace.requirements),
            "wheels": str(find_images_folder() / ".wheels"),
            "python": python,
            "report": str(workspace.report),
        }
        if request.provider == "local":
            variables = _prepare_local(request, arch, machine, workspace, progress)
        if request.provider == "azure":
            gallery = azure.connect(variables["azure_subscription_id"])
        output = _run(program, version, request.provider, {**common, **variables}, workspace, progress)
        built = _finish(request, arch, workspace, output, time.monotonic() - start)
        if request.provider == "azure":
            progress.step("putting the image into the gallery, and removing what packer made it of")
            built = _publish(gallery, built, time.monotonic() - start)
        return built


def _prepare_local(
    request: BuildRequest, arch: str, machine: str, workspace: Workspace, progress: Progress
) -> dict[str, str]:
    check_room(workspace.folder, ROOM)
    given = request.settings.get("base")
    base = local_build.find_base(Path(given) if given else None, arch, machine, workspace.log, progress)
    local_build.make_seed(workspace.seed, workspace.log)
    return {
        "base_image": str(base),
        "seed": str(workspace.seed),
        "output_directory": str(workspace.output),
        "accelerator": local_build.choose_accelerator(request.settings.get("accelerator"), arch, machine),
    }


def _run(
    program: str,
    version: packer.Version,
    provider: str,
    variables: Mapping[str, str],
    workspace: Workspace,
    progress: Progress,
) -> str:
    target = packer.render_target(version)
    progress.step(f"building {workspace.family}/{workspace.version} with packer; its output is in {workspace.log}")
    if version >= packer.WITH_PLUGINS:
        progress.step("looking for packer's plugins")
        _run_packer([program, "init", target], workspace, progress)
    return _run_packer([program, *packer.render_arguments(provider, target, variables)], workspace, progress)


def _run_packer(command: list[str], workspace: Workspace, progress: Progress) -> str:
    program = Program(
        command,
        workspace.log,
        interrupt=signal.SIGINT,  # To the group: packer's outer process only waits for its inner one.
        folder=workspace.folder,
        environment=packer.render_environment(os.environ, find_images_folder() / ".cache"),
        inherited=(workspace.lock,),
    )

    def tell(line: str) -> None:
        step = parse_step(line)
        if step is not None:
            progress.step(step)

    def wait() -> None:
        progress.step("interrupted: waiting for packer to remove its temporary machine")

    code, output = run_logged(program, tell, wait)
    if code != 0:
        raise FleetError(explain_failure(output, str(workspace.log), _read_console(workspace)))
    return output


def _read_console(workspace: Workspace) -> str:
    """What the machine of a build on this computer has written on its console."""
    try:
        return (workspace.seed / "console.txt").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _finish(request: BuildRequest, arch: str, workspace: Workspace, output: str, seconds: float) -> Built:
    artifacts = parse_artifacts(output)
    image: Image | None
    if request.provider == "local":
        try:
            folder = workspace.keep()
        except FleetError as error:
            raise FleetError(
                f"packer ended well, and yet its image is not whole: {error}. Its output is in {workspace.log}"
            ) from None
        image_id: str | None = str(folder)
        image = describe_image(folder, workspace.family, workspace.version)
    else:
        image_id = find_image_id(request.provider, artifacts)
        image = _read_report(workspace.report / MANIFEST, request.provider, image_id)
    return Built(
        provider=request.provider,
        family=workspace.family,
        version=workspace.version,
        arch=arch,
        gpu=request.gpu,
        id=image_id,
        artifacts=tuple(artifacts),
        image=image,
        log=str(workspace.log),
        seconds=round(seconds, 1),
    )


def _publish(gallery: Any, built: Built, seconds: float) -> Built:
    """Make packer's managed image a version in a gallery, which is what fleets boot."""
    if built.id is None or built.image is None:
        missing = "packer does not tell what it made" if built.id is None else "the image does not say what it holds"
        there = ", ".join(built.artifacts) or "nothing that is known of"
        raise FleetError(
            f"the image cannot be put into the gallery: {missing}. In the resource group there is {there}, and in "
            f"{built.log} everything that packer said; build again."
        )
    identifier = azure.publish_image(gallery, built.id, built.image)
    image = dataclasses.replace(built.image, id=identifier)
    return dataclasses.replace(built, id=identifier, image=image, seconds=round(seconds, 1))


def _read_report(path: Path, provider: str, image_id: str | None) -> Image | None:
    """What a cloud's image says of itself. Where that is missing the image is there all the same."""
    from daskfleet_images.manifest import ManifestError, read_manifest

    try:
        return describe_manifest(read_manifest(path), provider, image_id or "")
    except ManifestError:
        return None


def find_client_differences(environment: Environment, client: Versions) -> list[str]:
    """What of this client's versions will not fit an image of `environment`, as a sentence. Pure."""
    differences = []
    for package in ("dask", "distributed", "cloudpickle"):
        theirs, own = find_version(environment.entries, package), getattr(client, package)
        if theirs is not None and theirs != own:
            differences.append(f"{package} {theirs} (here {own})")
    if not differences:
        return []
    return [
        f"the image will hold {', '.join(differences)}: scripts need the same versions as the image. To build from "
        "your own, "
        "give its lock with --environment"
    ]


def find_python() -> str:
    """A Python with pip, which fetches the wheels.

    Raises:
        FleetError: this one has none.
    """
    if importlib.util.find_spec("pip") is None:
        raise FleetError(
            f"pip fetches the wheels of an image, and this Python ({sys.executable}) has none: pip install "
            "'daskfleet[image]'."
        )
    return sys.executable


def read_machine() -> str:
    """The architecture of this machine, as images call it."""
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
