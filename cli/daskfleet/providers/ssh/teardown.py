"""`down` of a fleet over SSH: every process, file and port of it on every host, and a look whether anything is left."""

from __future__ import annotations

import shutil

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, explain_os_errors
from daskfleet.progress import Progress
from daskfleet.providers.ssh.crew import open_crew
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import stop_node
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import SCHEDULER, HostState, Place, SshState, write_state
from daskfleet.tunnel import close_tunnel


async def tear_down(state: SshState, paths: FleetPaths, progress: Progress) -> None:
    """Remove the fleet. Called with its lock held.

    Raises:
        FleetError: on some hosts that could not be done; they are remembered, so that it can be tried again.
    """
    hosts = {host.node: host for host in (*state.hosts, *state.leaving) if host.touched}
    state = state.model_copy(update={"hosts": (), "leaving": tuple(hosts.values()), "complete": False})
    write_state(state, paths)
    places = {node: host.place for node, host in hosts.items()}
    progress.step(f"stopping the nodes on {len(places)} host{'s' if len(places) != 1 else ''}")
    async with open_crew() as crew:

        async def stop(node: str, shell: Shell) -> None:
            await stop_node(shell, state, node, (places | {SCHEDULER: state.scheduler})[node])

        def count(done: int, total: int) -> None:
            progress.count("hosts done", done, total)

        outcome = await crew.each(places, stop, count)
        if state.scheduler_touched:
            # The last: a worker that stops while its scheduler goes away waits for it, for seconds.
            progress.step(f"stopping the scheduler on {state.scheduler.describe()}")
            outcome |= await crew.each({SCHEDULER: state.scheduler}, stop)
    close_tunnel(paths)
    failed = {node: result for node, result in outcome.items() if isinstance(result, HostFailed)}
    if failed:
        _remember(state, paths, failed, hosts)
        raise FleetError(_describe(state, paths, failed, places | {SCHEDULER: state.scheduler}))
    with explain_os_errors(paths.root):
        shutil.rmtree(paths.root)


def _remember(state: SshState, paths: FleetPaths, failed: dict[str, HostFailed], hosts: dict[str, HostState]) -> None:
    left = tuple(
        host.model_copy(update={"problem": str(failed[node])}) for node, host in hosts.items() if node in failed
    )
    write_state(state.model_copy(update={"leaving": left, "scheduler_touched": SCHEDULER in failed}), paths)


def _describe(state: SshState, paths: FleetPaths, failed: dict[str, HostFailed], places: dict[str, Place]) -> str:
    name = state.spec.name
    lines = "\n".join(f"  {places[node].describe()}: {error}" for node, error in failed.items())
    return (
        f"fleet '{name}' is not wholly down. What may be left on these hosts is remembered:\n{lines}\n"
        f"`daskfleet down {name}` goes on when they answer. If they never will, remove {paths.root}; the fleet's "
        f"folder on each is ~/.daskfleet/{name}-{state.id}."
    )
