"""Clients of AWS in this process whose connections are made inside of a network."""

from __future__ import annotations

import socket
from typing import Any

from machines.network import Network


def make_client(network: Network, service: str, region: str, endpoint_url: str) -> Any:
    """boto3's client of a service at an address that only the inside reaches."""
    import boto3
    from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool
    from botocore.config import Config

    class Connection(AWSHTTPConnection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            return network.connect(self.host, self.port)

    class Pool(AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Connection

    client = boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
    )
    # botocore has no option for it, and a thread of its pool may open a connection at any time.
    client._endpoint.http_session._manager.pool_classes_by_scheme = {"http": Pool}
    return client
