"""What Google takes for a name."""

from __future__ import annotations

import re

RFC1035 = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
SECRET_ID = re.compile(r"[-a-zA-Z0-9_]{1,255}")
