"""A node on its host: put there, started, asked, given another document, and removed without a trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from daskfleet.providers.ssh.shell import Shell, run_script
from daskfleet.providers.ssh.state import Place, SshState
from daskfleet_images.node.marks import NodeMarks, parse_marks, replay_marks

STOP_SECONDS = 120.0
INSTALL_SECONDS = 300.0


@dataclass(frozen=True)
class NodeView:
    """What a node is at this moment."""

    is_there: bool
    """Whether its folder is on the host."""
    supervisor: int | None = None
    process: int | None = None
    marks: NodeMarks = field(default_factory=NodeMarks)
    log: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """In the words of the supervisor."""
        if not self.is_there:
            return "gone"
        if self.supervisor is None:
            return "stopped"
        return "backoff" if self.process is None else "running"


def parse_view(text: str) -> NodeView:
    """What `status.sh` printed. Pure."""
    head, _, rest = text.partition("::marks\n")
    marks, _, log = rest.partition("::log\n")
    words = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)

    def read(key: str) -> int | None:
        return int(words[key]) if words.get(key, "").isdigit() else None

    return NodeView(
        head.startswith("there"),
        read("supervisor"),
        read("node"),
        replay_marks(parse_marks(marks.splitlines())),
        tuple(log.splitlines()),
    )


async def look_at_node(shell: Shell, state: SshState, node: str, *, lines: int = 0) -> NodeView:
    """What has become of a node.

    Raises:
        HostFailed: its host cannot be asked.
    """
    return parse_view(await run_script(shell, "status", state.folder(node), node, str(lines)))


async def install_node(shell: Shell, state: SshState, node: str, bundle: bytes) -> list[str]:
    """Put a node on its host; returns the nodes whose folders are there: those of hosts that share the home, too."""
    said = await run_script(shell, "install", state.folder(node), data=bundle, seconds=INSTALL_SECONDS)
    return said.split()


async def start_node(shell: Shell, state: SshState, node: str, *, unit: str, machine_id: str) -> None:
    """Start a node that is on its host, unless it runs."""
    description = f"Dask fleet {state.spec.name}: {node}"
    await run_script(shell, "start", state.folder(node), unit, description, machine_id)


async def reload_node(shell: Shell, state: SshState, node: str, document: str) -> None:
    """Give a node another document."""
    await run_script(shell, "reload", state.folder(node), node, data=document.encode())


async def stop_node(shell: Shell, state: SshState, node: str, place: Place) -> None:
    """End a node and remove everything of it; then look."""
    folder, runtime = state.folder(node), state.runtime(node, place)
    await run_script(shell, "stop", folder, runtime, state.unit_name(node), seconds=STOP_SECONDS)
