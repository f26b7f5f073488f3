"""Calls of Azure Resource Manager, and what all types of resources have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from azure_cloud import pages
from azure_cloud.errors import AzureError, bad_content, conflict, no_group, no_reference, not_found
from azure_cloud.ids import ResourceId, parse_id
from azure_cloud.judge import judge
from azure_cloud.operations import accept
from azure_cloud.places import check_location
from azure_cloud.store import CREATING, DELETING, FAILED, SUCCEEDED, UPDATING, Record
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

Body = dict[str, Any]
DELETION = "deletion"
"""Note: the operation that deletes a thing."""
GROUPS = "Microsoft.Resources/resourceGroups"
MOST_TAGS, MOST_TAG_NAME, MOST_TAG_VALUE = 50, 512, 256
RESERVED_IN_TAGS = "<>%&\\?/"


@dataclass
class Call:
    """One request."""

    cloud: Cloud
    request: Request
    scope: str
    """Identifier of what the request is about, or within what."""
    namespace: str
    kind: Kind | None = None
    caller: str = ""
    """Identifier of the principal who asks."""
    location: str = "westeurope"
    notes: Body = field(default_factory=dict)
    """What one step of an answer leaves for the next."""
    _body: Any = field(default=None, repr=False)

    @property
    def query(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.request.query.items()}

    @property
    def version(self) -> str:
        return self.query.get("api-version", "")

    @property
    def subscription(self) -> str:
        return self.scope.split("/")[2]

    @property
    def id(self) -> ResourceId:
        found = parse_id(self.scope)
        assert found is not None, self.scope
        return found

    @property
    def group(self) -> str:
        parts = self.scope.split("/")
        return parts[4] if len(parts) > 4 else ""

    @property
    def now(self) -> float:
        return self.cloud.now

    @property
    def base(self) -> str:
        """What addresses in answers begin with."""
        host = self.request.headers.get("host", "management.azure.com")
        return f"{'https' if host.endswith('.azure.com') else 'http'}://{host}"

    def json(self) -> Body:
        """The body.

        Raises:
            AzureError: it is no object of JSON.
        """
        if self._body is None:
            self._body = pages.read_json(self.request)
        return dict(self._body)

    def require(self) -> Record:
        """The thing that the request names."""
        record = self.cloud.store.find(self.scope)
        if record is None:
            self.require_group()
            found = self.id
            raise not_found(found.type, "/".join(found.names), found.group)
        return record

    def require_group(self) -> Record | None:
        if not self.group:
            return None
        name = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        record = self.cloud.store.find(name)
        if record is None:
            raise no_group(self.group)
        return record


Action = Callable[[Any, Call], "Body | Answer"]


def action(verb: str, method: str = "POST") -> Callable[[Action], Action]:
    """A method that is asked for behind the name of a resource: `…/NAME/deallocate`."""

    def mark(function: Action) -> Action:
        function.verb, function.http_method = verb.lower(), method  # type: ignore[attr-defined]
        return function

    return mark


class Kind:
    """One type of resources."""

    type: ClassVar[str]
    """`Microsoft.Network/virtualNetworks`."""
    model: ClassVar[str]
    """By which bodies are judged, `network:VirtualNetwork`."""
    patch_model: ClassVar[str] = ""
    """The same for changes; empty where it takes none."""
    name_pattern: ClassVar[str] = r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?"
    is_tracked: ClassVar[bool] = True
    """Whether it has a location and tags of its own."""
    is_slow: ClassVar[bool] = True
    """Whether making it takes an operation."""
    deletes_slowly: ClassVar[bool] = True
    tells_etag: ClassVar[bool] = False
    tells_state: ClassVar[bool] = True
    created_status: ClassVar[int] = 201
    methods: ClassVar[frozenset[str]] = frozenset({"GET", "PUT", "PATCH", "DELETE", "LIST"})

    # What a type says of its own

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        """What is made of a judged body: checked, and with all that Azure adds."""
        raise NotImplementedError

    def render(self, cloud: Cloud, record: Record) -> Body:
        """As the API tells it now."""
        return record.body

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        """What cannot be without it."""
        yield from ()

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        names = ", ".join(each.id for each in users)
        return conflict("ResourceInUse", f"Resource {record.id} is in use by {names} and cannot be deleted.")

    def made(self, cloud: Cloud, record: Record) -> None:
        """Done when an operation that makes or changes it ends; an `AzureError` is what that fails with."""

    def removed(self, cloud: Cloud, record: Record) -> None:
        """Done when it has been deleted."""

    # Methods

    def find_action(self, verb: str, method: str) -> Action | None:
        for name in dir(self):
            found = getattr(self, name)
            if getattr(found, "verb", None) == verb.lower() and found.http_method == method:
                return found  # type: ignore[no-any-return]
        return None

    def tell(self, cloud: Cloud, record: Record) -> Body:
        """A thing as answers have it."""
        body = dict(self.render(cloud, record))
        told: Body = {"id": record.id, "name": record.name, "type": record.type, **body}
        if self.tells_state:
            told["properties"] = {**(body.get("properties") or {}), "provisioningState": record.state}
        if self.tells_etag:
            told["etag"] = f'W/"{record.etag}"'
        return told

    def get(self, call: Call) -> Body | Answer:
        return self.tell(call.cloud, call.require())

    def list_items(self, call: Call) -> Body:
        if "/resourcegroups/" in call.scope.lower():
            call.require_group()
        parent = call.scope
        if (owner := parse_id(call.scope)) is not None and call.cloud.store.find(call.scope) is None:
            raise not_found(owner.type, "/".join(owner.names), owner.group)
        records = call.cloud.store.select(self.type, parent)
        return pages.render(call, self.choose(call, records), lambda record: self.tell(call.cloud, record))

    def choose(self, call: Call, records: list[Record]) -> list[Record]:
        """Those that a list's `$filter` wants."""
        if "$filter" in call.query:
            raise AzureError(400, "InvalidFilter", f"{self.type} cannot be listed with a filter.")
        return records

    def put(self, call: Call) -> Answer:
        self.check_name(call)
        self.require_place(call)
        old = call.cloud.store.find(call.scope)
        check_match(call, old)
        return self.save(call, judge(self.model, call.json()), old)

    def patch(self, call: Call) -> Answer:
        old = call.require()
        check_match(call, old)
        change = judge(self.patch_model, call.json())
        return self.save(call, merge(old.given, change), old)

    def save(self, call: Call, given: Body, old: Record | None) -> Answer:
        """What a request wants comes to be, at once or by an operation."""
        if old is not None and old.state == DELETING:
            raise conflict("Conflict", f"The resource {old.id} is being deleted.")
        if self.is_tracked:
            self.check_place(given, old)
            check_tags(given.get("tags") or {})
        body = self.prepare(call, given, old)
        record = old or Record(str(call.id), self.type, given, body, call.now)
        record.given, record.body, record.error = given, body, None
        record.touch(call.now)
        call.location = record.location or call.location
        if old is None:
            call.cloud.store.add(record)
        status = self.created_status if old is None else 200
        if not self.is_slow:
            self.made(call.cloud, record)
            record.state = SUCCEEDED
            return self.answer(call, record, status)
        record.state = CREATING if old is None else UPDATING
        return self.begin(call, record, status)

    def create(self, cloud: Cloud, id_: str, given: Body) -> Record:
        """One that Azure makes by itself, at once."""
        call = Call(cloud, Request("PUT", id_, {}), id_, self.type.partition("/")[0], self)
        record = Record(id_, self.type, given, self.prepare(call, given, None), cloud.now, changed=cloud.now)
        cloud.store.add(record)
        return record

    def begin(self, call: Call, record: Record, status: int, *, located: bool = False) -> Answer:
        """An operation that makes or changes a thing, and the answer to the request for it."""
        version = record.notes["version"] = call.cloud.count()

        def finish() -> None:
            if record.notes["version"] != version or call.cloud.store.find(record.id) is not record:
                return
            try:
                self.made(call.cloud, record)
            except AzureError as error:
                record.state, record.error = FAILED, error.describe()
                raise
            record.state = SUCCEEDED

        seconds = call.cloud.pace.find(call.request.method, self.type)
        operation = call.cloud.operations.begin(call.cloud, seconds, finish)
        told = self.tell(call.cloud, record)
        return accept(call, operation, told, status, located=located)

    def answer(self, call: Call, record: Record, status: int) -> Answer:
        return Answer(self.tell(call.cloud, record), status)

    def delete(self, call: Call) -> Answer:
        self.require_place(call, for_deletion=True)
        record = call.cloud.store.find(call.scope)
        if record is None:
            return Answer(b"", 204)
        check_match(call, record)
        if users := list(self.find_users(call.cloud, record)):
            raise self.refuse_deletion(record, users)
        call.location = record.location or call.location
        if not self.deletes_slowly:
            self.remove(call.cloud, record)
            return Answer(b"", 200)
        record.state = DELETING
        record.notes["version"] = call.cloud.count()
        seconds = call.cloud.pace.find("DELETE", self.type)
        operation = call.cloud.operations.begin(call.cloud, seconds, lambda: self.remove(call.cloud, record))
        record.notes[DELETION] = operation
        return accept(call, operation, None, 202, located=True)

    def remove(self, cloud: Cloud, record: Record) -> None:
        """It goes, with all that is a part of it."""
        if cloud.store.find(record.id) is not record:
            return
        for part in cloud.store.list_below(record.id):
            cloud.store.remove(part.id)
        cloud.store.remove(record.id)
        self.removed(cloud, record)

    # What requests are checked for

    def check_name(self, call: Call) -> None:
        name = call.id.name
        if not re.fullmatch(self.name_pattern, name):
            message = f"Resource name {name} is invalid. The name must match '{self.name_pattern}'."
            raise AzureError(400, "InvalidResourceName", message)

    def require_place(self, call: Call, *, for_deletion: bool = False) -> None:
        """The resource group, and what a thing is a part of."""
        group = call.require_group()
        if group is not None and group.state == DELETING and not for_deletion:
            message = f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation."
            raise conflict("ResourceGroupBeingDeleted", message)
        if len(call.id.types) > 1 and call.cloud.store.find(call.id.parent) is None and not for_deletion:
            message = (
                f"Failed to perform '{call.request.method}' on resource(s) of type '{self.type}', because the parent "
                f"resource '{call.id.parent}' could not be found."
            )
            raise AzureError(404, "ParentResourceNotFound", message)

    def check_place(self, given: Body, old: Record | None) -> None:
        if not given.get("location"):
            raise AzureError(400, "LocationRequired", "The location property is required for this definition.")
        given["location"] = check_location(given["location"], self.type)
        if old is not None and old.location != given["location"]:
            message = (
                f"The resource '{old.name}' already exists in location '{old.location}' in resource group "
                f"'{old.group}'. A resource with the same name cannot be created in location '{given['location']}'. "
                "Please select a new resource name."
            )
            raise conflict("InvalidResourceLocation", message)


