"""From locks of three kinds to the hashed requirements of an image."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daskfleet.errors import FleetError
from daskfleet.services.images import uv
from daskfleet.services.images.conda import allows_image_python, convert_environment
from daskfleet.services.images.environment import (
    DEFAULT_REQUIREMENTS,
    GPU_REQUIREMENTS,
    Environment,
    resolve_environment,
)
from daskfleet.services.images.requirements import (
    CLOUD_NEEDS,
    NODE_NEEDS,
    STORES,
    choose_entries,
    find_flaws,
    find_missing,
    find_name,
    find_unfit,
    parse_requirements,
    render_requirements,
)
from daskfleet.services.images.uv import NoSolution, UvFailed, explain_failure, render_environment

ROOT = Path(__file__).parents[2]
HASH = f"--hash=sha256:{'0' * 64}"
NEEDED = {find_name(need): "2099.1.0" for need in (*NODE_NEEDS, *STORES, *CLOUD_NEEDS["aws"])}


def lock(**versions: str) -> str:
    """A locked requirements file."""
    return "".join(f"{name.replace('_', '-')}=={version} \\\n    {HASH}\n" for name, version in versions.items())


class FakeUv:
    """Resolves to the newest of everything, but refuses what does not fit."""

    def __init__(self, refuses: Sequence[str] = (), exports: str = "") -> None:
        self.refuses = refuses
        self.exports = exports
        self.calls: list[list[str]] = []
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str], folder: Path, source: str) -> str:
        self.calls.append(list(arguments))
        if arguments[0] == "export":
            return self.exports
        files = [
            word for word in arguments[2:] if word.endswith((".in", ".txt")) and not word.endswith("constraints.txt")
        ]
        self.asked = [line for file in files for line in Path(file).read_text().splitlines()]
        names = [find_name(line) for line in self.asked]
        if set(names) & set(self.refuses):
            raise NoSolution("no solution")
        return lock(**{name: NEEDED.get(name, "1.0") for name in dict.fromkeys([*names, "tornado"])})


def resolve(file: Path | None, run: Any, provider: str = "local", arch: str = "x86_64") -> Environment:
    work = Path("work")
    work.mkdir(exist_ok=True)
    return resolve_environment(file, provider, arch, work, run)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> Path:
    Path(name).write_text(text)
    return Path(name)


# Requirements files


def test_a_requirements_file_is_read_with_its_continued_lines_comments_and_options():
    parsed = parse_requirements(
        f"# head\n--index-url https://u:p@x/simple\nA_b[c]==1.0 ; sys_platform == 'linux' \\\n  {HASH} \\\n  {HASH}  # "
        "why\n"
        "\n./local\n-e .\nc @ https://x/c.whl\nd>=1\n"
    )
    assert parsed.options == ("--index-url https://u:p@x/simple",)
    assert [entry.name for entry in parsed.entries] == ["a-b", "", "", "c", "d"]
    assert len(parsed.entries[0].hashes) == 2
    assert parsed.entries[0].version == "1.0"
    assert not parsed.is_locked


def test_entries_are_chosen_by_their_markers_for_linux_and_the_images_python():
    text = (
        f"a==1 ; sys_platform == 'win32' {HASH}\nb==1 ; python_full_version < '3.12' {HASH}\n"
        f"c==1 ; python_version >= '3.12' {HASH}\nd==1 ; platform_machine == 'aarch64' {HASH}\ne==1 {HASH}\n"
    )
    entries = parse_requirements(text).entries
    assert [entry.name for entry in choose_entries(entries, "x86_64")] == ["b", "e"]
    assert [entry.name for entry in choose_entries(entries, "aarch64")] == ["b", "d", "e"]


def test_every_flaw_is_found_and_no_credential_is_told():
    text = f"./mine\na @ https://user:secret@x/a.whl {HASH}\nb>=1 {HASH}\nc==1.* {HASH}\nd==1\ne==1 {HASH}\n"
    flaws = find_flaws(parse_requirements(text).entries)
    assert len(flaws) == 5
    assert "secret" not in "".join(flaws)


def test_requirements_are_written_sorted_without_markers_and_extras_and_read_back():
    entries = parse_requirements(f"B==2 ; sys_platform == 'linux' {HASH}\na[y,x]==1 {HASH}\n").entries
    text = render_requirements(entries)
    assert text == f"a==1 \\\n    {HASH}\nb==2 \\\n    {HASH}\n"
    assert render_requirements(parse_requirements(text).entries) == text


def test_what_a_node_needs_is_what_daskfleet_requires_of_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {find_name(each): each for each in project["dependencies"]}
    for need in NODE_NEEDS:
        assert required[find_name(need)] == need


def test_needs_that_are_missing_or_too_old_are_found():
    entries = parse_requirements(lock(dask="2020.1", pydantic="2.11")).entries
    assert find_missing(entries, NODE_NEEDS) == [
        need for need in NODE_NEEDS if find_name(need) not in ("dask", "pydantic")
    ]
    assert find_unfit(entries, NODE_NEEDS) == ["dask is 2020.1, and a node needs dask>=2025.1"]


# The default environment


def test_the_default_environment_is_locked_for_both_architectures_and_holds_all_that_a_node_needs():
    environment = resolve(None, FakeUv())
    entries = parse_requirements(environment.text).entries
    needs = (*NODE_NEEDS, *STORES, *(need for needs in CLOUD_NEEDS.values() for need in needs))
    assert "://" not in environment.text
    assert find_flaws(entries) == find_missing(entries, needs) == find_unfit(entries, needs) == []
    assert not any(entry.requirement and entry.requirement.marker for entry in entries)
    asked = [line for line in DEFAULT_REQUIREMENTS.with_suffix(".in").read_text().splitlines() if line[:1].isalpha()]
    names = {entry.name for entry in entries}
    assert {find_name(line) for line in asked} <= names


def test_the_default_environment_has_the_versions_that_the_tests_run_with():
    ours = {entry.name: entry.version for entry in parse_requirements(DEFAULT_REQUIREMENTS.read_text()).entries}
    dev = choose_entries(parse_requirements((ROOT / "requirements/dev.txt").read_text()).entries, "x86_64")
    theirs = {entry.name: entry.version for entry in dev}
    differing = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
    assert differing <= {"boto3", "botocore", "s3transfer"}  # s3fs holds botocore at a version of its own.


def test_the_default_environment_with_gpus_is_the_other_and_cuda_for_the_driver_of_debian():
    plain, gpu = (resolve_environment(None, "aws", "x86_64", Path("work"), FakeUv(), gpu=gpu) for gpu in (False, True))
    assert gpu.text == GPU_REQUIREMENTS.read_text()
    assert "://" not in gpu.text
    assert find_flaws(gpu.entries) == []
    without, versions = ({entry.name: entry.version for entry in each.entries} for each in (plain, gpu))
    assert versions.items() >= without.items()
    added = {name: str(versions[name]) for name in versions.keys() - without.keys()}
    assert {"cupy-cuda12x", "numba-cuda", "nvidia-cuda-nvrtc-cu12", "nvidia-cublas-cu12"} <= added.keys()
    # Debian 12's driver is 535, CUDA 12.2's: it does not understand what later compilers write.
    compilers = ("cuda-toolkit", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-runtime-cu12")
    assert all(added[name].startswith("12.2.") for name in compilers)
    assert not [name for name in added if name.endswith(("-cu13", "13x"))]


def test_there_is_no_default_environment_with_gpus_for_arm():
    with pytest.raises(FleetError, match=r"no default one with CUDA for aarch64.*--environment"):
        resolve_environment(None, "aws", "aarch64", Path("work"), FakeUv(), gpu=True)


# A requirements.txt


def test_a_lock_that_holds_everything_is_used_as_it_is():
    text = "# mine\n" + lock(**NEEDED, xarray="1.0")
    run = FakeUv()
    environment = resolve(write("requirements.txt", text), run)
    assert environment.text == text
    assert environment.notes == ()
    assert run.calls == []


def test_what_a_node_needs_is_added_to_a_lock_and_nothing_in_it_changes():
    text = lock(dask="2025.3.0", distributed="2025.3.0", tornado="6.0", xarray="1.0")
    run = FakeUv()
    environment = resolve(write("requirements.txt", text), run)
    versions = {entry.name: entry.version for entry in parse_requirements(environment.text).entries}
    assert {"dask": "2025.3.0", "tornado": "6.0", "xarray": "1.0", "bokeh": "2099.1.0"}.items() <= versions.items()
    assert "dask" not in " ".join(run.asked)
    assert "tornado==6.0" in Path("work/constraints.txt").read_text()
    (note,) = environment.notes
    assert note.startswith("added for the node: ")
    assert "bokeh 2099.1.0" in note


def test_object_stores_that_do_not_fit_are_left_out_and_told():
    run = FakeUv(refuses=["s3fs"])
    environment = resolve(write("requirements.txt", lock(dask="2025.3.0")), run)
    names = {entry.name for entry in environment.entries}
    assert {"gcsfs", "adlfs", "bokeh"} <= names
    assert "s3fs" not in names
    assert any(note.startswith("left out: s3fs, of which no version fits") for note in environment.notes)


@pytest.mark.parametrize(
    ("provider", "need"), [("aws", "botocore"), ("gcp", "google-auth"), ("gcp", "requests"), ("azure", "adlfs")]
)
def test_what_a_provider_needs_must_fit(provider: str, need: str):
    file = write("requirements.txt", lock(dask="2025.3.0"))
    with pytest.raises(FleetError, match=rf"A node needs .*{need}.* do not fit what is locked: add them to your own"):
        resolve(file, FakeUv(refuses=[need]), provider)
    resolve(file, FakeUv(refuses=[need]), "local")


def test_a_lock_that_is_too_old_is_told():
    with pytest.raises(FleetError, match=r"pydantic is 1\.10, and a node needs pydantic>=2\.10"):
        resolve(write("requirements.txt", lock(pydantic="1.10")), FakeUv())


def test_options_of_a_lock_are_left_out_and_told_without_their_values():
    file = write("requirements.txt", "--index-url https://user:secret@x/simple\n" + lock(**NEEDED))
    environment = resolve(file, FakeUv())
    assert "secret" not in environment.text + "".join(environment.notes)
    assert environment.notes == ("left out: the options --index-url; the build uses pip's own configuration",)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_requirements_without_hashes_are_resolved_together_with_the_nodes_needs(arch: str):
    run = FakeUv()
    environment = resolve(write("requirements.txt", "dask\nxarray\n"), run, arch=arch)
    (call,) = run.calls
    assert call[call.index("--python-platform") + 1] == f"{arch}-manylinux_2_36"
    assert {"--generate-hashes", "--no-emit-index-url", "--only-binary"} <= set(call)
    assert {"xarray", "dask", "s3fs"} <= {entry.name for entry in environment.entries}
    assert "dask 2099" not in "".join(environment.notes)
    assert "bokeh 2099.1.0" in "".join(environment.notes)


# A uv.lock


UV_LOCK = """\
version = 1
requires-python = "{python}"

