# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The very first rollout has a bad script: afterwards the cluster is unchanged."""

from __future__ import annotations

import pytest
from conftest import HOSTS, Killer, extra, failure_of, undone


def test_a_bad_script_on_the_first_day_leaves_a_bare_cluster(lab):
    script = {"name": "bad", "content": "#!/bin/sh\necho no scratch here\nexit 3\n"}
    with undone(lab):
        message = failure_of(
            lab.play(extra({"slurm_worker_prolog": [script], "slurm_controller_prolog": "#!/bin/sh\n"}))
        )
    assert "worker_prolog: script 10-bad ended with exit code 3 on worker3" in message
    assert "no scratch here" in message
    # The role install, which made the cluster, has drop-ins of its own; logs are the site's and stay. sackd keeps a file that it got
    # once, even if no slurm.conf includes it any more (24.11.5). Locks stay until the next boot.
    places = "/etc /usr/local /opt /run /var/lib /var/cache"
    others = "-name '*nodecycle*install*' -o -path '/run/slurm/conf/*' -o -path '/run/nodecycle*.lock'"
    found = {host: lab.run(host, f"find {places} -iname '*nodecycle*' -not '(' {others} ')'").split() for host in HOSTS}
    assert found == {host: [] for host in HOSTS}
    config = lab.run("controller", "scontrol show config")
    assert "nodecycle" not in config


@pytest.mark.thorough
def test_a_host_that_is_lost_on_the_first_day_is_as_bare_as_the_others_when_it_is_back(lab):
    wanted = extra({"slurm_worker_prolog": "#!/bin/sh\necho good\n"})
    with undone(lab, "-w worker1"):
        message = failure_of(Killer(lab).lose("worker2", "Activate an empty release", wanted))
        assert "worker2: it cannot be reached any more" in message
        assert "Not restored on worker2" in message
        assert "nodecycle: unreachable" in lab.in_service()["worker2"]
        lab.boot("worker2")
        nothing = lab.play()
        assert nothing.returncode == 0, nothing.stdout
        lab.wait_for_state("worker2", lambda state: state == "IDLE")
