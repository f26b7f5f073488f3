"""What all collections of Compute Engine have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from google_cloud import models
from google_cloud.clock import render_compute_time
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.operations import USUAL_SECONDS, Finish
from google_cloud.compute.store import BASE, Record, parse_reference, region_of
from google_cloud.errors import (
    ApiError,
    already_exists,
    condition_not_met,
    in_use,
    not_found,
    not_ready,
    required,
    unknown_query,
)
from google_cloud.exchange import STANDARD_QUERY, Request
from google_cloud.filters import compute_language, parse_filter
from google_cloud.paging import cut_page
from google_cloud.validation import check_labels, check_name, make_fingerprint, make_number

METHODS = {("GET", False): "list", ("POST", False): "insert", ("GET", True): "get", ("DELETE", True): "delete"}
CHANGES = {"PATCH": "patch", "PUT": "update"}
PAGE_SIZE = 500
OUTPUT = ("id", "kind", "selfLink", "creationTimestamp", "region", "zone", "status")
"""What a request may say and nobody heeds."""

Body = dict[str, Any]


@dataclass
class Call:
    """One call of one method."""

    engine: Engine
    request: Request
    method: str
    project: str
    place: str
    name: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Body = field(default_factory=dict)
    """In the canonical form; what it says is `null` is here too."""

    @property
    def now(self) -> float:
        return self.engine.now

    @property
    def region(self) -> str:
        return region_of(self.place)

    @property
    def base(self) -> str:
        return f"projects/{self.project}/{self.place}"


Action = Callable[[Any, Call], Body]


def action(method: str = "POST") -> Callable[[Action], Action]:
    """A method that is asked for by a verb behind the name: `set_labels` is `…/NAME/setLabels`."""

    def mark(function: Action) -> Action:
        function.http_method = method  # type: ignore[attr-defined]
        return function

    return mark


def to_snake(name: str) -> str:
    """`set_labels` of `setLabels`."""
    return re.sub(r"([A-Z])", lambda match: "_" + match[0].lower(), name)


class Collection:
    """One collection: `networks`."""

    name: ClassVar[str]
    model: ClassVar[str]
    """Of its resources: `Network`."""
    scope: ClassVar[str]
    """`global`, `regions` or `zones`."""
    word: ClassVar[str]
    """What Google's messages call one."""
    prefix: ClassVar[str] = ""
    """Of the names of its methods' requests: `Region` where there is a global collection of the same name."""
    has_labels: ClassVar[bool] = False
    is_aggregated: ClassVar[bool] = True
    """Whether it can be listed over all places."""
    patched: ClassVar[frozenset[str]] = frozenset()
    """What of a resource changes by `patch`, and by `update`."""
    is_guarded: ClassVar[bool] = False
    """Whether nothing else may be done with one while it is being changed."""
    insert_seconds: ClassVar[float] = USUAL_SECONDS
    delete_seconds: ClassVar[float] = USUAL_SECONDS
    methods: ClassVar[frozenset[str]] = frozenset({"list", "get", "insert", "delete"})

    @property
    def kind(self) -> str:
        return f"compute#{self.model[0].lower()}{self.model[1:]}"

    @property
    def plural(self) -> str:
        return self.name[0].upper() + self.name[1:]

    def find_action(self, verb: str) -> Action | None:
        """The method with this name."""
        found = getattr(self, to_snake(verb), None)
        return found if hasattr(found, "http_method") else None

    def find_model(self, method: str) -> models.Method | None:
        """What a method takes; `None` where Google has no such method."""
        verb = method[0].upper() + method[1:]
        prefix = "" if method == "aggregatedList" else self.prefix
        found = (models.find_method(f"{verb}{prefix}{subject}Request") for subject in (self.model, self.plural))
        return next((each for each in found if each is not None), None)

    # What a collection says of its own

    def prepare(self, call: Call, body: Body) -> Body:
        """What is made of a request's body: checked, and with all that Google adds."""
        raise NotImplementedError

    def list_used(self, record: Record) -> Iterator[str]:
        """Links of what cannot be deleted while this is there."""
        yield from ()

    def check_deletion(self, call: Call, record: Record) -> None:
        """Refuse what else speaks against it."""

    def revise(self, call: Call, record: Record, body: Body) -> Body:
        """What is made of a changed resource: checked as a new one."""
        return self.prepare(call, body)

    def render(self, engine: Engine, record: Record) -> Body:
        """As the API tells it now."""
        return record.body

    def inserted(self, engine: Engine, record: Record) -> None:
        """Done when it has been made."""

    def removed(self, engine: Engine, record: Record) -> None:
        """Done when it has been deleted."""

    # Methods

    def list(self, call: Call) -> Body:
        records = call.engine.store.select(self.name, call.project, call.place)
        items, token = choose_items(call, self, [self.render(call.engine, each) for each in records])
        return render_list(f"{self.kind}List", call, call.base + f"/{self.name}", items, token)

    def aggregated_list(self, call: Call) -> Body:
        records = call.engine.store.select(self.name, call.project)
        by_link = {each.link: each.place for each in records}
        items, token = choose_items(call, self, [self.render(call.engine, each) for each in records])
        scopes: dict[str, Any] = {}
        for item in items:
            scopes.setdefault(by_link[item["selfLink"]], {self.name: []})[self.name].append(item)
        return render_scopes(f"{self.kind}AggregatedList", call, self, scopes, token)

    def get(self, call: Call) -> Body:
        return self.render(call.engine, self.require(call))

    def insert(self, call: Call) -> Body:
        name = check_name(call.body.get("name"))
        path = f"{call.base}/{self.name}/{name}"
        body = {key: value for key, value in models.drop_nulls(call.body).items() if key not in OUTPUT}
        if call.engine.store.find(path) is not None:
            raise already_exists(path)
        if self.has_labels:
            check_labels(body.get("labels"))
        record = self.make(call.engine, path, self.prepare(call, body), call.now)
        return self.begin(call, record, "insert", lambda: self.finish_insert(call.engine, record), self.insert_seconds)

    def finish_insert(self, engine: Engine, record: Record) -> None:
        record.is_ready = True
        self.inserted(engine, record)

    def make(self, engine: Engine, path: str, body: Body, now: float) -> Record:
        """Add one that is not ready yet."""
        record = Record(path, {}, now)
        record.body = {
            "kind": self.kind,
            "id": make_number(),
            "creationTimestamp": render_compute_time(now),
            "name": record.name,
            **body,
            "selfLink": record.link,
            **describe_place(record),
        }
        if self.has_labels:
            record.body["labelFingerprint"] = make_fingerprint(body.get("labels"))
        engine.store.add(record)
        return record

    def delete(self, call: Call) -> Body:
        record = self.require(call)
        if not record.is_ready or record.is_going:
            raise not_ready(record.path)
        user = call.engine.find_user(record)
        if user is not None:
            raise in_use(self.word, record.path, user)
        self.check_deletion(call, record)
        record.is_going = True

        def finish() -> None:
            call.engine.store.remove(record.path)
            self.removed(call.engine, record)

        return self.begin(call, record, "delete", finish, self.delete_seconds)

    def patch(self, call: Call) -> Body:
        record = self.require_ready(call)
        changed = models.merge(self.model, record.body, self._choose_changes(call, record))
        return self._change(call, record, changed, "patch")

    def update(self, call: Call) -> Body:
        record = self.require_ready(call)
        kept = {key: value for key, value in record.body.items() if key not in self.patched}
        return self._change(call, record, models.merge(self.model, kept, self._choose_changes(call, record)), "update")

    def _choose_changes(self, call: Call, record: Record) -> Body:
        """What of the body is a change; that something else changes is refused."""
        body = dict(call.body)
        self.check_fingerprint(record, body.pop("fingerprint", None))
        changes = {key: value for key, value in body.items() if key in self.patched}
        for key, value in body.items():
            if key not in (*self.patched, *OUTPUT) and not self.is_same(record.body.get(key), value):
                raise ApiError(
                    400, f"Invalid value for field 'resource.{key}': The field cannot be changed.", "invalid"
                )
        return changes

    def is_same(self, there: Any, asked: Any) -> bool:
        """Whether a request names what is there already."""
        if isinstance(there, str) and isinstance(asked, str):
            return there == asked or there.endswith("/" + asked.lstrip("/"))
        return asked is None or there == asked

    def check_fingerprint(self, record: Record, fingerprint: str | None) -> None:
        if fingerprint and fingerprint != record.body.get("fingerprint"):
            raise condition_not_met("Invalid fingerprint.")

    def _change(self, call: Call, record: Record, body: Body, kind: str) -> Body:
        fixed = ("labelFingerprint", *OUTPUT)
        kept = {key: record.body[key] for key in fixed if key in record.body}
        revised = self.revise(call, record, {key: value for key, value in body.items() if key not in fixed})
        record.body = {**revised, **kept}
        if not self.is_guarded:
            return self.begin(call, record, kind)
        record.is_ready = False
        return self.begin(call, record, kind, lambda: self.finish_change(record))

    def finish_change(self, record: Record) -> None:
        record.is_ready = True

    @action()
    def set_labels(self, call: Call) -> Body:
        record = self.require_ready(call)
        set_labels(record, call.body)
        return self.begin(call, record, "setLabels")

    # Help

    def begin(
        self, call: Call, record: Record, kind: str, finish: Finish = lambda: None, seconds: float = USUAL_SECONDS
    ) -> Body:
        """Begin an operation, or find the one that the same request began."""
        operation = call.engine.operations.begin(
            record, kind, call.now, finish, user=call.engine.describe_caller(call.request), seconds=seconds
        )
        if request_id := call.query.get("requestId"):
            call.engine.operations.asked[request_id] = operation
        return operation.render(call.now)

    def require(self, call: Call) -> Record:
        """What the call is about."""
        path = f"{call.base}/{self.name}/{call.name}"
        record = call.engine.store.find(path)
        if record is None:
            raise not_found(path)
        return record

    def require_ready(self, call: Call) -> Record:
        record = self.require(call)
        if not record.is_ready or record.is_going:
            raise not_ready(record.path)
        return record


