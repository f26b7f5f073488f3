"""Compute Engine as a whole: its things, and which method a request asks for."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

from google_cloud import models
from google_cloud.agenda import Agenda
from google_cloud.compute import catalog
from google_cloud.compute.collection import CHANGES, METHODS, Body, Call, Collection, judge_query, to_snake
from google_cloud.compute.group_control import control
from google_cloud.compute.operations import Operations
from google_cloud.compute.registry import COLLECTIONS
from google_cloud.compute.store import Record, Store, shorten
from google_cloud.errors import ApiError, invalid, no_such_method, not_found
from google_cloud.exchange import Answer, Request
from google_cloud.market import Market
from google_cloud.projects import Projects

PREFIX = "/compute/v1/projects/"
PATH = re.compile(
    r"(?P<project>[^/]+)(?:/(?P<place>global|aggregated|(?:regions|zones)/[^/]+)/(?P<collection>\w+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<verb>\w+))?)?)?"
)
PLACES = re.compile(r"(?P<project>[^/]+)/(?P<collection>regions|zones)(?:/(?P<name>[^/]+))?")
FAMILY = re.compile(r"(?P<project>[^/]+)/global/images/family/(?P<name>[^/]+)")
IN_PATH = ("project", "zone", "region", "resource", "operation", "family")


class Engine:
    """Compute Engine, in all projects."""

    def __init__(
        self,
        projects: Projects,
        agenda: Agenda,
        market: Market,
        has_account: Callable[[str], bool],
        describe_caller: Callable[[Request], str],
    ) -> None:
        self.now = 0.0
        self.projects = projects
        self.agenda = agenda
        self.market = market
        self.has_account = has_account
        """Whether there is a service account with this address."""
        self.describe_caller = describe_caller
        self.store = Store()
        self.consoles: dict[str, str] = {}
        """What serial ports have shown, by the path of the instance."""
        self.operations = Operations(agenda)
        self.collections = {(each.scope, each.name): each for each in COLLECTIONS}

    # Requests

    def route(self, request: Request) -> tuple[str, Callable[[], Answer]]:
        """The name of the method that a request asks for, and the method."""
        path = request.path.removeprefix(PREFIX)
        found = FAMILY.fullmatch(path)
        if found is not None:
            call = Call(self, request, "getFromFamily", found["project"], "global", found["name"])
            return self._bind(call, self.collections["global", "images"], request)
        found = PLACES.fullmatch(path)
        if found is not None:
            method = "get" if found["name"] else "list"
            call = Call(self, request, method, found["project"], "global", found["name"] or "")
            return self._bind(call, self.collections["places", found["collection"]], request)
        found = PATH.fullmatch(path)
        if found is None:
            raise no_such_method(request.method, request.path)
        if found["place"] is None:
            call = Call(self, request, "get", found["project"], "global", found["project"])
            return self._bind(call, self.collections["places", "projects"], request)
        return self._route_place(request, found)

    def _route_place(self, request: Request, found: re.Match[str]) -> tuple[str, Callable[[], Answer]]:
        scope, name = found["place"].partition("/")[0], found["name"] or ""
        if scope == "aggregated":
            collection = self._find_aggregated(found["collection"])
            if collection is None or name or request.method != "GET":
                raise no_such_method(request.method, request.path)
            call = Call(self, request, "aggregatedList", found["project"], "aggregated")
            return self._bind(call, collection, request)
        collection = self.collections.get((scope, found["collection"]))
        if collection is None:
            raise no_such_method(request.method, request.path)
        method = found["verb"] or CHANGES.get(request.method) or METHODS.get((request.method, bool(name)))
        if method is None:
            raise no_such_method(request.method, request.path)
        method = {"serialPort": "getSerialPortOutput"}.get(method, method)
        return self._bind(Call(self, request, method, found["project"], found["place"], name), collection, request)

    def _find_aggregated(self, name: str) -> Collection | None:
        scopes = ("zones", "regions", "global")
        kinds = (self.collections.get((scope, name)) for scope in scopes)
        return next((kind for kind in kinds if kind is not None and kind.is_aggregated), None)

    def _bind(self, call: Call, collection: Collection, request: Request) -> tuple[str, Callable[[], Answer]]:
        function = find_function(collection, call.method, request)
        method = collection.find_model(call.method)
        if method is None:
            raise no_such_method(request.method, request.path)
        name = f"compute.{collection.name}.{call.method}"
        return name, lambda: Answer(self._answer(call, collection, method, function))

    def _answer(
        self, call: Call, collection: Collection, method: models.Method, function: Callable[[Call], Body]
    ) -> Body:
        call.project = self._find_project(call.project)
        self._check_place(call)
        subject = collection.model[0].lower() + collection.model[1:]
        call.query = judge_query(call, method, (*IN_PATH, subject))
        if method.body is not None:
            call.body = models.judge(method.body, call.request.read_json(), find_where(collection, method.body))
        elif call.request.read_json():
            raise ApiError(400, f"Invalid JSON payload received. {call.method} takes no body.")
        if request_id := call.query.get("requestId"):
            try:
                uuid.UUID(request_id)
            except ValueError:
                raise invalid("requestId", request_id, "Must be a valid UUID.") from None
            if (known := self.operations.asked.get(request_id)) is not None:
                return known.render(self.now)
        return function(call)

    def _find_project(self, text: str) -> str:
        project = self.projects.find(text)
        if project is None:
            raise not_found(f"projects/{text}")
        return project.name

    def _check_place(self, call: Call) -> None:
        kind, _, name = call.place.partition("/")
        if kind in ("regions", "zones"):
            catalog.check_place(kind, name)

    # What all of it is asked

    def require(self, link: str) -> Record:
        """What a link leads to, which exists."""
        record = self.store.find(shorten(link))
        if record is None:
            raise not_found(shorten(link))
        return record

    def find_user(self, record: Record) -> str | None:
        """The path of something that cannot do without a thing."""
        for each in self.store:
            collection = self.collections.get((each.place.partition("/")[0], each.collection))
            if each is record or collection is None:
                continue
            if any(shorten(link) == record.path for link in collection.list_used(each)):
                return each.path
        return None

    def list_scopes(self, scope: str) -> Iterator[str]:
        """All places: `zones/europe-west1-b`."""
        if scope == "regions":
            yield from (f"regions/{region}" for region in catalog.REGIONS)
        elif scope == "zones":
            yield from (f"zones/{zone}" for zone in catalog.list_zones())
        else:
            yield scope

    def settle(self, now: float) -> None:
        """Go on to a moment: what is due happens, and groups come nearer to their size."""
        self.now = now
        self.agenda.run(now)
        for record in self.store.select("instanceGroupManagers"):
            control(self, record)


def find_function(collection: Collection, method: str, request: Request) -> Callable[[Call], Body]:
    """What a collection does for a method."""
    if method == "aggregatedList":
        return collection.aggregated_list
    if method in collection.methods or (method in CHANGES.values() and collection.patched):
        function: Callable[[Call], Body] = getattr(collection, to_snake(method))
        return function
    found = collection.find_action(method)
    if found is None or found.http_method != request.method:  # type: ignore[attr-defined]
        raise no_such_method(request.method, request.path)
    if method == "setLabels" and not collection.has_labels:
        raise no_such_method(request.method, request.path)
    return found  # type: ignore[return-value]


def find_where(collection: Collection, body: str) -> str:
    """How messages call the body: that of a method of its own is nameless."""
    return "resource" if body == collection.model else body[0].lower() + body[1:]
