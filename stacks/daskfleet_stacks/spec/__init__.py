"""The fleet spec: what a `fleet.yaml` may say, for every provider."""

from daskfleet_stacks.spec.aws import AwsFleetSpec
from daskfleet_stacks.spec.azure import AzureFleetSpec
from daskfleet_stacks.spec.base import FleetSpec
from daskfleet_stacks.spec.gcp import GcpFleetSpec
from daskfleet_stacks.spec.local import LocalFleetSpec
from daskfleet_stacks.spec.problems import Problem, SpecError
from daskfleet_stacks.spec.read import parse_fleet_spec, parse_fleet_yaml
from daskfleet_stacks.spec.schema import build_json_schema
from daskfleet_stacks.spec.ssh import SshFleetSpec

__all__ = [
    "AwsFleetSpec",
    "AzureFleetSpec",
    "FleetSpec",
    "GcpFleetSpec",
    "LocalFleetSpec",
    "Problem",
    "SpecError",
    "SshFleetSpec",
    "build_json_schema",
    "parse_fleet_spec",
    "parse_fleet_yaml",
]
