"""`daskfleet image …`, with a packer that records what it is asked for."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pexpect
import psutil
import pytest

from daskfleet.services.images.environment import DEFAULT_REQUIREMENTS, GPU_REQUIREMENTS
from daskfleet_images.manifest import parse_manifest
from daskfleet_stacks.versions import read_own_versions
from harness import CommandLine, await_true
from images import FakePacker, make_image, make_manifest

CLOUD_VARIABLES = ("AWS_", "GOOGLE_", "CLOUDSDK_", "ARM_", "AZURE_", "PACKER")


@pytest.fixture
def packer(tmp_path: Path) -> FakePacker:
    return FakePacker(tmp_path)


def surround(cli: CommandLine, packer: FakePacker, mode: str = "ok", **more: str) -> dict[str, str]:
    kept = {key: value for key, value in cli.environment.items() if not key.startswith(CLOUD_VARIABLES)}
    return packer.environment(kept, mode, **more)


def build_arguments(cli: CommandLine, *more: str) -> list[str]:
    (cli.cwd / "base.qcow2").write_bytes(b"QFI")
    return ["image", "build", "--provider", "local", "--arch", "x86_64", "--base", "base.qcow2", *more]


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def stored(cli: CommandLine) -> list[str]:
    folder = cli.home / "images"
    return sorted(str(path.relative_to(folder)) for path in folder.glob("[!.]*/*"))


# Help


@pytest.mark.parametrize("command", ["build", "list", "show", "delete"])
def test_every_image_command_has_help(cli: CommandLine, command: str):
    text = cli.ok("image", command, "--help")
    assert text.startswith(f"Usage: daskfleet image {command}")
    assert cli.run("image").stderr.count("\n") > 10  # Without a command it helps too.


def test_image_commands_are_there_as_dask_fleet_image_too(cli: CommandLine):
    done = cli.python(
        "import sys; from dask.__main__ import main; sys.argv = ['dask', 'fleet', 'image', 'list']; main()"
    )
    assert done.stdout.startswith("no images; `daskfleet image build --provider local` makes one"), done.stderr


# Building on this machine


def test_a_build_is_kept_and_told(cli: CommandLine, packer: FakePacker):
    done = cli.run(*build_arguments(cli), env=surround(cli, packer))
    assert done.returncode == 0, done.stderr
    (name,) = stored(cli)
    family, version = name.split("/")
    assert family == "daskfleet"
    assert f"built {name} for local" in done.stdout
    assert f"image show {name}" in done.stdout
    assert "Starting VM, booting disk image" in done.stderr
    assert "85 packages" not in done.stderr  # Only its steps are told; the rest is in the log.
    log = cli.home / "images/.logs" / f"{family}-{version}.log"
    assert str(log) in done.stdout
    assert "85 packages" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert list((cli.home / "images/.partial").glob("*")) == []
    folder = cli.home / "images" / name
    assert {path.name for path in folder.iterdir()} == {"image.qcow2", "image.json", "boot.txt"}
    assert parse_manifest((folder / "image.json").read_bytes()).version == version


def test_packer_is_given_everything_and_no_secret(cli: CommandLine, packer: FakePacker):
    environment = surround(cli, packer, AWS_SECRET_ACCESS_KEY="very-secret")
    text = cli.ok(*build_arguments(cli, "--accelerator", "tcg", "--gpu", "--json"), env=environment)
    (call,) = packer.calls
    assert call["arguments"][:3] == ["build", "-color=false", "-only=qemu.daskfleet"]
    assert call["arguments"][-1].endswith("daskfleet_images/packer/daskfleet.pkr.hcl")
    variables = call["variables"]
    assert variables["family"] == "daskfleet-gpu"
    assert (variables["arch"], variables["gpu"], variables["accelerator"]) == ("x86_64", "true", "tcg")
    assert variables["base_image"] == str(cli.cwd / "base.qcow2")
    assert variables["python"] == sys.executable
    assert call["requirements"] == GPU_REQUIREMENTS.read_text()
    assert {"id", "id.pub", "meta-data", "user-data"} <= set(call["seed"])
    assert "very-secret" not in packer.record.read_text()
    told = json.loads(text)
    assert (told["family"], told["version"]) == ("daskfleet-gpu", variables["version"])
    assert told["id"] == str(cli.home / "images/daskfleet-gpu" / variables["version"])
    assert told["image"]["dask"] == read_own_versions().dask


def test_a_current_packer_gets_the_folder_after_its_plugins(cli: CommandLine, packer: FakePacker):
    cli.ok(*build_arguments(cli), env=surround(cli, packer, FAKE_PACKER_VERSION="Packer v1.15.0"))
    init, build = packer.calls
    folder = init["arguments"][-1]
    assert init["arguments"] == ["init", folder]
    assert build["arguments"][-1] == folder
    assert Path(folder).name == "packer"


def test_two_builds_in_one_minute_are_two_versions(cli: CommandLine, packer: FakePacker):
    environment = surround(cli, packer)
    cli.ok(*build_arguments(cli), env=environment)
    cli.ok(*build_arguments(cli), env=environment)
    assert len(stored(cli)) == 2


def test_a_failed_build_ends_with_packers_last_lines_and_what_to_do(cli: CommandLine, packer: FakePacker):
    done = cli.run(*build_arguments(cli), env=surround(cli, packer, "fail"))
    assert done.returncode == 1
    assert "Script exited with non-zero exit status: 1" in done.stderr
    assert "say --accelerator tcg" in done.stderr
    assert "Traceback" not in done.stderr
    log = done.stderr.rsplit("is in ", 1)[1].strip()
    assert "85 packages" in Path(log).read_text()
    assert stored(cli) == []
    assert list((cli.home / "images/.partial").glob("*")) == []


def test_an_image_that_is_not_whole_is_not_kept(cli: CommandLine, packer: FakePacker):
    done = cli.run(*build_arguments(cli), env=surround(cli, packer, "partial"))
    assert done.returncode == 1
    assert "image.json cannot be read" in done.stderr
    assert stored(cli) == []


def test_an_old_or_foreign_or_missing_packer_is_told_with_the_way_to_get_one(cli: CommandLine, packer: FakePacker):
    for version, words in (("Packer v1.5.6", "packer 1.5.6"), ("CrackLib 2.9", "is not HashiCorp's packer")):
        done = cli.run(*build_arguments(cli), env=surround(cli, packer, FAKE_PACKER_VERSION=version))
        assert done.returncode == 1
        assert words in done.stderr
        assert "BUSL" in done.stderr
    done = cli.run(*build_arguments(cli, "--packer", "/no/such/packer"), env=surround(cli, packer))
    assert "--packer: there is no program /no/such/packer" in done.stderr
    done = cli.run(*build_arguments(cli), env=surround(cli, packer, PATH=str(cli.cwd)))
    assert "packer builds the image, and is not on PATH" in done.stderr
    assert packer.calls == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_waits_until_packer_has_cleaned_up(
    cli: CommandLine, packer: FakePacker, signum: signal.Signals
):
    process = cli.start(*build_arguments(cli), env=surround(cli, packer, "hang"))
    machines = cli.home / "images/.partial"
    await_true(lambda: list(machines.glob("*/machine")), "packer's machine is there")
    process.send_signal(signum)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert packer.has_cleaned
    assert "waiting for packer to remove its temporary machine" in told
    assert "Traceback" not in told
    assert list(machines.glob("*")) == []
    assert stored(cli) == []


def test_ctrl_c_twice_on_a_terminal_still_waits_for_packer(cli: CommandLine, packer: FakePacker):
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "daskfleet", *build_arguments(cli)],
        env=surround(cli, packer, "hang", TERM="xterm", NO_COLOR="1"),
        cwd=str(cli.cwd),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect("Waiting for SSH")
    terminal.sendintr()
    terminal.expect("waiting for packer")
    terminal.sendintr()
    terminal.read()
    terminal.close()
    assert terminal.exitstatus == 130
    assert packer.has_cleaned


def test_a_build_that_is_killed_leaves_packer_its_folder_until_it_is_done(cli: CommandLine, packer: FakePacker):
    process = cli.start(*build_arguments(cli), env=surround(cli, packer, "hang"))
    partial = cli.home / "images/.partial"
    await_true(lambda: list(partial.glob("*/machine")), "packer's machine is there")
    process.kill()
    process.communicate(timeout=60)
    (call,) = packer.calls
    try:
        # Packer lives, so the next build leaves its folder alone.
        cli.ok(*build_arguments(cli), env=surround(cli, packer))
        assert len([path for path in partial.iterdir() if path.is_dir()]) == 1
    finally:
        os.killpg(call["pid"], signal.SIGINT)
    await_true(lambda: packer.has_cleaned, "packer has ended")
    await_true(lambda: has_ended(call["pid"]), "packer is gone")
    cli.ok(*build_arguments(cli), env=surround(cli, packer))
    assert [path for path in partial.iterdir() if path.is_dir()] == []


# Building in a cloud


def test_a_cloud_build_takes_its_settings_from_options_and_environment(cli: CommandLine, packer: FakePacker):
    environment = surround(cli, packer, AWS_REGION="eu-west-1")
    told = json.loads(cli.ok("image", "build", "--provider", "aws", "--family", "team", "--json", env=environment))
    assert (told["family"], told["id"]) == ("team", "ami-0123456789abcdef0")
    assert told["image"]["dask"] == read_own_versions().dask
    assert stored(cli) == []
    (call,) = packer.calls
    assert call["variables"]["aws_region"] == "eu-west-1"
    assert call["arguments"][2] == "-only=amazon-ebs.daskfleet"
    assert "seed" not in call["variables"]


def test_an_architecture_that_is_not_built_here_is_refused(cli: CommandLine, packer: FakePacker):
    done = cli.run(*build_arguments(cli, "--arch", "aarch64"), env=surround(cli, packer))
    assert done.returncode == 1
    assert "--arch: 'aarch64': on this machine images are built for x86_64 only" in done.stderr


def test_settings_that_are_missing_or_of_another_provider_are_told_all_at_once(cli: CommandLine, packer: FakePacker):
    done = cli.run("image", "build", "--provider", "gcp", "--region", "x", "--base", "y", env=surround(cli, packer))
    assert done.returncode == 1
    for words in (
        "--region: 'x': this is for aws, and the provider is gcp",
        "--base: 'y': this is for local, and the provider is gcp",
        "--project: gcp needs it, and nothing says it; give it or $GOOGLE_CLOUD_PROJECT",
        "--zone: gcp needs it",
    ):
        assert words in done.stderr
    assert packer.calls == []


# Environments


def test_a_lock_that_cannot_be_an_images_is_told_before_packer_runs(cli: CommandLine, packer: FakePacker):
    lock = cli.write("dependencies: [python=3.12, gcc, dask]\n", "environment.yml")
    done = cli.run(*build_arguments(cli, "--environment", lock), env=surround(cli, packer))
    assert done.returncode == 1
    assert "dependencies[0]: 'python=3.12': images have Python 3.11" in done.stderr
    assert "dependencies[1]: 'gcc': this is no Python package" in done.stderr
    assert packer.calls == []


def test_a_lock_with_other_versions_than_the_clients_is_told(cli: CommandLine, packer: FakePacker):
    text = DEFAULT_REQUIREMENTS.read_text().replace(f"dask=={read_own_versions().dask} ", "dask==2025.1.0 ")
    lock = cli.write(text, "requirements.txt")
    done = cli.run(*build_arguments(cli, "--environment", lock), env=surround(cli, packer))
    assert f"the image will hold dask 2025.1.0 (here {read_own_versions().dask})" in done.stderr
    assert packer.calls[0]["requirements"] == text  # A lock that has all is used as it is.


# Listing, showing, deleting


def test_images_are_listed_with_the_default_marked(cli: CommandLine):
    make_image(cli.home, version="202601010000")
    make_image(cli.home, version="202602010000")
    make_image(cli.home, version="202603010000", dask="2020.1.0")
    make_image(cli.home, family="other", version="202601010000", gpu=True)
    lines = cli.ok("image", "list").splitlines()
    assert lines[0].split() == [
        *("FAMILY", "VERSION", "ARCH", "GPU", "PYTHON", "DASK", "DISTRIBUTED", "LOCK", "AGE", "SIZE", "ID")
    ]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["daskfleet", "202603010000", "x86_64"],
        ["daskfleet", "202602010000", "*"],
        ["daskfleet", "202601010000", "x86_64"],
        ["other", "202601010000", "*"],
    ]
    told = json.loads(cli.ok("image", "list", "--family", "daskfleet", "--json"))
    assert [each["default"] for each in told] == [False, True, False]


def test_a_damaged_image_is_listed_shown_and_deleted(cli: CommandLine):
    folder = make_image(cli.home, version="202601010000")
    (folder / "image.json").write_text("{")
    done = cli.run("image", "list")
    assert done.returncode == 0
    assert "202601010000  !" in done.stdout
    assert "daskfleet/202601010000: the image manifest is not valid" in done.stderr
    assert "damaged" in cli.ok("image", "show", "daskfleet")
    cli.ok("image", "delete", "daskfleet/202601010000", "--yes")
    assert not folder.parent.exists()


def test_show_tells_what_is_inside(cli: CommandLine):
    make_image(cli.home, version="202601010000")
    make_image(cli.home, version="202602010000", dask="2020.1.0")
    text = cli.ok("image", "show", "daskfleet", "--packages")
    assert "daskfleet/202601010000  (local, the default of its family)" in text
    assert "Debian GNU/Linux 12" in text
    assert "registered 20.5 s" in text
    assert f"  cloudpickle {read_own_versions().cloudpickle}" in text
    done = cli.run("image", "show", "daskfleet/202602010000")
    assert "this client does not fit it: dask is 2020.1.0 in it" in done.stderr
    told = json.loads(cli.ok("image", "show", "daskfleet", "--json"))
    assert told["packages"] == make_manifest().packages
    assert told["default"] is True


def test_an_image_that_is_not_there_is_told_with_what_is_near(cli: CommandLine):
    make_image(cli.home, version="202601010000")
    for name, words in (
        ("daskflet", "did you mean 'daskfleet'?"),
        ("daskfleet/202601010001", "of this family there is: 202601010000"),
        ("../x", "is no name of an image family"),
        ("daskfleet/latest", "twelve digits"),
    ):
        done = cli.run("image", "show", name)
        assert done.returncode == 1, name
        assert words in done.stderr
    assert "did you mean local?" in cli.run("image", "list", "--provider", "locl").stderr


def test_deleting_asks_on_a_terminal_and_needs_a_word_elsewhere(cli: CommandLine):
    folder = make_image(cli.home, version="202601010000")
    done = cli.run("image", "delete", "daskfleet/202601010000")
    assert done.returncode == 1
    assert "say --yes" in done.stderr
    assert "one version at a time" in cli.run("image", "delete", "daskfleet", "--yes").stderr
    for answer, code in (("n", 1), ("y", 0)):
        assert folder.exists()
        terminal = pexpect.spawn(
            sys.executable,
            ["-m", "daskfleet", "image", "delete", "daskfleet/202601010000"],
            env=cli.environment,
            encoding="utf-8",
            timeout=60,
        )
        terminal.expect("Delete daskfleet/202601010000")
        terminal.sendline(answer)
        terminal.read()
        terminal.close()
        assert terminal.exitstatus == code
    assert not folder.exists()


# Completion


def complete(cli: CommandLine, words: str) -> list[str]:
    environment = {
        **cli.environment,
        "_DASKFLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = "import sys; from daskfleet.commands.app import main; sys.argv = ['daskfleet']; main()"
    return cli.python(code, env=environment).stdout.split()


def test_the_shell_completes_families_and_versions(cli: CommandLine):
    make_image(cli.home, version="202601010000")
    make_image(cli.home, version="202602010000")
    make_image(cli.home, family="other", version="202601010000")
    assert complete(cli, "daskfleet image sh") == ["show"]
    assert complete(cli, "daskfleet image show ") == ["daskfleet", "other"]
    assert complete(cli, "daskfleet image show oth") == ["other/202601010000"]
    assert complete(cli, "daskfleet image delete daskfleet/") == ["daskfleet/202602010000", "daskfleet/202601010000"]
    assert complete(cli, "daskfleet image list --family o") == ["other"]
