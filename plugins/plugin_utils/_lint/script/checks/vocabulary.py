# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Words and questions that several checks share."""

from __future__ import annotations

import re
import typing as t

from ..model import word_set
from ..program import Call, Piece, Point, Program, Word
from ..subject import Subject

SLURM_COMMANDS = word_set(
    """
    sacct sacctmgr salloc sattach sbatch sbcast scancel scontrol scrontab scrun sdiag sgather sinfo sjobexitmod
    sjstat smail sprio squeue sreport srun sshare sstat strigger sview
    """
)

#: Part of every system, or of the shell. Everything else is "found only through PATH".
BASE_COMMANDS = word_set(
    """
    [ [[ : . alias arch awk base64 basename bash bg blkid break builtin bzip2 cat cd chgrp chmod chown chroot
    cksum clear cmp comm command continue cp cpio cut dash date dd declare df diff dir dirname dmesg du echo
    egrep enable env eval exec exit expand expr export expr factor false fg fgrep file find findmnt flock fmt
    fold free fsck fuser gawk getconf getent getfacl getopt getopts grep groups gunzip gzip hash head hostid
    hostname hostnamectl iconv id ifconfig install ionice ip ipcrm ipcs iptables jobs join journalctl kill
    killall kmod last ldconfig let link ln local locale logger login loginctl logname logout losetup ls lsblk
    lscpu lsmod lsof lspci mapfile mawk md5sum mkdir mkfifo mkfs mknod mkswap mktemp modinfo modprobe more mount
    mountpoint mv nice nl nohup nproc nsenter od passwd paste perl pgrep pidof ping pkill popd pr printenv
    printf prlimit ps pushd pwd python python3 quota read readarray readlink readonly realpath renice return rev
    rm rmdir rmmod rsync runuser sed select seq service set setfacl setpriv setsid sh sha1sum sha256sum
    sha512sum shift shopt shred sleep sort source split ss ssh stat stdbuf strings stty su sudo sum swapoff
    swapon sync sysctl systemctl systemd-cat systemd-notify systemd-run systemd-tmpfiles tac tail tar taskset
    tee test time timeout times touch tr trap true truncate tty type typeset udevadm ulimit umask umount unalias
    uname unexpand uniq unlink unset unshare unxz unzip uptime useradd userdel usermod users vmstat wait wc
    which who whoami xargs xz yes zcat zgrep curl wget scp nft netstat nc route arp ethtool dpkg rpm apt apt-get
    yum dnf nslookup dig host tcpdump crontab at mail sendmail hwclock insmod depmod dnsdomainname domainname
    tput caller bind compgen complete disown fc history logout suspend let coproc function bc
    """
)

#: Expansions of a variable that say what to do when there is none.
HAS_DEFAULT = word_set(":- - := = :+ + :? ?")


def is_job_id(subject: Subject, piece: Piece, at: Point) -> bool:
    """Whether a variable holds the number of the job."""
    if re.search(r"(?i)job_?id", piece.text):
        return True
    return any(
        re.search(r"(?i)job_?id", inner.text)
        for form in subject.values.forms(Word((piece,), 0, 0), at)
        for inner in form.variables
    )


#: Names by which a script calls the job's owner.
OWNER = re.compile(
    r"SLURM_(JOB_)?(UID|USER)\b|\b(USER|user|UID|uid|LOGNAME|username|USERNAME|job_?user|JOB_?USER|job_?uid|JOB_?UID)\b"
)

#: Names by which a script calls the job and what Slurm gave it.
JOB = re.compile(
    r"(?i)job_?id|SLURM_(JOB|STEP)_GPUS|(CUDA|ROCR)_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ZE_AFFINITY_MASK|cpuset|cpus_allowed"
)


def origins(subject: Subject, word: Word, at: Point) -> t.Iterator[Piece]:
    """Every piece that a word is made of: its own, those of what was assigned to its variables, of what its commands were given."""
    rest: list[tuple[Word, Point]] = [(word, at)]
    seen: set[int] = set()
    while rest:
        current, where = rest.pop()
        for piece in current.pieces:
            yield piece
            rest.extend((argument, call) for call in piece.commands for argument in call.words)
            if piece.operand is not None:
                rest.append((piece.operand, where))
            for assignment in subject.values.assignments(piece.text, where) if piece.kind == "variable" else ():
                # Each of them once: x="$x/y" would go round in circles.
                if assignment.sequence in seen:
                    continue
                seen.add(assignment.sequence)
                rest.extend((part, assignment) for part in (*assignment.items, assignment.value) if part is not None)
                if assignment.kind == "read":
                    yield Piece("command", "", commands=tuple(fed_by(subject.program, assignment)))
                    rest.extend((redirect.target, assignment) for redirect in assignment.context.redirects)


def fed_by(program: Program, at: Point) -> list[Call]:
    """The earlier stages of the pipeline that something stands in."""
    if at.context.pipeline is None:
        return []
    number = at.context.pipeline[0]
    return [
        call
        for call in program.calls
        if call.context.pipeline and call.context.pipeline[0] == number and call.sequence < at.sequence
    ]


def behind(subject: Subject, words: t.Iterable[Word], at: Point) -> str:
    """The names of the variables and the texts of the commands that words are made of, for a search."""
    found: list[str] = []
    for word in words:
        for piece in origins(subject, word, at):
            found += [piece.text, *(text for call in piece.commands for text in (call.name, *call.texts))]
    return " ".join(found)


def is_other_user(call: Call) -> bool:
    """Whether a command runs without root's rights, by sudo, su or runuser."""
    return call.context.user not in (None, "root", "0", "#0")


def asked_before(subject: Subject, call: Call) -> bool:
    """Whether something before it finds out about other jobs of the user."""
    for other in subject.program.calls:
        if other.sequence >= call.sequence and other.context.function == call.context.function:
            continue
        if other is not call and _asks(other):
            return True
        if any(re.search(r"cgroup|uid_|slurmstepd|user_jobs|jobs_of", text) for text in (other.name, *other.texts)):
            return True
    return False


def _asks(call: Call) -> bool:
    """Whether a command tells which jobs, or which sessions, there are."""
    verbs = [text for text in call.texts if not text.startswith("-")][:1]
    if call.name == "scontrol":
        return verbs in (["show"], ["listpids"], ["pidinfo"])
    return call.name in ("squeue", "sacct", "sstat") or (
        call.name == "loginctl" and verbs not in (["terminate-user"], ["kill-user"])
    )
