"""What a worker group may be, whatever the cloud. Pure."""

import pulumi

SPOTS = ("never", "only", "fallback")
PLACEMENTS = ("zones", "cluster")
MOST_INSTANCES = 10_000
DEFAULT_VOLUME_GIB = 50
SCHEDULER_VOLUME_GIB = 20


def check_choice(name: str, key: str, value: str, choices: tuple[str, ...]) -> str:
    """Make sure that a value is one of those there are.

    Raises:
        pulumi.RunError: it is none.
    """
    if value not in choices:
        raise pulumi.RunError(f"{name}: {key}: {value!r} is none; give one of {', '.join(choices)}.")
    return value
