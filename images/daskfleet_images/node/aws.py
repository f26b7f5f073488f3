"""Services of AWS, asked with the machine's own role: its secrets, and what is wrong when a service gives no answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daskfleet_images.node.document import AwsSecret
from daskfleet_images.node.errors import NodeFailed, NotYet
from daskfleet_images.node.remedies import CONNECT_SECONDS, METADATA_SECONDS, READ_SECONDS, Remedies

SECRET_REMEDIES = Remedies(
    {
        "ResourceNotFoundException": "make the secret, or correct `tls.secret` and `tls.region`",
        "AccessDeniedException": "allow the machine's role secretsmanager:GetSecretValue on it",
        "DecryptionFailure": "allow the machine's role kms:Decrypt on the secret's key",
        "InvalidRequestException": "see whether the secret is marked for deletion",
        "ThrottlingException": "start fewer machines at once",
    },
    "give the machine an instance profile whose role may read the secret",
    "open a way to the service: a NAT gateway, or a VPC endpoint for secretsmanager",
    "correct `tls` in the node document",
)


def read_secret(source: AwsSecret) -> str:
    """The value of the secret, tried once.

    Raises:
        NotYet: it cannot be read now.
        NodeFailed: botocore is not there.
    """
    try:
        with told_as(SECRET_REMEDIES):
            client = open_client("secretsmanager", source.region, source.endpoint_url)
            answer: dict[str, Any] = client.get_secret_value(SecretId=source.secret)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "botocore":
            raise
        raise NodeFailed(
            f"{source.place} cannot be read: botocore is not installed; add it, or s3fs which brings it, to the image"
        ) from None
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise NotYet("its value is binary", "store the value as text, not as binary")
    return text


def open_client(service: str, region: str, endpoint_url: str | None) -> Any:
    """A client of a service that does not wait long for an answer and asks once."""
    import botocore.config
    import botocore.session

    for name in ("botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)  # At debug they write down what the service answers.
    # A new session each time: one that once found no credentials does not look for them again.
    session = botocore.session.Session()
    session.set_config_variable("metadata_service_timeout", METADATA_SECONDS)
    session.set_config_variable("metadata_service_num_attempts", 1)
    config = botocore.config.Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
    )
    return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)


@contextmanager
def told_as(remedies: Remedies) -> Iterator[None]:
    """What a service's client raises becomes `NotYet`, with the reason and the remedy."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise explain_answer(error.response, remedies) from None
    except (exceptions.NoCredentialsError, exceptions.CredentialRetrievalError) as error:
        raise remedies.no_credentials(error) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise remedies.not_reached(error) from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise remedies.wrong_document(error) from None


def explain_answer(response: Any, remedies: Remedies = SECRET_REMEDIES) -> NotYet:
    """What the service refused, and what a person can do about it."""
    error = response.get("Error", {})
    return remedies.refused(str(error.get("Code", "unknown")), str(error.get("Message", "")))
