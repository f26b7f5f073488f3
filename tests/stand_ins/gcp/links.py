"""Google's names of things: whole links, paths from the project on, and last words."""

from __future__ import annotations

import re


def shorten(link: str) -> str:
    """The path of a link from its project on; what is no link stays."""
    return re.sub(r"^(?:https?://[^/]+)?/?(?:compute/)?(?:v1/)?(?=projects/)", "", link)


def last(link: str) -> str:
    """What a link ends with: the name."""
    return link.rstrip("/").rpartition("/")[2]


def same_thing(old: str, new: str) -> bool:
    """Whether a link and what a program gave, a link or a name only, mean the same."""
    if "/" not in new or "/" not in old:
        return last(old) == last(new)
    short, long = sorted((shorten(old), shorten(new)), key=len)
    return short == long or long.endswith(f"/{short.lstrip('/')}")


def same_image(old: str, new: str) -> bool:
    """Whether an image is what a program asked for: that image, or one of that family as its name tells.

    The real provider, too, takes an image for one of a family when its name holds the family's.
    """
    if same_thing(old, new):
        return True
    wanted = shorten(new)
    family = last(wanted)
    owner = re.search(r"(?:^projects/)?([^/]+)/", wanted.removesuffix(family).removesuffix("family/"))
    if owner and owner[1] not in ("global", "images", "family") and f"projects/{owner[1]}/" not in old:
        return False
    return "/" in old and family in last(old) and (is_family(new) or "images/" not in wanted)


def is_family(image: str) -> bool:
    return "/images/family/" in image or image.startswith("family/")
