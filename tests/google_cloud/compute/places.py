"""What is there without anybody's doing: projects, regions, zones, types of machines, disks and accelerators."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from google_cloud.clock import render_compute_time
from google_cloud.compute import catalog
from google_cloud.compute.collection import Body, Call, Collection, choose_items, render_list, render_scopes
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.quotas import describe_quotas
from google_cloud.compute.store import BASE
from google_cloud.errors import not_found

CREATED = 1_500_000_000.0


class Given(Collection):
    """A collection that nobody adds to."""

    methods = frozenset({"list", "get"})
    is_aggregated = False

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        """All of a place, by name."""
        raise NotImplementedError

    def path(self, call: Call) -> str:
        return f"{call.base}/{self.name}"

    def list(self, call: Call) -> Body:
        items, token = choose_items(call, self, list(self.list_items(call.engine, call.project, call.place)))
        return render_list(f"{self.kind}List", call, self.path(call), items, token)

    def aggregated_list(self, call: Call) -> Body:
        scopes: Body = {}
        everything = [
            (scope, item)
            for scope in call.engine.list_scopes(self.scope)
            for item in self.list_items(call.engine, call.project, scope)
        ]
        places = {item["selfLink"]: scope for scope, item in everything}
        items, token = choose_items(call, self, [item for _, item in everything])
        for item in items:
            scopes.setdefault(places[item["selfLink"]], {self.name: []})[self.name].append(item)
        return render_scopes(f"{self.kind}AggregatedList", call, self, scopes, token)

    def get(self, call: Call) -> Body:
        for item in self.list_items(call.engine, call.project, call.place):
            if item["name"] == call.name:
                return item
        raise not_found(f"{self.path(call)}/{call.name}")


def describe(kind: str, path: str, **more: object) -> Body:
    """What is the same for all of them."""
    return {
        "kind": f"compute#{kind}",
        "id": str(1000 + zlib.crc32(path.encode())),
        "creationTimestamp": render_compute_time(CREATED),
        "name": path.rpartition("/")[2],
        **more,
        "selfLink": BASE + path,
    }


class Projects(Given):
    name, model, scope, word = "projects", "Project", "places", "project"

    def get(self, call: Call) -> Body:
        number = call.engine.projects.find(call.project).number
        quotas = [{"metric": "NETWORKS", "limit": 50, "usage": 0}]
        return describe(
            "project",
            f"projects/{call.project}",
            id=str(number),
            defaultServiceAccount=f"{number}-compute@developer.gserviceaccount.com",
            commonInstanceMetadata={"kind": "compute#metadata", "fingerprint": "xq1x9hcHnQE="},
            quotas=quotas,
            defaultNetworkTier="PREMIUM",
            xpnProjectStatus="UNSPECIFIED_XPN_PROJECT_STATUS",
        )


class Regions(Given):
    name, model, scope, word = "regions", "Region", "places", "region"

    def path(self, call: Call) -> str:
        return f"projects/{call.project}/regions"

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        for region in sorted(catalog.REGIONS):
            yield describe(
                "region",
                f"projects/{project}/regions/{region}",
                description=region,
                status="UP",
                zones=[f"{BASE}projects/{project}/zones/{zone}" for zone in catalog.zones_of(region)],
                quotas=describe_quotas(engine, project, region),
                supportsPzs=False,
            )


class Zones(Given):
    name, model, scope, word = "zones", "Zone", "places", "zone"

    def path(self, call: Call) -> str:
        return f"projects/{call.project}/zones"

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        for zone in sorted(catalog.list_zones()):
            yield describe(
                "zone",
                f"projects/{project}/zones/{zone}",
                description=zone,
                status="UP",
                region=f"{BASE}projects/{project}/regions/{zone.rpartition('-')[0]}",
                availableCpuPlatforms=["Intel Broadwell", "Intel Ice Lake", "Intel Skylake", "AMD Rome"],
                supportsPzs=False,
            )


class MachineTypes(Given):
    name, model, scope, word = "machineTypes", "MachineType", "zones", "machine type"
    is_aggregated = True

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        zone = place.rpartition("/")[2]
        for kind in sorted(catalog.MACHINE_TYPES.values(), key=lambda kind: kind.name):
            if kind.is_in(zone):
                yield describe_type(kind, project, zone)


def describe_type(kind: catalog.MachineType, project: str, zone: str) -> Body:
    cards: Body = {}
    if kind.accelerator:
        accelerator, count = kind.accelerator
        cards["accelerators"] = [{"guestAcceleratorType": accelerator.name, "guestAcceleratorCount": count}]
    return describe(
        "machineType",
        f"projects/{project}/zones/{zone}/machineTypes/{kind.name}",
        description=f"{kind.cpus} vCPUs {kind.memory_mb // 1024} GB RAM",
        guestCpus=kind.cpus,
        memoryMb=kind.memory_mb,
        imageSpaceGb=0,
        maximumPersistentDisks=128,
        maximumPersistentDisksSizeGb="263168",
        isSharedCpu=kind.is_shared,
        architecture=kind.family.architecture,
        zone=zone,
        **cards,
    )


class DiskTypes(Given):
    name, model, scope, word = "diskTypes", "DiskType", "zones", "disk type"

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        for name in catalog.DISK_TYPES:
            yield describe(
                "diskType",
                f"projects/{project}/{place}/diskTypes/{name}",
                description=name,
                validDiskSize="10GB-65536GB",
                zone=f"{BASE}projects/{project}/{place}",
            )


class AcceleratorTypes(Given):
    name, model, scope, word = "acceleratorTypes", "AcceleratorType", "zones", "accelerator type"
    is_aggregated = True

    def list_items(self, engine: Engine, project: str, place: str) -> Iterator[Body]:
        for kind in sorted(catalog.ACCELERATORS, key=lambda kind: kind.name):
            if kind.is_in(place.rpartition("/")[2]):
                yield describe(
                    "acceleratorType",
                    f"projects/{project}/{place}/acceleratorTypes/{kind.name}",
                    description=kind.description,
                    maximumCardsPerInstance=kind.most,
                    zone=f"{BASE}projects/{project}/{place}",
                )
