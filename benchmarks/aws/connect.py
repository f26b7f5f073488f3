"""`daskfleet connect` of a fleet in AWS whose connection is on this machine, against that of a local fleet.

Both lead to the same scheduler, that of the local fleet: none boots in this cloud.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.aws.cloud import Cloud
from benchmarks.measure import BenchmarkFailed, Case, Check, Figure, Target, compare_times, take_turns
from benchmarks.workspace import Workspace

REPEATS = 7
"""It is short, so it is measured often."""

LOCAL = "bench-local"
FLEET = "research"
TARGET = 1.5

# `daskfleet`, telling at its end what it has started and which addresses it has connected to.
AUDIT = """
import atexit, json, sys
seen = {"started": [], "connected": []}
def note(event, arguments):
    if event in ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"):
        seen["started"].append(event)
    elif event == "socket.connect":
        seen["connected"].append(repr(arguments[1]))
sys.addaudithook(note)
from daskfleet.commands.app import main
atexit.register(lambda: print(json.dumps(seen), file=sys.stderr))
main(sys.argv[1:])
"""


def measure(workspace: Workspace, cloud: Cloud, rounds: int) -> Figure:
    """Whole processes, once the connection of each is here."""
    cloud.empty()
    workspace.up(workspace.write_spec(LOCAL, workers=1))
    home = Path(workspace.environment["DASKFLEET_HOME"])
    cloud.region.cli.variables["DASKFLEET_HOME"] = str(home)
    handed_over = workspace.folder / "connection.json"
    handed_over.write_text(json.dumps(_hand_over(home / "fleets" / LOCAL / "connection.json")))
    cloud.run([*cloud.daskfleet, "connect", "--from", str(handed_over)])
    commands = {name: ["connect", name, "--json"] for name in (FLEET, LOCAL)}
    words = {name: f"daskfleet connect {name} --json" for name in commands}
    cloud.region.proxy.clear()
    seconds = take_turns(
        {
            words[name]: lambda c=command: [cloud.run([*workspace.daskfleet, *c])[0]]
            for name, command in commands.items()
        },
        REPEATS * rounds,
    )
    output = cloud.run([sys.executable, "-c", AUDIT, *commands[FLEET]])[1]
    seen = json.loads(output.strip().splitlines()[-1])
    address = json.loads((home / "fleets" / FLEET / "connection.json").read_text())["scheduler_address"]
    port = int(address.rpartition(":")[2])
    elsewhere = [each for each in seen["connected"] if each != repr(("127.0.0.1", port))]
    if len(seen["connected"]) == len(elsewhere):
        raise BenchmarkFailed(f"`{words[FLEET]}` did not ask the scheduler at {address}: {seen}")
    none = Target(at_most=0)
    checks = [
        Check(f"calls of AWS in all runs of `{words[FLEET]}`", len(cloud.region.proxy.calls), none),
        Check("processes that one starts", len(seen["started"]), none, {"started": seen["started"]}),
        Check("connections that one opens, but to the scheduler", len(elsewhere), none, {"to": elsewhere}),
    ]
    workspace.down(LOCAL)
    settings = {
        "rounds": REPEATS * rounds,
        "measured": "the whole process, from its start to its exit; the connection is on this machine already",
        "fleets": f"{FLEET} is one in AWS, handed over as a file; {LOCAL} is on this machine. Both connections lead to "
        "the same scheduler; that of the fleet in AWS is asked by a whole TLS handshake",
    }
    comparisons = [compare_times(seconds, words[FLEET], words[LOCAL], Target(at_most=TARGET))]
    return Figure("`connect` to a fleet in AWS", settings, [Case("one process", seconds, comparisons)], checks)


def _hand_over(file: Path) -> dict[str, object]:
    """A local fleet's connection as a platform team hands over that of a fleet in AWS: with keys in place of files."""
    connection: dict[str, object] = json.loads(file.read_text())
    security = connection["security"]
    assert isinstance(security, dict)
    texts = {key: Path(value).read_text() if key.startswith("tls_") else value for key, value in security.items()}
    return {**connection, "fleet": FLEET, "provider": "aws", "access": {"mode": "direct"}, "security": texts}
