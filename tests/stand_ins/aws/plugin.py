"""The provider itself: its configuration, and what it adds to all resources."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from typing import Any

from stand_ins.aws.call import Account, Call, Clients, IgnoredTags
from stand_ins.aws.registry import FUNCTIONS, RESOURCES
from stand_ins.core.errors import Refused
from stand_ins.core.provider import Provider
from stand_ins.core.resource import Resource
from stand_ins.core.server import serve
from stand_ins.core.shapes import words
from stand_ins.core.wire import UNKNOWN, Secret, holds_secret, holds_unknown, plain

USUAL_SECONDS = 60.0
"""For what a resource type says no time for, and the engine neither: shorter than the real provider's, as tests are."""
ATTEMPTS = 6
"""Of a request that AWS throttles or fails to answer; the real provider makes 25, over many minutes."""


SERVICES = {
    **{name: name for name in ("autoscaling", "ec2", "iam", "logs", "secretsmanager", "ssm", "sts")},
    "cloudwatchlogs": "logs",
}
"""Those that are asked, by the provider's names of them."""


class Aws(Provider[Call]):
    """`pulumi-aws`."""

    name = "aws"
    version = "7.51.1"
    resources = RESOURCES
    functions = FUNCTIONS
    config_supported = words(
        "accessKey allowedAccountIds defaultTags endpoints forbiddenAccountIds ignoreTags maxRetries profile region "
        "secretKey skipCredentialsValidation token"
    )
    config_ignored = words(
        "insecure retryMode s3UsePathStyle skipMetadataApiCheck skipRegionValidation skipRequestingAccountId userAgents"
    )

    completed = ("region", "tagsAll")

    account: Account | None = None

    def configure(self, config: Mapping[str, Any]) -> None:
        import botocore.config
        import botocore.session

        session = botocore.session.Session(profile=config.get("profile"))
        if "accessKey" in config:
            session.set_credentials(config["accessKey"], config.get("secretKey"), config.get("token"))
        # Of the two variables botocore knows the second only.
        region = config.get("region") or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        if not region:
            raise Refused(
                "Invalid provider configuration: missing region information. Set `pulumi config set aws:region …`, the "
                "provider's `region`, or the AWS_REGION environment variable"
            )
        retries = {"mode": "standard", "total_max_attempts": config.get("maxRetries", ATTEMPTS - 1) + 1}
        options = {"config": botocore.config.Config(retries=retries, user_agent_extra="stand-in")}
        endpoints = find_endpoints(config.get("endpoints") or ())
        clients = Clients(session, options, endpoints)
        session.register("request-created", self._refuse_when_cancelled)
        session.register("before-parse", empty_failure)
        ignored = config.get("ignoreTags") or {}
        self.account = Account(
            clients,
            region,
            (config.get("defaultTags") or {}).get("tags") or {},
            IgnoredTags(ignored.get("keys") or (), tuple(ignored.get("keyPrefixes") or ())),
        )
        if session.get_credentials() is None:
            raise Refused(
                "Invalid credentials configured: no valid credential sources found. Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, a profile, or the provider's `accessKey` and `secretKey`"
            )
        if not config.get("skipCredentialsValidation"):
            self._check_account(config)

    def _check_account(self, config: Mapping[str, Any]) -> None:
        assert self.account is not None
        account = self.account.id
        allowed = config.get("allowedAccountIds")
        if (allowed and account not in allowed) or account in (config.get("forbiddenAccountIds") or ()):
            raise Refused(f"AWS account ID not allowed: {account}")

    def _refuse_when_cancelled(self, **_: Any) -> None:
        from stand_ins.core.errors import Cancelled

        if self.cancelled.is_set():
            raise Cancelled

    def call(self, properties: Mapping[str, Any], seconds: float | None = None) -> Call:
        if self.account is None:
            raise Refused("the provider was asked before it was configured")
        region = properties.get("region") or self.account.region
        deadline = time.monotonic() + (seconds or USUAL_SECONDS)
        return Call(account=self.account, region=region, deadline=deadline, cancelled=self.cancelled)

    def complete(self, resource: Resource[Call], given: dict[str, Any]) -> None:
        """The region and all tags, which the real provider adds to the inputs, so that a change of either is one."""
        members = self.schema.resources[resource.token]
        if self.account is None:
            return
        if "region" in members.inputs and given.get("region") is None:
            given["region"] = self.account.region
        if "tagsAll" in members.outputs:
            tags = given.get("tags") or {}
            if holds_unknown(tags):
                given["tagsAll"] = UNKNOWN
            else:
                merged = {**self.account.default_tags, **plain(tags)}
                merged = {key: value for key, value in merged.items() if not self.account.ignored_tags.covers(key)}
                given["tagsAll"] = Secret(merged) if holds_secret(tags) else merged

    def describe(self, call: Call, resource: Resource[Call], found: dict[str, Any], known: Mapping[str, Any]) -> None:
        schema = self.schema.resources[resource.token]
        if "region" in schema.inputs:
            found["region"] = call.region
        if "tagsAll" not in schema.outputs:
            return
        assert self.account is not None
        everything = {k: v for k, v in found.get("tagsAll", {}).items() if not self.account.ignored_tags.covers(k)}
        own = known.get("tags") or {}
        found["tagsAll"] = everything
        found["tags"] = {k: v for k, v in everything.items() if k in own or self.account.default_tags.get(k) != v}

    def explain(self, error: Exception, doing: str) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            details = error.response.get("Error", {})
            metadata = error.response.get("ResponseMetadata", {})
            return (
                f"{doing}: operation error {error.operation_name}, https response error StatusCode: "
                f"{metadata.get('HTTPStatusCode')}, RequestID: {metadata.get('RequestId', '')}, "
                f"api error {details.get('Code')}: {details.get('Message')}"
            )
        if isinstance(error, BotoCoreError):
            return f"{doing}: {error}"
        return None


def find_endpoints(entries: Collection[Mapping[str, str | None]]) -> dict[str, str]:
    """Where services are, by botocore's names of them."""
    given = {name: url for entry in entries for name, url in entry.items() if url}
    if unknown := sorted(given.keys() - SERVICES.keys()):
        raise Refused(f"the stand-in for aws does not know the services {', '.join(unknown)} of `endpoints`")
    return {SERVICES[name]: url for name, url in given.items()}


def empty_failure(response_dict: dict[str, Any], **_: Any) -> None:
    """A failure without an answer is tried again. moto's, in HTML, botocore would not know for one."""
    if response_dict["status_code"] >= 500 and response_dict["body"].lstrip()[:9].lower() == b"<!doctype":
        response_dict["body"] = b""


def main() -> None:
    """Serve as the engine's plugin."""
    serve(Aws())
