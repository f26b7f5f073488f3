"""Tags: those of the program, those of the provider, those of the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stand_ins.aws.call import Call


def spec(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter of a request that creates something of EC2's, with its tags from the start."""
    tags = given.get("tagsAll") or {}
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": to_list(tags)}]} if tags else {}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As most of AWS's requests want them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def of(answer: Mapping[str, Any], key: str = "Tags") -> dict[str, str]:
    """Of something that AWS described."""
    return from_list(answer.get(key) or ())


def from_list(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def update(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    tag: Callable[[dict[str, str]], object],
    untag: Callable[[list[str]], object],
) -> None:
    """Bring the cloud's tags from those of `old` to those of `new`, touching no others."""
    before, after = old.get("tagsAll") or {}, new.get("tagsAll") or {}
    if surplus := sorted(before.keys() - after.keys()):
        untag(surplus)
    if changed := {key: value for key, value in after.items() if before.get(key) != value}:
        tag(changed)


def update_ec2(call: Call, id_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """The same for everything that EC2 knows by an id."""
    update(
        old,
        new,
        lambda changed: call.ec2.create_tags(Resources=[id_], Tags=to_list(changed)),
        lambda surplus: call.ec2.delete_tags(Resources=[id_], Tags=[{"Key": key} for key in surplus]),
    )
