"""What the supervisor of nodes is told, on this machine and on others: its configuration and its environment.

The supervisor is Supervisor's `supervisord`. Why this one: see docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterable

MARK = "DASKFLEET_FLEET_DIR"
"""Environment variable that marks the processes of a fleet, with the fleet's folder."""

SOCKET = "DASKFLEET_SOCKET"
"""Environment variable with the path of the supervisor's socket."""

NODE_COMMAND = "DASKFLEET_NODE_COMMAND"
"""Environment variable with the command that runs a node, quoted for a shell; its document follows."""

UMASK = "DASKFLEET_UMASK"
"""Environment variable with the umask of nodes, octal."""

STOP_SECONDS = 15

_CONFIG_HEAD = """\
; Written by daskfleet for the supervisor of one fleet; rewritten by every `daskfleet up`.
; Paths are relative to the fleet's folder or come from the environment: nothing here needs quoting.
[supervisord]
nodaemon = true
silent = true
logfile = logs/supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = supervisord.pid
childlogdir = logs
strip_ansi = true
identifier = {identifier}

[unix_http_server]
file = %(ENV_DASKFLEET_SOCKET)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

# startsecs: a node that ends within them (a taken port) is tried again with a growing pause; one that ends later at
# once. Its retries are bounded by nothing: a scheduler that comes back after an hour finds its workers.
_CONFIG_NODE = """
[program:{node}]
command = %(ENV_DASKFLEET_NODE_COMMAND)s nodes/{node}.json
umask = %(ENV_DASKFLEET_UMASK)s
autorestart = true
startsecs = 5
startretries = 1000000
stopwaitsecs = {stop_seconds}
redirect_stderr = true
stdout_logfile = logs/{node}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def render_supervisor_config(fleet: str, nodes: Iterable[str]) -> str:
    """The configuration of a fleet's supervisor. The scheduler is the first node."""
    head = _CONFIG_HEAD.format(identifier=f"daskfleet-{fleet}")
    return head + "".join(_CONFIG_NODE.format(node=node, stop_seconds=STOP_SECONDS) for node in nodes)
