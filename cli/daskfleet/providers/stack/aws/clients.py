"""Clients of AWS's services, each made once, and what their errors mean."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.providers.stack.explain import find_kind
from daskfleet.providers.stack.redact import redact

HOW = "pip install 'daskfleet[aws]'"

ATTEMPTS = 8
CONNECT_SECONDS, READ_SECONDS = 10, 60


class Clients:
    """Clients of one region. They may be used by several threads at once."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session: Any = None

    def get(self, service: str) -> Any:
        """The client of a service."""
        with self._lock:  # A session, other than a client, is not for several threads.
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise FleetError(f"AWS is asked through boto3, which is not installed: {HOW}.") from None
        with explain_aws_errors():
            if self._session is None:
                self._session = boto3.Session()
            config = Config(
                retries={"mode": "standard", "max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=20,
            )
            return self._session.client(service, region_name=self.region, config=config)


@contextlib.contextmanager
def explain_aws_errors() -> Iterator[None]:
    """Turn what boto3 raises into what a person can do about it."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ProfileNotFound as error:
        raise FleetError(f"AWS: {error}; mend AWS_PROFILE.") from None
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
    ) as error:
        raise FleetError(
            f"there are no AWS credentials ({redact(str(error))}): give them as for `aws`, by AWS_PROFILE, `aws sso "
            "login`, or AWS_ACCESS_KEY_ID and its kin; then say the same command again."
        ) from None
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        code, message = told.get("Code", ""), redact(told.get("Message", ""))
        found = find_kind(f"{code} {message}", "aws")
        remedy = found.remedy if found is not None else "look at the identity and the region that you use"
        raise FleetError(f"AWS refuses {error.operation_name}: {message} ({code}).\n  what to do: {remedy}.") from None
    except exceptions.BotoCoreError as error:
        raise FleetError(
            f"AWS cannot be asked: {redact(str(error))}. Look at the network and at the region; then say it again."
        ) from None


def is_missing(error: Any) -> bool:
    """Whether a refusal of AWS says that what was meant is not there."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    return (
        "NotFound" in code
        or code in ("NoSuchEntity", "ResourceNotFoundException", "NatGatewayNotFound", "InvalidPlacementGroup.Unknown")
        or (code in ("ValidationError", "InvalidParameterException") and "not found" in message.lower())
    )


def find_tag(resource: dict[str, Any], key: str, field: str = "Tags") -> str:
    """The value of a tag; empty where there is none."""
    return next((str(tag.get("Value", "")) for tag in resource.get(field) or () if tag.get("Key") == key), "")
