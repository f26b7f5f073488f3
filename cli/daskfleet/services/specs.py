"""Which spec a person means."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import NAME, list_fleet_names
from daskfleet.providers import find_provider
from daskfleet.services.names import DEFAULT_FLEET
from daskfleet_stacks.spec import FleetSpec, LocalFleetSpec, parse_fleet_yaml


def find_spec(target: str | None) -> FleetSpec:
    """The spec that `up` is given: a file, the name of a fleet that exists, or nothing for the fleet `local`.

    Raises:
        SpecError: the file is no valid spec.
        FleetError: there is neither such a file nor such a fleet.
    """
    names = list_fleet_names()
    if target is None:
        return find_provider(DEFAULT_FLEET).read_spec(DEFAULT_FLEET) if _is_readable(names) else build_default_spec()
    path = Path(target)
    if _is_there(path, Path.is_file):
        try:
            return parse_fleet_yaml(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise FleetError(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise FleetError(f"{path} is no text file in UTF-8.") from None
    if target in names:
        return find_provider(target).read_spec(target)
    raise FleetError(_describe_missing(target, names))


def _is_readable(names: list[str]) -> bool:
    """Whether the default fleet has a spec to mend it by; where it does not, `up` starts it afresh."""
    if DEFAULT_FLEET not in names:
        return False
    try:
        find_provider(DEFAULT_FLEET).read_spec(DEFAULT_FLEET)
    except FleetError:
        return False
    return True


def build_default_spec() -> FleetSpec:
    """A fleet on this machine that fills it."""
    return LocalFleetSpec(name=DEFAULT_FLEET)


def _is_there(path: Path, kind: Callable[[Path], bool]) -> bool:
    try:
        return kind(path)
    except (OSError, ValueError):  # No path at all: too long, or with a zero byte.
        return False


def _describe_missing(target: str, names: list[str]) -> str:
    if _is_there(Path(target), Path.is_dir):
        return f"{target} is a folder; give the fleet file in it."
    text = f"there is no file {target}"
    if NAME.fullmatch(target):
        text += f", and no fleet named '{target}'"
    files = [path.name for path in Path().glob("*.y*ml")]
    near = difflib.get_close_matches(target, [*files, *names], n=1)
    if near:
        return f"{text}. Did you mean {near[0]}?"
    return f"{text}. `daskfleet init` writes a file to begin with."
