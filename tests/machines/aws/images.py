"""Images that EC2 knows by an id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def register_image(ec2: Any, name: str, facts: Mapping[str, str], arch: str = "x86_64") -> str:
    """Make an image of one's own, with its tags; returns its id."""
    # moto's RegisterImage forgets the architecture; a copy of an image that has one keeps it.
    filters = [
        {"Name": "architecture", "Values": [{"aarch64": "arm64"}.get(arch, arch)]},
        {"Name": "virtualization-type", "Values": ["hvm"]},
    ]
    source = ec2.describe_images(Owners=["amazon"], Filters=filters)["Images"][0]["ImageId"]
    image: str = ec2.copy_image(SourceImageId=source, SourceRegion=ec2.meta.region_name, Name=name)["ImageId"]
    tags = [{"Key": f"daskfleet:{key}", "Value": value} for key, value in facts.items()]
    ec2.create_tags(Resources=[image], Tags=[{"Key": "Name", "Value": name}, *tags])
    return image
