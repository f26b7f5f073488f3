"""The connection contract: what is written is what is read, and nothing secret is told."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dask.config import collect_env, get, interpret_value
from typer.testing import CliRunner

from daskfleet.commands.app import app
from daskfleet.connections import PRELOAD, load_connection, render_environment
from daskfleet.errors import FleetError, FleetNotFound
from daskfleet.home import fleet_paths
from daskfleet.reach import check_reachable, is_taken
from daskfleet_stacks.connection import (
    Access,
    Connection,
    ConnectionDamaged,
    ConnectionSecurity,
    Versions,
    read_connection,
    validate_connection,
)

KEY = "SECRET\n-----END PRIVATE KEY-----\n"
"""Its secret comes first: pydantic shows the beginning of a value."""
DATA: dict[str, Any] = {
    "fleet": "x",
    "provider": "local",
    "scheduler_address": "tls://127.0.0.1:8786",
    "dashboard_url": "http://127.0.0.1:8787/status",
    "security": {
        "tls_ca_file": "/tls/ca.pem",
        "tls_client_cert": "/tls/c.pem",
        "tls_client_key": "/tls/k.pem",
        "ssh_key": "",
    },
    "access": {"mode": "local", "host": "", "user": "", "port": 0},
    "versions": {"python": "3.11.7", "dask": "2025.1.0", "distributed": "2025.1.0", "cloudpickle": "3.1.1"},
}


def with_key(key: Any) -> dict[str, Any]:
    return {**DATA, "security": {**DATA["security"], "tls_client_key": key}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path))
    return tmp_path


def write_connection(text: str | bytes, name: str = "x") -> Path:
    path = fleet_paths(name).connection
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# The contract


def test_what_is_written_is_exactly_the_fields_of_the_contract():
    assert dataclasses.asdict(validate_connection(DATA)) == DATA
    assert [field.name for field in dataclasses.fields(Connection)] == list(DATA)
    for kind, key in ((ConnectionSecurity, "security"), (Access, "access"), (Versions, "versions")):
        assert [field.name for field in dataclasses.fields(kind)] == list(DATA[key])


@pytest.mark.parametrize("key", ["/tls/k.pem", KEY, "/a b/ü/😀.pem"])
def test_a_validated_connection_is_read_back_equal(key: str):
    connection = validate_connection(with_key(key))
    assert read_connection(json.dumps(dataclasses.asdict(connection))) == connection


def test_a_connection_cannot_be_changed():
    connection = validate_connection(DATA)
    with pytest.raises(dataclasses.FrozenInstanceError):
        connection.fleet = "y"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        connection.security.tls_client_key = "y"  # type: ignore[misc]


def test_a_connection_cut_at_any_byte_is_damaged_and_nothing_worse():
    text = json.dumps(dataclasses.asdict(validate_connection(with_key(KEY))), indent=2)
    for end in range(len(text)):
        with pytest.raises(ConnectionDamaged) as caught:
            read_connection(text[:end])
        assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert read_connection(text).security.tls_client_key == KEY


def change(path: str, value: Any) -> dict[str, Any]:
    data = json.loads(json.dumps(with_key(KEY)))
    *parents, last = path.split(".")
    place = data
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


WRONG = [
    ("fleet", ...), ("versions", ...), ("security.tls_client_key", ...), ("access.mode", ...), ("versions.dask", ...),
    ("zebra", KEY), ("security.zebra", KEY), ("access.zebra", KEY), ("versions.zebra", KEY),
    ("fleet", [KEY]), ("security", KEY), ("security.tls_client_key", [KEY]), ("security.tls_ca_file", {"k": KEY}),
    ("access", [KEY]), ("versions", None), ("versions.python", 3.11),
    ("access.port", KEY), ("access.port", [KEY]), ("access.port", None), ("access.port", 22.5),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_missing_and_surplus_and_wrong_values_are_refused_where_a_connection_is_made(path: str, value: Any):
    with pytest.raises(ValueError, match=path.split(".")[0]):
        validate_connection(change(path, value))


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_no_value_is_in_what_a_refused_connection_tells(path: str, value: Any):
    with pytest.raises(ValueError, match=path.split(".")[0]) as caught:
        validate_connection(change(path, value))
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_missing_and_surplus_and_wrong_values_are_damage_where_a_connection_is_read(path: str, value: Any):
    with pytest.raises(ConnectionDamaged) as caught:
        read_connection(json.dumps(change(path, value)))
    assert str(caught.value).startswith("connection")
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_way_of_access_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="mode"):
        validate_connection(change("access.mode", "pigeon"))


def test_a_connection_from_before_ports_were_said_leads_to_the_same_port_as_then():
    old = json.loads(json.dumps(DATA))
    del old["access"]["port"]
    assert read_connection(json.dumps(old)).access.port == 0
    assert validate_connection(old).access.port == 0


def test_the_port_of_a_connection_is_read_back_as_the_number_that_was_written():
    connection = validate_connection(change("access.port", 2222))
    assert connection.access.port == 2222
    assert read_connection(json.dumps(dataclasses.asdict(connection))) == connection


@pytest.mark.parametrize("text", ["", "null", "[]", "3", '"x"', "{}", "\x00", "[" * 100_000])
def test_a_text_that_is_no_connection_is_damaged(text: str):
    with pytest.raises(ConnectionDamaged):
        read_connection(text)


def test_the_representation_hides_the_key():
    connection = validate_connection(with_key(KEY))
    for text in (repr(connection), str(connection), repr(connection.security), f"{[connection]}"):
        assert "SECRET" not in text
        assert "tls_client_key" not in text


# The file


def test_the_connection_of_a_fleet_is_found(home: Path):
    write_connection(json.dumps(DATA))
    assert load_connection("x") == validate_connection(DATA)


def test_a_fleet_that_is_not_there_is_told_with_those_that_are(home: Path):
    with pytest.raises(FleetNotFound, match=r"no fleet named 'y'\. There is none at all\. `daskfleet up` starts"):
        load_connection("y")
    write_connection(json.dumps(DATA), "abc")
    write_connection(json.dumps(DATA), "def")
    with pytest.raises(FleetNotFound, match="There is: abc, def"):
        load_connection("y")


def test_a_fleet_without_a_connection_is_not_complete(home: Path):
    fleet_paths("x").root.mkdir(parents=True)
    with pytest.raises(FleetNotFound, match=r"not complete.*`daskfleet up` finishes it, `daskfleet down x` removes"):
        load_connection("x")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe\x00junk", bytes(range(256))])
def test_a_damaged_connection_file_is_told_with_the_way_out(home: Path, content: bytes):
    path = write_connection(content)
    with pytest.raises(FleetError, match="`daskfleet up x` mends it; `daskfleet down x` removes") as caught:
        load_connection("x")
    assert str(path) in str(caught.value)


def test_a_connection_that_is_a_folder_is_told_as_not_readable(home: Path):
    fleet_paths("x").connection.mkdir(parents=True)
    with pytest.raises(FleetError, match="cannot be read: Is a directory"):
        load_connection("x")


@pytest.mark.parametrize("name", ["../x", "", "a/b", "..", "X", "x" * 300])
def test_a_name_that_is_none_reaches_no_file(home: Path, name: str):
    with pytest.raises(FleetError, match="no name of a fleet"):
        load_connection(name)


# The environment


def interpret(environment: dict[str, str], variable: str) -> Any:
    """What Dask makes of the variable."""
    return interpret_value(environment[variable])


def test_dask_reads_the_environment_as_the_connection():
    environment = render_environment(validate_connection(DATA), {})
    config = collect_env(environment)
    assert get("scheduler-address", config=config) == DATA["scheduler_address"]
    assert get("distributed.comm.tls.ca-file", config=config) == "/tls/ca.pem"
    assert get("distributed.comm.tls.client", config=config) == {"cert": "/tls/c.pem", "key": "/tls/k.pem"}
    assert get("distributed.client.preload", config=config) == [str(PRELOAD)]
    assert json.loads(environment["DASKFLEET_VERSIONS"]) == DATA["versions"]
    assert environment["DASKFLEET_FLEET"] == "x"


def test_the_preload_is_a_file_that_is_there():
    assert PRELOAD.is_file()
    assert PRELOAD.is_absolute()


@pytest.mark.parametrize(
    ("value", "preloads"),
    [
        ("", []),
        ("mine.py", ["mine.py"]),
        ("/a folder/mine.py", ["/a folder/mine.py"]),
        ('["mine.py", "other"]', ["mine.py", "other"]),
        ("['mine.py', 'other']", ["mine.py", "other"]),
        ("('mine.py', 'other')", ["mine.py", "other"]),
        ('"mine.py"', ["mine.py"]),
        ("[]", []),
        ('["/home/\N{GRINNING FACE}/ü.py"]', ["/home/\N{GRINNING FACE}/ü.py"]),
    ],
)
def test_a_preload_that_is_configured_already_is_kept_before_ours(value: str, preloads: list[str]):
    environment = render_environment(validate_connection(DATA), {"DASK_DISTRIBUTED__CLIENT__PRELOAD": value})
    assert interpret(environment, "DASK_DISTRIBUTED__CLIENT__PRELOAD") == [*preloads, str(PRELOAD)]


def test_connecting_inside_a_connected_shell_changes_nothing():
    once = render_environment(validate_connection(DATA), {})
    assert render_environment(validate_connection(DATA), once) == once


def test_a_logging_that_is_configured_already_is_kept():
    environment = render_environment(validate_connection(DATA), {"DASK_LOGGING": "{'distributed': 'debug'}"})
    assert environment["DASK_LOGGING"] == "{'distributed': 'debug'}"
    quiet = interpret(render_environment(validate_connection(DATA), {}), "DASK_LOGGING")
    assert quiet == {"distributed.preloading": "warning", "distributed.utils": "warning"}


def test_the_environment_holds_paths_and_no_key_material():
    connection = validate_connection(DATA)
    assert {value for name, value in render_environment(connection, {}).items() if "TLS" in name} == {
        "/tls/ca.pem",
        "/tls/c.pem",
        "/tls/k.pem",
    }


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_the_shell_reads_what_connect_env_prints_whatever_the_paths_are(home: Path, listening: int):
    strange = '/it\'s a "$HOME"; `id` \\ folder/ü/key.pem'
    data = {**with_key(strange), "scheduler_address": f"tls://127.0.0.1:{listening}"}
    write_connection(json.dumps(data))
    done = CliRunner().invoke(app, ["connect", "x", "--env"])
    assert done.exit_code == 0, done.output
    shell = subprocess.run(
        ["/bin/sh", "-c", 'eval "$1"; env -0', "sh", done.stdout],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    got = dict(item.split("=", 1) for item in shell.stdout.decode().split("\0") if "=" in item)
    expected = render_environment(read_connection(json.dumps(data)), {})
    assert {name: got.get(name) for name in expected} == expected
    assert expected["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"] == strange


def test_connect_json_is_the_contract_and_the_environment(home: Path, listening: int):
    data = {**DATA, "scheduler_address": f"tls://127.0.0.1:{listening}"}
    write_connection(json.dumps(data))
    done = CliRunner().invoke(app, ["connect", "x", "--json"])
    told = json.loads(done.stdout)
    environment = told.pop("environment")
    assert told == data
    assert environment["DASK_SCHEDULER_ADDRESS"] == data["scheduler_address"]


# Reaching it


def test_a_port_is_taken_while_somebody_listens(listening: int):
    assert is_taken(listening)
    check_reachable(validate_connection({**DATA, "scheduler_address": f"tls://127.0.0.1:{listening}"}))


def test_a_fleet_that_nobody_listens_for_is_told_with_what_to_do():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    assert not is_taken(port)
    with pytest.raises(FleetError, match=f"does not listen at tls://127.0.0.1:{port}.*`daskfleet up x` mends it"):
        check_reachable(validate_connection({**DATA, "scheduler_address": f"tls://127.0.0.1:{port}"}))
