"""Names for resources whose program gives none, as `azure-native` makes them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

FLAG = "__createBeforeDelete"
"""Among the inputs of what has a random name: another one may exist before this one goes."""
RANDOM_DIGITS = 8


class Strategy(StrEnum):
    """How a name is made."""

    RANDOM = "random"
    COPY = "copy"
    UUID = "uuid"


def choose_strategy(path: str) -> Strategy:
    """By the path: role assignments have GUIDs, and what lies in another thing needs no name of its own."""
    if path.endswith("{roleAssignmentName}"):
        return Strategy.UUID
    _, provider, below = path.partition("/providers/")
    return Strategy.COPY if provider and below.count("{") > 1 else Strategy.RANDOM


def make_name(
    strategy: Strategy, prop: str, logical: str, seed: bytes, olds: Mapping[str, Any], proposed: str | None
) -> dict[str, Any]:
    """The name, and whether it is a random one, as inputs; a name from before is kept."""
    if (old := olds.get(prop)) is not None:
        return {prop: old, **({FLAG: True} if olds.get(FLAG) else {})}
    if proposed and strategy is not Strategy.UUID:
        return {prop: proposed, FLAG: True}
    source = random.Random(seed) if seed else random.SystemRandom()
    match strategy:
        case Strategy.COPY:
            return {prop: logical}
        case Strategy.UUID:
            return {prop: str(uuid.UUID(int=source.getrandbits(128))), FLAG: True}
        case Strategy.RANDOM:
            digits = "".join(source.choice("0123456789abcdef") for _ in range(RANDOM_DIGITS))
            return {prop: f"{logical}{digits}", FLAG: True}
