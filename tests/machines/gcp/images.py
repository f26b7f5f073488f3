"""Images of a project, with labels as their build gives them."""

from __future__ import annotations

from collections.abc import Mapping

from google_client import GoogleClient

ARCHITECTURES = {"x86_64": "X86_64", "arm64": "ARM64", "aarch64": "ARM64"}


def register_image(
    client: GoogleClient, project: str, name: str, facts: Mapping[str, str], arch: str = "x86_64"
) -> str:
    """Make an image; returns its path, `projects/…/global/images/NAME`."""
    body = {
        "name": name,
        "architecture": ARCHITECTURES[arch],
        "labels": render_labels(facts),
        "rawDisk": {"source": f"https://storage.googleapis.com/{project}-images/{name}.tar.gz"},
        **({"family": facts["family"]} if "family" in facts else {}),
    }
    client.change("POST", f"/compute/v1/projects/{project}/global/images", body)
    return f"projects/{project}/global/images/{name}"


def render_labels(facts: Mapping[str, str]) -> dict[str, str]:
    """Labels take no dots; see daskfleet.pkr.hcl."""
    return {f"daskfleet-{key}": value.replace(".", "-") for key, value in facts.items()}
