"""`daskfleet image …`: build, list, show and delete the images that a fleet's machines boot from."""

from __future__ import annotations

import datetime
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from daskfleet.commands.arguments import JsonOption
from daskfleet.commands.output import print_json, print_note, print_problem, print_table, show_progress
from daskfleet.services.images.names import complete_families, complete_images

if TYPE_CHECKING:
    from daskfleet.services.images.build import Built
    from daskfleet.services.images.model import Image


class Provider(StrEnum):
    """Where images are built."""

    LOCAL = "local"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class Architecture(StrEnum):
    """What machines boot an image."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


ProviderOption = Annotated[
    str,
    typer.Option("--provider", metavar="local|aws|gcp|azure", help="Whose images: of this machine, or your own there."),
]
RegionOption = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="AWS: the region; else AWS_REGION or your profile says it."),
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="PROJECT",
        help="Google Cloud: the project; else GOOGLE_CLOUD_PROJECT or your credentials say it.",
    ),
]
SubscriptionOption = Annotated[
    str | None,
    typer.Option(
        "--subscription",
        metavar="ID",
        help="Azure: the subscription; else ARM_SUBSCRIPTION_ID or your credentials say it.",
    ),
]
ImageArgument = Annotated[
    str, typer.Argument(metavar="FAMILY/VERSION", help="The image, as `list` names it.", autocompletion=complete_images)
]

image = typer.Typer(
    name="image",
    cls=TyperGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Build, list, show and delete the machine images that fleets boot from.",
    epilog="Begin with: daskfleet image build --provider local, then daskfleet image list.",
)


@image.command()
def build(
    provider: Annotated[
        Provider, typer.Option(help="Where the image is for; `local` is a qcow2 file on this machine.")
    ],
    environment: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Python packages: uv.lock, requirements.txt or environment.yml. Default: Dask and object stores.",
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name under which its versions follow one another. Default: daskfleet, or daskfleet-gpu.",
            autocompletion=complete_families,
        ),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="With the drivers of NVIDIA's GPUs.")] = False,
    arch: Annotated[Architecture | None, typer.Option(help="What machines it is for. Default: x86_64.")] = None,
    base: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="local: the qcow2 image to begin with. Default: one from Debian's packages."),
    ] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(metavar="kvm|tcg|hvf", help="local: how qemu runs the machine. Default: kvm where it works."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="aws: where to build. Default: $AWS_REGION.")
    ] = None,
    subnet: Annotated[
        str | None, typer.Option(metavar="ID", help="aws: where to build, if not in the default network.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(metavar="ID", help="gcp: the project. Default: $GOOGLE_CLOUD_PROJECT.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="gcp: where to build. Default: $CLOUDSDK_COMPUTE_ZONE.")
    ] = None,
    subscription: Annotated[
        str | None, typer.Option(metavar="ID", help="azure: the subscription. Default: $ARM_SUBSCRIPTION_ID.")
    ] = None,
    resource_group: Annotated[str | None, typer.Option(metavar="NAME", help="azure: where the image is to be.")] = None,
    location: Annotated[str | None, typer.Option(metavar="NAME", help="azure: where to build.")] = None,
    instance_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Clouds: the machine to build on, by that cloud's name.")
    ] = None,
    packer: Annotated[
        str | None, typer.Option(metavar="PATH", help="HashiCorp's packer. Default: $PACKER, else the one on PATH.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Build an image, with packer.

    The image holds Debian 12, the node runtime and your Python packages; nothing is downloaded at boot. Give the lock
    of the environment that your scripts run in, so that both sides have the same versions.

    Credentials are those that packer finds in your environment, as other tools of that cloud do. Ctrl-C waits until
    packer has removed its temporary machine.
    """
    from daskfleet.interrupts import interrupt_on_termination
    from daskfleet.services.images.build import BuildRequest, build_image

    settings = {
        "base": str(base) if base is not None else None,
        "accelerator": accelerator,
        "region": region,
        "subnet": subnet,
        "project": project,
        "zone": zone,
        "subscription": subscription,
        "resource-group": resource_group,
        "location": location,
        "instance-type": instance_type,
    }
    request = BuildRequest(
        provider=provider.value,
        arch=arch.value if arch is not None else None,
        gpu=gpu,
        environment=environment,
        family=family,
        packer=packer,
        settings=settings,
    )
    try:
        with interrupt_on_termination(), show_progress() as progress:
            built = build_image(request, progress)
    except KeyboardInterrupt:
        print_problem("interrupted; no image was made")
        raise typer.Exit(130) from None
    if json:
        print_json(built.as_dict())
    else:
        _print_built(built)


