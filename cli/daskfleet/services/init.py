"""A fleet file to begin with."""

from __future__ import annotations

LOCAL_TEMPLATE = """\
# yaml-language-server: $schema=fleet.schema.json   (daskfleet schema > fleet.schema.json)
#
# A Dask fleet. `daskfleet up {file}` makes it so, also when you have changed this file; `daskfleet down {name}`
# removes it. What is commented out shows the default or an example.

name: {name}
provider: local               # on this machine

# scheduler:
#   port: auto                # 8786, or a free one if that is taken
#   dashboard_port: auto      # 8787, or a free one

workers:
  - name: cpu
    count: {count}                  # worker processes; auto fills the machine
    threads: {threads}                # threads of each; auto shares the cores among the workers
    # memory_limit: 4GiB      # of each worker; auto is its share of the machine's memory
    # resources: {{GPU: 1}}     # Dask resources, for tasks that ask for them

  # A second group, for tasks that need much memory:
  #   client.submit(..., resources={{"BIG": 1}})
  # - name: big
  #   count: 1
  #   threads: 1
  #   memory_limit: 8GiB
  #   resources: {{BIG: 1}}

# tags: {{team: climate}}       # labels that `list` and `status` show
"""


def render_fleet_file(name: str, file: str, cpus: int) -> str:
    """The text of a commented `fleet.yaml` for this machine."""
    return LOCAL_TEMPLATE.format(name=name, file=file, count=min(cpus, 4), threads=max(1, cpus // min(cpus, 4)))
