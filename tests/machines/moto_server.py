"""moto's server as a program of its own, where it must be truer to AWS than it is: `moto_server.py ADDRESS PORT`."""

from __future__ import annotations

import sys
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.ec2.models.subnets import Subnet
from moto.server import main

choose_address = Subnet.get_available_subnet_ip


def choose_free_address(self: Subnet, instance: Any) -> str:
    """An address that no network interface has; moto looks at those of instances only."""
    taken = {each.private_ip_address for each in self.ec2_backend.enis.values() if each.subnet.id == self.id}
    while (address := choose_address(self, instance)) in taken:
        continue  # It counts as given now.
    return address


read_type = FakeAutoScalingGroup.instance_type.fget


def choose_type(self: FakeAutoScalingGroup) -> str | None:
    """The first of a group's own instance types, where it has any; moto looks at those of its launch template only."""
    template = (self.mixed_instances_policy or {}).get("LaunchTemplate", {})
    own: list[str] = [each["InstanceType"] for each in template.get("Overrides") or () if "InstanceType" in each]
    return own[0] if own else read_type(self)


if __name__ == "__main__":
    FakeAutoScalingGroup.instance_type = property(choose_type)  # type: ignore[assignment]
    Subnet.get_available_subnet_ip = choose_free_address  # type: ignore[method-assign]
    host, port = sys.argv[1:]
    main(["-H", host, "-p", port])
