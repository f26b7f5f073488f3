"""A cloud's metadata service in a network, for all of its machines."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machines.network import Network

METADATA_ADDRESS = "169.254.169.254"
METADATA_PORT = 80
START_SECONDS = 60.0
PROGRAMS = Path(__file__).with_name("metadata_programs")


class MetadataService:
    """The program that answers machines, and the file that it answers from."""

    def __init__(self, network: Network, program: str, more: Sequence[str] = ()) -> None:
        """Start it in a network that has the address `METADATA_ADDRESS`; it ends with that.

        Args:
            program: its file in `metadata_programs`.
            more: what else to start it with.
        """
        folder = network.folder / "metadata"
        folder.mkdir(exist_ok=True)
        self._file = folder / "instances.json"
        self._log = folder / "requests.jsonl"
        self._instances: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._write()
        self.process = network.popen_inside(
            [
                *(sys.executable, str(PROGRAMS / program), METADATA_ADDRESS, str(METADATA_PORT)),
                *(str(self._file), str(self._log), *more),
            ]
        )
        network.await_port(METADATA_ADDRESS, METADATA_PORT, START_SECONDS, self.process)

    def tell(self, address: str, told: Any) -> None:
        """Answer the machine with this address, from now on and anew: what the program's file is to say of it."""
        with self._lock:
            self._instances[address] = told
            self._write()

    def remove(self, address: str) -> None:
        """Know nothing of this address any more."""
        with self._lock:
            del self._instances[address]
            self._write()

    def read_requests(self) -> list[dict[str, Any]]:
        """The requests so far: `address`, `method`, `path`, `status`."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """Answer nobody any more."""
        self.process.kill()
        self.process.wait()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._instances))
        new.rename(self._file)
