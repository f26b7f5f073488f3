"""Light computers on this Linux computer for tests of SSH: each has a real sshd and a person who is not root.

    with open_lab(tmp_path) as lab:
        host = lab.add_host("desk-1", user="ada")
        lab.trust(host)
        lab.write_config()
        lab.client.run(["ssh", "desk-1", "hostname"])

A place is a set of namespaces (network, mounts, processes, host name, IPC) on this computer's own root file system,
which it cannot write to. There is no systemd in it, so it starts in a tenth of a second, and thirty start in one.
Nothing of it outlives the block; what a killed owner left is swept as with `machines`, whose network it uses.
"""

from __future__ import annotations

from ssh_lab.host import Host, HostSpec
from ssh_lab.lab import SshLab, open_lab, require_lab
from ssh_lab.place import Client, Place, PlaceError

__all__ = ["Client", "Host", "HostSpec", "Place", "PlaceError", "SshLab", "open_lab", "require_lab"]
