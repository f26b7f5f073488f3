"""`daskfleet list`."""

from __future__ import annotations

from daskfleet.commands.arguments import JsonOption
from daskfleet.commands.output import print_json, print_table


def list_fleets(json: JsonOption = False) -> None:
    """List the fleets of this user on this machine."""
    from daskfleet.services.overview import read_overviews

    overviews = read_overviews()
    if json:
        print_json([overview.as_dict() for overview in overviews])
        return
    if not overviews:
        print("no fleets; `daskfleet up` starts one")
        return
    rows = [("NAME", "PROVIDER", "STATE", "WORKERS", "SCHEDULER", "TAGS")]
    for each in overviews:
        tags = " ".join(f"{key}={value}" for key, value in each.tags.items())
        rows.append((each.name, each.provider, each.state, str(each.workers), each.scheduler_address, tags))
    print_table(rows)
