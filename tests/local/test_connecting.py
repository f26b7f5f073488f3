"""Connecting: unchanged scripts, exit codes, the environment, versions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import CommandLine

PARTS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_bare_client_lands_on_the_fleet_and_prints_nothing_more(shared: CommandLine):
    script = (
        "from distributed import Client; info = Client().scheduler_info(n_workers=-1)\n"
        "print(sorted(worker['name'] for worker in info['workers'].values()))"
    )
    done = shared.run("connect", "shared", "--", "python", "-c", script)
    assert done.stdout == "['big-0', 'cpu-0', 'cpu-1']\n"
    assert done.stderr == ""


def test_the_flights_are_the_same_on_threads_and_on_the_fleet(shared: CommandLine, tmp_path: Path):
    threads, fleet, run = (tmp_path / name for name in ("threads.json", "fleet.json", "run.json"))
    env = {**shared.environment}
    subprocess.run(
        [sys.executable, EXAMPLES / "flights_threads.py", "--json", threads, "--check"],
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    out = shared.ok("connect", "shared", "--", "python", str(EXAMPLES / "flights.py"), "--json", str(fleet), "--check")
    assert "336,776 flights" in out
    shared.ok("run", "shared", str(EXAMPLES / "flights_threads.py"), "--json", str(run))
    assert json.loads(threads.read_text()) == json.loads(fleet.read_text()) == json.loads(run.read_text())


@pytest.mark.parametrize("script", ["svd.py", "futures.py"])
def test_the_other_examples_run_on_the_fleet(shared: CommandLine, script: str):
    shared.ok("connect", "shared", "--", "python", str(EXAMPLES / script))


def test_run_gives_a_script_without_a_client_the_fleet_its_arguments_and_its_folder(shared: CommandLine):
    (shared.cwd / "lib").mkdir(exist_ok=True)
    (shared.cwd / "lib" / "beside.py").write_text("WORD = 'beside'\n")
    (shared.cwd / "lib" / "script.py").write_text(
        "import sys, dask, beside\n"
        "from distributed import get_worker\n"
        "if __name__ == '__main__':\n"
        "    print(dask.delayed(lambda: get_worker().name.split('-')[0])().compute() in ('cpu', 'big'))\n"
        "    print(sys.argv[1:], beside.WORD)\n"
    )
    out = shared.ok("run", "shared", "lib/script.py", "--json", "-x", "two words")
    assert out.splitlines() == ["True", "['--json', '-x', 'two words'] beside"]


@pytest.mark.parametrize("way", [["connect", "shared", "--", "python"], ["run", "shared"]])
def test_the_exit_code_of_a_failing_script_comes_through(shared: CommandLine, way: list[str]):
    (shared.cwd / "fails.py").write_text("import sys; sys.exit(7)\n")
    (shared.cwd / "raises.py").write_text("raise ValueError('mine')\n")
    assert shared.run(*way, "fails.py").returncode == 7
    raised = shared.run(*way, "raises.py")
    assert raised.returncode == 1
    assert "ValueError: mine" in raised.stderr


def test_a_signal_reaches_the_command_itself(shared: CommandLine):
    process = shared.start(
        "connect", "shared", "--", "python", "-c", "print('ready', flush=True); import time; time.sleep(60)"
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM
    finally:
        process.kill()
        process.communicate()


def test_a_command_or_script_that_is_not_there_is_told(shared: CommandLine):
    assert "no command 'nonesuch'" in shared.run("connect", "shared", "--", "nonesuch").stderr
    assert "no script nonesuch.py" in shared.run("run", "shared", "nonesuch.py").stderr


def test_env_is_code_for_a_shell(shared: CommandLine):
    code = shared.ok("connect", "shared", "--env")
    script = (
        f"{code}\n{sys.executable} -c 'from distributed import Client; print(Client().submit(sum, [1, 2]).result())'"
    )
    done = subprocess.run(
        ["sh", "-c", script], env=shared.environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "3\n"


def test_connect_shows_a_person_what_to_do(shared: CommandLine):
    text = shared.ok("connect", "shared")
    for words in ("tls://127.0.0.1:", "daskfleet run shared", 'daskfleet.connect("shared")', "--env"):
        assert words in text


def test_json_env_and_a_command_exclude_one_another(shared: CommandLine):
    assert shared.run("connect", "shared", "--json", "--env").returncode == 2


def change_versions(cli: CommandLine, **versions: str) -> dict[str, str]:
    connection = cli.connection("shared")
    return {**connection["environment"], "DASKFLEET_VERSIONS": json.dumps({**connection["versions"], **versions})}


@pytest.mark.parametrize(
    ("what", "version", "remedy"),
    [
        ("python", "3.9.1", "run this with the fleet's Python"),
        ("dask", "1999.1", "pip install 'dask==1999.1'"),
        ("distributed", "1999.1", "pip install 'distributed==1999.1'"),
        ("cloudpickle", "0.1", "pip install 'cloudpickle==0.1'"),
    ],
)
def test_a_script_with_other_versions_is_stopped_before_its_first_task(
    shared: CommandLine, what: str, version: str, remedy: str
):
    done = shared.python(
        "from distributed import Client; Client(); print('went on')", env=change_versions(shared, **{what: version})
    )
    assert done.returncode == 1
    assert "went on" not in done.stdout
    assert f"{what} is" in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_check_can_be_switched_off(shared: CommandLine):
    env = {**change_versions(shared, dask="1999.1"), "DASKFLEET_VERSION_CHECK": "off"}
    assert (
        shared.python("from distributed import Client; print(Client().submit(sum, [1, 2]).result())", env=env).stdout
        == "3\n"
    )


def test_another_patch_release_of_python_is_fine(shared: CommandLine):
    minor = ".".join(map(str, sys.version_info[:2]))
    env = change_versions(shared, python=f"{minor}.99")
    assert (
        shared.python("from distributed import Client; print(Client().submit(sum, [1, 2]).result())", env=env).stdout
        == "3\n"
    )


def test_a_script_keeps_its_own_preload(shared: CommandLine):
    (shared.cwd / "mine.py").write_text("def dask_setup(client):\n    print('mine')\n")
    env = {**shared.environment, "DASK_DISTRIBUTED__CLIENT__PRELOAD": json.dumps([str(shared.cwd / "mine.py")])}
    out = shared.ok("connect", "shared", "--", "python", "-c", "from distributed import Client; Client()", env=env)
    assert out == "mine\n"


def test_plugins_that_need_nannies_work_as_on_a_local_cluster(shared: CommandLine):
    script = """
