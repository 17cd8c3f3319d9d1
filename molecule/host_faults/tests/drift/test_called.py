# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof is about the programs that Slurm really runs, even if a file that slurm.conf includes names another script."""

from __future__ import annotations

import pytest
from conftest import ROOT, SLURM, extra

DEFINITION = f"--extra-vars=@{ROOT}/molecule/host_faults/vars/drift.yml"
INCLUDES = extra({"slurm_extra_conf": "Include site.conf"})
SITE = "/etc/slurm/site.conf"

#: Before 23.11 a login node has a slurm.conf of its own, and so needs what it includes.
WITH_CONF = ("controller",) if SLURM >= "23.11" else ("controller", "login")
#: Since 24.05 the lines of Prolog add up.
ADDS_UP = SLURM >= "24.05"


@pytest.fixture(autouse=True)
def site(lab):
    """A file of the site's, harmless at first and again in the end."""
    for host in WITH_CONF:
        lab.run(host, f"echo '# nothing yet' >{SITE}")
    yield
    lab.run("controller", f"echo '# nothing' >{SITE}")
    done = lab.play(DEFINITION, extra({"slurm_extra_conf": ""}))
    assert done.returncode == 0, done.stdout
    for host in WITH_CONF:
        lab.run(host, f"rm {SITE}")


def test_a_line_that_takes_a_hook_away_is_refused_before_anything_changes(lab):
    before = lab.snapshot()
    lab.run("controller", f"echo 'TaskProlog=/bin/true' >{SITE}")
    done = lab.play(DEFINITION, INCLUDES)
    assert done.returncode != 0
    assert f"task_prolog would not run: {SITE}:1 sets TaskProlog=/bin/true" in done.stdout
    lab.run("controller", f"echo '# nothing yet' >{SITE}")
    assert lab.snapshot()["worker1"] == before["worker1"]


def test_a_line_that_comes_later_is_told(lab):
    done = lab.play(DEFINITION, INCLUDES)
    assert done.returncode == 0, done.stdout
    lab.run("controller", f"printf 'TaskProlog=/bin/true\\nProlog=/bin/true\\n' >{SITE} && scontrol reconfigure")
    said = lab.play(playbook="playbooks/status.yml").stdout
    assert "does not name the dispatcher of task_prolog" in said
    if ADDS_UP:
        assert "for worker_prolog Slurm runs /bin/true as well" in said
        assert "does not name the dispatcher of worker_prolog" not in said
    else:
        assert "does not name the dispatcher of worker_prolog" in said
    again = lab.play(DEFINITION, INCLUDES)
    assert "does not run what is defined" in again.stdout
    # status tells the truth: both prologs run, and the other task prolog.
    job = lab.sbatch("echo task prolog: ${FROM_TASK_PROLOG:-none}", "-w worker1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert lab.output(job) == "task prolog: none\n"
    assert (f'"job":"{job}"' in lab.read("worker1", "/var/log/nodecycle/worker_prolog.log")) == ADDS_UP
