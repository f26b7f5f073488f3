"""The functions: looking up what exists already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stand_ins.azure.call import GRAPH, Call
from stand_ins.azure.catalog import FUNCTIONS as ENTRIES
from stand_ins.azure.catalog import Entry
from stand_ins.azure.credentials import read_claims
from stand_ins.azure.models import find_model
from stand_ins.azure.resource import PREFIX, fill
from stand_ins.core.errors import Refused
from stand_ins.core.schema import load_schema

Given = Mapping[str, Any]


def get_client_config(call: Call, given: Given) -> dict[str, Any]:
    """Who the provider is, as its token says."""
    identity = call.settings.identity
    claims = read_claims(identity.token(GRAPH))
    if not claims.get("oid"):
        raise Refused("getting client config: the access token has no `oid` claim, and the stand-in asks no Graph")
    return {
        "clientId": str(claims.get("appid") or identity.client),
        "objectId": str(claims["oid"]),
        "subscriptionId": call.settings.subscription,
        "tenantId": str(claims.get("tid") or identity.tenant),
    }


def make_getter(entry: Entry) -> Callable[[Call, Given], dict[str, Any]]:
    """The function that reads what `entry` has the path of."""

    def get(call: Call, given: Given) -> dict[str, Any]:
        schema = load_schema("azure").functions[f"{PREFIX}{entry.token}"]
        version = str(schema.raw["version"])
        query = {"$expand": str(given["expand"])} if given.get("expand") else {}
        answer = call.send("GET", fill(entry, call, given), version, query=query).body
        found = find_model(entry.module, entry.answer).from_arm(answer)
        return {**{name: found[name] for name in schema.outputs if name in found}, "azureApiVersion": version}

    return get


FUNCTIONS = {
    f"{PREFIX}authorization:getClientConfig": get_client_config,
    **{f"{PREFIX}{entry.token}": make_getter(entry) for entry in ENTRIES},
}
