# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Words and questions that several checks share."""

from __future__ import annotations

import re

from ..model import word_set
from ..program import Piece, Point
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

#: Their output is one word, whatever happens.
ONE_WORD = word_set(
    """
    wc id date hostname uname nproc stat basename dirname pwd expr mktemp realpath readlink tty whoami arch
    getconf seq sum logname cksum md5sum sha256sum echo printf
    """
)


def is_job_id(subject: Subject, piece: Piece, at: Point) -> bool:
    """Whether a variable holds the number of the job."""
    if re.search(r"(?i)job_?id", piece.text):
        return True
    values = subject.program.values(piece.text, at)
    return any(
        a.value is not None and any(re.search(r"(?i)job_?id", p.text) for p in a.value.variables) for a in values
    )
