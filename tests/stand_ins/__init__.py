"""Stand-ins for Pulumi's provider plugins: the real engine and the real SDKs work with them against clouds of tests.

The engine takes an executable `pulumi-resource-<name>` found on PATH before any downloaded plugin. `bin/` holds them:
`aws` makes each operation botocore calls to a moto server, `azure-native` requests of Azure Resource Manager to
`azure_cloud`, `gcp` requests of Google's REST APIs to `google_cloud`, `tls` really issues keys and certificates. They
refuse what the real ones refuse, and what they do not know how to do, so that a test that passes with them says
something about the cloud.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

BIN = Path(__file__).parent / "bin"
"""The folder of the plugins."""


def stand_in_path(path: str | None = None) -> str:
    """A PATH with the plugins first, then this interpreter (they start with it), then `path` or the present PATH."""
    rest = os.environ.get("PATH", os.defpath) if path is None else path
    return os.pathsep.join([str(BIN), str(Path(sys.executable).parent), rest])
