"""Packer's command line, its output, and what a build on this machine needs beside it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from daskfleet.errors import FleetError
from daskfleet.progress import Quiet
from daskfleet.services.images import local_build, packer
from daskfleet.services.images.catalogue import load_cloud
from daskfleet.services.images.local_build import plan_accelerator
from daskfleet.services.images.logged import Program, run_logged
from daskfleet.services.images.packer_output import explain_failure, find_image_id, parse_artifacts, parse_step
from daskfleet.services.images.settings import PLACES, PROVIDERS, SETTINGS, choose_place, plan_variables

# Which packer


def test_packer_is_what_is_given_then_the_variable_then_the_path(tmp_path: Path):
    for name in ("given", "variable", "packer"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PACKER": str(tmp_path / "variable"), "PATH": str(tmp_path)}
    assert packer.find_packer(str(tmp_path / "given"), environment) == str(tmp_path / "given")
    assert packer.find_packer(None, environment) == str(tmp_path / "variable")
    assert packer.find_packer(None, {"PATH": str(tmp_path)}) == str(tmp_path / "packer")
    with pytest.raises(FleetError, match=r"\$PACKER: there is no program"):
        packer.find_packer(None, {"PACKER": "/no/such", "PATH": str(tmp_path)})
    with pytest.raises(FleetError, match="daskfleet ships none"):
        packer.find_packer(None, {"PATH": ""})


def test_a_program_that_is_no_packer_is_told(tmp_path: Path):
    program = tmp_path / "packer"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(FleetError, match=r"cannot be run|is not HashiCorp's packer"):
        packer.read_version(str(program))


@pytest.mark.parametrize(
    ("output", "version"), [("Packer v1.6.6\n", (1, 6, 6)), ("Packer v1.15.0-dev\nnews", (1, 15, 0))]
)
def test_the_version_is_read(output: str, version: tuple[int, int, int]):
    assert packer.parse_version("packer", output) == version


@pytest.mark.parametrize("output", ["", "Packer v1.6.5", "packer 1.9", "2.9.7"])
def test_an_old_or_foreign_packer_is_refused(output: str):
    with pytest.raises(FleetError):
        packer.parse_version("packer", output)


def test_an_old_packer_gets_the_file_and_a_current_one_the_folder():
    assert packer.render_target((1, 6, 6)).endswith("/packer/daskfleet.pkr.hcl")
    assert packer.render_target((1, 15, 0)).endswith("/packer")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_arguments_name_one_source_and_every_variable(provider: str):
    arguments = packer.render_arguments(provider, "/target", {"a": "1 2", "b": "x=y"})
    assert arguments == [
        "build",
        "-color=false",
        f"-only={packer.SOURCES[provider]}",
        *("-var", "a=1 2", "-var", "b=x=y"),
        "/target",
    ]


def test_packer_keeps_the_cache_that_a_person_has_chosen_and_looks_for_no_news():
    given = packer.render_environment({"PACKER_CACHE_DIR": "/mine", "AWS_PROFILE": "x"}, Path("/ours"))
    assert (given["PACKER_CACHE_DIR"], given["AWS_PROFILE"], given["CHECKPOINT_DISABLE"]) == ("/mine", "x", "1")
    assert packer.render_environment({}, Path("/ours"))["PACKER_CACHE_DIR"] == "/ours"


# Its output


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("==> qemu.daskfleet: Starting VM, booting disk image", "Starting VM, booting disk image"),
        ("==> daskfleet.qemu.daskfleet: Waiting for SSH to become available...", "Waiting for SSH to become available"),
        (
            "==> qemu.daskfleet: Provisioning with shell script: /a/b/provision/30-python",
            "Provisioning with shell script: 30-python",
        ),
        ("    qemu.daskfleet: some output", None),
        ("==> Wait completed after 2 minutes", None),
        ("==> qemu.daskfleet: Trying base.qcow2", None),
        ("==> qemu.daskfleet: base.qcow2 => base.qcow2", None),
        ("Build 'qemu.daskfleet' finished.", None),
        ("", None),
    ],
)
def test_a_line_that_begins_a_step_is_told(line: str, step: str | None):
    assert parse_step(line) == step


AWS_END = """\
Build 'daskfleet.amazon-ebs.daskfleet' finished after 5 minutes.

