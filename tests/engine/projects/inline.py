"""`up VALUES`, `down`: the Python program without its project, deployed by the Automation API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pulumi import automation

sys.path.insert(0, str(Path(__file__).parent / "python"))

from program import greet

verb, *values = sys.argv[1:]
stack = automation.create_or_select_stack("dev", "greeting", program=greet)
if verb == "up":
    for name, value in json.loads(values[0]).items():
        stack.set_config(name, automation.ConfigValue(value, secret=name == "password"))
    stack.up()
    print(json.dumps({name: output.value for name, output in stack.outputs().items()}))
else:
    stack.destroy()
