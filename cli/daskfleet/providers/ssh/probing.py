"""Ask hosts what they are like."""

from __future__ import annotations

import time

from daskfleet.providers.ssh.bundle import read_own
from daskfleet.providers.ssh.facts import HostFacts, parse_facts
from daskfleet.providers.ssh.shell import Shell, run_script
from daskfleet.providers.ssh.state import Place


async def probe_host(shell: Shell, place: Place, python: str, *, working_directory: str = "") -> HostFacts:
    """What a host is like; nothing is changed there.

    Args:
        python: path of the Python to ask; empty asks none.
        working_directory: folder to look for.

    Raises:
        HostFailed: it cannot be asked.
    """
    await run_script(shell, "hello")  # Logging in takes time, which is not the clock's.
    before = time.time()
    text = await run_script(shell, "probe", python, place.scratch, read_own("scripts/facts.py"), working_directory)
    return parse_facts(text, before=before, after=time.time())
