# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that are not UTF-8, in slurm.conf and in a node's reason: a run keeps them, shows them, and goes on."""

from __future__ import annotations

from conftest import extra, wait

REASON = r"$(printf 'L\374fter')"
COMMENT = r"# gr\374\337e"


def is_drained(lab):
    """Whether worker3 is, or nobody knows."""
    said = lab.try_run("controller", "sinfo -h -n worker3 -o %T").stdout
    return "drain" in said or not said.strip()


def test_bytes_that_are_no_utf_8_stay_and_end_no_run(lab):
    present = lab.run("controller", "sha256sum </etc/slurm/slurm.conf")
    lab.run("controller", f"cp -p /etc/slurm/slurm.conf /etc/slurm/kept; printf '{COMMENT}\\n' >>/etc/slurm/slurm.conf")
    lab.run("controller", f'scontrol update NodeName=worker3 State=DRAIN Reason="{REASON}"')
    try:
        lines = extra({"slurm_extra_conf": "PrologEpilogTimeout=79\n"})
        done = lab.play("--check", "--diff", lines)
        assert done.returncode == 0, done.stdout + done.stderr
        done = lab.play("--diff", lines)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PrologEpilogTimeout     = 79" in lab.run("controller", "scontrol show config")
        lab.run("controller", f"printf '{COMMENT}\\n' | LC_ALL=C grep -qxaf - /etc/slurm/slurm.conf")
        done = lab.play(extra({"slurm_extra_conf": ""}))
        assert done.returncode == 0, done.stdout + done.stderr
        assert is_drained(lab)
        lab.run("controller", f"printf '{COMMENT}\\n' | LC_ALL=C grep -qxaf - /etc/slurm/slurm.conf")
    finally:
        lab.run("controller", "mv -f /etc/slurm/kept /etc/slurm/slurm.conf; scontrol reconfigure")
        # slurmctld replaces itself: it refuses the resume until it knows the drain again, or does it and cannot say so any more.
        resume = "scontrol update NodeName=worker3 State=RESUME"
        wait(lambda: lab.try_run("controller", resume).rc == 0 or not is_drained(lab), 60, "the resume of worker3")
    assert lab.run("controller", "sha256sum </etc/slurm/slurm.conf") == present
