"""What cloud-init finds on machines."""

from __future__ import annotations

import yaml

from machines.seed import Interface, render_seed


def test_a_virtual_machine_finds_its_static_address_by_its_hardware_address():
    interface = Interface("10.77.0.10/24", "10.77.0.1", "52:54:0a:4d:00:0a")
    seed = render_seed("i-1", "one", "#cloud-config\n", interface)
    assert seed["user-data"] == "#cloud-config\n"
    assert yaml.safe_load(seed["meta-data"]) == {"instance-id": "i-1", "local-hostname": "one"}
    assert yaml.safe_load(seed["network-config"])["ethernets"]["primary"] == {
        "match": {"macaddress": "52:54:0a:4d:00:0a"},
        "addresses": ["10.77.0.10/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.77.0.1"}],
    }


def test_a_container_is_told_to_leave_its_network_alone():
    assert yaml.safe_load(render_seed("i-1", "one", "", None)["network-config"]) == {"config": "disabled"}
