"""Where daskfleet keeps its files, and how it writes them: private, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from daskfleet.errors import FleetError

NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class FleetPaths:
    """The files of one fleet, all below one private folder."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "fleet.json"

    @property
    def connection(self) -> Path:
        return self.root / "connection.json"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def runtime(self) -> Path:
        """A link to the fleet's folder for what is to be on a local disk."""
        return self.root / "runtime"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def supervisor_config(self) -> Path:
        return self.root / "supervisord.conf"

    def document(self, node: str) -> Path:
        return self.nodes / f"{node}.json"

    def marks(self, node: str) -> Path:
        return self.nodes / f"{node}.marks.jsonl"

    def log(self, node: str) -> Path:
        return self.logs / f"{node}.log"


def find_home() -> Path:
    """`$DASKFLEET_HOME`, or the platform's folder for a user's data.

    Raises:
        FleetError: neither is known.
    """
    given = os.environ.get("DASKFLEET_HOME")
    if given:
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError:
            raise FleetError(f"DASKFLEET_HOME is {given!r}, and there is no such home directory.") from None
    try:
        home = Path(platformdirs.user_data_dir("daskfleet", appauthor=False))
    except RuntimeError:
        home = Path()
    if not home.is_absolute():
        raise FleetError(
            "there is no home directory to keep the fleet's files in: HOME is not set and this user has none. "
            "Set DASKFLEET_HOME to a folder that you can write to."
        )
    return home


def fleet_paths(name: str) -> FleetPaths:
    """The files of the fleet called `name`.

    Raises:
        FleetError: the name is not a fleet's; so nothing outside the folder of fleets can be meant.
    """
    check_fleet_name(name)
    return FleetPaths(find_home() / "fleets" / name)


def check_fleet_name(name: str) -> None:
    """Refuse a word that cannot be the name of a fleet."""
    if not NAME.fullmatch(name):
        shown = name if len(name) <= 40 else f"{name[:39]}…"
        raise FleetError(
            f"{shown!r} is no name of a fleet: a name has 1 to 40 lower-case letters a to z, digits and hyphens, "
            "begins with a letter and does not end with a hyphen. `daskfleet list` shows the fleets."
        )


def list_fleet_names() -> list[str]:
    """The names of the fleets that have files here, sorted."""
    folder = find_home() / "fleets"
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FleetError(
            f"{folder} cannot be read: {error.strerror}. Mend that, or set DASKFLEET_HOME to another folder."
        ) from None
    return sorted(entry.name for entry in entries if NAME.fullmatch(entry.name) and entry.is_dir())


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it, that only this user can read.

    Raises:
        FleetError: it cannot be made, or belongs to somebody else.
    """
    with explain_os_errors(path):
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(exist_ok=True, mode=0o700)
        path.mkdir(exist_ok=True, mode=0o700)
        status = path.lstat()
        if status.st_uid != os.getuid() or path.is_symlink():
            raise FleetError(f"{path} belongs to another user or is a link; remove it, or set DASKFLEET_HOME.")
        if status.st_mode & 0o077:
            path.chmod(0o700)


def write_private_file(path: Path, text: str) -> None:
    """Write `text` to `path` so that at every moment the file is there whole, old or new, and only this user's.

    Raises:
        FleetError: it cannot be written; the old file is untouched.
    """
    with explain_os_errors(path):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write below `path` into what a person can do about it."""
    try:
        yield
    except OSError as error:
        raise FleetError(
            f"{path} cannot be written: {error.strerror}. Make room or mend its permissions, or set DASKFLEET_HOME to "
            "another folder."
        ) from error