@image.command("list")
def list_images(
    provider: ProviderOption = "local",
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this family.", autocompletion=complete_families)
    ] = None,
    region: RegionOption = None,
    project: ProjectOption = None,
    subscription: SubscriptionOption = None,
    json: JsonOption = False,
) -> None:
    """List images, each family's newest first.

    `*` marks what a fleet is given that names only the family: the newest image that has the Python, dask, distributed
    and cloudpickle of this client, for each architecture.
    """
    from daskfleet.services.images.catalogue import list_images
    from daskfleet.services.images.choose import find_defaults
    from daskfleet.services.images.names import check_family
    from daskfleet_stacks.versions import read_own_versions

    if family is not None:
        check_family(family)
    images = list_images(provider, _choose_place(provider, region, project, subscription), family)
    defaults = find_defaults(images, read_own_versions())
    if json:
        print_json([{**each.as_dict(), "default": each.id in defaults} for each in images])
        return
    if not images:
        print(
            f"no images{'' if family is None else f' of {family}'}; `daskfleet image build --provider {provider}` "
            "makes one"
        )
        return
    rows = [("FAMILY", "VERSION", "", "ARCH", "GPU", "PYTHON", "DASK", "DISTRIBUTED", "LOCK", "AGE", "SIZE", "ID")]
    now = datetime.datetime.now(datetime.UTC)
    for each in images:
        mark = "*" if each.id in defaults else "!" if each.problem else ""
        gpu = "" if each.problem else "yes" if each.gpu else "no"
        versions = (each.arch, gpu, each.python, each.dask, each.distributed, each.lock[:8])
        cloud_id = each.id if each.provider != "local" else ""
        rows.append((each.family, each.version, mark, *versions, _render_age(each, now), _render_size(each), cloud_id))
    print_table(rows)
    for each in images:
        if each.problem:
            print_note(f"{each.name}: {each.problem}")


