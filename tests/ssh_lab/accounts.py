"""Who there is on a place: the files under /etc that say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True)
class Account:
    """A person who is not root, and whose group has the same name and number."""

    name: str
    uid: int
    shell: str = "/bin/bash"

    @property
    def home(self) -> Path:
        """As seen on the place."""
        return Path("/home") / self.name


def write_accounts(folder: Path, account: Account) -> None:
    """Write `passwd`, `group` and `shadow` of a place with one account beside those that programs need."""
    name, uid = account.name, account.uid
    passwd = (
        "root:x:0:0:root:/root:/bin/bash",
        "sshd:x:74:65534::/run/sshd:/usr/sbin/nologin",
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
        f"{name}:x:{uid}:{uid}:{name}:{account.home}:{account.shell}",
    )
    groups = "root:x:0:", "tty:x:5:", "nogroup:x:65534:", f"{name}:x:{uid}:"
    # No password, which differs from a locked account: that one sshd lets in with no key either.
    shadow = [f"{each}:*:20000:0:99999:7:::" for each in ("root", "sshd", "nobody", name)]
    for file, lines in (("passwd", passwd), ("group", groups), ("shadow", shadow)):
        (folder / file).write_text("".join(f"{line}\n" for line in lines))
    (folder / "shadow").chmod(0o600)


def make_key(file: Path) -> str:
    """Write a private key for OpenSSH; returns the public one's line."""
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
