"""From conda's `environment.yml` to requirements of the same names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from daskfleet.errors import FleetError
from daskfleet.services.images.requirements import IMAGE_PYTHON

RENAMED = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "tensorflow-gpu": "tensorflow",
}
"""Packages that have another name among Python's packages. They are refused with that name to write."""

_NOT_PYTHON = """
binutils blas bzip2 c-compiler ca-certificates clang clangxx cmake compilers cuda cuda-toolkit cuda-version
cudatoolkit cudnn curl cxx-compiler eccodes expat ffmpeg fftw fortran-compiler freetype gcc gdal geos gettext
gfortran git glib graphviz gxx hdf5 icu imagemagick java-jdk jpeg julia krb5 lapack ld_impl_linux-64 libblas libcurl
libffi libgcc libgcc-ng libgdal libgomp libgomp1 liblapack libnetcdf libopenblas libpng libspatialindex libsqlite
libstdcxx libstdcxx-ng libtiff libuuid libxml2 libzlib llvm make mkl mpich nccl ncurses netcdf-c nodejs openblas
openjdk openmpi openssl perl pkg-config proj r readline rust samtools sqlite tk ucx wget xz yaml zlib zstd
"""
NOT_PYTHON = frozenset(_NOT_PYTHON.split())
"""What conda has and Python's packages have not; some of these names belong to somebody else there."""

_IGNORED = frozenset({"pip", "setuptools", "wheel"})
_SPEC = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)\s*(?P<version>[=<>!~ ].*)?")


@dataclass(frozen=True)
class CondaEnvironment:
    """What an `environment.yml` asks for, as requirements."""

    requirements: tuple[str, ...]
    channels: tuple[str, ...]


def convert_environment(data: Any, source: str) -> CondaEnvironment:
    """The requirements that an `environment.yml` amounts to, by the names that conda has for them.

    Raises:
        FleetError: what has no counterpart, everything at once, each with the remedy.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("dependencies"), list):
        raise FleetError(f"{source} is no conda environment: it has no list `dependencies`; add it.")
    requirements: list[str] = []
    problems: list[str] = []
    if data.get("variables"):
        problems.append("variables: an image sets no environment variables; leave them out")
    for index, item in enumerate(data["dependencies"]):
        path = f"dependencies[{index}]"
        try:
            if isinstance(item, Mapping):
                requirements += _convert_pip(item, path, problems)
            elif isinstance(item, str):
                requirements += _convert_spec(item)
            else:
                problems.append(f"{path}: {item!r}: this is no package; write its name as text")
        except _NoCounterpart as reason:
            problems.append(f"{path}: '{item}': {reason}")
    if problems:
        told = "\n".join(f"  {problem}" for problem in problems)
        raise FleetError(f"{source} cannot become the environment of an image:\n{told}")
    channels = data.get("channels") or []
    return CondaEnvironment(tuple(requirements), tuple(str(each) for each in channels))


class _NoCounterpart(Exception):
    """Why a package of conda's cannot be had from Python's packages, and what to do."""


def _convert_pip(item: Mapping[Any, Any], path: str, problems: list[str]) -> list[str]:
    if item.keys() != {"pip"} or not isinstance(item["pip"], list):
        raise _NoCounterpart("only a list under `pip:` can stand here; write it so")
    requirements = []
    for index, text in enumerate(item["pip"]):
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:
            requirement = None
        if requirement is None or requirement.url:
            problems.append(
                f"{path}.pip[{index}]: '{text}': only packages with a name and versions can go into an image; publish "
                "it to "
                "an index, or leave it out"
            )
        else:
            requirements.append(str(text))
    return requirements


def _convert_spec(spec: str) -> list[str]:
    """`name`, `name=1.2`, `name==1.2.3`, `name>=1.2,<2`, `name=1.2=build`: at most one requirement."""
    if "::" in spec:
        raise _NoCounterpart(
            "it comes from a channel of its own; if Python's packages have it too, name it under `pip:`, else leave it "
            "out"
        )
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise _NoCounterpart("this form is not known here; write name=version, or name it under `pip:`")
    name, version = match["name"].lower(), _convert_version((match["version"] or "").strip())
    if name == "python":
        _check_python(version)
        return []
    if name in _IGNORED:
        return []
    if name in RENAMED:
        raise _NoCounterpart(f"among Python's packages it is called '{RENAMED[name]}'; name that under `pip:` instead")
    if name in NOT_PYTHON or name.startswith(("r-", "_", "bioconductor-", "perl-", "cuda-", "xorg-")):
        raise _NoCounterpart(
            "this is no Python package; leave it out, as wheels bring the libraries that they need. If the file is "
            "written by "
            "`conda env export`, write it with `--from-history`"
        )
    try:
        return [str(Requirement(f"{name}{version}"))]
    except InvalidRequirement:
        raise _NoCounterpart("this form of a version is not known here; write name=version or name>=version") from None


def _convert_version(text: str) -> str:
    """A version as pip has it: conda's `=1.2` means `==1.2.*`, and a third part names a build."""
    if not text or text == "*":
        return ""
    if re.match(r"[<>!~]", text) or text.startswith("=="):
        return text.replace(" ", "")
    parts = text.removeprefix("=").strip().replace(" ", "=").split("=")
    number = parts[0]
    if number in ("", "*"):
        return ""
    exact = number.endswith(".*") or len(parts) > 1
    return f"=={number}" if exact else f"=={number}.*"


def _check_python(version: str) -> None:
    if not allows_image_python(version):
        raise _NoCounterpart(
            f"images have Python {IMAGE_PYTHON}, Debian 12's; say python={IMAGE_PYTHON} or leave it out"
        )


def allows_image_python(specifier: str) -> bool:
    """Whether a specifier such as `>=3.10,<3.13` allows the image's Python, of whichever patch release."""
    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier:
        return False
    return any(allowed.contains(f"{IMAGE_PYTHON}.{patch}") for patch in range(100))
