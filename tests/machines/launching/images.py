"""What an image says of itself."""

from __future__ import annotations

from daskfleet_images.manifest import ImageManifest


def render_facts(manifest: ImageManifest) -> dict[str, str]:
    """The tags of an image as its build gives them, without `daskfleet:`; see daskfleet.pkr.hcl."""
    return {
        "family": manifest.family,
        "version": manifest.version,
        "arch": manifest.arch,
        "gpu": "true" if manifest.gpu else "false",
        "python": ".".join(manifest.python.split(".")[:2]),
        "dask": manifest.dask,
        "distributed": manifest.distributed,
        "cloudpickle": manifest.cloudpickle,
        "lock": manifest.lock_sha256[:16],
    }
