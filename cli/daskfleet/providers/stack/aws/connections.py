"""The secret of a fleet that holds its connection, for those who have credentials of AWS and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, find_tag
from daskfleet.providers.stack.aws.tags import FLEET_TAG, ROLE_TAG
from daskfleet.providers.stack.cloud import StoredConnection
from daskfleet.providers.stack.files import parse_stored
from daskfleet_stacks.connection import Connection


def list_secrets(clients: Clients, fleet: str) -> list[dict[str, Any]]:
    """The secrets that carry the fleet's tag."""
    with explain_aws_errors():
        pages = (
            clients.get("secretsmanager")
            .get_paginator("list_secrets")
            .paginate(Filters=[{"Key": "tag-key", "Values": [FLEET_TAG]}, {"Key": "tag-value", "Values": [fleet]}])
        )
        # Its filters match beginnings, and key and value apart from each other.
        return [
            each
            for page in pages
            for each in page["SecretList"]
            if find_tag(each, FLEET_TAG) == fleet and "DeletedDate" not in each
        ]


def list_connections(clients: Clients, fleet: str) -> list[StoredConnection]:
    """The secrets with connections of fleets of this name."""
    return [
        StoredConnection(each["Name"], each["CreatedDate"].timestamp())
        for each in list_secrets(clients, fleet)
        if find_tag(each, ROLE_TAG) == "client"
    ]


def read_connection(clients: Clients, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
    """The connection in a secret, and the fleet's resources.

    Raises:
        FleetError: it cannot be read, or holds something else; the message holds nothing of it.
    """
    with explain_aws_errors():
        answer = clients.get("secretsmanager").get_secret_value(SecretId=stored.place)
    return parse_stored(answer.get("SecretString") or "", stored.place)
