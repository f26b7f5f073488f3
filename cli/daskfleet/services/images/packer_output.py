"""What packer prints, for a person and for a program. Pure."""

from __future__ import annotations

import re

LAST_LINES = 20

_STEP = re.compile(r"^==> (?:[\w.-]+\.)?daskfleet: (?P<text>.+)$")
_SMALL = (
    *("Trying ", "Retrieving ISO", "Found port for", "Looking for available port", "Overriding default Qemu"),
    *("Connecting to VM via VNC", "Typing the boot command", "Using ssh communicator", "Pausing "),
)
"""Steps that tell a person nothing; they are in the log."""
_PATH = re.compile(r"(?:/[^\s/:]+)+/([^\s/:]+)")
_ARTIFACT = re.compile(r"^--> (?:[\w.-]+\.)?daskfleet: (?P<text>.+)$")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|[^\S\n]*\r")
"""What only a terminal understands."""
_AMI = re.compile(r"\bami-[0-9a-f]+\b")

HINTS = (
    ("Could not access KVM", "This machine has no KVM that works: say --accelerator tcg."),
    ("failed to initialize kvm", "This machine has no KVM that works: say --accelerator tcg."),
    (
        "Missing plugins",
        "Install packer's plugins: `packer init` on the folder that it names, with the network that it needs.",
    ),
    ("NoCredentialProviders", "Give AWS credentials, as for `aws`: AWS_PROFILE, or AWS_ACCESS_KEY_ID and its kin."),
    (
        "no valid credential sources",
        "Give AWS credentials, as for `aws`: AWS_PROFILE, or AWS_ACCESS_KEY_ID and its kin.",
    ),
    ("AuthFailure", "AWS does not take these credentials; look at AWS_PROFILE and the key in it."),
    (
        "UnauthorizedOperation",
        "This identity may not do that: a build runs a machine, makes a key and an image, and removes them.",
    ),
    ("could not find default credentials", "Give Google's credentials: `gcloud auth application-default login`."),
    ("No space left on device", "Make room, or set DASKFLEET_HOME to another disk."),
    (
        "Timeout waiting for SSH",
        "The machine did not come up: is the base image one with cloud-init and sshd, of this architecture?",
    ),
)


def parse_step(line: str) -> str | None:
    """The step that a line of packer's output begins, in a few words; `None` where it begins none."""
    match = _STEP.match(line.rstrip())
    if match is None or match["text"].startswith(_SMALL) or " => " in match["text"]:
        return None
    text = _PATH.sub(r"\1", match["text"]).strip().rstrip(".")
    return text if len(text) <= 100 else f"{text[:99]}…"


def parse_artifacts(output: str) -> list[str]:
    """What packer says that it has built, a line each."""
    lines = output.splitlines()
    first = next((index for index, line in enumerate(lines) if _ARTIFACT.match(line)), None)
    if first is None:
        return []
    return [
        match["text"] if (match := _ARTIFACT.match(line)) else line.strip() for line in lines[first:] if line.strip()
    ]


def find_image_id(provider: str, artifacts: list[str]) -> str | None:
    """The cloud's own name of the image, where packer tells it in a form that is known."""
    text = "\n".join(artifacts)
    if provider == "aws":
        match = _AMI.search(text)
    elif provider == "gcp":
        match = re.search(r"disk image was created(?: in the '[^']*' project)?: (\S+)", text)
    else:
        match = re.search(
            r"(?:ManagedImageId|SharedImageGalleryImageVersion\w*|ManagedImageSharedImageGalleryId): (\S+)", text
        )
    return (match[1] if match.groups() else match[0]) if match else None


def explain_failure(output: str, log: str, console: str = "") -> str:
    """The error for a person: the last lines, what to do where that is known, and where everything is.

    Args:
        output: what packer printed.
        log: where all of it is.
        console: what the machine itself wrote on its console, where that is known.
    """
    remedy = "".join(f"\n{hint}" for hint in dict.fromkeys(hint for mark, hint in HINTS if mark in output))
    machine = f"\nThe machine's console ends with:\n{_last_lines(_ESCAPES.sub('', console))}" if console.strip() else ""
    return (
        f"packer could not build the image; it ends with:\n{_last_lines(output)}{machine}{remedy}\n"
        f"Everything that it said is in {log}"
    )


def _last_lines(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or "  (it said nothing)"
