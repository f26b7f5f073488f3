"""`daskfleet init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from daskfleet.errors import FleetError
from daskfleet.services.names import complete_providers


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file; `-` prints it.")] = Path("fleet.yaml"),
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the fleet.")] = "research",
    provider: Annotated[
        str, typer.Option(metavar="local|ssh|aws|gcp", help="Where it is to live.", autocompletion=complete_providers)
    ] = "local",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented fleet file to begin with."""
    from daskfleet.home import check_fleet_name
    from daskfleet.providers import load_provider
    from daskfleet.services.init import CIDR_TO_FILL_IN, find_region, render_fleet_file

    check_fleet_name(name)
    load_provider(provider)
    cpus, region = 1, None
    if provider == "local":
        from dask.system import CPU_COUNT

        cpus = CPU_COUNT
    else:
        region = find_region(provider)
    shown = "fleet.yaml" if str(file) == "-" else str(file)
    text = render_fleet_file(provider, name, shown, cpus=cpus, region=region)
    if str(file) == "-":
        print(text, end="")
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise FleetError(f"{file} is there already; give another name, or --force to overwrite it.") from None
    except OSError as error:
        raise FleetError(f"{file} cannot be written: {error.strerror}.") from None
    if provider == "local":
        print(f"wrote {file}; edit it, then: daskfleet up {file}")
    elif provider == "ssh":
        print(f"wrote {file}; put your hosts into it, then: daskfleet doctor {file}")
    else:
        print(f"wrote {file}; put your address in place of {CIDR_TO_FILL_IN}, then: daskfleet doctor {file}")
