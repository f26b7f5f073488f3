"""Run what stands beside this file on a host: `python runtime node DOCUMENT`, `python runtime supervise OPTIONS`.

It is the `__main__` of the folder that daskfleet puts on hosts, so nothing of it has to be installed there.
"""

import runpy
import sys

MODULES = {"node": "daskfleet_images.node", "supervise": "supervisor.supervisord"}

if __name__ == "__main__":
    runpy.run_module(MODULES[sys.argv.pop(1)], run_name="__main__", alter_sys=True)
