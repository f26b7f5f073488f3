"""Find the Pulumi engine, and decide where its state is. Nothing here imports Pulumi."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import find_home, make_private_folder, write_private_file

BACKEND_URL, ACCESS_TOKEN = "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"
PASSPHRASE, PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"

INSTALL = "curl -fsSL https://get.pulumi.com | sh"


class EngineMissing(FleetError):
    """There is no Pulumi engine on this machine."""


@dataclass(frozen=True)
class Backend:
    """Where the stacks' state is, and the environment that leads the engine there."""

    url: str
    is_own: bool
    """Whether it is daskfleet's own, as nobody has chosen one."""
    environment: Mapping[str, str]


def find_engine() -> Path:
    """The `pulumi` executable: along PATH, or where Pulumi's own installer puts it.

    Raises:
        EngineMissing: there is none; with how to install it. It is not downloaded behind anybody's back.
    """
    found = shutil.which("pulumi")
    if found is not None:
        return Path(found).absolute()
    usual = Path("~/.pulumi/bin/pulumi").expanduser()
    if os.access(usual, os.X_OK):
        return usual
    raise EngineMissing(
        "fleets in a cloud are made by the Pulumi engine, and there is none: no `pulumi` along PATH, none in "
        f"~/.pulumi/bin. Install it with `{INSTALL}`, or as https://www.pulumi.com/docs/install says; it needs no "
        "account."
    )


def find_backend() -> Backend:
    """Where `PULUMI_BACKEND_URL` or `pulumi login` says; otherwise a folder of daskfleet's own, with a passphrase.

    Raises:
        FleetError: daskfleet's own folder cannot be made.
    """
    chosen = read_chosen_backend(os.environ)
    if chosen is not None:
        return Backend(chosen, False, {})
    folder = find_home() / "stacks"
    make_private_folder(folder)
    # Without files for metadata beside each file: an engine that is killed may leave an empty one, which none can read.
    url = f"{folder.as_uri()}?metadata=skip"
    environment = {BACKEND_URL: url}
    if PASSPHRASE not in os.environ and PASSPHRASE_FILE not in os.environ:
        environment[PASSPHRASE_FILE] = str(_make_passphrase(folder / "passphrase"))
    return Backend(url, True, environment)


def has_own_backend() -> bool:
    """Whether stacks may be in daskfleet's own folder."""
    return (find_home() / "stacks" / ".pulumi").is_dir()


def read_chosen_backend(environment: Mapping[str, str]) -> str | None:
    """The backend that the environment or an earlier `pulumi login` has chosen; `None` if nobody has."""
    if environment.get(BACKEND_URL):
        return environment[BACKEND_URL]
    home = Path(environment.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    folder = Path(environment.get("PULUMI_CREDENTIALS_PATH") or home).expanduser()
    try:
        current = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))["current"]
    except (OSError, ValueError, KeyError, TypeError):
        current = None
    if isinstance(current, str) and current:
        return current
    return "https://api.pulumi.com" if environment.get(ACCESS_TOKEN) else None


def _make_passphrase(path: Path) -> Path:
    """The file with the passphrase of daskfleet's own backend; made once, for what is encrypted needs it for ever."""
    if not path.exists():
        write_private_file(path, secrets.token_urlsafe(32))
    return path
