# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""As if the collection had never been there: after the first dry run, and after everything was removed."""

from __future__ import annotations

import pytest

HOSTS = ("controller", "login", "worker1", "worker2", "worker3")


@pytest.mark.parametrize("host", HOSTS)
def test_no_file_of_ours_is_on_the_host(lab, host):
    # The role install, which made the cluster, has drop-ins of its own; logs are the site's and stay; locks stay until the next boot.
    places = "/etc /usr/local /opt /run /var/lib /var/cache"
    others = "-name '*nodecycle*install*' -o -path '/run/nodecycle*.lock'"
    found = lab.run(host, f"find {places} -iname '*nodecycle*' -not '(' {others} ')'").split()
    assert found == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_unit_of_ours_is_known(lab, host):
    assert "nodecycle" not in lab.run(host, "systemctl list-unit-files --no-legend")


def test_slurm_conf_is_the_cluster_s_own(lab):
    text = lab.read("controller", "/etc/slurm/slurm.conf")
    assert "nodecycle.conf" not in text
    assert "Include" not in text


@pytest.mark.parametrize("key", ["Prolog", "Epilog", "PrologSlurmctld", "EpilogSlurmctld", "TaskProlog", "TaskEpilog"])
def test_slurm_knows_no_hook(lab, key):
    config = lab.run("controller", "scontrol show config")
    values = [
        line.split("=", 1)[1].strip() for line in config.splitlines() if line.split("=")[0].split("[")[0].strip() == key
    ]
    assert values in ([], ["(null)"])


def test_jobs_run_and_no_node_is_drained(lab):
    result = lab.srun("hostname", "-N3")
    assert (result.rc, sorted(result.stdout.split())) == (0, ["worker1", "worker2", "worker3"])
    assert lab.run("controller", "sinfo -h -R") == ""
