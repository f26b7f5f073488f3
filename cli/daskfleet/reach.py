"""Whether anything answers at a connection's address. Light: no Dask, and no provider."""

from __future__ import annotations

import socket

from daskfleet.errors import FleetError
from daskfleet_images.node.network import find_listen_problem
from daskfleet_stacks.connection import Connection, ConnectionSecurity

HOST = "127.0.0.1"

CONNECT_SECONDS = 5.0
"""How long a scheduler on another machine may take to accept a connection."""


def is_taken(port: int) -> bool:
    """Whether something listens on the port of the loopback interface."""
    return find_listen_problem(HOST, port) is not None


def await_page(url: str, *, timeout: float) -> None:
    """Wait until there is a page, at most `timeout` seconds: the dashboard comes a little after the scheduler."""
    import time
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=timeout):  # noqa: S310 - our own fleet's address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)


def check_reachable(connection: Connection) -> None:
    """Make sure that the fleet's scheduler listens where the connection leads.

    Raises:
        FleetError: it does not; with what to do.
    """
    name, address = connection.fleet, connection.scheduler_address
    host, port = address.removeprefix("tls://").rsplit(":", 1)
    if connection.access.mode == "local":
        if not is_taken(int(port)):
            raise FleetError(
                f"the scheduler of fleet '{name}' does not listen at {address}. `daskfleet status {name}` says more; "
                f"`daskfleet up {name}` mends it."
            )
        return
    problem = find_problem(host.strip("[]"), int(port), connection.security)
    if problem and connection.access.mode == "private":
        problem += (
            " Its access.mode is private: nobody was let in. Connect from a machine that its network lets in, or let "
            "yours in by `access: {mode: ssh, allowed_cidrs: [ADDRESS/32]}` in the fleet file."
        )
    if problem:
        raise FleetError(f"the scheduler of fleet '{name}' cannot be reached at {address}: {problem}")


def check_dashboard(connection: Connection) -> None:
    """Make sure that the dashboard's address leads there from here.

    Raises:
        FleetError: it does not; the dashboard asks nobody who they are, so it is opened to nobody else.
    """
    if connection.access.mode in ("local", "ssh") or (not connection.access.host and connection.provider == "ssh"):
        return
    raise FleetError(
        f"the dashboard of fleet '{connection.fleet}' listens on the scheduler's own machine only, as it asks nobody "
        f"who they are: at {connection.dashboard_url} there. With `access: {{mode: ssh}}` it comes through a tunnel; "
        "in a notebook, dask-labextension and `Client` show the same figures."
    )


def find_problem(host: str, port: int, security: ConnectionSecurity, *, seconds: float = CONNECT_SECONDS) -> str | None:
    """What keeps a client from the scheduler at an address of another machine, and what to do; `None`: nothing does."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=security.tls_ca_file)
        context.check_hostname = False  # As Dask has it: the fleet's own authority says who belongs to the fleet.
        context.load_cert_chain(security.tls_client_cert, security.tls_client_key)
        # The whole handshake: one that is broken off would stand in the scheduler's log as a failure.
        with socket.create_connection((host, port), timeout=seconds) as plain, context.wrap_socket(plain):
            return None
    except ssl.SSLError as error:
        return f"what listens there is not this fleet's scheduler ({error.reason or error}). Was the fleet made anew?"
    except TimeoutError:
        return "nothing answers. Is this machine in a network that leads there?"
    except OSError as error:
        return f"{error.strerror or error}. Is this machine in a network that leads there, and does the scheduler run?"
