# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Careful scripts, as an administrator would write them: the linter has nothing to say above a note."""

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script

SCRATCH = """#!/bin/bash
# A scratch directory for each job.
set -euo pipefail
readonly base=/scratch
mountpoint -q "$base" || { logger -t prolog "$base is not mounted"; exit 1; }
dir=$base/${SLURM_JOB_ID:?}
mkdir -p "$dir"
chown "$SLURM_JOB_UID:$SLURM_JOB_GID" "$dir"
chmod 0700 "$dir"
exit 0
"""

CLEANUP = """#!/bin/bash
dir=/scratch/${SLURM_JOB_ID:?}
if [[ -d $dir ]]; then
    rm -rf --one-file-system -- "$dir" || logger -t epilog "could not remove $dir"
fi
for device in ${SLURM_JOB_GPUS//,/ }; do
    timeout 20 /usr/bin/nvidia-smi -i "$device" --gpu-reset >/dev/null 2>&1 || logger -t epilog "reset of $device failed"
done
exit 0
"""

CHECK = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
log() { logger -t prolog "job $SLURM_JOB_ID: $*"; }
fail() { log "$*"; exit 1; }
count=0
until mountpoint -q /home; do
    (( ++count > 10 )) && fail "/home is missing"
    sleep 1
done
free=$(df --output=avail /tmp | tail -n 1)
if [ "$free" -lt 1048576 ]; then
    fail "less than 1 GiB left in /tmp"
fi
if ! out=$(timeout 30 nvidia-smi -L 2>&1); then
    fail "nvidia-smi: $out"
fi
exit 0
"""

TASK = """#!/bin/bash
echo "export TMPDIR=/scratch/$SLURM_JOB_ID"
echo "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}"
[ -n "$DISPLAY" ] && echo "unset DISPLAY"
if [ "$SLURM_PROCID" = 0 ]; then
    echo "print Job $SLURM_JOB_ID starts on $SLURM_JOB_NODELIST"
fi
exit 0
"""

INIT = """#!/bin/bash
set -euo pipefail
modprobe nvidia-uvm
install -d -m 1777 /scratch
if ! mountpoint -q /data; then
    timeout 60 mount /data
fi
curl -fsS --max-time 30 --retry 3 -o /etc/site/hosts.json https://config.example.org/hosts.json
systemctl restart site-agent
"""

CONTROLLER = """#!/bin/sh
# One line for each job that starts, for the accounting of licences.
printf '%s %s %s\\n' "$(date +%s)" "$SLURM_JOB_ID" "$SLURM_JOB_ACCOUNT" >> /var/log/slurm/licences.log
exit 0
"""

PYTHON = """#!/usr/bin/python3
import os, subprocess, sys
job = os.environ["SLURM_JOB_ID"]
try:
    subprocess.run(["/opt/site/register", job], timeout=10, check=True)
except (OSError, subprocess.SubprocessError) as exc:
    print(exc, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("hook", "text"),
    [
        ("worker_prolog", SCRATCH),
        ("worker_epilog", CLEANUP),
        ("worker_prolog", CHECK),
        ("task_prolog", TASK),
        ("worker_init", INIT),
        ("controller_prolog", CONTROLLER),
        ("worker_epilog", PYTHON),
    ],
    ids=["scratch", "cleanup", "check", "task", "init", "controller", "python"],
)
@pytest.mark.parametrize("version", [None, "22.05", "24.11", "26.05"])
def test_nothing_to_say(hook: str, text: str, version: str | None) -> None:
    found = engine.lint([Script(hook, "s", text.encode())], options=Options(slurm_version=version), cache_path=None)
    assert [f"{f.line}: {f.rule}: {f.message}" for f in found if f.severity != "info"] == []
