"""The supervisor's configuration: fixed text with names in it, and nothing else."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from daskfleet.providers.local.supervisor import Supervisor, SupervisorGone, read_umask
from daskfleet.providers.supervision import render_supervisor_config

GOLDEN = """\
; Written by daskfleet for the supervisor of one fleet; rewritten by every `daskfleet up`.
; Paths are relative to the fleet's folder or come from the environment: nothing here needs quoting.
[supervisord]
nodaemon = true
silent = true
logfile = logs/supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = supervisord.pid
childlogdir = logs
strip_ansi = true
identifier = daskfleet-research

[unix_http_server]
file = %(ENV_DASKFLEET_SOCKET)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[program:scheduler]
command = %(ENV_DASKFLEET_NODE_COMMAND)s nodes/scheduler.json
umask = %(ENV_DASKFLEET_UMASK)s
autorestart = true
startsecs = 5
startretries = 1000000
stopwaitsecs = 15
redirect_stderr = true
stdout_logfile = logs/scheduler.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2

[program:gpu-1]
command = %(ENV_DASKFLEET_NODE_COMMAND)s nodes/gpu-1.json
umask = %(ENV_DASKFLEET_UMASK)s
autorestart = true
startsecs = 5
startretries = 1000000
stopwaitsecs = 15
redirect_stderr = true
stdout_logfile = logs/gpu-1.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def test_the_configuration_of_two_nodes_is_this_text():
    assert render_supervisor_config("research", ["scheduler", "gpu-1"]) == GOLDEN


def test_nothing_but_the_names_differs_between_fleets():
    other = render_supervisor_config("other", ["scheduler", "cpu"])
    assert other.replace("other", "research").replace("cpu", "gpu-1") == GOLDEN


def test_each_node_is_one_program_in_the_order_given():
    parser = configparser.RawConfigParser()
    parser.read_string(render_supervisor_config("x", ["scheduler", "b", "a"]))
    programs = [section for section in parser.sections() if section.startswith("program:")]
    assert programs == ["program:scheduler", "program:b", "program:a"]


def test_the_configuration_opens_no_port():
    text = render_supervisor_config("x", ["scheduler"])
    assert "inet_http_server" not in text
    assert "port" not in text


@pytest.mark.parametrize("folder", ["plain", "it's a ; %(x)s folder # ü"])
def test_supervisor_itself_reads_it_wherever_the_fleet_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str):
    root = tmp_path / folder
    (root / "logs").mkdir(parents=True)
    (root / "supervisord.conf").write_text(render_supervisor_config("x" * 40, ["scheduler", "y" * 40]))
    monkeypatch.chdir(root)
    monkeypatch.setenv("DASKFLEET_SOCKET", "/run/daskfleet/supervisor.sock")
    monkeypatch.setenv("DASKFLEET_NODE_COMMAND", "/usr/bin/python3 -m daskfleet_images.node")
    monkeypatch.setenv("DASKFLEET_UMASK", "027")
    options = ServerOptions()
    options.realize(["-c", "supervisord.conf"])
    programs = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert set(programs) == {"scheduler", "y" * 40}
    assert programs["scheduler"].command == "/usr/bin/python3 -m daskfleet_images.node nodes/scheduler.json"
    assert programs["scheduler"].autorestart
    assert programs["scheduler"].umask == 0o027
    assert options.server_configs[0]["file"] == "/run/daskfleet/supervisor.sock"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_reading_the_umask_leaves_it_as_it_is(umask: int):
    before = os.umask(umask)
    try:
        assert read_umask() == read_umask() == umask
    finally:
        assert os.umask(before) == umask


def test_a_supervisor_that_is_not_there_does_not_answer(tmp_path: Path):
    supervisor = Supervisor(tmp_path / "none.sock")
    assert not supervisor.is_running()
    with pytest.raises(SupervisorGone, match="the fleet's supervisor does not answer"):
        supervisor.list_nodes()
