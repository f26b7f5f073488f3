"""Which subscription is meant where none is named."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daskfleet.errors import FleetError


def choose_subscription(found: list[Mapping[str, Any]], default: str) -> str:
    """The one that is meant where none is named. Pure.

    Raises:
        FleetError: it may be any of several, or there is none.
    """
    usable = {str(each["subscriptionId"]): each for each in found if each.get("state", "Enabled") == "Enabled"}
    if default in usable:
        return default
    if len(usable) == 1:
        return next(iter(usable))
    how = "give it, by `subscription:`, ARM_SUBSCRIPTION_ID or `az account set`"
    if not usable:
        raise FleetError(f"your credentials are for no subscription that can be used; {how}.")
    told = ", ".join(f"{key} ({each.get('displayName')})" for key, each in sorted(usable.items()))
    raise FleetError(f"nothing says which subscription: {how}. There are: {told}.")


def read_default_subscription() -> str:
    """The one that `az account set` has chosen; empty where nobody has."""
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    try:
        data = json.loads((folder / "azureProfile.json").read_text(encoding="utf-8-sig"))
        return next((str(each["id"]) for each in data["subscriptions"] if each.get("isDefault")), "")
    except (OSError, ValueError, KeyError, TypeError):
        return ""
