"""A fleet in Azure that others change behind its back."""

from __future__ import annotations

import pytest

from azure_fleets.meddling import list_things
from azure_fleets.region import Region
from clouds.fleets import FILE, NAME, SECONDS, bring_up, write_fleet
from clouds.pretend import pretend_nodes


@pytest.mark.slow
def test_an_update_keeps_the_number_of_machines_that_a_group_has_come_to(region: Region) -> None:
    """Azure's provider sends all of a scale set with each change of it."""
    bring_up(region, write_fleet(region))
    with pretend_nodes(region):
        region.cli.ok("scale", NAME, "cpu", "3", timeout=SECONDS)
    file = region.cli.cwd / FILE
    text = file.read_text().replace('"count": 2', '"count": 3')
    file.write_text(f"{text}tags: {{team: climate}}\n")
    region.proxy.clear()
    bring_up(region)
    (scale_set,) = list_things(region.client, NAME, "Microsoft.Compute/virtualMachineScaleSets")
    assert scale_set["tags"]["team"] == "climate"
    sent = [
        call.arguments["sku"]["capacity"]
        for call in region.proxy.calls
        if call.action.startswith("virtualMachineScaleSets/") and call.changes
    ]
    assert set(sent) == {3}
