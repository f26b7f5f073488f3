"""Fleet files of AWS, each for something that it has and the others have not."""

from __future__ import annotations

SPECS: dict[str, tuple[str, ...]] = {
    "minimal": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
""",
    ),
    "spot-fallback-two-types": (
        """
name: research
provider: aws
region: eu-west-1
workers:
  - {name: cpu, instance_types: [m7i.2xlarge, m6i.2xlarge], count: 20, spot: fallback, threads: 4, memory_limit: 8GiB}
tags: {team: climate}
""",
    ),
    "cluster": (
        """
name: research
provider: aws
region: eu-west-1
workers:
  - {name: cpu, instance_types: [c7i.8xlarge], count: 4, placement: cluster}
  - {name: more, instance_types: [m7i.large]}
""",
    ),
    "gpu": (
        """
name: research
provider: aws
region: eu-west-1
scheduler: {instance_type: m7g.large, volume_size: 30}
workers:
  - {name: cpu, instance_types: [m7g.xlarge], count: 2}
  - {name: gpu, instance_types: [g6.xlarge], count: 1, spot: only, volume_size: 200}
""",
    ),
    "existing-vpc": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
network: {vpc: vpc-0a1b2c3d4e5f60718, subnets: [subnet-0a1b2c3d4e5f60718, subnet-0a1b2c3d4e5f60719]}
access: {mode: direct, allowed_cidrs: [10.20.0.0/16]}
image: {id: ami-0000000000000000f}
""",
    ),
    "private": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large], count: 3}]
network: {cidr: 10.77.0.0/16, zones: 3, egress: none}
data: {read: ["s3://climate/era5"], write: ["s3://results"]}
""",
    ),
    "public": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
network: {egress: public-ip}
access: {mode: direct, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "ssh": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "two-fleets": tuple(
        f"""
name: {name}
provider: aws
region: eu-west-1
workers: [{{name: cpu, instance_types: [m7i.large]}}]
"""
        for name in ("one", "two")
    ),
}
DEFAULTS = ("minimal", "spot-fallback-two-types", "gpu", "private", "two-fleets")
"""Those that name no network to be let in."""

TAGLESS = ("Route", "RouteTableAssociation", "RolePolicy", "SecretVersion")
"""AWS has no tags for these; they go with what they belong to."""
