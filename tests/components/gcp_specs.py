"""Fleet files of Google Cloud, each for something that it has and the others have not."""

from __future__ import annotations

SPECS: dict[str, tuple[str, ...]] = {
    "minimal": (
        """
name: research
provider: gcp
region: europe-west1
workers: [{name: cpu, instance_types: [n2-standard-8]}]
""",
    ),
    "spot-fallback-two-types": (
        """
name: research
provider: gcp
project: climate-dask
region: europe-west1
workers:
  - name: cpu
    instance_types: [n2-standard-8, n2d-standard-8]
    count: 20
    spot: fallback
    threads: 4
    memory_limit: 8GiB
tags: {team: climate}
""",
    ),
    "cluster": (
        """
name: research
provider: gcp
region: europe-west1
workers:
  - {name: cpu, instance_types: [c4-standard-8], count: 4, placement: cluster}
  - {name: more, instance_types: [n2-standard-8]}
""",
    ),
    "gpu": (
        """
name: research
provider: gcp
region: europe-west1
scheduler: {instance_type: c4a-standard-4, volume_size: 30}
workers:
  - {name: arm, instance_types: [c4a-standard-4], count: 2}
  - {name: l4, instance_types: [g2-standard-24], count: 1, spot: only, volume_size: 200}
  - {name: t4, instance_types: [n1-standard-8], accelerator: {type: nvidia-tesla-t4, count: 2}}
""",
    ),
    "shared-vpc": (
        """
name: research
provider: gcp
region: europe-west1
workers: [{name: cpu, instance_types: [n2-standard-8]}]
network:
  vpc: projects/host-project/global/networks/shared
  subnets: [projects/host-project/regions/europe-west1/subnetworks/dask]
access: {mode: direct, allowed_cidrs: [10.20.0.0/16]}
image: {name: daskfleet-15, project: images-project}
""",
    ),
    "private": (
        """
name: research
provider: gcp
region: europe-west1
workers: [{name: cpu, instance_types: [n2-standard-8], count: 3}]
network: {cidr: 10.77.0.0/20, egress: none}
data: {read: ["gs://climate/era5"], write: ["gs://results"]}
""",
    ),
    "public": (
        """
name: research
provider: gcp
region: europe-west1
workers: [{name: cpu, instance_types: [n2-standard-8]}]
network: {egress: public-ip}
access: {mode: direct, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "ssh": (
        """
name: research
provider: gcp
region: europe-west1
workers: [{name: cpu, instance_types: [n2-standard-8]}]
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "two-fleets": tuple(
        f"""
name: {name}
provider: gcp
region: europe-west1
workers: [{{name: cpu, instance_types: [n2-standard-8]}}]
"""
        for name in ("one", "two")
    ),
}
DEFAULTS = ("minimal", "spot-fallback-two-types", "gpu", "private", "two-fleets")
"""Those that name no network to be let in."""
