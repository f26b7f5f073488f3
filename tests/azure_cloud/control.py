"""What tests and machines tell the stand-in, below `/daskfleet/`; nobody must say who he is for it.

A machine is told by the identifier of its resource, by its `vmId` or by its name.

- `POST copy`: go on as another server, too, with everything as it is now; the answer is `{"port": N}`. A copy ends with
  what it is a copy of, or by `POST end`.
- `POST market {"no_spot": [SIZE…], "no_capacity": […], "restricted": […]}`: what Azure has none of from now on, and
  what the subscription may not have; `"*"` is any size. What is left out is empty.
- `POST quota {"cores": 8}`: what quotas allow from now on, by their names; null is the usual.
- `POST pace {"seconds": {"*": 0.2}, "retry_after": 1, "page": 100, "grace": null, "replication": 0, "roles": 0,
  "blocks": 50000}`: how long operations take by type or `METHOD TYPE`, what Retry-After says, how long pages are, when
  the unwell are replaced, and when new principals and roles count; what is left out stays.
- `POST refuse {"match", "count"[, "status", "code", "message", "retry_after"]}`: refuse so many of the requests whose
  names begin so, `PUT Microsoft.Compute/virtualMachines`; without a status there are too many of them (429).
- `POST power {"machine", "state": "off"}`: the machine has powered itself off. One that is being deleted is gone.
- `POST evict {"machine"[, "seconds"]}`: Azure takes a Spot machine away, and it is gone after the seconds.
- `POST console {"machine", "text"}`: what its serial port has shown, all of it.
- `POST health {"machine", "state"}`: what its extension for health found; one that is `Unhealthy` is replaced after the
  grace period.
- `POST token {"client_id", "resource"}`: a token of a machine's identity, as the metadata service tells it.
- `POST person {"roles": [NAME…]}`: what whoever tests may do in the subscription.
- `POST unregister {"provider"}`: the subscription is not registered for `Microsoft.Compute` any more.
- `GET machines`: all machines, with what only they are told: user-data, keys, identities, addresses.
- `GET resources`: everything that there is, as it is kept.
- `GET calls[?after=N]`: every request to Azure, with its name; `DELETE calls` forgets them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure_cloud.compute import interventions
from azure_cloud.compute.catalog import MACHINES
from azure_cloud.compute.view import describe_for_launcher
from azure_cloud.errors import AzureError, invalid
from azure_cloud.identity.roles import find_role
from azure_cloud.identity.tokens import give_machine_token
from azure_cloud.ids import is_same
from azure_cloud.pages import read_json
from azure_cloud.store import Record
from azure_cloud.throttle import Order
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.application import Application

Body = dict[str, Any]
TOO_MANY = 429


class Control:
    """All of it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._cloud = application.cloud
        self._posts: dict[str, Callable[[Body], Body]] = {
            "copy": lambda body: {"port": application.copy()},
            "end": self._end,
            "market": self._set_market,
            "quota": self._set_quota,
            "pace": self._set_pace,
            "refuse": self._refuse,
            "power": self._set_power,
            "evict": self._evict,
            "console": self._set_console,
            "health": self._set_health,
            "token": self._give_token,
            "person": self._set_person,
            "unregister": self._unregister,
        }

    def answer(self, request: Request, word: str) -> Answer:
        if request.method == "POST" and word in self._posts:
            return Answer(self._posts[word](read_json(request)))
        if (request.method, word) == ("GET", "machines"):
            machines = self._cloud.store.select(MACHINES)
            return Answer({"machines": [describe_for_launcher(self._cloud, each) for each in machines]})
        if (request.method, word) == ("GET", "resources"):
            found = [{"id": each.id, "type": each.type, "state": each.state, **each.body} for each in self._cloud.store]
            return Answer({"resources": found})
        if (request.method, word) == ("GET", "calls"):
            return Answer({"calls": list(self._cloud.calls)[int(request.query.get("after", 0)) :]})
        if (request.method, word) == ("DELETE", "calls"):
            self._cloud.calls.clear()
            return Answer({})
        raise AzureError(404, "NotFound", f"there is no {request.method} {word}; known are {', '.join(self._posts)}")

    def _find(self, body: Body) -> Record:
        wanted = body["machine"]
        for record in self._cloud.store.select(MACHINES):
            if is_same(record.id, wanted) or wanted in (record.properties["vmId"], record.name):
                return record
        raise AzureError(404, "NotFound", f"there is no machine {wanted}")

    def _end(self, body: Body) -> Body:
        self._application.is_over = True
        return {}

    def _set_market(self, body: Body) -> Body:
        read(body, optional=("no_spot", "no_capacity", "restricted"))
        for name in ("no_spot", "no_capacity", "restricted"):
            setattr(self._cloud.market, name, frozenset(body.get(name, ())))
        return {}

    def _set_quota(self, body: Body) -> Body:
        for name, limit in body.items():
            self._cloud.market.limits.pop(name, None)
            if limit is not None:
                self._cloud.market.limits[name] = int(limit)
        return {}

    def _set_pace(self, body: Body) -> Body:
        pace = self._cloud.pace
        read(body, optional=("seconds", "retry_after", "page", "grace", "replication", "roles", "blocks"))
        pace.seconds |= body.pop("seconds", {})
        self._cloud.contents.most_blocks = body.pop("blocks", self._cloud.contents.most_blocks)
        for name, value in body.items():
            setattr(pace, name, value)
        return {}

    def _refuse(self, body: Body) -> Body:
        read(body, "match", "count", optional=("status", "code", "message", "retry_after"))
        status = body.get("status", TOO_MANY)
        is_throttled = status == TOO_MANY
        message = "Number of requests exceeded the limit." if is_throttled else "Something failed on purpose."
        order = Order(
            match=body["match"],
            count=body["count"],
            status=status,
            code=body.get("code", "TooManyRequests" if is_throttled else "InternalServerError"),
            message=body.get("message", message),
            retry_after=body.get("retry_after", 1 if is_throttled else None),
        )
        self._cloud.throttle.orders.append(order)
        return {}

    def _set_power(self, body: Body) -> Body:
        read(body, "machine", "state")
        if body["state"] != "off":
            raise invalid(f"state: {body['state']!r} is not off")
        interventions.power_off(self._cloud, self._find(body))
        return {}

    def _evict(self, body: Body) -> Body:
        read(body, "machine", optional=("seconds",))
        interventions.evict(self._cloud, self._find(body), body.get("seconds"))
        return {}

    def _set_console(self, body: Body) -> Body:
        read(body, "machine", "text")
        self._find(body).notes["console"] = body["text"]
        return {}

    def _set_health(self, body: Body) -> Body:
        read(body, "machine", "state")
        interventions.set_health(self._cloud, self._find(body), body["state"])
        return {}

    def _give_token(self, body: Body) -> Body:
        read(body, "client_id", "resource")
        return give_machine_token(self._cloud, body["client_id"], body["resource"])

    def _set_person(self, body: Body) -> Body:
        read(body, "roles")
        if unknown := [name for name in body["roles"] if find_role(name) is None]:
            raise invalid(f"there are no roles {', '.join(unknown)}")
        self._cloud.directory.person_roles = tuple(body["roles"])
        return {}

    def _unregister(self, body: Body) -> Body:
        read(body, "provider")
        self._cloud.unregistered.add(body["provider"].lower())
        return {}


def read(body: Body, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Refuse a body that lacks a name, or has one that is not known."""
    if wrong := ({*names} - {*body}) | ({*body} - {*names, *optional}):
        raise invalid(f"this takes {', '.join((*names, *optional))}; look at {', '.join(sorted(wrong))}")
