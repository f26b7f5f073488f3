"""Addresses of a region."""

from __future__ import annotations

from collections.abc import Iterator

from google_cloud.compute import address_space
from google_cloud.compute.collection import Body, Call, Collection, refer
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.store import Record, shorten
from google_cloud.errors import in_use, invalid, required


class Addresses(Collection):
    name, model, scope, word = "addresses", "Address", "regions", "address"
    has_labels = True

    def prepare(self, call: Call, body: Body) -> Body:
        kind = body.get("addressType", "EXTERNAL")
        usual = {"addressType": kind, "status": "RESERVED", "networkTier": "PREMIUM"}
        if kind == "EXTERNAL":
            for field in ("subnetwork", "network", "purpose", "address"):
                if body.get(field):
                    raise invalid(f"resource.{field}", body[field], "Must not be specified for an EXTERNAL address.")
            return {**usual, **body, "address": address_space.take_external(call.engine)}
        return {**usual, "purpose": "GCE_ENDPOINT", **body, **self._prepare_internal(call, body)}

    def _prepare_internal(self, call: Call, body: Body) -> Body:
        if not body.get("subnetwork"):
            raise required("resource.subnetwork")
        subnet = refer(call, body["subnetwork"], "subnetworks", "resource.subnetwork")
        if subnet.place != call.place:
            raise invalid("resource.subnetwork", body["subnetwork"], "It must be of the region of the address.")
        if not body.get("address"):
            return {"subnetwork": subnet.link, "address": address_space.take_lowest(call.engine, subnet)}
        address = address_space.check_inside(body["address"], subnet, "resource.address")
        if address in address_space.list_internal(call.engine, subnet):
            raise address_space.in_use(address)
        return {"subnetwork": subnet.link, "address": address}

    def render(self, engine: Engine, record: Record) -> Body:
        users = [each.link for each in list_users(engine, record)]
        return {**record.body, "status": "IN_USE", "users": users} if users else record.body

    def list_used(self, record: Record) -> Iterator[str]:
        if "subnetwork" in record.body:
            yield record.body["subnetwork"]

    def check_deletion(self, call: Call, record: Record) -> None:
        for each in list_users(call.engine, record):
            raise in_use(self.word, record.path, each.path)


def list_users(engine: Engine, address: Record) -> Iterator[Record]:
    """Instances that have an address."""
    wanted, subnet = address.body["address"], address.body.get("subnetwork")
    for instance in engine.store.select("instances", address.project):
        for interface in instance.body["networkInterfaces"]:
            public = [each.get("natIP") for each in interface.get("accessConfigs") or []]
            if subnet is None and wanted in public:
                yield instance
            own = (interface["networkIP"], shorten(interface["subnetwork"]))
            if subnet is not None and own == (wanted, shorten(subnet)):
                yield instance
