"""From the node document's references to TLS material in files that only this node's user may read.

A further secret store joins with a class in `document.py`, whose `place` names the secret, and a function in `READERS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daskfleet_images.node.document import AwsSecret, AzureSecret, GcpSecret, Secret, TLSFiles
from daskfleet_images.node.errors import NodeDocumentError, NodeFailed, NotYet
from daskfleet_images.node.patience import keep_trying
from daskfleet_images.node.security import check_tls_files

CONTENT = 'its value must be JSON, {"ca": PEM, "cert": PEM, "key": PEM}'
PARTS = ("ca", "cert", "key")


@dataclass(frozen=True)
class TLSMaterial:
    """What a secret holds, PEM; it shows in no `repr`."""

    ca: str = field(repr=False)
    cert: str = field(repr=False)
    key: str = field(repr=False)


def read_aws_secret(source: AwsSecret) -> str:
    """The value of the secret.

    Raises:
        NotYet: it cannot be read now.
        NodeFailed: it can never be read here.
    """
    from daskfleet_images.node import aws  # Imports botocore, which only machines need.

    return aws.read_secret(source)


def read_gcp_secret(source: GcpSecret) -> str:
    """The value of the secret.

    Raises:
        NotYet: it cannot be read now.
        NodeFailed: it can never be read here.
    """
    try:
        from daskfleet_images.node import gcp  # Imports google-auth and requests, which only machines need.
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("google", "requests"):
            raise
        raise NodeFailed(
            f"{source.place} cannot be read: {error.name} is not installed; add google-auth[requests], or gcsfs which "
            "brings it, to the image"
        ) from None
    return gcp.read_secret(source)


def read_azure_secret(source: AzureSecret) -> str:
    """The value of the secret.

    Raises:
        NotYet: it cannot be read now.
        NodeFailed: it can never be read here.
    """
    try:
        from daskfleet_images.node import azure  # Imports requests, which only machines need.
    except ModuleNotFoundError as error:
        if error.name != "requests":
            raise
        raise NodeFailed(
            f"{source.place} cannot be read: requests is not installed; add it, or adlfs which brings it, to the image"
        ) from None
    return azure.read_secret(source)


READERS: dict[type[Secret], Callable[[Any], str]] = {
    AwsSecret: read_aws_secret,
    GcpSecret: read_gcp_secret,
    AzureSecret: read_azure_secret,
}
"""For each kind of secret, what reads its value."""


@contextmanager
def fetch_tls(source: TLSFiles | Secret, seconds: float) -> Iterator[TLSFiles]:
    """The TLS material in files that are there, readable and sound; what was fetched is removed at the end.

    A secret is tried for `seconds`: a machine may be up before its role, its secret and its network are.

    Raises:
        NodeDocumentError: a file that should be on the machine is missing or damaged.
        NodeFailed: the secret could not be read in time, or holds something else.
    """
    if isinstance(source, TLSFiles):
        check_tls_files(source)
        yield source
        return
    with _private_folder() as folder:
        yield keep_trying(lambda: _fetch(source, folder), f"no TLS material could be read from {source.place}", seconds)


def _fetch(source: Secret, folder: Path) -> TLSFiles:
    files = write_material(parse_secret(READERS[type(source)](source)), folder)
    try:
        check_tls_files(files)
    except NodeDocumentError as error:
        raise NotYet(str(error), CONTENT) from None
    return files


def parse_secret(text: str) -> TLSMaterial:
    """The TLS material in a secret's value. No message holds anything of it.

    Raises:
        NotYet: it is something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise NotYet("its value is no JSON", CONTENT) from None
    if not isinstance(value, dict):
        raise NotYet("its value is JSON, but no object", CONTENT)
    missing = [part for part in PARTS if part not in value]
    if missing:
        raise NotYet(f"its value lacks {', '.join(missing)}", CONTENT)
    wrong = [part for part in PARTS if not isinstance(value[part], str) or "-----BEGIN " not in value[part]]
    if wrong:
        raise NotYet(f"what its value has as {', '.join(wrong)} is no PEM text", CONTENT)
    return TLSMaterial(*(value[part] for part in PARTS))


def write_material(material: TLSMaterial, folder: Path) -> TLSFiles:
    """Write the material to `folder`, each file readable by this user only.

    Raises:
        NodeFailed: it cannot be written.
    """
    files = {part: folder / f"{part}.pem" for part in PARTS}
    try:
        for part, path in files.items():
            path.unlink(missing_ok=True)
            with open(path, "x", encoding="ascii", errors="replace", opener=_open_private) as file:
                file.write(getattr(material, part))
    except OSError as error:
        raise NodeFailed(
            f"the TLS material cannot be written to {folder}: {error.strerror}; give the machine room in memory"
        ) from None
    return TLSFiles(ca_file=files["ca"], cert=files["cert"], key=files["key"])


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """`tls` in the service's runtime directory, which is in memory, or a temporary folder; 0700, gone at the end.

    Raises:
        NodeFailed: it cannot be made.
    """
    import shutil
    import tempfile

    runtime = os.environ.get("RUNTIME_DIRECTORY")
    try:
        if runtime:
            folder = Path(runtime.partition(":")[0]) / "tls"
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        else:
            folder = Path(tempfile.mkdtemp(prefix="daskfleet-tls-"))
    except OSError as error:
        raise NodeFailed(f"no folder for the TLS material can be made: {error.filename}: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
