"""What may import what, and what a light command must not import."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import CommandLine

ROOT = Path(__file__).parents[2]
ROOMS = {
    "images": "daskfleet_images",
    "components": "daskfleet_components",
    "stacks": "daskfleet_stacks",
    "cli": "daskfleet",
}
"""In the order in which they may be imported: each imports only itself and those before it."""

SDKS = {"aws": "pulumi_aws", "azure": "pulumi_azure_native", "gcp": "pulumi_gcp"}
"""Each cloud's package for Pulumi."""

HEAVY = (
    "dask",
    "distributed",
    "pulumi",
    "pydantic",
    "cryptography",
    "psutil",
    "yaml",
    "rich",
    "boto3",
    "google",
    "azure",
)


def imported_packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_between_rooms_go_one_way_only(room: str):
    rooms = list(ROOMS.values())
    forbidden = set(rooms[rooms.index(ROOMS[room]) + 1 :])
    if room == "stacks":
        forbidden |= {"daskfleet_images"}  # The spec says what is wanted, not how a node does it.
    files = list((ROOT / room / ROOMS[room]).rglob("*.py"))
    assert files
    for file in files:
        assert not imported_packages(file) & forbidden, file


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_holds_exactly_one_importable_package(room: str):
    packages = [entry.name for entry in (ROOT / room).iterdir() if (entry / "__init__.py").exists()]
    assert packages == [ROOMS[room]]


def test_the_node_runtime_imports_nothing_of_the_rooms_above_and_no_command_line():
    code = "import sys; from daskfleet_images.node import main, scheduler, workers\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"daskfleet", "daskfleet_stacks", "daskfleet_components", "typer", "pulumi"}


def loaded_by(cli: CommandLine, *arguments: str) -> set[str]:
    code = f"""
import sys
from daskfleet.commands.app import main
try:
    main({list(arguments)!r})
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    done = cli.python(code)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED", 1)[1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["--version"], ["up", "--help"], ["image", "--help"], ["image", "build", "--help"]),
        *(["connect", "shared", "--json"], ["connect", "shared", "--env"]),
    ],
    ids=" ".join,
)
def test_a_light_command_imports_neither_dask_nor_pydantic_nor_pulumi_nor_a_cloud_sdk(
    shared: CommandLine, arguments: list[str]
):
    assert not loaded_by(shared, *arguments) & set(HEAVY)


def test_importing_daskfleet_imports_no_dask():
    code = "import sys, daskfleet; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {name.split(".")[0] for name in done.stdout.split()} & set(HEAVY)


def test_no_command_of_a_local_fleet_imports_pulumi(shared: CommandLine):
    for arguments in (["status", "shared"], ["list"], ["up", "shared"], ["schema"]):
        assert "pulumi" not in loaded_by(shared, *arguments)


@pytest.fixture(scope="module")
def adopted(shared: CommandLine) -> str:
    """The name of a fleet in a cloud whose connection is on this machine; its scheduler is that of `shared`."""
    fleets = shared.home / "fleets"
    shutil.copytree(fleets / "shared" / "tls", fleets / "adopted" / "tls")
    connection = json.loads((fleets / "shared" / "connection.json").read_text())
    connection |= {"fleet": "adopted", "provider": "aws", "access": {"mode": "direct"}}
    (fleets / "adopted" / "connection.json").write_text(json.dumps(connection))
    state = {"provider": "aws", "region": "eu-west-1", "spec": None, "created": 0.0, "groups": []}
    (fleets / "adopted" / "fleet.json").write_text(json.dumps(state))
    return "adopted"


@pytest.mark.parametrize("option", ["--json", "--env"])
def test_connecting_to_a_fleet_in_a_cloud_imports_neither_pulumi_nor_boto3(
    shared: CommandLine, adopted: str, option: str
):
    assert not loaded_by(shared, "connect", adopted, option) & set(HEAVY)


def test_listing_fleets_in_a_cloud_imports_neither_pulumi_nor_boto3(shared: CommandLine, adopted: str):
    assert not loaded_by(shared, "list") & {"pulumi", "boto3", "botocore", "dask", "distributed"}


def test_only_what_changes_a_stack_imports_pulumi():
    modules = ("status", "scaling", "logs", "provider", "adoption", "checks")
    modules += tuple(f"{cloud}.{each}" for cloud in SDKS for each in ("cloud", "removal"))
    imports = "; ".join(f"import daskfleet.providers.stack.{module}" for module in modules)
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    heavy = {"pulumi", *SDKS.values(), "grpc", "boto3", "google", "requests", "dask"}
    assert not {name.split(".")[0] for name in done.stdout.split()} & heavy


@pytest.mark.parametrize("cloud", SDKS)
def test_a_fleet_in_one_cloud_imports_nothing_of_another(cloud: str):
    asked = f"daskfleet.providers.stack.{cloud}.cloud"
    code = f"import daskfleet_stacks.deploy, daskfleet_stacks.{cloud}, {asked}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(done.stdout.split())
    for other in set(SDKS) - {cloud}:
        assert SDKS[other] not in loaded
        assert not any(
            name.startswith((f"daskfleet_components.{other}", f"daskfleet.providers.stack.{other}")) for name in loaded
        )
    assert SDKS[cloud] in loaded
    assert not {name.split(".")[0] for name in loaded} & {"boto3", "botocore", "azure", "dask"}


def test_listing_the_images_of_this_machine_imports_no_cloud_sdk_and_no_dask(shared: CommandLine):
    assert not loaded_by(shared, "image", "list") & {"dask", "distributed", "pulumi", "boto3", "uv", "packaging"}


def test_the_client_files_need_no_daskfleet():
    standard = set(sys.stdlib_module_names) | {"distributed", "cloudpickle"}
    for file in (ROOT / "cli/daskfleet/client").glob("daskfleet_client_*.py"):
        assert imported_packages(file) <= standard, file
