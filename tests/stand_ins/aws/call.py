"""How an operation reaches AWS: clients, who and where it is, trying again."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from stand_ins.core.waiting import Patience

T = TypeVar("T")
GONE = re.compile(r"NotFound|NoSuchEntity|^NatGatewayMalformed$|^InvalidPlacementGroup\.Unknown$")
"""The error codes for something that is not there, of all the services here."""


def is_gone(error: Exception) -> bool:
    """Whether the error says that what it is about does not exist."""
    return bool(GONE.search(error_code(error)))


def error_code(error: Exception) -> str:
    """AWS's code, empty for an error that is not AWS's."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


class Account:
    """What the provider was configured with, for all operations."""

    def __init__(self, clients: Clients, region: str, tags: Mapping[str, str], ignored: IgnoredTags) -> None:
        self.clients = clients
        self.region = region
        self.default_tags = tags
        self.ignored_tags = ignored

    @cached_property
    def id(self) -> str:
        return str(self.identity["Account"])

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return dict(self.clients.get("sts", self.region).get_caller_identity())

    @property
    def partition(self) -> str:
        return self.partition_of(self.region)

    def partition_of(self, region: str) -> str:
        return str(self.clients.session.get_partition_for_region(region))


@dataclass(frozen=True)
class IgnoredTags:
    """The cloud's tags that are none of the provider's business."""

    keys: Collection[str] = ()
    prefixes: tuple[str, ...] = ()

    def covers(self, key: str) -> bool:
        return key in self.keys or key.startswith(("aws:", *self.prefixes))


class Clients:
    """One client for each service and region; making one is not safe in several threads at once, using one is."""

    def __init__(self, session: Any, options: Mapping[str, Any], endpoints: Mapping[str, str]) -> None:
        self.session = session
        self._options = options
        self._endpoints = endpoints
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = self.session.create_client(
                    service, region_name=region, endpoint_url=self._endpoints.get(service), **self._options
                )
            return self._made[service, region]


@dataclass(frozen=True, kw_only=True)
class Call(Patience):
    """One operation."""

    account: Account
    region: str

    def client(self, service: str) -> Any:
        return self.account.clients.get(service, self.region)

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        partition = self.account.partition_of(self.region)
        return f"arn:{partition}:{service}:{self.region if region else ''}:{self.account.id}:{resource}"

    def retry_codes(self, codes: Collection[str], action: Callable[[], T]) -> T:
        """`action`, again while AWS answers with one of `codes`; the last such error when time is up."""
        return self.retry("AWS", lambda error: error_code(error) in codes, action)

    def delete(self, action: Callable[[], Any], retry: Collection[str] = ()) -> None:
        """`action`, for which something that is gone already is success."""
        try:
            self.retry_codes(retry, action)
        except Exception as error:
            if not is_gone(error):
                raise

    def find_one(self, operation: Callable[..., Any], key: str, **parameters: Any) -> dict[str, Any] | None:
        """The one thing that `operation` describes under `key`, or None where it does not exist."""
        try:
            found = operation(**parameters)[key]
        except Exception as error:
            if is_gone(error):
                return None
            raise
        return dict(found[0]) if found else None


def refuse(code: str, operation: str, message: str) -> Exception:
    """The error with which AWS refuses what moto would do."""
    from botocore.exceptions import ClientError

    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    error: Exception = ClientError(response, operation)
    return error