from distributed import Client
from distributed.diagnostics.plugin import Environ
import os
client = Client()
client.register_plugin(Environ({"FROM_PLUGIN": "yes"}))
client.restart()
client.wait_for_workers(3, timeout=60)
print(set(client.run(lambda: __import__("os").environ.get("FROM_PLUGIN")).values()))
"""
    assert shared.ok("connect", "shared", "--", "python", "-c", script) == "{'yes'}\n"


def test_dask_fleet_is_the_same_command(shared: CommandLine):
    dask = Path(sys.executable).parent / "dask"
    done = subprocess.run(
        [dask, "fleet", "list"], env=shared.environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "shared" in done.stdout
    helped = subprocess.run(
        [dask, "fleet", "up", "--help"], env=shared.environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Make a fleet what its file says" in helped.stdout
    listed = subprocess.run(
        [dask, "--help"], env=shared.environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "fleet" in listed.stdout


def test_no_private_key_is_in_any_output_log_argument_or_environment(shared: CommandLine):
    folder = shared.home / "fleets/shared"
    secrets = []
    for key in folder.glob("tls/*-key.pem"):
        secrets += [line for line in key.read_text().splitlines() if not line.startswith("-----")]
    assert len(secrets) >= 9
    said = [
        shared.ok(*command)
        for command in (
            ["connect", "shared"],
            ["connect", "shared", "--json"],
            ["connect", "shared", "--env"],
            ["status", "shared", "--json"],
            ["list", "--json"],
            ["logs", "shared", "-n", "100000"],
            ["up", "shared"],
        )
    ]
    said += [
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file() and path.parent.name != "tls"
    ]
    for process in shared.processes():
        said += [" ".join(process.cmdline()), " ".join(process.environ().values())]
    everything = "\n".join(said)
    assert "BEGIN PRIVATE KEY" not in everything
    assert not any(secret in everything for secret in secrets)
    assert os.environ.get("DASKFLEET_HOME") != str(shared.home)


def test_workers_import_the_modules_beside_the_script(shared: CommandLine):
    folder = shared.cwd / "project"
    folder.mkdir()
    (folder / "helper_of_mine.py").write_text("def double(number):\n    return 2 * number\n")
    (folder / "script.py").write_text(
        "from distributed import Client\nfrom helper_of_mine import double\n"
        "if __name__ == '__main__':\n    print(Client().submit(double, 21).result())\n"
    )
    (folder / "lazy.py").write_text(
        "import dask\nfrom helper_of_mine import double\n"
        "if __name__ == '__main__':\n    print(dask.delayed(double)(21).compute())\n"
    )
    assert shared.ok("connect", "shared", "--", "python", "project/script.py") == "42\n"
    assert shared.ok("run", "shared", "project/lazy.py") == "42\n"
    (folder / "helper_of_mine.py").write_text("def double(number):\n    return 2000 * number\n")
    assert shared.ok("connect", "shared", "--", "python", "project/script.py") == "42000\n"
    assert shared.ok("run", "shared", "project/lazy.py") == "42000\n"
    (folder / "cluster.py").write_text(
        "import daskfleet\nfrom distributed import Client\nfrom helper_of_mine import double\n"
        "if __name__ == '__main__':\n"
        "    with daskfleet.Fleet('shared') as fleet, Client(fleet) as client:\n"
        "        print(client.submit(double, 1).result())\n"
    )
    done = subprocess.run(
        [sys.executable, folder / "cluster.py"], env=shared.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "2000\n"


def test_the_name_may_be_left_out_before_a_command(cli: CommandLine):
    assert "no fleet named 'local'" in cli.run("connect", "--", "python", "-c", "print(1)").stderr


def test_a_worker_process_holds_nothing_of_the_node_runtime_but_its_metric(shared: CommandLine):
    code = (
        "from distributed import Client\n"
        "loaded = Client().submit(lambda: [name for name in __import__('sys').modules], pure=False).result()\n"
        "print([name for name in loaded if name.split('.')[0] in ('daskfleet', 'daskfleet_images', 'pydantic')])"
    )
    out = shared.ok("connect", "shared", "--", "python", "-c", code)
    assert out == "['daskfleet_images', 'daskfleet_images.node', 'daskfleet_images.node.metrics']\n"
