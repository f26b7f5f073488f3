"""A fleet with a resource of every type, and what is asked of it in sweeps."""

from __future__ import annotations

from collections import Counter

from aws.lab import render_fleet
from aws.pretend import pretend_nodes
from aws.region import Region

NAME = "research"
FILE = "fleet.yaml"
SECONDS = 300.0

CHANGES = {
    "access": "{mode: ssh, allowed_cidrs: [198.51.100.7/32]}",
    "workers": "[{name: cpu, instance_types: [m7i.large], count: 2, placement: cluster}]",
}
"""With a key pair, an address and a placement group, beside the gateways of a private network."""


def write_fleet(region: Region, name: str = NAME, file: str = FILE) -> str:
    return region.cli.write(render_fleet(name, **CHANGES), file)


def bring_up(region: Region, file: str = FILE) -> str:
    """Have it come up; returns what was told."""
    with pretend_nodes(region):
        done = region.cli.run("up", file, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stderr


def take_down(region: Region, name: str = NAME) -> str:
    """Have it go, after which nothing may be left; returns what was told."""
    done = region.cli.run("down", name, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(region, name, done.stderr)
    return done.stderr


def assert_nothing_is_left(region: Region, name: str = NAME, told: str = "") -> None:
    assert region.find_tagged(name) == [], told
    assert not (region.cli.home / "fleets" / name).exists(), told


def take_stock(region: Region, name: str = NAME) -> Counter[str]:
    """How many things of each kind there are, by their identifiers; and rules, routes and policies."""
    # `vpc-4e17…`, and `/daskfleet/research/2026…` with a number of its own.
    stock = Counter(each.split("-")[0].rstrip("0123456789") for each in region.find_tagged(name))
    wanted = [{"Name": "tag:daskfleet:fleet", "Values": [name]}]
    groups = region.call("ec2", "describe_security_groups", Filters=wanted)["SecurityGroups"]
    narrow = [{"Name": "group-id", "Values": [each["GroupId"] for each in groups]}]
    stock["rule"] = len(region.call("ec2", "describe_security_group_rules", Filters=narrow)["SecurityGroupRules"])
    for table in region.call("ec2", "describe_route_tables", Filters=wanted)["RouteTables"]:
        stock["route"] += len(table["Routes"])
        stock["association"] += len(table["Associations"])
    for role in region.call("iam", "list_roles")["Roles"]:
        if role["Path"] != f"/daskfleet/{name}/":
            continue
        stock["policy"] += len(region.call("iam", "list_role_policies", RoleName=role["RoleName"])["PolicyNames"])
    return stock