def refer(call: Call, value: object, collection: str, field_name: str) -> Record:
    """What a request names, which exists and is ready."""
    path = parse_reference(value, call.project, collection, field_name)
    return find_ready(call.engine, path)


def find_ready(engine: Engine, path: str) -> Record:
    record = engine.store.find(path)
    if record is None:
        raise not_found(path)
    if not record.is_ready or record.is_going:
        raise not_ready(path)
    return record


def require_field(body: Mapping[str, Any], name: str) -> Any:
    if body.get(name) in (None, "", []):
        raise required(f"resource.{name}")
    return body[name]


def describe_place(record: Record) -> Body:
    kind, _, name = record.place.partition("/")
    return {kind.removesuffix("s"): f"{BASE}projects/{record.project}/{record.place}"} if name else {}


def set_labels(record: Record, body: Mapping[str, Any]) -> None:
    """Give something its labels, by who knows those that it has."""
    if body.get("labelFingerprint") != record.body["labelFingerprint"]:
        raise condition_not_met("Labels fingerprint either invalid or resource labels have changed")
    labels = models.drop_nulls(body.get("labels") or {})
    check_labels(labels, "labels")
    record.body["labels"] = labels
    record.body["labelFingerprint"] = make_fingerprint(labels)


def judge_query(call: Call, method: models.Method, in_path: tuple[str, ...]) -> Body:
    """The query's values; what the method does not take is refused."""
    query = {}
    for name, text in call.request.query.items():
        if name in STANDARD_QUERY:
            continue
        if name not in method.query or name in in_path:
            raise unknown_query(name)
        query[name] = models.judge_query(method, name, text)
    return query


