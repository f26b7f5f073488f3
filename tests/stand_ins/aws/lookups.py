"""How functions look things up in EC2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stand_ins.aws.call import is_gone
from stand_ins.core.errors import Refused

Given = Mapping[str, Any]


def narrow(given: Given, **named: str) -> list[dict[str, Any]]:
    """EC2's filters for the arguments in `named`, `filters` and `tags`."""
    filters = [
        {"Name": filter_, "Values": [str(given[name]).lower() if isinstance(given[name], bool) else given[name]]}
        for name, filter_ in named.items()
        if given.get(name) is not None
    ]
    filters += [{"Name": item["name"], "Values": item["values"]} for item in given.get("filters") or ()]
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (given.get("tags") or {}).items()]
    return filters


def describe(operation: Any, key: str, filters: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """All that match; nothing where what an id names does not exist."""
    parameters = {**more, **({"Filters": filters} if filters else {})}
    try:
        if operation.__self__.can_paginate(operation.__name__):
            pages = operation.__self__.get_paginator(operation.__name__).paginate(**parameters)
            return [item for page in pages for item in page[key]]
        return list(operation(**parameters)[key])
    except Exception as error:
        if is_gone(error):
            return []
        raise


def only(label: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one that matches."""
    if not found:
        raise Refused(f"no matching {label} found")
    if len(found) > 1:
        raise Refused(f"multiple {label}s matched; use additional constraints to reduce matches to a single {label}")
    return found[0]
