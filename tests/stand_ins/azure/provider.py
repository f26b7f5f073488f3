"""The service that the engine calls, with the semantics of `azure-native`, which is no bridge to Terraform.

Inputs are compared with inputs, so that what Azure decides is never a change; a refresh puts into the inputs only what
differs from what Azure said the last time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import empty_pb2

from stand_ins.azure.call import Call
from stand_ins.azure.changes import Change, apply_changes, find_changes
from stand_ins.azure.lost import find_lost
from stand_ins.azure.naming import FLAG, make_name
from stand_ins.azure.resource import AzureResource
from stand_ins.core.errors import PartlyDone, Refused
from stand_ins.core.provider import KINDS, Provider
from stand_ins.core.schema import Problem, find_problems
from stand_ins.core.server import provider_pb2
from stand_ins.core.wire import decode, encode, plain

VERSION = "azureApiVersion"
ADDED = (FLAG, VERSION)
"""Inputs that no program gives."""
STABLE = ("name", "location")
"""Outputs that no update changes."""


class AzureNativeProvider(Provider[Call]):
    """The operations on resources; configuration and functions are the plugin's."""

    def default_location(self, given: Mapping[str, Any], olds: Mapping[str, Any]) -> Any:
        """Where something is that says nothing of it: where it was, where the provider is, or where its group is."""
        raise NotImplementedError

    # The real provider knows of no secrets. The engine then keeps them itself: what is named as a secret input is one.

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = super().Handshake(request, context)
        answer.accept_secrets = False
        return answer

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = super().Configure(request, context)
        answer.acceptSecrets = False
        return answer

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._told(context, "checking"):
            resource = self._resource(request)
            olds = plain(decode(request.olds))
            given = {key: value for key, value in plain(decode(request.news)).items() if value is not None}
            news = {**given, **self._decide(resource, request, given, olds)}
        shown = {key: value for key, value in news.items() if key not in ADDED}
        problems = list(find_problems(resource.schema.inputs, shown))
        if not problems:
            problems = [
                Problem(path, f"the stand-in for azure does not know how to do {path!r} of {resource.token}")
                for path in resource.body.find_unknown(resource.select_body(shown))
            ]
        failures = [provider_pb2.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems]
        return provider_pb2.CheckResponse(inputs=encode(news), failures=failures)

    def _decide(
        self, resource: AzureResource, request: Any, given: Mapping[str, Any], olds: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The name and the location, where the program says none, and the version of the API."""
        decided: dict[str, Any] = {VERSION: resource.version}
        autonaming = request.autonaming if request.HasField("autonaming") else None
        disabled = autonaming and autonaming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        if given.get(resource.name) is None and not disabled:
            logical = request.name or request.urn.rpartition("::")[2]
            proposed = autonaming.proposed_name if autonaming else None
            decided |= make_name(resource.strategy, resource.name, logical, request.randomSeed, olds, proposed)
        if resource.located and given.get("location") is None:
            location = self.default_location(given, olds)
            decided |= {"location": location} if location else {}
        return decided

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._told(context, "comparing"):
            resource = self._resource(request)
            state, old, new = (
                {key: value for key, value in plain(decode(struct)).items() if value is not None}
                for struct in (request.olds, request.old_inputs, request.news)
            )
            changes = self._find_changes(resource, state, old, new)
        replaces = [change.path for change in changes if change.replace]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({change.name for change in changes}),
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and not old.get(FLAG),
            detailedDiff={
                change.path: provider_pb2.PropertyDiff(kind=KINDS[change.kind] + change.replace, inputDiff=True)
                for change in changes
            },
            hasDetailedDiff=True,
        )

    def _find_changes(
        self, resource: AzureResource, state: Mapping[str, Any], old: dict[str, Any], new: Mapping[str, Any]
    ) -> list[Change]:
        if VERSION in state:
            old = {VERSION: state[VERSION], **old}
        return list(find_changes(resource.replaces, old, new, state))

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request)
        given = self._given(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(resource.foresee(given)))
        with self._told(context, f"creating {resource.label}"):
            call = self._call(resource, given, "create", request.timeout)
            id_ = resource.create(call, given)
            found = self._read_written(call, resource, id_, given)
        return provider_pb2.CreateResponse(id=id_, properties=encode(found))

    def _read_written(self, call: Call, resource: AzureResource, id_: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What there is after a request that made or changed it; once it exists, the engine has to remember it."""
        try:
            found = resource.read(call, id_, given)
        except Exception as error:
            raise PartlyDone(id_, given, self._reason(error, f"reading {resource.label} ({id_})")) from error
        if found is None:
            raise Refused(f"reading {resource.label} ({id_}): it is not there")
        wanted = {name: value for name, value in resource.select_body(given).items() if name not in ADDED}
        if lost := sorted(find_lost(wanted, resource.choose_inputs(found))):
            reason = (
                f"{resource.label} ({id_}): what the cloud says of {', '.join(lost)} is not what was asked for; "
                "the stand-in, or the cloud behind it, does not know how to do this"
            )
            raise PartlyDone(id_, found, reason)
        return found

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request)
        state, inputs = self._given(request.properties), plain(decode(request.inputs))
        with self._told(context, f"reading {resource.label} ({request.id})"):
            call = self._call(resource, state, "read", request.timeout)
            found = resource.read(call, request.id, state)
            if found is None:
                return provider_pb2.ReadResponse()
            if request.HasField("inputs") and inputs:
                before = resource.choose_inputs(resource.without_unsaid(state, inputs))
                now = resource.choose_inputs(resource.without_unsaid(found, inputs))
                news = apply_changes(inputs, before, now)
            else:
                news = {**resource.choose_inputs(found), **resource.parse_id(request.id)}
        return provider_pb2.ReadResponse(id=request.id, properties=encode(found), inputs=encode(news))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request)
        state, given = self._given(request.olds), self._given(request.news)
        if request.preview:
            kept = {name: state[name] for name in STABLE if name in state}
            return provider_pb2.UpdateResponse(properties=encode({**resource.foresee(given), **kept}))
        with self._told(context, f"updating {resource.label} ({request.id})"):
            call = self._call(resource, given, "update", request.timeout)
            resource.update(call, request.id, state, given, ())
            found = self._read_written(call, resource, request.id, given)
        return provider_pb2.UpdateResponse(properties=encode(found))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request)
        state = self._given(request.properties)
        with self._told(context, f"deleting {resource.label} ({request.id})"):
            resource.delete(self._call(resource, state, "delete", request.timeout), request.id, state)
        return empty_pb2.Empty()

    def _resource(self, request: Any) -> AzureResource:
        resource, _ = self._find(request)
        assert isinstance(resource, AzureResource)
        return resource

    def _given(self, struct: Any) -> dict[str, Any]:
        return {key: value for key, value in plain(decode(struct)).items() if value is not None}
