"""Clouds that start empty for each test, and plugins that are configured for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

import google_calls
from aws_calls import CallProxy
from google_client import GoogleClient
from harness import await_true
from machines import moto_placement
from machines.gcp.images import register_image
from sshd import find_free_port
from stand_ins import azure_world, gcp_world, stand_in_path
from stand_ins.azure_world import Arm, AzureWorld
from stand_ins.gcp_world import GcpWorld
from stand_ins.plugin_client import PluginClient
from stand_ins.subjects import SUBJECTS, Place
from stand_ins.world import World

TESTS = Path(__file__).parents[1]

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
DEFAULT_TAGS = {"daskfleet:fleet": "tests"}
FOREIGN = ("ARM_", "AWS_", "AZURE_", "CLOUDSDK_", "GCLOUD_", "GOOGLE_", "PULUMI_")
"""How somebody's own settings begin."""


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
    own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
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


class Google:
    """The stand-in of Google Cloud behind a proxy that writes down what it is asked."""

    def __init__(self, proxy: google_calls.CallProxy) -> None:
        self.calls = proxy
        self.client = GoogleClient(proxy.url)
        paths = {"COMPUTE": "compute/v1/", "STORAGE": "storage/v1/"}
        services = ("COMPUTE", "IAM", "RESOURCE_MANAGER", "SECRET_MANAGER", "STORAGE")
        self.environment = {
            **{f"GOOGLE_{name}_CUSTOM_ENDPOINT": f"{proxy.url}/{paths.get(name, 'v1/')}" for name in services},
            "GOOGLE_OAUTH_ACCESS_TOKEN": "testing",
            "GOOGLE_PROJECT": gcp_world.PROJECT,
            "GOOGLE_REGION": gcp_world.REGION,
            "GOOGLE_ZONE": gcp_world.ZONE,
        }

    @property
    def endpoints(self) -> dict[str, str]:
        """As the provider's own properties have them."""
        url = self.calls.url
        return {
            "computeCustomEndpoint": f"{url}/compute/v1/",
            "storageCustomEndpoint": f"{url}/storage/v1/",
            **{f"{name}CustomEndpoint": f"{url}/v1/" for name in ("iam", "resourceManager", "secretManager")},
        }


@pytest.fixture(scope="session")
def whole_google() -> Iterator[str]:
    """A Google Cloud with an image and a bucket, which nobody changes: each test has a copy."""
    port = find_free_port()
    process = subprocess.Popen([sys.executable, "-m", "google_cloud", str(port)], cwd=TESTS)
    try:
        await_true(lambda: process.poll() is not None or listens(port), "Google Cloud listens")
        url = f"http://127.0.0.1:{port}"
        client = GoogleClient(url)
        register_image(client, gcp_world.PROJECT, "lab-x86-64", {"family": "lab"})
        client.call("POST", "/storage/v1/b", {"name": gcp_world.BUCKET}, project=gcp_world.PROJECT)
        yield url
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def google(whole_google: str) -> Iterator[Google]:
    """A Google Cloud with nothing in it but an image and a bucket."""
    port = GoogleClient(whole_google).call("POST", "/daskfleet/copy")["port"]
    with google_calls.CallProxy(f"http://127.0.0.1:{port}") as proxy:
        yield Google(proxy)


@pytest.fixture(scope="session")
def gcp_plugin() -> Iterator[PluginClient]:
    with PluginClient("gcp", {**render_environment(None), "GOOGLE_OAUTH_ACCESS_TOKEN": "testing"}) as plugin:
        yield plugin


@pytest.fixture
def gcp(gcp_plugin: PluginClient, google: Google) -> PluginClient:
    """The plugin for Google Cloud, in one project and region."""
    here = {"project": gcp_world.PROJECT, "region": gcp_world.REGION, "zone": gcp_world.ZONE}
    gcp_plugin.configure(**here, **google.endpoints)
    return gcp_plugin


@pytest.fixture
def gcp_things(gcp: PluginClient) -> GcpWorld:
    """Things in Google Cloud that others need."""
    return GcpWorld(gcp, f"projects/{gcp_world.PROJECT}/global/images/lab-x86-64")


@pytest.fixture(scope="session")
def whole_arm() -> Iterator[Arm]:
    with Arm() as arm:
        yield arm


@pytest.fixture
def arm(whole_arm: Arm) -> Arm:
    """An Azure with nothing in it but an image."""
    whole_arm.reset()
    return whole_arm


@pytest.fixture(scope="session")
def azure_plugin(whole_arm: Arm) -> Iterator[PluginClient]:
    with PluginClient("azure-native", render_environment(None)) as plugin:
        yield plugin


@pytest.fixture
def azure(azure_plugin: PluginClient, arm: Arm) -> PluginClient:
    """The plugin for Azure, as a service principal in one subscription."""
    azure_plugin.configure(**azure_world.settings(arm))
    return azure_plugin


@pytest.fixture
def azure_things(azure: PluginClient) -> AzureWorld:
    """Things in Azure that others need."""
    return AzureWorld(azure)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """The plugin and the cloud of the type that the test is about, `kind`."""
    value = request.getfixturevalue
    match value("kind").partition(":")[0]:
        case "aws":
            return Place(SUBJECTS["aws"], value("aws"), value("world"), value("cloud").calls)
        case "azure-native":
            return Place(SUBJECTS["azure"], value("azure"), value("azure_things"), value("arm"))
        case name:
            return Place(SUBJECTS[name], value("gcp"), value("gcp_things"), value("google").calls)
