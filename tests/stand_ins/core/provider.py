"""The service that the engine calls, over resource types and functions that a plugin names."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2

from stand_ins.core.diff import Comparison, find_changes, is_empty, same_document
from stand_ins.core.errors import Cancelled, PartlyDone, Refused
from stand_ins.core.naming import apply_name
from stand_ins.core.resource import Resource
from stand_ins.core.schema import Member, Problem, TypeSchema, find_problems, load_schema
from stand_ins.core.server import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from stand_ins.core.shapes import find_unsupported
from stand_ins.core.wire import UNKNOWN, Secret, decode, encode, holds_secret, holds_unknown, plain

CallT = TypeVar("CallT")
Function = Callable[[CallT, Mapping[str, Any]], dict[str, Any]]
KINDS: dict[str, Any] = {"ADD": 0, "DELETE": 2, "UPDATE": 4}
"""Of `PropertyDiff.Kind`; one more is the same, by a replacement."""


class Provider(provider_pb2_grpc.ResourceProviderServicer, Generic[CallT]):
    """A resource provider whose resources have the semantics of the Terraform bridge."""

    name: str
    version = "0.0.0"
    resources: Mapping[str, Resource[CallT]]
    functions: Mapping[str, Function[CallT]]
    config_supported: Collection[str] = ()
    """The provider's own properties that the stand-in honours, beside those in `config_ignored`."""
    config_ignored: Collection[str] = ()
    """Those that change nothing against a stand-in's cloud."""
    completed: Collection[str] = ()
    """What `complete` adds."""

    def __init__(self) -> None:
        self.schema = load_schema(self.name)
        self.cancelled = threading.Event()

    def configure(self, config: Mapping[str, Any]) -> None:
        """Take the provider's own properties; raises `Refused` where nothing could work with them."""

    def call(self, properties: Mapping[str, Any], seconds: float | None = None) -> CallT:
        """How an operation on a resource with `properties` reaches the cloud, for at most `seconds`."""
        raise NotImplementedError

    def complete(self, resource: Resource[CallT], given: dict[str, Any]) -> None:
        """Add to a resource's inputs what the provider's own properties say."""

    def plan(self, resource: Resource[CallT], given: dict[str, Any], state: Mapping[str, Any]) -> None:
        """Add to what is `given` what follows from it and from the provider's own properties, but is no input.

        `state` is empty for what is not made yet; `given` may hold unknowns.
        """

    def describe(self, call: CallT, resource: Resource[CallT], found: dict[str, Any], known: Mapping[str, Any]) -> None:
        """Add to a resource's outputs what is the same for all types."""

    def explain(self, error: Exception, doing: str) -> str | None:
        """The message for an error of the cloud, or None where it is not one."""
        return None

    # From here on, the protocol's own names.

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self.version)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        news = decode(request.news)
        given = {key: self._parse_config(key, value) for key, value in plain(news).items()}
        problems = list(find_problems(self.schema.provider, {k: v for k, v in given.items() if k != "version"}))
        for key, value in given.items():
            if value is not None and key in self.schema.provider and not self._knows_config(key):
                problems.append(Problem(key, f"the stand-in does not know how to use the provider's {key!r}"))
        return provider_pb2.CheckResponse(inputs=encode(news), failures=_failures(problems))

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        olds, news = plain(decode(request.old_inputs) or decode(request.olds)), plain(decode(request.news))
        changed = [key for key in sorted({*olds, *news}) if key != "version" and olds.get(key) != news.get(key)]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
        )

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        config = {key: self._parse_config(key, value) for key, value in plain(decode(request.args)).items()}
        with self._told(context, f"configuring the {self.name} provider"):
            self.configure({key: value for key, value in config.items() if value is not None})
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._told(context, "checking"):
            resource, schema = self._find(request)
        news, olds = decode(request.news), plain(decode(request.olds))
        news = {key: value for key, value in news.items() if value is not None and key != "__defaults"}
        given = plain(news)
        problems = list(find_problems(schema.inputs, given))
        if not problems:
            problems = [
                Problem(path, f"the stand-in for {self.name} does not know how to do {path!r} of {resource.token}")
                for path in find_unsupported(resource.inputs, given)
            ]
        defaulted = {}
        if resource.autoname and not problems:
            try:
                name = self._name(resource, request, given, olds)
            except Refused as error:
                problems.append(Problem(resource.autoname.prop, str(error)))
            else:
                defaulted = {resource.autoname.prop: name} if name else {}
        defaulted |= {key: value for key, value in resource.defaults.items() if key not in given}
        news |= defaulted
        if not problems:
            fill_objects(resource.inner_defaults, news)
            self.complete(resource, news)
            problems = list(resource.check(plain(news)))
        news["__defaults"] = sorted(defaulted)
        return provider_pb2.CheckResponse(inputs=encode(news), failures=_failures(problems))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._told(context, "comparing"):
            resource, schema = self._find(request)
            state, news = plain(decode(request.olds)), plain(decode(request.news))
            self.plan(resource, news, state)
        changes = list(find_changes(resource, schema, state, news, request.ignoreChanges))
        detailed = {
            path: provider_pb2.PropertyDiff(kind=KINDS[kind] + change.replace)
            for change in changes
            for path, kind in change.paths
        }
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=[change.name for change in changes],
            replaces=[path for change in changes if change.replace for path, _ in change.paths],
            deleteBeforeReplace=_keeps_given_name(resource, state, news),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, schema = self._find(request)
        inputs = decode(request.properties)
        given = _given(inputs)
        with self._told(context, f"creating {resource.label}"):
            self.plan(resource, given, {})
        if request.preview:
            planned = {**self._plan(schema, given), **_spell(resource, given)}
            return provider_pb2.CreateResponse(properties=encode(_seal(resource, planned, inputs)))
        with self._told(context, f"creating {resource.label}"):
            call = self._call(resource, given, "create", request.timeout)
            id_ = resource.create(call, given)
            try:
                resource.settle(call, id_, given)
                found = self._read(call, resource, id_, given)
                if found is None:
                    raise Refused(f"reading {resource.label} ({id_}): couldn't find resource")
                _refuse_ignored(resource, schema, found, given)
            except Exception as error:
                reason = self._reason(error, f"creating {resource.label} ({id_})")
                raise PartlyDone(id_, _seal(resource, {**given, "id": id_}, inputs), reason) from error
        return provider_pb2.CreateResponse(id=id_, properties=encode(_seal(resource, found, inputs)))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, schema = self._find(request)
        inputs, state = decode(request.inputs), plain(decode(request.properties))
        imported = not state
        known = state or _given(inputs)
        with self._told(context, f"reading {resource.label} ({request.id})"):
            call = self._call(resource, known, "read", request.timeout)
            id_ = resource.find_id(call, request.id) if imported else request.id
            if imported:
                known = {key: value for key, value in resource.defaults.items() if key in resource.kept}
                self.complete(resource, known)
                known = {key: value for key, value in known.items() if key in schema.inputs}
            found = self._read(call, resource, id_, known)
        if found is None:
            return provider_pb2.ReadResponse()
        news = self._import(resource, found) if imported and not inputs else _refresh(resource, schema, found, inputs)
        outputs = _seal(resource, found, {**inputs, **_secret_outputs(decode(request.properties))})
        return provider_pb2.ReadResponse(id=id_, properties=encode(outputs), inputs=encode(news))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, schema = self._find(request)
        state, inputs = plain(decode(request.olds)), decode(request.news)
        given = _given(inputs)
        with self._told(context, f"updating {resource.label} ({request.id})"):
            self.plan(resource, given, state)
        changed = {change.name for change in find_changes(resource, schema, state, given, request.ignoreChanges)}
        if request.preview:
            # What is no change stays as the cloud spells it.
            news = {key: value for key, value in given.items() if key in changed or key not in state}
            planned = {**state, **_spell(resource, news), **dict.fromkeys(resource.replan(changed), UNKNOWN)}
            for name in schema.inputs.keys() - given.keys() - changed:
                planned.setdefault(name, state.get(name))
            return provider_pb2.UpdateResponse(properties=encode(_seal(resource, planned, inputs)))
        with self._told(context, f"updating {resource.label} ({request.id})"):
            call = self._call(resource, given, "update", request.timeout)
            resource.update(call, request.id, state, given, changed)
            found = self._read(call, resource, request.id, resource.remember(state, given))
            if found is None:
                raise Refused(f"reading {resource.label} ({request.id}): couldn't find resource")
            _refuse_ignored(resource, schema, found, given, request.ignoreChanges)
        return provider_pb2.UpdateResponse(properties=encode(_seal(resource, found, inputs)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, _ = self._find(request)
        state = plain(decode(request.properties))
        with self._told(context, f"deleting {resource.label} ({request.id})"):
            resource.delete(self._call(resource, state, "delete", request.timeout), request.id, state)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._told(context, f"invoking {request.tok}"):
            if request.tok not in self.functions:
                raise Refused(f"the stand-in for {self.name} does not know how to invoke {request.tok}")
            given = {key: value for key, value in plain(decode(request.args)).items() if value is not None}
            problems = list(find_problems(self.schema.functions[request.tok].inputs, given))
            if problems:
                return provider_pb2.InvokeResponse(failures=_failures(problems))
            result = self.functions[request.tok](self.call(given), given)
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    def _find(self, request: Any) -> tuple[Resource[CallT], TypeSchema]:
        token = request.type or request.urn.split("::")[2].rpartition("$")[2]
        if token not in self.resources:
            raise Refused(f"the stand-in for {self.name} does not know {token}")
        return self.resources[token], self.schema.resources[token]

    def _knows_config(self, key: str) -> bool:
        return key in self.config_supported or key in self.config_ignored

    def _parse_config(self, key: str, value: Any) -> Any:
        """The SDK sends what is no text in the provider's own properties as JSON."""
        member = self.schema.provider.get(key)
        if member is None or member.kind == "str" or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value

    def _name(
        self, resource: Resource[CallT], request: Any, given: Mapping[str, Any], olds: Mapping[str, Any]
    ) -> str | None:
        assert resource.autoname is not None
        mode = request.autonaming.mode if request.HasField("autonaming") else None
        if mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
            return None
        proposed = request.autonaming.proposed_name if request.HasField("autonaming") else None
        logical = request.name or request.urn.rpartition("::")[2]
        return apply_name(resource.autoname, given, olds, logical, request.randomSeed, proposed)

    def _call(self, resource: Resource[CallT], properties: Mapping[str, Any], verb: str, timeout: float) -> CallT:
        minutes = resource.minutes.get(verb)
        return self.call(properties, timeout or (minutes * 60 if minutes else None))

    def _plan(self, schema: TypeSchema, given: Mapping[str, Any]) -> dict[str, Any]:
        computed = [name for name, member in schema.inputs.items() if member.computed and name not in given]
        return {**given, **dict.fromkeys([*computed, *(name for name in schema.outputs if name not in given)], UNKNOWN)}

    def _read(
        self, call: CallT, resource: Resource[CallT], id_: str, known: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        found = resource.read(call, id_, known)
        if found is None:
            return None
        found |= {key: known[key] for key in resource.kept if known.get(key) is not None}
        for key in resource.documents:
            if (
                isinstance(found.get(key), str)
                and isinstance(known.get(key), str)
                and same_document(found[key], known[key])
            ):
                found[key] = known[key]
        self.describe(call, resource, found, known)
        return {**found, "id": id_}

    def _import(self, resource: Resource[CallT], found: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs that a program would have given to make what is there."""
        news = {
            key: value
            for key, value in found.items()
            if key in resource.inputs and not is_empty(value) and resource.defaults.get(key) != value
        }
        news |= {key: found[key] for key in (*resource.defaults, *self.completed) if key in found}
        for group in (*resource.exactly_one, *resource.at_most_one):
            for surplus in [key for key in group if key in news][1:]:
                del news[surplus]
        return {**_seal(resource, news, {}), "__defaults": sorted(key for key in resource.defaults if key in found)}

    def _reason(self, error: Exception, doing: str) -> str:
        if isinstance(error, Refused):
            return str(error)
        if isinstance(error, Cancelled):
            return f"{doing}: the operation was cancelled"
        if reason := self.explain(error, doing):
            return reason
        traceback.print_exc()  # which the engine shows with its own log
        return f"{doing}: {type(error).__name__}: {error}"

    @contextmanager
    def _told(self, context: grpc.ServicerContext, doing: str) -> Iterator[None]:
        """Turns what goes wrong into what the engine shows, and what it has to remember."""
        try:
            yield
        except PartlyDone as error:
            _abort(context, str(error), error)
        except Exception as error:
            _abort(context, self._reason(error, doing))


def _abort(context: grpc.ServicerContext, reason: str, partly: PartlyDone | None = None) -> NoReturn:
    message = f"1 error occurred:\n\t* {reason}\n\n"
    if partly:
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(id=partly.id, properties=encode(partly.properties), reasons=[reason])
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort returned")


def _failures(problems: Collection[Problem]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems]


def _given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain(inputs).items() if key != "__defaults" and value is not None}


def _spell(resource: Resource[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in the spelling of the outputs."""
    return {key: resource.normalize(key, value) if isinstance(value, str) else value for key, value in given.items()}


def _seal(resource: Resource[Any], outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs, secret where the type or what they were made from is."""
    hidden = {*resource.secrets, *(key for key, value in inputs.items() if holds_secret(value))}
    return {
        key: Secret(value) if key in hidden and value is not None and not isinstance(value, Secret) else value
        for key, value in outputs.items()
        if value is not None
    }


def _secret_outputs(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if holds_secret(value)}


def _keeps_given_name(resource: Resource[Any], state: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Two of one name cannot exist: where the program gives the name, the old one has to go first."""
    if resource.autoname is None or resource.autoname.prop in (news.get("__defaults") or ()):
        return False
    given = news.get(resource.autoname.prop)
    return given is not None and not holds_unknown(given) and given == state.get(resource.autoname.prop)


def _refuse_ignored(
    resource: Resource[Any],
    schema: TypeSchema,
    found: Mapping[str, Any],
    given: Mapping[str, Any],
    ignored: Collection[str] = (),
) -> None:
    """What was asked for has to be there, or a test would say something about a cloud that nobody looked at."""
    changes = find_changes(resource, schema, found, given, ignored)
    if lost := [change.name for change in changes if change.name in given]:
        raise Refused(
            f"{resource.label}: what the cloud says of {', '.join(lost)} is not what was asked for; "
            "the stand-in, or the cloud behind it, does not know how to do this"
        )


def _refresh(
    resource: Resource[Any], schema: TypeSchema, found: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs of the last update with what is different now; their own spelling where it means the same."""
    compare = Comparison(resource)
    news = {}
    for key, value in inputs.items():
        member = schema.inputs.get(key, Member({"*": "str"}, required=False, computed=False))
        now = found.get(key)
        if key == "__defaults" or compare.same_member(key, member, now, plain(value)):
            news[key] = value
        elif now is not None:
            news[key] = Secret(now) if holds_secret(value) else now
    return news


def fill_objects(defaults: Mapping[str, Mapping[str, Any]], inputs: dict[str, Any]) -> None:
    """Give the objects inside `inputs` what the program left out."""
    for path, values in defaults.items():
        for item in _find_objects(inputs, path.split(".")):
            for key, value in values.items():
                if item.get(key) is None:
                    item[key] = value


def _find_objects(value: Any, path: Sequence[str]) -> Iterator[dict[str, Any]]:
    if isinstance(value, Secret):
        yield from _find_objects(value.value, path)
    elif isinstance(value, list):
        for item in value:
            yield from _find_objects(item, path)
    elif isinstance(value, dict):
        if path:
            yield from _find_objects(value.get(path[0]), path[1:])
        else:
            yield value
