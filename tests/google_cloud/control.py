"""What tests and machines tell the stand-in, below `/daskfleet/`; nobody must say who he is for it.

- `POST copy`: go on as another server, too, with everything as it is now; the answer is `{"port": N}`. A copy ends with
  what it is a copy of, or by `POST end`.
- `POST market {"no_spot": [MACHINE_TYPE…], "no_capacity": […]}`: what Google has none of from now on, `"*"` for any.
- `POST quota {"CPUS": 8}`: what all regions' quotas allow from now on, by metric; null is the usual.
- `POST power {"zone", "instance", "state"}`: the instance's machine is off; `state` is `off` or `TERMINATED`.
- `POST preempt {"zone", "instance"[, "seconds"]}`: Google takes a Spot VM away. It stops, and after the seconds it is
  deleted or TERMINATED, as its scheduling says.
- `POST console {"zone", "instance", "text"}`: what its serial port has shown, all of it.
- `POST health {"zone", "instance", "state"}`: what the health check of its group found; `UNHEALTHY` has it replaced.
- `POST token {"service_account"[, "scopes"]}`: a token of a machine's service account.
- `GET calls[?after=N]`: every call of a service, with the name of its method; `DELETE calls` forgets them.

An instance may be told by its project, too; without one it is looked for in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google_cloud.compute import interventions
from google_cloud.compute.store import Record
from google_cloud.errors import ApiError
from google_cloud.routing import Call, Handler, Routes
from google_cloud.services.tokens import give_machine_token

if TYPE_CHECKING:
    from google_cloud.application import Application

OFF = ("off", "TERMINATED")


def register(routes: Routes, application: Application) -> None:
    posts: dict[str, Handler] = {
        "copy": lambda call: {"port": application.copy()},
        "end": lambda call: end(application),
        "market": set_market,
        "quota": set_quota,
        "power": set_power,
        "preempt": preempt,
        "console": set_console,
        "health": set_health,
        "token": give_token,
    }
    for word, handler in posts.items():
        routes.add("POST", f"/daskfleet/{word}", f"daskfleet.{word}", handler)
    routes.add("GET", "/daskfleet/calls", "daskfleet.calls", list_calls)
    routes.add("DELETE", "/daskfleet/calls", "daskfleet.calls", forget_calls)


def end(application: Application) -> dict[str, Any]:
    application.is_over = True
    return {}


def read(call: Call, *names: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body, which must have these names and may have others of `optional`."""
    body = call.json()
    if wrong := ({*names} - {*body}) | ({*body} - {*names, *optional}):
        known = ", ".join((*names, *optional))
        raise ApiError(400, f"{call.route.id} takes {known}; look at {', '.join(sorted(wrong))}")
    return body


def find(call: Call, body: dict[str, Any]) -> Record:
    found = call.world.engine.store.select("instances", body.get("project"), f"zones/{body['zone']}")
    for record in found:
        if record.name == body["instance"]:
            return record
    raise ApiError(404, f"there is no instance {body['instance']} in {body['zone']}", "notFound")


def set_market(call: Call) -> dict[str, Any]:
    body, market = read(call, optional=("no_spot", "no_capacity")), call.world.market
    market.no_spot, market.no_capacity = frozenset(body.get("no_spot", ())), frozenset(body.get("no_capacity", ()))
    interventions.retry(call.world.engine)
    return {}


def set_quota(call: Call) -> dict[str, Any]:
    for metric, limit in call.json().items():
        call.world.market.limits.pop(metric, None)
        if limit is not None:
            call.world.market.limits[metric] = float(limit)
    interventions.retry(call.world.engine)
    return {}


def set_power(call: Call) -> dict[str, Any]:
    body = read(call, "zone", "instance", "state", optional=("project",))
    if body["state"] not in OFF:
        raise ApiError(400, f"state: {body['state']!r} is none of {', '.join(OFF)}")
    interventions.power_off(call.world.engine, find(call, body))
    return {}


def preempt(call: Call) -> dict[str, Any]:
    body = read(call, "zone", "instance", optional=("project", "seconds"))
    interventions.preempt(call.world.engine, find(call, body), body.get("seconds"))
    return {}


def set_console(call: Call) -> dict[str, Any]:
    body = read(call, "zone", "instance", "text", optional=("project",))
    call.world.engine.consoles[find(call, body).path] = body["text"]
    return {}


def set_health(call: Call) -> dict[str, Any]:
    body = read(call, "zone", "instance", "state", optional=("project",))
    interventions.set_health(call.world.engine, find(call, body), body["state"])
    return {}


def give_token(call: Call) -> dict[str, Any]:
    body = read(call, "service_account", optional=("scopes",))
    return give_machine_token(call.world, body["service_account"], tuple(body.get("scopes") or ()))


def list_calls(call: Call) -> dict[str, Any]:
    return {"calls": list(call.world.calls)[int(call.query.get("after", 0)) :]}


def forget_calls(call: Call) -> dict[str, Any]:
    call.world.calls.clear()
    return {}
