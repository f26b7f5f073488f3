"""From a lock, of whichever kind, to the hashed requirements of an image's environment."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import daskfleet_images
from daskfleet.errors import FleetError
from daskfleet.services.images.conda import allows_image_python, convert_environment
from daskfleet.services.images.requirements import (
    CLOUD_NEEDS,
    IMAGE_PYTHON,
    NODE_NEEDS,
    STORES,
    Entry,
    choose_entries,
    find_flaws,
    find_missing,
    find_name,
    find_unfit,
    parse_requirements,
    render_requirements,
)
from daskfleet.services.images.uv import NoSolution, run_uv

DEFAULT_REQUIREMENTS = Path(daskfleet_images.__file__).parent / "environment" / "requirements.txt"
"""The environment of an image that was given no other."""

GPU_REQUIREMENTS = DEFAULT_REQUIREMENTS.with_name("requirements-gpu.txt")
"""The same with CUDA's runtime, CuPy and numba-cuda, of an image with GPUs that was given no other; for x86_64."""

FOREIGN_LOCKS = {
    "pyproject.toml": "lock it with `uv lock` and give uv.lock",
    "poetry.lock": "write it with `poetry export --output requirements.txt` and give that",
    "pdm.lock": "write it with `pdm export --output requirements.txt` and give that",
    "Pipfile.lock": "write it with `pipenv requirements --hash > requirements.txt` and give that",
    "conda-lock.yml": "give the environment.yml that it was made from",
    "pixi.lock": "write it with `pixi project export conda-environment` and give that",
}
"""Locks that cannot be read, and what to do with them."""

RunUv = Callable[[Sequence[str], Path, str], str]


@dataclass(frozen=True)
class Environment:
    """What an image's environment will hold."""

    text: str
    """Requirements, every one pinned and hashed, for Linux, the architecture and the image's Python."""
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    """What was added, left out or changed, as sentences for a person."""


@dataclass(frozen=True)
class _Context:
    """What every step knows."""

    source: str
    """The file, as a person knows it."""
    provider: str
    arch: str
    work: Path
    run: RunUv


def resolve_environment(
    file: Path | None, provider: str, arch: str, work: Path, run: RunUv = run_uv, *, gpu: bool = False
) -> Environment:
    """The environment that `file` describes: a `uv.lock`, a requirements file or conda's `environment.yml`.

    Args:
        file: `None` is the default environment.
        work: a folder for files on the way.
        run: runs uv.
        gpu: whether the default environment is the one with CUDA.

    Raises:
        FleetError: it cannot be read, asks for another Python, or cannot become an image's environment.
    """
    if file is None:
        text = _read(_find_default(arch, gpu=gpu))
        return Environment(text, parse_requirements(text).entries, ())
    context = _Context(str(file), provider, arch, work, run)
    kind = _find_kind(file)
    if kind == "uv":
        return _resolve_uv_lock(file, context)
    if kind == "conda":
        return _resolve_conda(file, context)
    text = _read(file)
    parsed = parse_requirements(text)
    if parsed.is_locked:
        return _complete(text, context)
    return _resolve(file.absolute(), {entry.name for entry in parsed.entries}, context)


def _find_default(arch: str, *, gpu: bool) -> Path:
    if gpu and arch != "x86_64":
        raise FleetError(
            f"environment: there is no default one with CUDA for {arch}, for which not all of its wheels are "
            "published; give the lock of your own with --environment."
        )
    return GPU_REQUIREMENTS if gpu else DEFAULT_REQUIREMENTS


