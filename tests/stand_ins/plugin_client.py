"""A plugin as the engine sees it, without the engine: what a single operation does takes milliseconds to learn."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

from stand_ins import BIN
from stand_ins.core.server import provider_pb2, provider_pb2_grpc, status_pb2
from stand_ins.core.wire import Secret, decode, encode, plain

SEED = b"a seed"


@dataclass(frozen=True)
class Difference:
    """What the engine would do, and because of which paths."""

    changes: bool
    paths: dict[str, str]
    """Each path, and how it changes: `UPDATE`, `UPDATE_REPLACE`, `ADD`…"""
    delete_first: bool

    @property
    def replaces(self) -> list[str]:
        """The paths that make another one."""
        return [path for path, kind in self.paths.items() if kind.endswith("_REPLACE")]


@dataclass
class Made:
    """A resource that exists."""

    kind: str
    id: str
    inputs: dict[str, Any] = field(repr=False)
    state: dict[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        value = self.state[name]
        return plain(value.value) if isinstance(value, Secret) else value


class Refusal(Exception):
    """The plugin's error, and what it asks the engine to remember."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(error.details())
        self.remembered: Any = None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self.remembered = provider_pb2.ErrorResourceInitFailed()
                status_pb2.Status.FromString(value).details[0].Unpack(self.remembered)


class PluginClient:
    """A running plugin."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        command = [str(BIN / f"pulumi-resource-{name}")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(environment), text=True)
        assert self.process.stdout is not None
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}")
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(self, method: str, **request: Any) -> Any:
        """Call a method of the protocol."""
        types = {"CheckConfig": "Check", "DiffConfig": "Diff"}
        message = getattr(provider_pb2, f"{types.get(method, method)}Request")(**request)
        try:
            return getattr(self._stub, method)(message, timeout=120)
        except grpc.RpcError as error:
            raise Refusal(error) from None

    def cancel(self) -> None:
        """As the engine does on Ctrl-C, and at its end."""
        from google.protobuf import empty_pb2

        self._stub.Cancel(empty_pb2.Empty(), timeout=10)

    def configure(self, **config: Any) -> None:
        self.ask("Configure", args=encode(config), acceptSecrets=True)

    def check_failures(self, kind: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with `inputs`, by property."""
        answer = self.ask("Check", urn=urn(kind, "it"), news=encode(inputs), randomSeed=SEED)
        return {failure.property: failure.reason for failure in answer.failures}

    def check(
        self, kind: str, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None, name: str = "it"
    ) -> dict[str, Any]:
        """The inputs as the engine keeps them."""
        answer = self.ask("Check", urn=urn(kind, name), news=encode(inputs), olds=encode(olds or {}), randomSeed=SEED)
        assert not answer.failures, answer.failures
        return decode(answer.inputs)

    def preview(self, kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of what is not made yet."""
        checked = self.check(kind, inputs)
        answer = self.ask("Create", urn=urn(kind, "it"), properties=encode(checked), preview=True)
        assert not answer.id
        return decode(answer.properties)

    def create(self, kind: str, inputs: Mapping[str, Any], name: str = "it", timeout: float = 0) -> Made:
        checked = self.check(kind, inputs, name=name)
        answer = self.ask("Create", urn=urn(kind, name), properties=encode(checked), timeout=timeout)
        return Made(kind, answer.id, checked, decode(answer.properties))

    def diff(self, made: Made, inputs: Mapping[str, Any], ignore: Collection[str] = ()) -> Difference:
        """What another `inputs` would change."""
        checked = self.check(made.kind, inputs, made.inputs)
        answer = self.ask(
            "Diff",
            id=made.id,
            urn=urn(made.kind, "it"),
            olds=encode(made.state),
            old_inputs=encode(made.inputs),
            news=encode(checked),
            ignoreChanges=ignore,
        )
        names = {value: key for key, value in provider_pb2.PropertyDiff.Kind.items()}
        paths = {path: names[change.kind] for path, change in answer.detailedDiff.items()}
        assert sorted(answer.replaces) == sorted(path for path, kind in paths.items() if kind.endswith("_REPLACE"))
        return Difference(answer.changes == provider_pb2.DiffResponse.DIFF_SOME, paths, answer.deleteBeforeReplace)

    def update(
        self, made: Made, inputs: Mapping[str, Any], ignore: Collection[str] = (), *, preview: bool = False
    ) -> Made:
        checked = self.check(made.kind, inputs, made.inputs)
        answer = self.ask(
            "Update",
            id=made.id,
            urn=urn(made.kind, "it"),
            olds=encode(made.state),
            old_inputs=encode(made.inputs),
            news=encode(checked),
            ignoreChanges=ignore,
            preview=preview,
        )
        return Made(made.kind, made.id, checked, decode(answer.properties))

    def refresh(self, made: Made) -> Made | None:
        """What is there now."""
        answer = self.ask(
            "Read",
            id=made.id,
            urn=urn(made.kind, "it"),
            properties=encode(made.state),
            inputs=encode(made.inputs),
        )
        return Made(made.kind, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def find(self, kind: str, id_: str) -> Made | None:
        """What an import finds."""
        answer = self.ask("Read", id=id_, urn=urn(kind, "it"))
        return Made(kind, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def delete(self, made: Made, timeout: float = 0) -> None:
        self.ask(
            "Delete",
            id=made.id,
            urn=urn(made.kind, "it"),
            properties=encode(made.state),
            old_inputs=encode(made.inputs),
            timeout=timeout,
        )

    def invoke(self, token: str, **args: Any) -> dict[str, Any]:
        answer = self.ask("Invoke", tok=token, args=encode(args))
        assert not answer.failures, answer.failures
        return decode(getattr(answer, "return"))


def urn(kind: str, name: str) -> str:
    """As the engine names a resource."""
    return f"urn:pulumi:stack::project::parent$%s::{name}" % kind