def choose_items(call: Call, collection: Collection, items: list[Body]) -> tuple[list[Body], str | None]:
    """The page of a list that is asked for."""
    test = parse_filter(call.query.get("filter", ""), compute_language(models.list_fields(collection.model)))
    found = [item for item in items if test(item)]
    order = call.query.get("orderBy", "")
    if order not in ("", "name", "creationTimestamp desc"):
        raise ApiError(400, f"Invalid value for field 'orderBy': '{order}'. Invalid sort order.", "invalid")
    if order == "creationTimestamp desc":
        found.sort(key=lambda item: str(item.get("creationTimestamp", "")), reverse=True)
    size = call.query.get("maxResults", PAGE_SIZE)
    if not 0 <= size <= PAGE_SIZE:
        raise ApiError(
            400, f"Invalid value for field 'maxResults': '{size}'. Must be from 0 to {PAGE_SIZE}.", "invalid"
        )
    asked = [call.request.path, call.query.get("filter", ""), order]
    return cut_page(found, size or PAGE_SIZE, call.query.get("pageToken"), asked)


def render_list(kind: str, call: Call, path: str, items: list[Body], token: str | None) -> Body:
    body: Body = {"kind": kind, "id": path, "selfLink": BASE + path}
    if items:
        body["items"] = items
    return {**body, "nextPageToken": token} if token else body


def render_scopes(kind: str, call: Call, collection: Collection, scopes: Body, token: str | None) -> Body:
    """An aggregated list: what holds nothing says so."""
    for scope in call.engine.list_scopes(collection.scope):
        scopes.setdefault(scope, render_nothing(scope))
    path = f"projects/{call.project}/aggregated/{collection.name}"
    body = {"kind": kind, "id": path, "items": dict(sorted(scopes.items())), "selfLink": BASE + path}
    return {**body, "nextPageToken": token} if token else body


def render_nothing(scope: str) -> Body:
    message = f"There are no results for scope '{scope}' on this page."
    return {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": message, "data": [{"key": "scope", "value": scope}]}}
