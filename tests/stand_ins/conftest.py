"""An AWS that starts empty for each test, and a plugin that is configured for it."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from aws_calls import CallProxy
from machines import moto_placement
from stand_ins import stand_in_path
from stand_ins.plugin_client import PluginClient
from stand_ins.world import World

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
DEFAULT_TAGS = {"daskfleet:fleet": "tests"}


class Cloud:
    """moto behind a proxy that writes down what it is asked."""

    def __init__(self, proxy: CallProxy) -> None:
        self.calls = proxy
        self.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url, "AWS_CONFIG_FILE": os.devnull}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    @property
    def ec2(self) -> Any:
        return self.client("ec2")


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    moto_placement.repair()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def whole_cloud(moto: str) -> Iterator[Cloud]:
    with CallProxy(moto) as proxy:
        yield Cloud(proxy)


@pytest.fixture
def cloud(moto: str, whole_cloud: Cloud) -> Cloud:
    """An AWS with nothing in it but what each account has."""
    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()
    whole_cloud.calls.clear()
    return whole_cloud


@pytest.fixture(scope="session")
def image(whole_cloud: Cloud) -> str:
    """Of some machine of x86-64; moto's images are the same after each reset."""
    architecture = [{"Name": "architecture", "Values": ["x86_64"]}]
    return str(whole_cloud.ec2.describe_images(Filters=architecture)["Images"][0]["ImageId"])


def render_environment(cloud: Cloud | None) -> dict[str, str]:
    """For a plugin, with nobody's own settings."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    return {**own, "PATH": stand_in_path(), **(cloud.environment if cloud else {})}


@pytest.fixture(scope="session")
def aws_plugin(whole_cloud: Cloud) -> Iterator[PluginClient]:
    with PluginClient("aws", render_environment(whole_cloud)) as plugin:
        plugin.configure(region=REGION, defaultTags={"tags": DEFAULT_TAGS})
        yield plugin


@pytest.fixture
def aws(aws_plugin: PluginClient, cloud: Cloud) -> PluginClient:
    """The plugin for AWS, in one region, with default tags."""
    return aws_plugin


@pytest.fixture
def world(aws: PluginClient, image: str) -> World:
    """Things in the cloud that others need."""
    return World(aws, image)


@pytest.fixture(scope="session")
def tls() -> Iterator[PluginClient]:
    """The plugin for TLS."""
    with PluginClient("tls", render_environment(None)) as plugin:
        yield plugin