def refer(call: Call, reference: object, type_: str, *, location: str = "") -> Record:
    """A thing that a request names, which must be there and ready.

    Args:
        reference: an identifier, or an object with one.
        location: where it must be.
    """
    id_ = reference.get("id") if isinstance(reference, Mapping) else reference
    parsed = parse_id(id_)
    if parsed is None or parsed.type.lower() != type_.lower():
        raise AzureError(400, "LinkedInvalidPropertyId", f"Property id '{id_}' is invalid: it must name a {type_}.")
    record = call.cloud.store.find(id_, type_)
    if record is None or (location and record.location and record.location != location):
        raise no_reference(str(id_), call.scope)
    if record.state == DELETING:
        raise no_reference(str(id_), call.scope)
    if record.state in (CREATING, UPDATING):
        message = (
            f"Cannot proceed with operation because resource {id_} used by resource {call.scope} is not in Succeeded "
            f"state. Resource is in {record.state} state and the last operation that updated/is updating the "
            "resource is PutOperation."
        )
        detail = AzureError(429, "ReferencedResourceNotProvisioned", message)
        raise AzureError(429, "RetryableError", "A retryable error occurred.", details=[detail])
    return record


def check_match(call: Call, old: Record | None) -> None:
    wanted, unwanted = call.request.headers.get("if-match"), call.request.headers.get("if-none-match")
    etag = "" if old is None else old.etag
    is_other = wanted not in (None, "*") and (wanted or "").removeprefix("W/").strip('"') != etag
    if is_other or (wanted == "*" and old is None) or (unwanted == "*" and old is not None):
        raise AzureError(412, "PreconditionFailed", f"Precondition failed for resource {call.scope}.")


def check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise AzureError(400, "InvalidTagCount", f"At most {MOST_TAGS} tags are allowed; there are {len(tags)}.")
    for name, value in tags.items():
        if not isinstance(value, str) or len(value) > MOST_TAG_VALUE:
            raise AzureError(400, "InvalidTagValue", f"The value of tag '{name}' is longer than {MOST_TAG_VALUE}.")
        if not name or len(name) > MOST_TAG_NAME or any(letter in RESERVED_IN_TAGS for letter in name):
            message = f"The tag name '{name}' is invalid: {RESERVED_IN_TAGS} and control letters are not allowed."
            raise AzureError(400, "InvalidTagNameCharacters", message)
    if len({name.lower() for name in tags}) != len(tags):
        raise bad_content("Names of tags are the same but for letters' case.")


def merge(there: Mapping[str, Any], change: Mapping[str, Any]) -> Body:
    """What is there after a change: objects are merged, everything else and tags are replaced."""
    merged = dict(there)
    for name, value in change.items():
        if isinstance(value, Mapping) and isinstance(merged.get(name), Mapping) and name not in REPLACED:
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


REPLACED = ("tags", "userAssignedIdentities")
