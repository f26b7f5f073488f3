"""How strict tests are, and how long they wait."""

from __future__ import annotations

import os

STRICT = os.environ.get("DASKFLEET_STRICT") == "1"
"""In continuous integration nothing may skip: what is missing there is a failure."""

PATIENCE = 3 if STRICT else 1
"""How many times longer where a busy machine runs several tests at once; what comes in time costs nothing."""

FULL = os.environ.get("DASKFLEET_FULL_SWEEP") == "1"
"""Whether everything is wanted, also what takes long: every case of a sweep, every cloud, current packer."""
