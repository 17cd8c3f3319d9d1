# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of the lab's hosts at one moment, so that two moments can be compared: files, sockets, processes, shared memory, mounts, Slurm."""

from __future__ import annotations

import concurrent.futures
import re
import typing as t

from conftest import HOSTS, Lab

#: Inode and change time show that a file was removed and made anew, or changed and restored.
#: A directory's times are left out: a file that was made in it and removed again leaves nothing else.
_FILES = r"""
find / \( -path /proc -o -path /sys -o -path /dev/pts \) -prune -o \
    -type d -printf 'file\t%p\t%y %m %U:%G\n' -o \
    -printf 'file\t%p\t%y %m %U:%G inode %i size %s mtime %T@ ctime %C@ ->%l\n' 2>/dev/null
find /etc /run /var /tmp ~root /dev/shm /usr/local -xdev -type f -size -256k -print0 2>/dev/null |
    xargs -0 sha256sum 2>/dev/null | sed 's/^\(\S*\)  \(.*\)/digest\t\2\t\1/'
"""
_REST = r"""
ss -Hxlnp | awk '{print "socket\t" $5 " " $6 "\t" $1 " " $NF}'
awk 'NR > 1 && $8 != "" {print "unix\t" $7 " " $8 "\tflags " $4}' /proc/net/unix
ss -Htulnp | awk '{print "port\t" $1 " " $5 "\t" $NF}'
ip -o address | sed 's/^/address\t/; s/$/\tthere/'
for kind in shm sem msg; do tail -n +2 /proc/sysvipc/$kind | sed "s/^/$kind\t/; s/\$/\tthere/"; done
sed 's/^\(\S* \S* \S* \S* \S*\) /mount\t\1\t/' /proc/self/mountinfo
# Those of the look itself are children of a shell that the container's init knows nothing of.
ps -eo pid=,ppid=,lstart=,args= | awk '$2 != 0 && !($2 in ours) {print} $2 == 0 && $1 != 1 {ours[$1] = 1}' |
    sed 's/^ *\(\S*\) *\S* *\(\S* \S* *\S* \S* \S*\) /process\t\1 /; s/$/\tthere/'
"""
_SLURM = r"""
for what in config partition node reservation; do scontrol show $what -o | sed "s/^/$what\t/; s/\$/\tthere/"; done
squeue -h -a -o '%i %T %r %u' | sed 's/^/job\t/; s/$/\tthere/'
"""

#: Things that change by themselves, and why; each is a regular expression over kind and name.
NOISE = {
    r"(file|digest)\t/var/cache/lab-compiled\b": "what Python compiled of the modules of Ansible (lab/compiled.py)",
    r"(file|digest)\t/(run|var)/log/journal/": "the system's log",
    r"(file|digest)\t/var/log/(journal|wtmp|btmp|lastlog|slurm/[a-z]+\.log)\b": "logs; that only Slurm's daemons wrote them is in their state",
    r"(file|digest)\t/var/log/munge/munged\.log$": "munged notes each slurmctld that starts, for it asks whether munge checks users",
    r"(file|digest)\t/var/lib/slurm/slurmctld/[a-z_]+(\.old|\.new)?$": "the controller saves its state every few seconds",
    r"(file|digest)\t/var/lib/systemd/": "stamps of timers, random seed",
    r"(file|digest)\t/run/systemd/(journal/(streams|seqnum)|transient|units|sessions|users|inaccessible)\b": "systemd's notes about its units",
    r"(file|digest)\t/dev/(ptmx|tty|console|null)": "devices that every login writes to",
    r"config\tConfiguration data as of": "the time of the answer",
    r"config\tNEXT_JOB_ID ": "the question whether Slurm would take a job (sbatch --test-only) uses up a number, and no job has it",
}
_NOISE = [re.compile(pattern) for pattern in NOISE]
#: Parts of Slurm's answers that change by themselves: load and times.
_TICKING = re.compile(r"(CPULoad|FreeMem|LastBusyTime|SlurmdStartTime|CurrentWatts|AveWatts)=\S*")


def look(lab: Lab, hosts: t.Sequence[str] = HOSTS) -> dict[str, dict[str, str]]:
    """For each host all that it holds, by kind and name."""

    def one(host: str) -> dict[str, str]:
        script = _FILES + _REST + (_SLURM if host == "controller" else "")
        found: dict[str, str] = {}
        done = lab.try_run(host, script)
        assert done.rc == 0, done.stderr
        # A reason or a file's name need not be UTF-8.
        for line in done.stdout_bytes.decode("utf-8", "replace").splitlines():
            kind, name, value = [*line.split("\t", 2), "", ""][:3]
            key = _TICKING.sub(r"\1=", f"{kind}\t{name}")
            if not any(noise.match(key) for noise in _NOISE):
                found[key] = value
        kinds = {key.partition("\t")[0] for key in found}
        assert kinds >= {"file", "digest", "socket", "unix", "mount", "process", "address"}, kinds
        return found

    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        return dict(zip(hosts, pool.map(one, hosts), strict=True))