[[package]]
name = "mine"
version = "1"
source = {{ virtual = "." }}
"""


def test_a_uv_lock_is_exported_as_it_is_locked():
    run = FakeUv(exports=lock(**NEEDED) + f"pywin32==1 ; sys_platform == 'win32' \\\n    {HASH}\n")
    environment = resolve(write("uv.lock", UV_LOCK.format(python=">=3.11")), run)
    (call,) = run.calls
    assert {"--frozen", "--no-emit-workspace", "--no-dev"} <= set(call)
    assert "pywin32" not in environment.text
    assert environment.notes[0].startswith("left out: mine, the project itself")


@pytest.mark.parametrize("python", [">=3.12", "==3.10.*", "<3.11"])
def test_a_lock_for_another_python_is_refused(python: str):
    with pytest.raises(FleetError, match=r"images have Python 3\.11"):
        resolve(write("uv.lock", UV_LOCK.format(python=python)), FakeUv())


@pytest.mark.parametrize(("python", "fits"), [(">=3.11", True), (">=3.11.4", True), ("", True), ("x", False)])
def test_a_specifier_allows_the_images_python_or_not(python: str, fits: bool):
    assert allows_image_python(python) is fits


def test_packages_that_are_no_wheels_of_an_index_are_refused_by_name():
    run = FakeUv(exports=lock(**NEEDED) + "other @ git+https://x/other\n-e ./near\n")
    with pytest.raises(
        FleetError, match=r"(?s)other @ git.* is a place.*-e \./near is a place.*Publish what is your own"
    ):
        resolve(write("uv.lock", UV_LOCK.format(python=">=3.11")), run)


# conda's environment.yml


def convert(*dependencies: Any) -> list[str]:
    return list(convert_environment({"dependencies": list(dependencies)}, "environment.yml").requirements)


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.2", "numpy==1.2.*"),
        ("numpy=1.2.*", "numpy==1.2.*"),
        ("numpy==1.2.3", "numpy==1.2.3"),
        ("numpy=1.2.3=py311_0", "numpy==1.2.3"),
        ("numpy 1.2.*", "numpy==1.2.*"),
        ("numpy 1.2.3 py311_0", "numpy==1.2.3"),
        ("numpy>=1.2,<2", "numpy<2,>=1.2"),
        ("numpy >=1.2, <2", "numpy<2,>=1.2"),
        ("numpy~=1.2", "numpy~=1.2"),
        ("numpy=*", "numpy"),
        ("NumPy", "numpy"),
    ],
)
def test_a_package_of_conda_becomes_a_requirement(spec: str, requirement: str):
    assert convert(spec) == [requirement]


@pytest.mark.parametrize(
    "spec", ["python", "python=3.11", "python>=3.10", "python=3.11.7", "pip", "pip=24", "setuptools"]
)
def test_what_an_image_has_anyhow_is_no_requirement(spec: str):
    assert convert(spec) == []


def test_what_stands_under_pip_is_kept():
    assert convert("dask", "pip", {"pip": ["xarray>=2024", "zarr[jupyter]"]}) == [
        "dask",
        "xarray>=2024",
        "zarr[jupyter]",
    ]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("python=3.12", "images have Python 3.11"),
        ("gcc", "this is no Python package"),
        ("r-base", "this is no Python package"),
        ("_libgcc_mutex=0.1=main", "this is no Python package"),
        ("conda-forge::dask", "a channel of its own"),
        ("pytorch", "called 'torch'"),
        ("numpy=1.2|1.3", "form of a version"),
        ("numpy[version='>=1']", "this form is not known"),
        (3, "this is no package"),
        ({"pip": ["-e ."]}, "only packages with a name"),
        ({"pip": ["a @ git+https://x/a"]}, "only packages with a name"),
        ({"conda": []}, "only a list under `pip:`"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(spec: Any, reason: str):
    with pytest.raises(FleetError, match=rf"dependencies\[1\].*{re.escape(reason)}"):
        convert("dask", spec)


@pytest.mark.parametrize("data", [None, [], {}, {"dependencies": "dask"}])
def test_what_is_no_environment_is_told(data: Any):
    with pytest.raises(FleetError, match="is no conda environment"):
        convert_environment(data, "environment.yml")


def test_an_environment_of_conda_is_resolved_with_the_nodes_needs():
    text = "channels: [conda-forge]\ndependencies: [python=3.11, dask=2026.8, {pip: [xarray]}]\n"
    run = FakeUv()
    environment = resolve(write("environment.yml", text), run)
    assert {"dask==2026.8.*", "xarray"} <= set(run.asked)
    assert environment.notes[0].endswith("of the same names (not from conda-forge)")


# What is no lock


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.txt", "there is no file"),
        ("folder", "is a folder"),
        ("poetry.lock", "poetry export"),
        ("pyproject.toml", "uv lock"),
        ("data.csv", "is of no kind that is known"),
    ],
)
def test_a_file_of_another_kind_is_told_with_what_to_do(name: str, words: str):
    if name == "folder":
        Path(name).mkdir()
    elif not name.startswith("missing"):
        Path(name).touch()
    with pytest.raises(FleetError, match=words):
        resolve(Path(name), FakeUv())


@pytest.mark.parametrize("name", ["uv.lock", "requirements.txt", "environment.yml"])
def test_a_file_that_is_no_text_is_told(name: str):
    Path(name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FleetError, match="is no text file in UTF-8"):
        resolve(Path(name), FakeUv())


# uv itself


def test_uvs_failure_is_told_by_its_last_lines_without_credentials():
    output = (
        "\n".join(f"line {number}" for number in range(50)) + "\nerror sending request for https://u:secret@x/simple"
    )
    text = explain_failure(output, "uv.lock")
    assert "line 49" in text
    assert "line 3\n" not in text
    assert "secret" not in text
    assert "Look at the network" in text


def test_uv_is_given_pips_index_where_it_has_none_of_its_own():
    assert render_environment({"PIP_INDEX_URL": "https://x"})["UV_DEFAULT_INDEX"] == "https://x"
    assert "UV_DEFAULT_INDEX" not in render_environment({"PIP_INDEX_URL": "https://x", "UV_INDEX_URL": "https://y"})


def test_the_real_uv_exports_a_lock_and_tells_one_that_is_missing():
    project = Path("project")
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname='mine'\nversion='1'\nrequires-python='>=3.11'\n")
    with pytest.raises(UvFailed, match="Make it with `uv lock`"):
        uv.run_uv(["export", "--frozen", "--offline"], project, "uv.lock")
    uv.run_uv(["lock", "--offline", "--quiet"], project, "uv.lock")
    assert "mine" in (project / "uv.lock").read_text()
    run = FakeUv()

    def export_really(arguments: Sequence[str], folder: Path, source: str) -> str:
        return uv.run_uv(arguments, folder, source) if arguments[0] == "export" else run(arguments, folder, source)

    environment = resolve(project / "uv.lock", export_really)
    assert "bokeh" in {entry.name for entry in environment.entries}


def test_uv_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FleetError, match=r"pip install 'daskfleet\[image\]'"):
        uv.find_uv()
