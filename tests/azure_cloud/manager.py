"""Azure Resource Manager: which function answers which request."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from azure_cloud import operations
from azure_cloud.arm import Body, Call, Kind
from azure_cloud.compute import catalog
from azure_cloud.errors import AzureError, no_such_operation
from azure_cloud.groups import ResourceGroups
from azure_cloud.identity import access
from azure_cloud.identity.directory import MANAGEMENT
from azure_cloud.keyvault import deleted
from azure_cloud.places import LOCATIONS, normalise
from azure_cloud.registry import Registry
from azure_cloud.storage import accounts
from azure_cloud.versions import VERSIONS, check_version
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

Handler = Callable[..., "Body | Answer"]
VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
SUBSCRIPTION = r"(?P<scope>/subscriptions/[^/]+)"
GROUP = r"(?P<scope>/subscriptions/[^/]+/resourcegroups/(?P<name>[^/]+))"

ANY = "operations"
"""Stands for all types: an operation is asked for with the version of what has begun it."""


class Manager:
    """All of it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.registry = Registry()
        self.groups = ResourceGroups(self.registry)
        within = rf"{SUBSCRIPTION}/providers/(?P<namespace>[\w.]+)/locations/(?P<location>[^/]+)"
        keyvault = rf"{SUBSCRIPTION}/providers/(?P<namespace>microsoft\.keyvault)"
        here = rf"{SUBSCRIPTION}/providers/(?P<namespace>microsoft\.compute)"
        vaults = rf"{keyvault}/locations/(?P<location>[^/]+)/deletedvaults/(?P<name>[^/]+)"
        group = r"(?P<scope>/subscriptions/[^/]+/resourcegroups/[^/]+)"
        routes: list[tuple[str, str, str, Handler]] = [
            ("GET", r"(?P<scope>/subscriptions)", "microsoft.resources", self._list_subscriptions),
            ("GET", SUBSCRIPTION, "microsoft.resources", lambda call: self._describe_subscription()),
            ("GET", rf"{SUBSCRIPTION}/locations", "microsoft.resources", self._list_locations),
            ("GET", rf"{SUBSCRIPTION}/resources", "microsoft.resources", self.groups.list_resources),
            ("GET", rf"{group}/resources", "microsoft.resources", self.groups.list_resources),
            (
                "GET",
                rf"{SUBSCRIPTION}/resourcegroups",
                "microsoft.resources",
                lambda call: self.groups.answer(call, ""),
            ),
            ("*", GROUP, "microsoft.resources/subscriptions/resourcegroups", self.groups.answer),
            ("GET", rf"{SUBSCRIPTION}/providers/(?P<provider>[\w.]+)", "microsoft.resources", describe_provider),
            (
                "POST",
                rf"{SUBSCRIPTION}/providers/(?P<provider>[\w.]+)/register",
                "microsoft.resources",
                register_provider,
            ),
            ("GET", rf"{within}/operations/(?P<name>[^/]+)", ANY, operations.read_operation),
            ("GET", rf"{within}/operationresults/(?P<name>[^/]+)", ANY, operations.read_result),
            ("GET", rf"{keyvault}/deletedvaults", "", deleted.list_vaults),
            ("GET", vaults, "", deleted.get_vault),
            ("POST", rf"{vaults}/purge", "", deleted.purge_vault),
            ("POST", rf"{keyvault}/checknameavailability", "", deleted.check_name),
            (
                "POST",
                rf"{SUBSCRIPTION}/providers/(?P<namespace>microsoft\.storage)/checknameavailability",
                "",
                accounts.check_name,
            ),
            ("GET", rf"{here}/skus", "microsoft.compute/skus", catalog.list_skus),
            ("GET", rf"{here}/locations/(?P<location>[^/]+)/usages", "", catalog.list_usages),
        ]
        self._routes = [
            (method, re.compile(pattern, re.IGNORECASE), type_, handler) for method, pattern, type_, handler in routes
        ]

    def route(self, request: Request, path: str) -> tuple[str, Callable[[], Answer]]:
        """What a request is called, and what answers it."""
        path = path.rstrip("/")
        for method, pattern, type_, handler in self._routes:
            found = pattern.fullmatch(path)
            if found is not None and method in (request.method, "*"):
                parts = found.groupdict()
                call = Call(self._cloud, request, parts.pop("scope"), parts.pop("namespace", "Microsoft.Resources"))
                call.location = normalise(parts.pop("location", call.location))
                name = f"{request.method} {re.sub(r'/subscriptions/[^/]+', '', path)}"
                asked = type_ or call.namespace
                bound = functools.partial(handler, call, *parts.values())
                return name, functools.partial(self._answer, call, asked, bound)
        return self._route_resource(request, path)

    def _route_resource(self, request: Request, path: str) -> tuple[str, Callable[[], Answer]]:
        at = path.lower().rfind("/providers/")
        if at < 0:
            raise no_such_operation(request.method, path)
        namespace, *rest = path[at + len("/providers/") :].split("/")
        types, verb, scope = rest[::2], "", path
        kind = self.registry.find("/".join((namespace, *types)))
        is_list = len(rest) % 2 == 1
        if kind is None and is_list:
            verb, kind = rest[-1], self.registry.find("/".join((namespace, *types[:-1])))
            scope, is_list = path.rpartition("/")[0], False
        elif is_list:
            scope = path.rpartition("/")[0] if len(rest) > 1 else path[:at]
        if kind is None:
            message = f"The resource type '{'/'.join(types)}' could not be found in the namespace '{namespace}'."
            raise AzureError(404, "InvalidResourceType", message)
        call = Call(self._cloud, request, scope, namespace, kind)
        name = f"{request.method} {kind.type}{'/' + verb if verb else ''}"
        function = self._find(kind, request.method, verb, is_list=is_list)
        if function is None:
            raise no_such_operation(request.method, path)
        chosen = function
        if is_list:
            name = f"LIST {kind.type}"
        return name, lambda: self._answer(call, kind.type, lambda: chosen(call), verb=verb)

    def _find(self, kind: Kind, method: str, verb: str, *, is_list: bool) -> Handler | None:
        if verb:
            return kind.find_action(verb, method)
        word = "LIST" if is_list and method == "GET" else method
        if word not in kind.methods or (is_list and word != "LIST"):
            return None
        functions: dict[str, Handler] = {
            "LIST": kind.list_items,
            "GET": kind.get,
            "PUT": kind.put,
            "PATCH": kind.patch,
            "DELETE": kind.delete,
        }
        return functions[word]

    def _answer(self, call: Call, type_: str, handler: Callable[[], Body | Answer], *, verb: str = "") -> Answer:
        call.caller = access.find_caller(self._cloud, call.request, MANAGEMENT)
        check_version(call.version, type_)
        subscription = self._cloud.directory.subscription
        if not f"{call.scope.lower()}/".startswith(f"{subscription}/") and call.scope.lower() != "/subscriptions":
            message = f"The subscription '{call.subscription}' could not be found."
            raise AzureError(404, "SubscriptionNotFound", message)
        word = VERBS[call.request.method]
        needed = f"{type_}/{verb}/{word}" if verb else f"{type_}/{word}"
        if not access.is_allowed(self._cloud, call.caller, needed, call.scope):
            message = (
                f"The client '{call.caller}' with object id '{call.caller}' does not have authorization to perform "
                f"action '{needed}' over scope '{call.scope}' or the scope is invalid. If access was recently "
                "granted, please refresh your credentials."
            )
            raise AzureError(403, "AuthorizationFailed", message)
        if word == "write" and call.namespace.lower() in self._cloud.unregistered:
            message = (
                f"The subscription is not registered to use namespace '{call.namespace}'. See "
                "https://aka.ms/rps-not-found for how to register subscriptions."
            )
            raise AzureError(409, "MissingSubscriptionRegistration", message)
        answer = handler()
        return answer if isinstance(answer, Answer) else Answer(answer)

    def _describe_subscription(self) -> Body:
        scope = self._cloud.directory.subscription
        return {
            "id": scope,
            "subscriptionId": scope.rpartition("/")[2],
            "tenantId": self._cloud.directory.tenant,
            "displayName": "daskfleet lab",
            "state": "Enabled",
        }

    def _list_subscriptions(self, call: Call) -> Body:
        return {"value": [self._describe_subscription()]}

    def _list_locations(self, call: Call) -> Body:
        return {
            "value": [
                {"id": f"{call.scope}/locations/{name}", "name": name, "displayName": text, "type": "Region"}
                for name, (text, _) in LOCATIONS.items()
            ]
        }


def register_provider(call: Call, name: str) -> Body:
    call.cloud.unregistered.discard(name.lower())
    return describe_provider(call, name)


def describe_provider(call: Call, name: str) -> Body:
    if name.lower() not in VERSIONS:
        raise AzureError(404, "InvalidResourceNamespace", f"The resource namespace '{name}' is invalid.")
    state = "NotRegistered" if name.lower() in call.cloud.unregistered else "Registered"
    return {"id": f"{call.scope}/providers/{name}", "namespace": name, "registrationState": state}
