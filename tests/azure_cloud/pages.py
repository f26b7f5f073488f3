"""Bodies as they are read, and lists in pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from azure_cloud.errors import AzureError, bad_content
from google_cloud.errors import ApiError
from google_cloud.exchange import Request
from google_cloud.paging import cut_page

if TYPE_CHECKING:
    from azure_cloud.arm import Call

TAGS = re.compile(r"tagName eq '((?:[^']|'')*)'(?: and tagValue eq '((?:[^']|'')*)')?", re.IGNORECASE)
EQUALS = re.compile(r"(\w+) eq '((?:[^']|'')*)'", re.IGNORECASE)


def read_json(request: Request) -> dict[str, Any]:
    """The body of a request.

    Raises:
        AzureError: it is no object of JSON.
    """
    if not request.body.strip():
        return {}
    try:
        value = json.loads(request.body)
    except ValueError as error:
        raise bad_content(str(error)) from None
    if not isinstance(value, dict):
        raise bad_content("it is no object")
    return value


def render(call: Call, items: Sequence[Any], tell: Callable[[Any], dict[str, Any]] | None = None) -> dict[str, Any]:
    """The page of a list that is asked for.

    Args:
        tell: makes of an item what is told of it.
    """
    query = {name: value for name, value in call.request.query.items() if name.lower() != "$skiptoken"}
    asked = [call.request.path, query]
    try:
        size = min(int(query.get("$top") or call.cloud.pace.page), call.cloud.pace.page)
        page, token = cut_page(items, size, call.query.get("$skiptoken"), asked)
    except (ApiError, ValueError):
        raise AzureError(400, "InvalidSkipToken", "The skip token is invalid.") from None
    told = page if tell is None else [tell(each) for each in page]
    if token is None:
        return {"value": told}
    return {"value": told, "nextLink": f"{call.base}{call.request.path}?{urlencode({**query, '$skiptoken': token})}"}


def match_filter(text: str, item: dict[str, Any]) -> bool:
    """Whether a resource is one that a list's filter wants: by one tag, or by type, name, location or group."""
    if not text:
        return True
    found = TAGS.fullmatch(text.strip())
    if found is not None:
        name, value = (None if each is None else each.replace("''", "'") for each in found.groups())
        tags = {key.lower(): item_value for key, item_value in (item.get("tags") or {}).items()}
        assert name is not None
        return name.lower() in tags and value in (None, tags[name.lower()])
    for part in re.split(r"\s+and\s+", text.strip()):
        parsed = EQUALS.fullmatch(part)
        field = FIELDS.get(parsed[1].lower()) if parsed is not None else None
        if parsed is None or field is None:
            raise AzureError(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        if field(item).lower() != parsed[2].replace("''", "'").lower():
            return False
    return True


FIELDS = {
    "resourcetype": lambda item: str(item["type"]),
    "name": lambda item: str(item["name"]),
    "location": lambda item: str(item.get("location", "")),
    "resourcegroup": lambda item: item["id"].split("/")[4],
}
