# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on many simulated hosts: each is a mount namespace of this machine, with stubs in place of Slurm and systemd."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

import report
import yaml

import playbooks

CONTROLLER = "controller"

#: A host's changes go to a file system in memory that ends with the namespace. The machine's own files stay.
ENTER = """
set -eu
mount -t tmpfs tmpfs "$1"
for dir in etc var/lib var/log; do
    mkdir -p "$1/$dir/upper" "$1/$dir/work"
    mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$1/$dir/upper,workdir=$1/$dir/work" "/$dir"
done
mkdir -p /etc/slurm
mount -t tmpfs tmpfs /etc/slurm
[ -z "$2" ] || cp "$2" /etc/slurm/slurm.conf
mount -t tmpfs tmpfs /run
echo ready
# Ends with the benchmark, however that ends.
exec cat
"""

STUBS = {
    "systemctl": "exit 0\n",
    "squeue": "exit 0\n",
    # As of a version that counts nodes instead of listing them.
    "sinfo": "exit 1\n",
    "scontrol": """[ "$1" != ping ] || echo 'Slurmctld(primary) at controller is UP'
case "$2" in
    config) cat <<'EOF'
ClusterName = bench
SLURM_CONF = /etc/slurm/slurm.conf
SLURM_VERSION = 24.11.5
SlurmUser = root(0)
SlurmctldHost[0] = controller
EOF
    ;;
    partition) echo 'PartitionName=batch State=UP' ;;
    node) i=1; while [ $i -le {workers} ]; do echo "NodeName=node$i State=IDLE Partitions=batch Arch=x86_64"; i=$((i + 1)); done ;;
esac
""",
}


def write_stubs(folder: pathlib.Path, workers: int) -> None:
    """Programs that answer as Slurm and systemd would."""
    folder.mkdir()
    for name, text in STUBS.items():
        (folder / name).write_text("#!/bin/sh\n" + text.replace("{workers}", str(workers)), encoding="utf-8")
        (folder / name).chmod(0o755)


@contextlib.contextmanager
def cluster(folder: pathlib.Path, workers: int) -> t.Iterator[tuple[str, dict[str, str]]]:
    """The namespaces and their inventory."""
    folder.mkdir()
    write_stubs(folder / "programs", workers)
    (folder / "slurm.conf").write_text("ClusterName=bench\nSlurmctldHost=controller\n", encoding="utf-8")
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    with contextlib.ExitStack() as stack:
        hosts = {}
        for name in [CONTROLLER, *(f"node{number}" for number in range(1, workers + 1))]:
            (folder / name).mkdir()
            conf = str(folder / "slurm.conf") if name == CONTROLLER else ""
            process = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "sh", "-c", ENTER, "sh", str(folder / name), conf],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            hosts[name] = {"bench_process": process.pid}
            if not process.stdout or process.stdout.readline() != b"ready\n":
                sys.exit("bench: this machine does not let us make a mount namespace with overlays; are we root?")
        groups = {"slurm_controller": [CONTROLLER], "slurm_worker": [name for name in hosts if name != CONTROLLER]}
        variables = {
            "ansible_connection": "namespace",
            "ansible_become": False,
            "ansible_python_interpreter": python,
            "bench_programs": str(folder / "programs"),
            # The stubs run no jobs and start no controller, because this measures the work on the hosts.
            "slurm_probe": False,
            "slurm_try_controller": False,
            "slurm_batch_watch": 0,
            "slurm_batches": ["100%"],
        }
        children = {group: {"hosts": {name: hosts[name] for name in names}} for group, names in groups.items()}
        inventory = folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": variables, "children": children}}), encoding="utf-8")
        yield str(inventory), {}


def measure(ways: t.Sequence[str], workers: int, forks: int, rounds: int) -> str:
    """The table of this part."""
    if os.geteuid() != 0:
        sys.exit("bench: simulated hosts need root, for their mounts")
    report.say(f"simulating {workers} workers for {', '.join(ways)}")
    with tempfile.TemporaryDirectory(prefix="nodecycle-bench-") as folder, contextlib.ExitStack() as stack:
        sites = {way: stack.enter_context(cluster(pathlib.Path(folder, way), workers)) for way in ways}
        return playbooks.comparison(playbooks.compare({**sites, "ping": sites["ours"]}, rounds, [f"--forks={forks}"]))
