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


SSH_TEMPLATE = """\
# yaml-language-server: $schema=fleet.schema.json   (daskfleet schema > fleet.schema.json)
#
# A Dask fleet on machines that you reach by SSH. `daskfleet doctor {file}` looks whether it can be made,
# `daskfleet up {file}` makes it so, also when you have changed this file; `daskfleet down {name}` removes it and leaves
# nothing on any host. What is commented out shows the default or an example.

name: {name}
provider: ssh

hosts:                        # as `ssh` takes them: ~/.ssh/config, the agent and jump hosts are honoured
  - desk-17.example.org
  # - science@team-server.example.org
  # - host: rack[01-16].example.org
  #   workers: 2              # on each; auto fills the host
  #   threads: auto           # of each worker; auto shares the host's cores
  #   memory_limit: 64GB      # of each worker; auto shares four fifths of what is free
  #   nice: 10                # stand back behind what else the host does
  #   pause_when_busy: true   # take no new tasks while others use its processors: for somebody's desktop
  #   scratch: /local/scratch # where workers spill to; /tmp without it

# scheduler: team-server.example.org   # the first of hosts without it; local is the machine that you type on

# environment:
#   mode: same                # same: the path of your own Python, on every host (a shared home directory)
#   mode: existing            # a Python that is there:
#   python: /opt/env/bin/python
#   mode: ship                # an environment built on each host from your lock file, and removed with the fleet:
#   lock: requirements.txt    # with hashes: uv pip compile --generate-hashes

# access:
#   mode: auto                # auto: direct where the scheduler's address can be reached, else ssh, through a tunnel

# tags: {{team: climate}}       # labels that `list` and `status` show
"""


AWS_TEMPLATE = """\
# yaml-language-server: $schema=fleet.schema.json   (daskfleet schema > fleet.schema.json)
#
# A Dask fleet in AWS. `daskfleet doctor {file}` looks whether it can be made, `daskfleet up {file}` makes it so, also
# when you have changed this file; `daskfleet down {name}` removes it. What is commented out shows the default or an
# example.

name: {name}
provider: aws
region: {region}

scheduler:
  instance_type: m7i.large    # it uses one core, and memory for each task that waits
  # volume_size: 20           # GiB

workers:
  - name: cpu
    instance_types: [m7i.2xlarge, m6i.2xlarge]   # first choice first; all of one architecture
    count: 2                  # machines, each with one worker; `daskfleet scale {name} cpu 20` changes it
    spot: fallback            # never | only | fallback: on-demand for what the spot market has not
    # threads: auto           # of each worker; auto shares the machine's cores
    # memory_limit: auto      # of each worker; auto shares the machine's memory
    # volume_size: 50         # GiB; Dask spills to it

  # Machines with GPUs: one worker for each GPU, with the Dask resource GPU.
  # - name: gpu
  #   instance_types: [g6.xlarge]
  #   count: 0

# Who may connect. With ssh, clients in these networks come through a tunnel, and the dashboard with them; direct opens
# the scheduler's own port, which wants the fleet's certificates; private opens nothing: for machines of that network.
access:
  mode: ssh
  allowed_cidrs: [{cidr}]   # your address with /32; `curl https://checkip.amazonaws.com` tells it

# network:
#   egress: nat               # nat | nat-per-zone | public-ip | none: how machines reach the internet
#   vpc: vpc-0a1b2c3d4e5f60718            # one that exists, with
#   subnets: [subnet-0a1b2c3d4e5f60718]   # the subnets to use

# image:
#   family: daskfleet         # what `daskfleet image build --provider aws` made; the newest that fits you is taken

# data:                       # buckets that tasks use, by the machines' own role
#   read: ["s3://bucket/prefix"]
#   write: []

# tags: {{team: climate}}       # on everything in AWS, for people and bills
"""

CIDR_TO_FILL_IN = "YOUR.ADDRESS/32"
"""Refused until somebody has written a network: which one is right, nobody but the person knows."""

DEFAULT_REGION = "eu-west-1"


def render_fleet_file(provider: str, name: str, file: str, *, cpus: int, region: str | None = None) -> str:
    """The text of a commented `fleet.yaml`.

    Args:
        cpus: cores of this machine, for a fleet on it.
        region: where a fleet in a cloud is to be, if that is known.
    """
    if provider == "ssh":
        return SSH_TEMPLATE.format(name=name, file=file)
    if provider == "aws":
        return AWS_TEMPLATE.format(name=name, file=file, region=region or DEFAULT_REGION, cidr=CIDR_TO_FILL_IN)
    return LOCAL_TEMPLATE.format(name=name, file=file, count=min(cpus, 4), threads=max(1, cpus // min(cpus, 4)))


def find_region() -> str | None:
    """The region of AWS that the environment or the profile says; nothing is asked."""
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        return None
    try:
        region = botocore.session.Session().get_config_variable("region")
    except botocore.exceptions.BotoCoreError:
        return None
    return str(region) if region else None
