"""How the command line itself behaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from harness import CommandLine

ONE = "name: local\nprovider: local\nworkers: [{name: cpu, count: 1, threads: 1}]\n"
COMMANDS = ["up", "status", "scale", "logs", "list", "down", "connect", "run", "dashboard", "init", "schema", "image"]


def test_help_shows_every_command_in_its_section(cli: CommandLine):
    text = cli.ok("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text
    for section in ("A fleet's life:", "Using a fleet:", "The fleet file:", "Machine images:"):
        assert section in text
    assert text.strip() in cli.run().stderr  # Without arguments it helps too.


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: CommandLine, command: str):
    text = cli.ok(command, "--help")
    assert text.startswith(f"Usage: daskfleet {command}")
    assert len(text.splitlines()) > 5


def test_a_misspelled_command_and_option_are_usage_errors(cli: CommandLine):
    for arguments in (["upp"], ["up", "--jsn"], ["scale", "local", "cpu", "-3"], ["scale", "local", "cpu", "many"]):
        done = cli.run(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_init_writes_a_file_that_up_takes_and_never_overwrites_one(cli: CommandLine):
    cli.ok("init", "mine.yaml", "--name", "mine")
    text = (cli.cwd / "mine.yaml").read_text()
    assert cli.run("init", "mine.yaml").returncode == 1
    assert (cli.cwd / "mine.yaml").read_text() == text
    cli.ok("init", "mine.yaml", "--name", "mine", "--force")
    cli.ok("up", "mine.yaml")
    assert cli.status("mine")["state"] == "running"


def test_init_refuses_what_it_cannot_write(cli: CommandLine):
    assert "no provider 'moon'" in cli.run("init", "--provider", "moon").stderr
    assert "no name of a fleet" in cli.run("init", "--name", "No Name").stderr
    assert "cannot be written" in cli.run("init", "no/such/folder.yaml").stderr
    assert list(cli.cwd.iterdir()) == []


def test_schema_is_a_json_schema(cli: CommandLine):
    import jsonschema

    schema = json.loads(cli.ok("schema"))
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_wrong_file_is_told_with_lines_and_changes_nothing(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    before = {process.pid for process in cli.processes()}
    done = cli.run("up", cli.write("name: local\nprovider: local\nworkers:\n  - {name: cpu, coutn: 1}\ntagz: {}\n"))
    assert done.returncode == 1
    assert "2 problems in fleet.yaml, nothing was changed" in done.stderr
    assert "fleet.yaml:4: workers[0].coutn: 1: there is no such key; did you mean 'count'?" in done.stderr
    assert "fleet.yaml:5: tagz" in done.stderr
    assert {process.pid for process in cli.processes()} == before


def test_a_file_that_is_not_there_is_told_with_what_is_near(cli: CommandLine):
    cli.write(ONE, "fleet.yaml")
    assert "Did you mean fleet.yaml?" in cli.run("up", "flet.yaml").stderr
    (cli.cwd / "folder").mkdir()
    assert "is a folder" in cli.run("up", "folder").stderr
    (cli.cwd / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    done = cli.run("up", "binary.yaml")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_json_is_json_and_nothing_else(cli: CommandLine):
    assert json.loads(cli.ok("up", cli.write(ONE), "--json"))["fleet"] == "local"
    for command in (["status", "--json"], ["connect", "--json"], ["list", "--json"]):
        json.loads(cli.ok(*command))


def test_output_into_a_closed_pipe_is_no_traceback(shared: CommandLine):
    done = subprocess.run(
        f"{sys.executable} -m daskfleet logs shared -n 100000 | head -n 1",
        shell=True,
        env=shared.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def spawn(cli: CommandLine, *arguments: str, columns: int = 100) -> pexpect.spawn:
    environment = {**cli.environment, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    return pexpect.spawn(
        sys.executable,
        ["-m", "daskfleet", *arguments],
        env=environment,
        cwd=str(cli.cwd),
        encoding="utf-8",
        dimensions=(40, columns),
        timeout=60,
    )


def test_progress_moves_on_a_terminal_and_is_gone_at_the_end(cli: CommandLine):
    terminal = spawn(cli, "up", cli.write(ONE))
    text = terminal.read()
    terminal.close()
    assert terminal.exitstatus == 0
    assert "\x1b[" in text
    assert "waiting for" in text
    assert "fleet 'local' is up" in text.splitlines()[-4]


def test_ctrl_c_on_a_terminal_leaves_nothing_behind(cli: CommandLine):
    terminal = spawn(cli, "up", cli.write(ONE))
    terminal.expect("waiting for")
    terminal.sendintr()
    text = terminal.read()
    terminal.close()
    assert terminal.exitstatus == 130
    assert "Traceback" not in text
    assert cli.processes() == []


@pytest.mark.parametrize("columns", [60, 120])
def test_watching_status_shows_it_again_until_ctrl_c(shared: CommandLine, columns: int):
    terminal = spawn(shared, "status", "shared", "--watch", columns=columns)
    terminal.expect("big-0")
    terminal.expect("big-0")
    terminal.sendintr()
    terminal.read()
    terminal.close()
    assert terminal.exitstatus == 0


def complete(cli: CommandLine, words: str) -> list[str]:
    """What bash would offer after `words`."""
    environment = {
        **cli.environment,
        "_DASKFLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    program = Path(sys.executable).parent / "daskfleet"
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.split()


def test_the_shell_completes_commands_fleets_groups_and_nodes(shared: CommandLine):
    assert complete(shared, "daskfleet sta") == ["status"]
    assert complete(shared, "daskfleet status sh") == ["shared"]
    assert complete(shared, "daskfleet scale shared ") == ["cpu", "big"]
    assert complete(shared, "daskfleet logs shared s") == ["scheduler"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_the_usual_shells(cli: CommandLine, shell: str):
    environment = {**cli.environment, "SHELL": f"/bin/{shell}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = cli.run("--show-completion", shell, env=environment)
    assert done.returncode == 0, done.stderr
    assert "daskfleet" in done.stdout


def test_no_colour_is_written_where_it_is_not_wanted(cli: CommandLine):
    assert "\x1b" not in cli.run("status", "nope").stderr
    environment = {**cli.environment, "NO_COLOR": "1", "TERM": "xterm"}
    terminal = pexpect.spawn(
        sys.executable, ["-m", "daskfleet", "status", "nope"], env=environment, encoding="utf-8", timeout=60
    )
    assert "\x1b" not in terminal.read()
