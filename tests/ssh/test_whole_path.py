"""The whole path of a fleet over SSH, everything killed on the way."""

from __future__ import annotations

import pytest

from ssh.fleet_lab import FleetLab
from ssh.whole_path import Row, WholePath, render_row


@pytest.mark.slow
def test_a_fleet_on_six_hosts_survives_what_hosts_do_and_leaves_nothing(lab: FleetLab) -> None:
    rows: list[Row] = []
    try:
        WholePath(lab, rows.append).run()
    finally:
        print("\n".join(map(render_row, rows)))
    assert rows[-1].what == "Down"
