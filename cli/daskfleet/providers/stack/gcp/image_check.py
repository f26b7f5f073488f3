"""Whether there is an image for a fleet's machines that fits this client."""

from __future__ import annotations

from daskfleet.google import Google, Refused, explain_google_errors
from daskfleet.providers.stack.cloud import Check
from daskfleet.providers.stack.images import check_family, describe_differences, find_unfit
from daskfleet.services.images import gcp as images
from daskfleet.services.images.labels import VERSIONS
from daskfleet.services.images.model import Image
from daskfleet_stacks.spec.gcp import GcpImage
from daskfleet_stacks.versions import read_own_versions


def check_image(google: Google, image: GcpImage, arch: str, *, gpu: bool) -> Check:
    """Look for the image that machines of an architecture would boot."""
    name = f"image for {arch}{' with GPUs' if gpu else ''}"
    source = Google(image.project) if image.project else google
    if image.name is None:
        return check_family("gcp", lambda family: images.list_images(source, family), image.family, arch, name, gpu=gpu)
    with explain_google_errors():
        try:
            found = source.ask("compute", "GET", source.compute(f"global/images/{image.name}"))
        except Refused as error:
            if not error.is_missing:
                raise
            return Check(
                name,
                f"image.name: '{image.name}': project {source.project} has no such image; mend it, or leave it out",
            )
    held = images.describe(source.project, found)
    problem = find_problem(held, image.name, arch, gpu=gpu)
    told = describe_differences({key: getattr(held, key) for key in VERSIONS}, read_own_versions())
    return Check(name, problem, "" if problem else f"{image.name}{told}")


def find_problem(held: Image, image: str, arch: str, *, gpu: bool) -> str:
    """Why machines of an architecture cannot boot an image that somebody chose; empty where they can. Pure."""
    if held.problem:
        return f"image: {image} is damaged: {held.problem}; choose another"
    facts = {each: str(getattr(held, each)) for each in (*VERSIONS, "arch")} | {"gpu": str(held.gpu).lower()}
    return find_unfit(facts, image, arch, gpu=gpu, marks="labels", types="machine types")
