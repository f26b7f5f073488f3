"""The real engine and the real SDK with the stand-in for Google Cloud: a fleet comes, stays, changes and goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pulumi import automation

from engine.engine import Engine
from stand_ins import stand_in_path
from stand_ins.conftest import Google
from stand_ins.gcp_world import BUCKET, MARK, PROJECT, REGION


class Settings:
    """What a test changes between two updates."""

    def __init__(self, **values: Any) -> None:
        self.machine_type = "n2-standard-4"
        self.types = ["n2-standard-4", "n2d-standard-4"]
        self.count = 2
        self.labels = {"daskfleet-fleet": "one"}
        self.__dict__.update(values)


def build_fleet(settings: Settings) -> None:
    """A network, a scheduler, a group of workers: what the components of a fleet use."""
    labels = settings.labels
    here = gcp.organizations.get_client_config_output()
    zones = gcp.compute.get_zones_output(region=here.region)
    image = gcp.compute.get_image_output(name="lab-x86-64", project=here.project)

    network = gcp.compute.Network("net", auto_create_subnetworks=False, description=MARK)
    subnet = gcp.compute.Subnetwork(
        "net",
        network=network.id,
        ip_cidr_range="10.77.0.0/20",
        region=here.region,
        private_ip_google_access=True,
        description=MARK,
    )
    router = gcp.compute.Router("net", network=network.id, region=here.region, description=MARK)
    gcp.compute.RouterNat(
        "net",
        router=router.name,
        region=router.region,
        nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
        subnetworks=[{"name": subnet.id, "source_ip_ranges_to_nats": ["ALL_IP_RANGES"]}],
    )
    account = gcp.serviceaccount.Account("worker", account_id="one-worker", description=MARK)
    gcp.compute.Firewall(
        "dask",
        network=network.id,
        direction="INGRESS",
        allows=[{"protocol": "tcp", "ports": ["8786"]}],
        source_service_accounts=[account.email],
        target_service_accounts=[account.email],
        description=MARK,
    )
    gcp.projects.IAMMember("logs", project=here.project, role="roles/logging.logWriter", member=account.member)
    secret = gcp.secretmanager.Secret(
        "worker",
        secret_id="one-worker",
        labels=labels,
        replication={"user_managed": {"replicas": [{"location": REGION}]}},
    )
    gcp.secretmanager.SecretVersion("worker", secret=secret.id, secret_data=pulumi.Output.secret("s3cr3t"))
    gcp.secretmanager.SecretIamMember(
        "worker", secret_id=secret.id, role="roles/secretmanager.secretAccessor", member=account.member
    )
    gcp.storage.BucketIAMMember("data", bucket=BUCKET, role="roles/storage.objectViewer", member=account.member)

    address = gcp.compute.Address(
        "scheduler", address_type="INTERNAL", subnetwork=subnet.id, region=here.region, labels=labels
    )
    scheduler = gcp.compute.Instance(
        "scheduler",
        machine_type=settings.machine_type,
        zone=zones.names[0],
        boot_disk={"initialize_params": {"image": image.self_link, "size": 20, "type": "pd-ssd", "labels": labels}},
        network_interfaces=[{"subnetwork": subnet.id, "network_ip": address.address}],
        service_account={"email": account.email, "scopes": ["cloud-platform"]},
        metadata={"user-data": "#cloud-config\n{}\n"},
        labels=labels,
        allow_stopping_for_update=True,
    )
    template = gcp.compute.RegionInstanceTemplate(
        "cpu",
        machine_type="n2-standard-4",
        region=here.region,
        disks=[{"source_image": image.self_link, "boot": True, "auto_delete": True, "labels": labels}],
        network_interfaces=[{"subnetwork": subnet.id}],
        service_account={"email": account.email, "scopes": ["cloud-platform"]},
        scheduling={
            "provisioning_model": "SPOT",
            "preemptible": True,
            "automatic_restart": False,
            "instance_termination_action": "DELETE",
        },
        labels=labels,
        description=MARK,
    )
    check = gcp.compute.RegionHealthCheck("cpu", region=here.region, http_health_check={"port": 8788})
    gcp.compute.RegionInstanceGroupManager(
        "cpu",
        base_instance_name="one-cpu",
        region=here.region,
        versions=[{"instance_template": template.self_link}],
        target_size=settings.count,
        distribution_policy_target_shape="ANY",
        instance_flexibility_policy={"instance_selections": [{"name": "any", "machine_types": settings.types}]},
        auto_healing_policies={"health_check": check.id, "initial_delay_sec": 300},
        update_policy={
            "type": "OPPORTUNISTIC",
            "minimal_action": "REPLACE",
            "instance_redistribution_type": "NONE",
            "max_surge_fixed": 0,
            "max_unavailable_fixed": 3,
        },
        description=MARK,
        opts=pulumi.ResourceOptions(ignore_changes=["targetSize"]),
    )
    pulumi.export("scheduler", scheduler.network_interfaces[0].network_ip)
    pulumi.export("status", scheduler.current_status)
    pulumi.export("network", network.self_link)


class Deployment:
    """A stack of one program, with the state of its own."""

    def __init__(self, engine: Engine, google: Google, home: Path) -> None:
        self.home = home
        environment = engine.environment(home)
        clean = {key: value for key, value in environment.items() if not key.startswith(("GOOGLE_", "CLOUDSDK_"))}
        own = {key: value for key, value in google.environment.items() if key != "GOOGLE_OAUTH_ACCESS_TOKEN"}
        credentials = home / "credentials.json"
        credentials.write_text(json.dumps(render_credentials(google.calls.url)))
        self.environment = {
            **clean,
            **own,
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
            "PATH": stand_in_path(environment["PATH"]),
        }
        self.command = automation.PulumiCommand(root=str(engine.home))

    def stack(self, program: Callable[[], None]) -> automation.Stack:
        options = automation.LocalWorkspaceOptions(env_vars=self.environment, pulumi_command=self.command)
        return automation.create_or_select_stack("dev", "tests", program, opts=options)

    @property
    def state(self) -> str:
        return (self.home / "state" / ".pulumi" / "stacks" / "tests" / "dev.json").read_text()


def render_credentials(url: str) -> dict[str, str]:
    """A service account's file, whose tokens are given at `url`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "0",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": f"tester@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }


@pytest.fixture
def deployment(engine: Engine, google: Google, tmp_path: Path) -> Deployment:
    return Deployment(engine, google, tmp_path)


def changes(result: Any) -> dict[str, int]:
    """How many resources are made, changed, left…"""
    found = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    return {str(getattr(key, "value", key)): count for key, count in found.items()}


LISTED = (
    "global/networks",
    "global/firewalls",
    *(
        f"regions/{REGION}/{kind}"
        for kind in (
            "subnetworks",
            "routers",
            "addresses",
            "instanceTemplates",
            "instanceGroupManagers",
            "healthChecks",
        )
    ),
    *(f"zones/{REGION}-{zone}/{kind}" for zone in "abc" for kind in ("instances", "disks")),
)


def find_all(google: Google) -> list[str]:
    """The links of everything in the project that a fleet has."""
    compute = f"/compute/v1/projects/{PROJECT}"
    found = [item["selfLink"] for path in LISTED for item in google.client.list(f"{compute}/{path}")]
    found += [item["name"] for item in google.client.list(f"/v1/projects/{PROJECT}/secrets", "secrets")]
    found += [item["name"] for item in google.client.list(f"/v1/projects/{PROJECT}/serviceAccounts", "accounts")]
    return found


def test_a_fleet_is_previewed_made_found_unchanged_and_taken_down(deployment: Deployment, google: Google):
    before = find_all(google)
    google.calls.clear()
    stack = deployment.stack(lambda: build_fleet(Settings()))
    assert set(changes(stack.preview())) == {"create"}
    assert [call.name for call in google.calls.calls if call.changes] == []

    made = stack.up()
    assert set(changes(made)) == {"create"}
    assert made.outputs["scheduler"].value == "10.77.0.2"
    assert made.outputs["status"].value in ("PROVISIONING", "STAGING", "RUNNING")
    assert made.outputs["network"].value.startswith("https://www.googleapis.com/compute/v1/projects/")
    assert "s3cr3t" not in deployment.state, "a secret is in clear in the state"

    assert set(changes(stack.preview())) == {"same"}
    assert set(changes(stack.refresh())) <= {"same", "update"}, "the status of a group and of machines may differ"
    assert set(changes(stack.preview())) == {"same"}
    assert len(find_all(google)) > len(before)

    assert set(changes(stack.destroy())) == {"delete"}
    assert find_all(google) == before


def test_a_fleet_changes_in_place_where_it_can(deployment: Deployment, google: Google):
    before = find_all(google)
    settings = Settings()
    stack = deployment.stack(lambda: build_fleet(settings))
    stack.up()
    settings.types = ["n2-standard-4", "e2-standard-4"]
    settings.count = 1  # which belongs to the group now
    google.calls.clear()
    assert changes(stack.up()) == {"update": 1, "same": 16}
    assert {call.name for call in google.calls.calls if call.changes} == {"compute.instanceGroupManagers.patch"}

    settings.labels = {"daskfleet-fleet": "two"}
    planned = changes(stack.preview())
    done = changes(stack.up())
    assert done == planned
    assert done["replace"] == 1, "the template"
    assert set(changes(stack.preview())) == {"same"}
    stack.destroy()
    assert find_all(google) == before