==> Builds finished. The artifacts of successful builds are:
--> daskfleet.amazon-ebs.daskfleet: AMIs were created:
eu-west-1: ami-0123456789abcdef0

"""


def test_what_was_built_is_read():
    assert parse_artifacts(AWS_END) == ["AMIs were created:", "eu-west-1: ami-0123456789abcdef0"]
    assert parse_artifacts("==> Builds finished but no artifacts were created.") == []


@pytest.mark.parametrize(
    ("provider", "lines", "expected"),
    [
        ("aws", ["AMIs were created:", "eu-west-1: ami-0123456789abcdef0"], "ami-0123456789abcdef0"),
        ("gcp", ["A disk image was created: daskfleet-202611240830"], "daskfleet-202611240830"),
        ("gcp", ["A disk image was created in the 'p' project: daskfleet-2"], "daskfleet-2"),
        ("azure", ["Azure.ResourceManagement.VMImage:", "ManagedImageId: /subscriptions/x"], "/subscriptions/x"),
        ("aws", ["nothing"], None),
        ("azure", [], None),
    ],
)
def test_the_clouds_own_name_is_found_or_not(provider: str, lines: list[str], expected: str | None):
    assert find_image_id(provider, lines) == expected


def test_a_failure_is_told_by_the_last_lines_the_remedy_and_the_log():
    output = (
        "".join(f"line {number}\n\n" for number in range(50)) + "NoCredentialProviders: no valid providers in chain\n"
    )
    text = explain_failure(output, "/the.log")
    assert "line 49" in text
    assert "line 29\n" not in text
    assert text.count("AWS_PROFILE") == 1
    assert text.endswith("/the.log")
    assert "console" not in text


def test_a_machine_that_did_not_come_up_is_told_by_its_console():
    console = "\x1b[2J\x1b[0mSeaBIOS\r\n" + "[  OK  ] Started\n" * 50 + "Kernel panic - not syncing: no root\r\n\n"
    text = explain_failure("==> qemu.daskfleet: Timeout waiting for SSH.\n", "/the.log", console)
    assert "The machine's console ends with:\n  [  OK  ] Started\n" in text
    assert "  Kernel panic - not syncing: no root\n" in text
    assert "SeaBIOS" not in text
    assert "\x1b" not in text
    assert "cloud-init and sshd" in text


# Settings


def test_settings_come_from_options_first_and_from_the_environment_else():
    environment = {"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}
    assert plan_variables("aws", {"region": "c"}, environment) == {"aws_region": "c"}
    assert plan_variables("aws", {"region": None}, environment) == {"aws_region": "a"}
    assert plan_variables("aws", {}, {"AWS_DEFAULT_REGION": "b"}) == {"aws_region": "b"}
    assert plan_variables("local", {"base": None}, environment) == {}


def test_every_setting_that_is_missing_is_told():
    with pytest.raises(FleetError) as caught:
        plan_variables("azure", {}, {})
    assert str(caught.value).count("azure needs it") == 3


def test_every_provider_is_built_and_is_listed():
    assert set(SETTINGS) == set(packer.SOURCES) == set(PROVIDERS)
    assert {*PLACES, "local"} == set(PROVIDERS)
    for provider in PLACES:
        assert {"connect", "list_images", "delete_images"} <= set(dir(load_cloud(provider)))


def test_where_images_are_is_said_by_an_option_or_by_the_environment():
    assert choose_place("gcp", {"project": "a"}, {"GOOGLE_CLOUD_PROJECT": "b"}) == "a"
    assert choose_place("gcp", {"project": None}, {"GOOGLE_CLOUD_PROJECT": "b"}) == "b"
    assert choose_place("azure", {}, {"AZURE_SUBSCRIPTION_ID": "c"}) == "c"
    assert choose_place("local", {"region": None}, {"AWS_REGION": "d"}) is None
    with pytest.raises(FleetError, match=r"--region: 'x': this is for aws, and the provider is local"):
        choose_place("local", {"region": "x"}, {})


# On this machine


@pytest.mark.parametrize(
    ("arch", "machine", "cpuinfo", "can_open", "accelerator"),
    [
        ("x86_64", "x86_64", "flags: fpu vmx sse", True, "kvm"),
        ("x86_64", "x86_64", "flags: fpu svm sse", True, "kvm"),
        ("x86_64", "x86_64", "flags: fpu sse", True, "tcg"),
        ("x86_64", "x86_64", "flags: vmx", False, "tcg"),
        ("aarch64", "x86_64", "flags: vmx", True, "tcg"),
        ("aarch64", "aarch64", "Features: fp", True, "kvm"),
    ],
)
def test_kvm_is_used_only_where_it_can_work(arch: str, machine: str, cpuinfo: str, can_open: bool, accelerator: str):
    assert plan_accelerator(arch, machine, cpuinfo, can_open) == accelerator


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def make_script(path: Path, text: str) -> Path:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    return path


def test_a_base_image_is_made_once_and_kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = tmp_path / "made"
    script = make_script(tmp_path / "debian", f'echo base >"$1"; echo made >>{made}')
    monkeypatch.setattr(local_build, "MAKE_BASE", script)
    log = tmp_path / "log"
    first = local_build.find_base(None, "x86_64", "x86_64", log, Quiet())
    assert local_build.find_base(None, "x86_64", "x86_64", log, Quiet()) == first
    assert first == home / "images/.base/debian-12-x86_64.qcow2"
    assert made.read_text() == "made\n"


def test_a_base_image_that_cannot_be_made_is_told_with_the_way_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = make_script(tmp_path / "debian", 'echo half >"$1"; echo "needs mmdebstrap" >&2; exit 1')
    monkeypatch.setattr(local_build, "MAKE_BASE", script)
    with pytest.raises(FleetError, match=r"(?s)needs mmdebstrap.*Or give one with --base"):
        local_build.find_base(None, "x86_64", "x86_64", tmp_path / "log", Quiet())
    assert list((home / "images/.base").iterdir()) == []
    with pytest.raises(FleetError, match="this build is for aarch64 on x86_64; give one with --base"):
        local_build.find_base(None, "aarch64", "x86_64", tmp_path / "log", Quiet())
    with pytest.raises(FleetError, match="--base: there is no file"):
        local_build.find_base(tmp_path / "missing", "x86_64", "x86_64", tmp_path / "log", Quiet())


def test_the_scripts_that_a_build_runs_are_there():
    assert local_build.MAKE_BASE.is_file()
    assert local_build.MAKE_SEED.is_file()


# Programs that take long


def test_an_interrupted_program_is_asked_to_end_and_waited_for(tmp_path: Path):
    cleaned = tmp_path / "cleaned"
    script = make_script(tmp_path / "script", f"trap 'touch {cleaned}; exit 1' TERM\necho ready\nsleep 60 & wait")
    waited = []

    def tell(line: str) -> None:
        if line == "ready":
            raise KeyboardInterrupt

    program = Program(["bash", str(script)], tmp_path / "log", interrupt=signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run_logged(program, tell, lambda: waited.append(True))
    assert cleaned.exists()
    assert waited == [True]


def test_what_a_program_says_is_told_line_by_line_and_added_to_the_log(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("before\n")
    lines: list[str] = []
    program = Program(["bash", "-c", "printf 'a\\nb'; exit 3"], log, interrupt=signal.SIGINT)
    assert run_logged(program, lines.append) == (3, "a\nb")
    assert lines == ["a", "b"]
    assert log.read_text() == "before\na\nb"
