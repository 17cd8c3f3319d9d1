# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with a controller that stands by, before, while and after it takes over."""

from __future__ import annotations

import concurrent.futures
import re

import pytest
from conftest import SLURM, WORKERS, active, differences, extra, failure_of, wait

CONTROLLERS = ("controller", "login")
FRAGMENT = "/etc/slurm/nodecycle.conf"
LOG = "/var/log/slurm/slurmctld.log"
#: Our own checker would notice it, too, so its rule is off. Of Slurm's programs only slurmctld does.
BAD = {"slurm_extra_conf": "PartitionName=night Nodes=worker[1-9]\n", "slurm_lint_disable": ["undefined-node"]}


@pytest.fixture
def play(lab, request):
    """Apply the scenario's definition, with changes."""
    scenario = request.path.parents[1]

    def run(variables=None):
        return lab.play(
            f"--extra-vars=@{scenario}/vars/definition.yml",
            extra(variables or {}),
            inventory=[scenario / "inventory/two.yml"],
        )

    return run


def up(lab):
    """The controllers that answer, the primary first."""
    return re.findall(r"at (\S+) is UP", lab.try_run("worker1", "scontrol ping").stdout)


def reconfigured(lab):
    """The number of reconfigures of each controller."""
    count = f"grep -c 'Processing Reconfiguration Request' {LOG} || true"
    return {host: int(lab.run(host, count)) for host in CONTROLLERS}


def everywhere(lab, value):
    """Both have the same files with this value, agree with the running controller, and so does each node."""
    assert [f"PrologEpilogTimeout={value}" in lab.read(host, FRAGMENT) for host in CONTROLLERS] == [True, True]
    assert lab.read("controller", FRAGMENT) == lab.read("login", FRAGMENT)
    for host in CONTROLLERS:
        config = lab.run(host, "scontrol show config")
        assert f"PrologEpilogTimeout     = {value}\n" in config
        assert "HASH_VAL                = Match" in config
    for host in WORKERS:
        assert f"PrologEpilogTimeout={value}" in lab.read(host, "/run/slurm/conf/nodecycle.conf")


def lines(lab, host):
    """The lines about the controller's hook in a host's log."""
    return lab.read(host, "/var/log/nodecycle/controller_prolog.log").splitlines()


@pytest.fixture
def failed_over(lab):
    """The primary's daemon has ended, and the other controller has taken over for good."""
    if up(lab) != ["login"]:
        lab.run("login", "systemctl start slurmctld")
        wait(lambda: up(lab) == list(CONTROLLERS), 60, "both controllers")
        lab.run("controller", "systemctl stop slurmctld")
    wait(lambda: up(lab) == ["login"] and "Running as primary" in lab.read("login", LOG), 60, "login to take over")


def test_both_have_the_files(lab):
    assert up(lab) == list(CONTROLLERS)
    everywhere(lab, 61)
    links = {lab.run(host, "readlink /etc/nodecycle/current") for host in CONTROLLERS}
    assert len(links) == 1
    assert reconfigured(lab)["login"] == 0


def test_the_active_one_runs_the_hook(lab):
    before = {host: len(lines(lab, host)) for host in CONTROLLERS}
    assert lab.finish(lab.sbatch("true"))["JobState"] == "COMPLETED"
    assert {host: len(lines(lab, host)) - before[host] for host in CONTROLLERS} == {"controller": 1, "login": 0}


@pytest.mark.usefixtures("failed_over")
def test_the_one_that_took_over_is_told_to_reconfigure_and_tries_the_scripts(lab, play):
    """The watch does not see that it fails for users: the run looks at the log of the first one of the group."""
    count, before = reconfigured(lab), {host: len(lines(lab, host)) for host in CONTROLLERS}
    change = {
        "slurm_extra_conf": "PrologEpilogTimeout=62",
        "slurm_controller_prolog": '#!/bin/sh\ntest "$SLURM_JOB_USER" = slurm\n',
        "slurm_batch_watch": 6,
    }
    release = active(lab, "login")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(play, change)
        wait(lambda: active(lab, "login") != release, 120, "the activation")
        assert lab.srun("true").rc != 0
        done = run.result()
    assert done.returncode == 0, done.stdout
    everywhere(lab, 62)
    assert reconfigured(lab) == {**count, "login": count["login"] + 1}
    assert len(lines(lab, "controller")) == before["controller"]
    assert len(lines(lab, "login")) > before["login"]


