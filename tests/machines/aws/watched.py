"""EC2 as the launcher watches it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from machines.aws.instances import AwsInstance, Instances, is_refusal
from machines.aws.security_groups import plan_filter
from machines.launching.launch import Launch, LaunchFailed
from machines.launching.packet_filter import PacketFilter
from machines.launching.watched import Boot
from machines.metadata import AWS, MOTO_PORT
from machines.metadata import Instance as MetadataInstance
from machines.metadata_service import METADATA_ADDRESS, METADATA_PORT
from machines.network import Network

USER_DATA_BYTES = 16 * 1024

ENDPOINT_DROP_IN = "/etc/systemd/system/daskfleet-node.service.d/90-endpoint.conf"
"""Tells the node of a machine where in this network AWS is."""


class WatchedAws:
    """A region of EC2, in moto; see `Watched`."""

    name = "EC2"

    def __init__(self, network: Network, aws: AWS, region: str) -> None:
        self.instances = Instances(aws.services, region)
        self.always_open: Collection[tuple[str, int]] = (
            (METADATA_ADDRESS, METADATA_PORT),
            (network.gateway, MOTO_PORT),
        )
        self._aws = aws
        self._region = region

    def is_there(self) -> bool:
        return self._aws.services.process.poll() is None

    def list_living(self) -> Mapping[str, AwsInstance]:
        return self.instances.list_living()

    def read_filter(self, instances: Sequence[AwsInstance]) -> PacketFilter:
        interfaces = {str(each.address): each.security_groups for each in instances}
        return plan_filter(self.instances.describe_security_groups(), interfaces)

    def prepare(self, instance: AwsInstance) -> Boot:
        text = self._read_user_data(instance)
        key = self.instances.read_public_key(instance)
        endpoint_url = self._aws.services.endpoint_url
        return Boot(
            user_data=text,
            public_keys=[] if key is None else [key],
            files={ENDPOINT_DROP_IN: f"[Service]\nEnvironment=AWS_ENDPOINT_URL={endpoint_url}\n"},
        )

    def is_refusal(self, error: Exception) -> bool:
        return is_refusal(error)

    def follow(self, launch: Launch) -> None:
        instance = launch.instance
        assert isinstance(instance, AwsInstance)
        told = launch.told or self._introduce(instance)
        told = replace(
            told,
            role=self.instances.read_role(instance),  # moto joins a profile to what runs already.
            tags=dict(instance.tags) if instance.has_metadata_tags else {},
            http_tokens=instance.http_tokens,
            notices=launch.notices,
        )
        if told != launch.told:
            launch.told = told
            self._aws.metadata.add(told)

    def forget(self, launch: Launch) -> None:
        if launch.told is not None:
            self._aws.metadata.remove(launch.told.address)

    def end_as_its_machine_did(self, instance: AwsInstance) -> None:
        self.instances.end_as_its_machine_did(instance)

    def terminate(self, instance: AwsInstance) -> None:
        self.instances.terminate(instance)

    def settle(self, living: Mapping[str, AwsInstance]) -> None:
        """A group terminates, and replaces, what stopped."""
        for instance in living.values():
            if instance.state == "stopped" and instance.group is not None:
                self.instances.terminate(instance)

    def _introduce(self, instance: AwsInstance) -> MetadataInstance:
        """What does not change of what the metadata service says."""
        return MetadataInstance(
            address=str(instance.address),
            instance_id=instance.id,
            region=self._region,
            availability_zone=instance.zone,
            instance_type=instance.type,
            image_id=instance.image,
            user_data=self._read_user_data(instance),
            public_key=self.instances.read_public_key(instance),
        )

    def _read_user_data(self, instance: AwsInstance) -> str | None:
        data = self.instances.read_user_data(instance)
        if len(data) > USER_DATA_BYTES:
            raise LaunchFailed(f"its user-data has {len(data)} bytes; AWS takes {USER_DATA_BYTES}")
        try:
            return data.decode() or None
        except UnicodeDecodeError:
            raise LaunchFailed("its user-data is no text, which machines here do not take") from None
