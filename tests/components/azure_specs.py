"""Fleet files of Azure, each for something that it has and the others have not."""

from __future__ import annotations

NETWORK = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shared"
    "/providers/Microsoft.Network/virtualNetworks/shared"
)

SPECS: dict[str, tuple[str, ...]] = {
    "minimal": (
        """
name: research
provider: azure
region: westeurope
workers: [{name: cpu, instance_types: [Standard_D8s_v5]}]
""",
    ),
    "spot-fallback-two-types": (
        """
name: research
provider: azure
subscription: 11111111-2222-3333-4444-555555555555
region: westeurope
workers:
  - name: cpu
    instance_types: [Standard_D8s_v5, Standard_D8as_v5]
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
provider: azure
region: westeurope
zones: [1, 3]
workers:
  - {name: cpu, instance_types: [Standard_F8s_v2], count: 4, placement: cluster}
  - {name: more, instance_types: [Standard_D8s_v5]}
""",
    ),
    "gpu": (
        """
name: research
provider: azure
region: westeurope
scheduler: {instance_type: Standard_D4ps_v5, volume_size: 30}
workers:
  - {name: arm, instance_types: [Standard_D4ps_v5], count: 2}
  - {name: t4, instance_types: [Standard_NC64as_T4_v3], count: 1, spot: only, volume_size: 200}
  - {name: a100, instance_types: [Standard_NC24ads_A100_v4]}
""",
    ),
    "existing-network": (
        f"""
name: research
provider: azure
region: westeurope
zones: [1, 2]
workers: [{{name: cpu, instance_types: [Standard_D8s_v5]}}]
network:
  vpc: {NETWORK}
  subnets: [{NETWORK}/subnets/dask]
access: {{mode: direct, allowed_cidrs: [10.20.0.0/16]}}
image: {{name: climate-2026}}
""",
    ),
    "private": (
        """
name: research
provider: azure
region: westeurope
workers: [{name: cpu, instance_types: [Standard_D8s_v5], count: 3}]
network: {cidr: 10.77.0.0/20, egress: none}
data:
  read: ["abfs://climate@weather.dfs.core.windows.net/era5"]
  write: ["abfs://results@weather.dfs.core.windows.net"]
  storage_accounts: {weather: climate}
""",
    ),
    "public": (
        """
name: research
provider: azure
region: westeurope
workers: [{name: cpu, instance_types: [Standard_D8s_v5]}]
network: {egress: public-ip}
access: {mode: direct, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "ssh": (
        """
name: research
provider: azure
region: westeurope
workers: [{name: cpu, instance_types: [Standard_D8s_v5]}]
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "two-fleets": tuple(
        f"""
name: {name}
provider: azure
region: westeurope
workers: [{{name: cpu, instance_types: [Standard_D8s_v5]}}]
"""
        for name in ("one", "two")
    ),
}
DEFAULTS = ("minimal", "spot-fallback-two-types", "gpu", "private", "two-fleets")
"""Those that name no network to be let in."""