def _find_kind(file: Path) -> str:
    if not file.exists():
        raise FleetError(f"environment: there is no file {file}.")
    if file.is_dir():
        raise FleetError(f"environment: {file} is a folder; give uv.lock, requirements.txt or environment.yml in it.")
    if file.name in FOREIGN_LOCKS:
        raise FleetError(f"environment: {file} cannot be read here; {FOREIGN_LOCKS[file.name]}.")
    if file.name == "uv.lock":
        return "uv"
    if file.suffix in (".yml", ".yaml"):
        return "conda"
    if file.suffix in (".txt", ".in"):
        return "requirements"
    raise FleetError(
        f"environment: {file} is of no kind that is known here; give a uv.lock, a requirements.txt or conda's "
        "environment.yml."
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FleetError(f"environment: {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise FleetError(f"environment: {file} is no text file in UTF-8.") from None


# The three kinds


def _resolve_uv_lock(file: Path, context: _Context) -> Environment:
    lock = _parse_toml(file)
    wanted = str(lock.get("requires-python", ""))
    if not allows_image_python(wanted):
        raise FleetError(
            f"environment: {file} is for Python {wanted}, and images have Python {IMAGE_PYTHON}, Debian 12's; allow it "
            "with "
            f'`requires-python = ">={IMAGE_PYTHON}"` in pyproject.toml and renew the lock with `uv lock`.'
        )
    project = file.absolute().parent
    arguments = ("export", "--frozen", "--format", "requirements-txt", "--no-dev", "--no-emit-workspace", "--no-header")
    text = context.run((*arguments, "--no-annotate", "--no-python-downloads", "--quiet"), project, context.source)
    own = [str(each["name"]) for each in lock.get("package", []) if _is_of_workspace(each)]
    notes = []
    if own:
        notes.append(
            f"left out: {', '.join(own)}, the project itself; the image holds what it depends on, without its group "
            "`dev`"
        )
    return _complete(text, context, tuple(notes))


def _parse_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError as error:
        raise FleetError(f"environment: {file} is no lock of uv's: {error}. Make it with `uv lock`.") from None


def _is_of_workspace(package: dict[str, Any]) -> bool:
    return bool({"virtual", "editable"} & package.get("source", {}).keys())


def _resolve_conda(file: Path, context: _Context) -> Environment:
    import yaml

    try:
        data = yaml.safe_load(_read(file))
    except yaml.YAMLError as error:
        raise FleetError(f"environment: {file} is not YAML: {error}.") from None
    converted = convert_environment(data, str(file))
    asked = context.work / "environment.in"
    asked.write_text("".join(f"{each}\n" for each in converted.requirements), encoding="utf-8")
    channels = f" (not from {', '.join(converted.channels)})" if converted.channels else ""
    notes = (f"conda's packages are taken from Python's packages of the same names{channels}",)
    return _resolve(asked, {find_name(each) for each in converted.requirements}, context, notes)


# What they have in common


def _complete(text: str, context: _Context, notes: tuple[str, ...] = ()) -> Environment:
    """Take what is locked as it is, and add what a node needs beside so that nothing locked changes."""
    parsed = parse_requirements(text)
    locked = choose_entries(parsed.entries, context.arch)
    _check_flaws(locked, context.source)
    needs = (*NODE_NEEDS, *CLOUD_NEEDS[context.provider])
    unfit = find_unfit(locked, needs)
    if unfit:
        raise FleetError(
            f"environment: {context.source} is too old for a node: {'; '.join(unfit)}. Raise them and lock again."
        )
    if parsed.options:
        words = ", ".join(sorted({option.split()[0].split("=")[0] for option in parsed.options}))
        notes = (*notes, f"left out: the options {words}; the build uses pip's own configuration")
    pins = context.work / "constraints.txt"
    pins.write_text("".join(f"{entry.name}=={entry.version}\n" for entry in locked), encoding="utf-8")
    missing = find_missing(locked, needs)
    try:
        compiled, left_out = _compile(missing, find_missing(locked, STORES), ("--constraints", str(pins)), context)
    except NoSolution as error:
        raise FleetError(
            f"{error}\nA node needs {', '.join(missing)}, which do not fit what is locked: add them to your own "
            "environment, "
            "so that versions are chosen that fit together, and lock it again."
        ) from None
    names = {entry.name for entry in locked}
    added = [entry for entry in compiled if entry.name not in names]
    as_it_is = not added and not parsed.options and all(entry.is_plain for entry in parsed.entries)
    notes = (*notes, *_describe(added, left_out))
    return _finish([*locked, *added], notes, context, text if as_it_is else None)


def _resolve(file: Path, named: set[str], context: _Context, notes: tuple[str, ...] = ()) -> Environment:
    """Pin and hash what `file` asks for, together with what a node needs."""
    needs = (*NODE_NEEDS, *CLOUD_NEEDS[context.provider])
    entries, left_out = _compile(needs, STORES, (str(file),), context)
    wanted = {find_name(need) for need in (*needs, *STORES)}
    added = [entry for entry in entries if entry.name in wanted - named]
    return _finish(entries, (*notes, *_describe(added, left_out)), context, None)


def _compile(
    needs: Sequence[str], wishes: Sequence[str], arguments: Sequence[str], context: _Context
) -> tuple[list[Entry], list[str]]:
    """Resolve `needs`, and as many of `wishes` as fit; returns also those that do not.

    Raises:
        NoSolution: the needs do not fit.
    """
    if not needs and not wishes:
        return [], []
    try:
        return _run_compile([*needs, *wishes], arguments, context), []
    except NoSolution:
        if not wishes:
            raise
    chosen, left_out = list(needs), []
    entries = _run_compile(chosen, arguments, context) if chosen else []
    for wish in wishes:
        try:
            entries = _run_compile([*chosen, wish], arguments, context)
            chosen.append(wish)
        except NoSolution:
            left_out.append(wish)
    return entries, left_out


def _run_compile(needs: Sequence[str], arguments: Sequence[str], context: _Context) -> list[Entry]:
    path = context.work / "node.in"
    path.write_text("".join(f"{need}\n" for need in needs), encoding="utf-8")
    platform = f"{context.arch}-manylinux_2_36"  # Debian 12's.
    command = ["pip", "compile", str(path), *arguments, "--python-version", IMAGE_PYTHON, "--python-platform", platform]
    command += ["--generate-hashes", "--only-binary", ":all:", "--no-emit-index-url", "--no-python-downloads"]
    command += ["--no-header", "--no-annotate", "--quiet"]
    text = context.run(command, Path.cwd(), context.source)
    return choose_entries(parse_requirements(text).entries, context.arch)


def _finish(entries: Sequence[Entry], notes: tuple[str, ...], context: _Context, text: str | None) -> Environment:
    _check_flaws(entries, context.source)
    return Environment(render_requirements(entries) if text is None else text, tuple(entries), notes)


def _check_flaws(entries: Sequence[Entry], source: str) -> None:
    flaws = find_flaws(entries)
    if flaws:
        told = "\n".join(f"  {flaw}" for flaw in flaws)
        raise FleetError(
            f"environment: {source} cannot become that of an image, which is made of published wheels alone:\n"
            f"{told}\nPublish what is your own to an index, or leave it out; then lock again."
        )


def _describe(added: Sequence[Entry], left_out: Sequence[str]) -> Iterator[str]:
    if added:
        known = {find_name(need) for needs in (NODE_NEEDS, *CLOUD_NEEDS.values(), STORES) for need in needs}
        named = [f"{each.name} {each.version}" for each in added if each.name in known]
        more = len(added) - len(named)
        yield f"added for the node: {', '.join(named)}{f', and {more} that these need' if more else ''}"
    if left_out:
        names = ", ".join(find_name(each) for each in left_out)
        yield f"left out: {names}, of which no version fits; to read such stores, add it to your own environment"