def ends_at_a_bad_file(variables):
    """Whether the active controller reads the bad lines and is of a Slurm whose slurmctld ends then."""
    return SLURM == "22.05" and variables.get("slurm_try_controller") is False


@pytest.mark.usefixtures("failed_over")
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"slurm_controller_prolog": "#!/bin/sh\necho no licence server\nexit 3\n"},
            "controller_prolog: script 10-script ended with exit code 3 on login",
        ),
        pytest.param({**BAD, "slurm_try_controller": True}, "so nothing was changed", marks=pytest.mark.thorough),
        ({**BAD, "slurm_try_controller": False}, "is undone; each host has proven it"),
        (
            {"slurm_extra_conf": "CommunicationParameters=EnableIPv6\n", "slurm_restart_allowed": True},
            "a restart is due, and the active controller is login: run this there",
        ),
    ],
)
def test_what_fails_there_is_undone_on_both(lab, play, variables, words):
    files = lab.snapshot()
    done = play(variables)
    assert words in failure_of(done)
    if ends_at_a_bad_file(variables):
        assert up(lab) == ["controller"]
        assert "These still do not answer: login" in done.stderr
    else:
        assert up(lab) == ["login"]
    assert differences(files, lab.snapshot()) == []
    assert lab.leftovers() == []
    assert lab.in_service() == dict.fromkeys(WORKERS, "")


def test_the_primary_comes_back_with_the_same_files(lab, play):
    lab.run("controller", "systemctl start slurmctld")
    wait(lambda: up(lab) == list(CONTROLLERS), 60, "the primary to take over again")
    count = reconfigured(lab)
    done = play({"slurm_extra_conf": "PrologEpilogTimeout=63"})
    assert done.returncode == 0, done.stdout
    everywhere(lab, 63)
    assert reconfigured(lab) == {**count, "controller": count["controller"] + 1}


NEEDS_RESTART = {"slurm_extra_conf": "CommunicationParameters=NoCtldInAddrAny\n", "slurm_restart_allowed": True}


def daemons(lab):
    """The process of each controller."""
    return {host: lab.run(host, "systemctl show --property=MainPID --value slurmctld") for host in CONTROLLERS}


def test_a_restart_is_one_of_all_controllers(lab, play):
    before = daemons(lab)
    done = play(NEEDS_RESTART)
    assert done.returncode == 0, done.stdout
    now = daemons(lab)
    assert {host for host in CONTROLLERS if now[host] not in (before[host], "0\n")} == set(CONTROLLERS)
    wait(lambda: up(lab) == list(CONTROLLERS), 60, "both controllers")


def test_one_that_stands_by_and_does_not_run_stays_as_it_is(lab, play):
    before = daemons(lab)
    lab.run("login", "systemctl stop slurmctld")
    # Taking the key out needs a restart as well.
    done = play()
    assert done.returncode == 0, done.stdout
    assert daemons(lab)["controller"] not in (before["controller"], "0\n")
    assert daemons(lab)["login"] == "0\n"


def test_one_that_stands_by_and_does_not_come_up_again_ends_in_the_undo(lab, play):
    lab.run("login", "systemctl start slurmctld")
    wait(lambda: up(lab) == list(CONTROLLERS), 60, "both controllers")
    files = lab.snapshot()
    drop_in = "/run/systemd/system/slurmctld.service.d/broken.conf"
    lab.run(
        "login", f"mkdir -p {drop_in.rpartition('/')[0]}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{drop_in}"
    )
    lab.run("login", "systemctl daemon-reload")
    message = failure_of(play(NEEDS_RESTART))
    assert "login: " in message
    assert "slurmctld.service" in message
    lab.run("login", f"rm {drop_in}; systemctl daemon-reload; systemctl restart slurmctld")
    assert differences(files, lab.snapshot()) == []
    wait(lambda: up(lab) == list(CONTROLLERS), 60, "both controllers")