@image.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="FAMILY[/VERSION]",
            help="The image; of a family alone, the one that fits this client, or else its newest.",
            autocompletion=complete_images,
        ),
    ],
    packages: Annotated[bool, typer.Option("--packages", help="List every Python package in it.")] = False,
    provider: ProviderOption = "local",
    region: RegionOption = None,
    project: ProjectOption = None,
    subscription: SubscriptionOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is inside an image, and how it first booted."""
    from daskfleet.services.images.catalogue import find_image, list_images, read_details
    from daskfleet.services.images.choose import find_defaults, find_differences
    from daskfleet.services.images.names import parse_image_name
    from daskfleet_stacks.versions import read_own_versions

    family, version = parse_image_name(name)
    client = read_own_versions()
    images = list_images(provider, _choose_place(provider, region, project, subscription))
    found = find_image(images, family, version, client)
    details = read_details(found)
    is_default = found.id in find_defaults(images, client)
    if json:
        print_json({**found.as_dict(), "default": is_default, **details})
        return
    _print_image(found, details, is_default)
    listed = details.get("packages", {})
    if packages and not details:
        print_note(f"nothing here says which packages {found.name} holds")
    elif packages:
        print(f"\npackages ({len(listed)})")
        for package, number in listed.items():
            print(f"  {package} {number}")
    if not is_default and not found.problem:
        differences = find_differences(found, client)
        print_note(
            f"this client does not fit it: {'; '.join(differences)}" if differences else "a newer version fits, too"
        )


@image.command()
def delete(
    name: ImageArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    provider: ProviderOption = "local",
    region: RegionOption = None,
    project: ProjectOption = None,
    subscription: SubscriptionOption = None,
) -> None:
    """Delete an image; on AWS its snapshots, too.

    It asks on a terminal; elsewhere it needs --yes. Fleets that run keep running; what boots from it later does not.
    """
    from daskfleet.errors import FleetError
    from daskfleet.services.images.catalogue import delete_images, find_image, list_images
    from daskfleet.services.images.names import parse_image_name
    from daskfleet.services.images.settings import PLACES
    from daskfleet_stacks.versions import read_own_versions

    family, version = parse_image_name(name)
    if version is None:
        raise FleetError(f"{name}: delete one version at a time, as FAMILY/VERSION; `daskfleet image list` shows them.")
    place = _choose_place(provider, region, project, subscription)
    found = None
    try:
        found = find_image(list_images(provider, place, family), family, version, read_own_versions())
    except FleetError:
        if provider != "aws":  # There, a deletion that was killed may have left snapshots.
            raise
    if not yes:
        if not sys.stdin.isatty():
            raise FleetError(f"{name} is not deleted without being asked: there is no terminal to ask on; say --yes.")
        what = f"{found.name} ({_render_size(found) or 'size unknown'}, {found.id})" if found else name
        if not typer.confirm(f"Delete {what}?", default=False):
            print("nothing was deleted")
            raise typer.Exit(1)
    removed = delete_images(provider, place, family, version)
    if not removed:
        raise FleetError(
            f"there is no image {name} in this {PLACES[provider]}; `daskfleet image list --provider {provider}` shows "
            "them."
        )
    print(f"deleted {name}{'' if provider == 'local' else ': ' + ', '.join(removed)}")


def _choose_place(provider: str, region: str | None, project: str | None, subscription: str | None) -> str | None:
    from daskfleet.services.images.catalogue import check_provider
    from daskfleet.services.images.settings import choose_place

    check_provider(provider)
    return choose_place(provider, {"region": region, "project": project, "subscription": subscription}, os.environ)


def _print_built(built: Built) -> None:
    minutes, seconds = divmod(round(built.seconds), 60)
    print(f"built {built.family}/{built.version} for {built.provider} in {minutes} min {seconds} s")
    if built.image is not None:
        image = built.image
        print(f"  holds    python {image.python}, dask {image.dask}, distributed {image.distributed}")
        if image.size is not None:
            print(f"  size     {_render_size(image)}")
    if built.id is not None:
        print(f"  image    {built.id}")
    else:
        for line in built.artifacts:
            print(f"  {line}")
    print(f"  log      {built.log}")
    if built.provider == "local":
        print(f"  inside   daskfleet image show {built.family}/{built.version}")


def _print_image(found: Image, details: dict[str, object], is_default: bool) -> None:
    now = datetime.datetime.now(datetime.UTC)
    created = found.created
    lines = [
        ("image", f"{found.name}  ({found.provider}{', the default of its family' if is_default else ''})"),
        ("id", found.id),
    ]
    if found.problem:
        lines.append(("damaged", f"{found.problem}; `daskfleet image delete {found.name}` removes it"))
    else:
        made = f"{created:%Y-%m-%d %H:%M} UTC, {_render_age(found, now)} ago" if created else "unknown"
        lines += [
            ("machines", f"{found.arch}{', with GPUs of NVIDIA' if found.gpu else ''}"),
            ("made", made),
            ("base", str(details.get("base", ""))),
            ("runs", f"python {found.python}, dask {found.dask}, distributed {found.distributed}"),
            ("", f"cloudpickle {found.cloudpickle}" + (f", daskfleet {details['daskfleet']}" if details else "")),
            ("lock", found.lock),
            ("size", _render_size(found)),
        ]
    for title, text in lines:
        if text:
            print(f"{title:<9} {text}")
    report = str(details.get("boot_report", ""))
    if report:
        print("\nfirst boot")
        for line in report.splitlines():
            print(f"  {line}")


def _render_age(found: Image, now: datetime.datetime) -> str:
    created = found.created
    if created is None:
        return ""
    seconds = max(0.0, (now - created).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def _render_size(found: Image) -> str:
    if found.size is None:
        return ""
    return f"{found.size / 2**30:.1f} GiB" if found.size >= 2**30 else f"{found.size / 2**20:.0f} MiB"
