"""Who reaches a fleet's scheduler, and the connection that tells them how. The same in every cloud. Pure."""

import ipaddress
from typing import Any

import pulumi

SCHEDULER_PORT = 8786
SSH_PORT = 22
UNPRIVILEGED = (1024, 65535)
"""Workers and their nannies listen on ports that the kernel chooses."""

DASHBOARD_URL = "http://127.0.0.1:8787/status"
"""As seen from the scheduler's machine: the dashboard asks nobody who they are, and listens there only."""

MODES = ("private", "direct", "ssh")
SSH_USER = "fleet"
"""Whom the image lets in with the key of its machine."""

PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
"""Networks that are joined to one in a cloud by a peering or a VPN (RFC 1918, and RFC 6598 of carriers)."""


def is_public(cidr: str) -> bool:
    """Whether clients in this network reach a cloud through the internet."""
    network = ipaddress.IPv4Network(cidr)
    return not any(network.subnet_of(each) for each in PRIVATE)


def check_mode(name: str, mode: str) -> str:
    """Make sure that there is such an access mode.

    Raises:
        pulumi.RunError: there is none.
    """
    if mode not in MODES:
        raise pulumi.RunError(f"{name}: access: {mode!r} is none; give one of {', '.join(MODES)}.")
    return mode


def choose_hosts(
    mode: str, private_ip: pulumi.Output[str], public_ip: pulumi.Output[str] | None
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """Where SSH leads to, empty without it, and the scheduler's address for clients, `tls://host:8786`."""
    host = private_ip if public_ip is None else public_ip
    nowhere = pulumi.Output.from_input("")
    # The other end of a tunnel is in the network.
    client_host = private_ip if mode == "ssh" else host
    return host if mode == "ssh" else nowhere, pulumi.Output.concat("tls://", client_host, f":{SCHEDULER_PORT}")


def render_connection(
    *,
    fleet: str,
    provider: str,
    mode: str,
    scheduler_address: pulumi.Output[str],
    dashboard_url: pulumi.Output[str],
    ssh_host: pulumi.Output[str],
    security: dict[str, pulumi.Output[str]],
    versions: pulumi.Output[dict[str, str]],
) -> dict[str, Any]:
    """The connection contract, as a stack exports it: everything that a client needs.

    Args:
        security: TLS material, and the key for SSH, by the contract's names.
    """
    return {
        "fleet": fleet,
        "provider": provider,
        "scheduler_address": scheduler_address,
        "dashboard_url": dashboard_url,
        "security": security,
        "access": {
            "mode": pulumi.Output.from_input(mode),
            "host": ssh_host,
            "user": SSH_USER if mode == "ssh" else "",
        },
        "versions": versions,
    }
