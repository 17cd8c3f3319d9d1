# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the rules know of commands: one table, a row a command, each row with its source.

A check asks here and keeps no list of commands itself. facts.py says what kinds of facts there are. The commands of a base system are
in base_commands.json, which tools/base-commands writes from packages.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

from .facts import Action, Change, Facts, Is, Output, SecretOption, Wait, WayToFail
from .model import word_set
from .wrappers import SHELLS

#: How a script calls the job's owner, once variables of its own are followed.
OWNER = r"SLURM_JOB_(USER|UID)\b"


def _row(names: str, source: str, traits: Is = Is.NOTHING, **facts: t.Any) -> tuple[list[str], Facts]:
    return names.split(), Facts(source=source, traits=traits, **facts)


def _table(*rows: tuple[list[str], Facts]) -> dict[str, Facts]:
    found = [(name, facts) for names, facts in rows for name in names]
    table = dict(found)
    if len(table) != len(found):
        raise ValueError("a command has two rows")
    return table


# ---------------------------------------------------------------------------------------------- what several rows say

_BRIEFLY = "put timeout 10 in front"
_SHORTLY = "put timeout 20 in front"
_HALF_A_MINUTE = "put timeout 30 in front"
_A_MINUTE = "put timeout 60 in front"
_SSH = "add -o ConnectTimeout=5 -o BatchMode=yes"
_ENDLESS = "never ends"
_OWN_LIMITS = "waits as long as its own defaults say"
_SERVER = "waits for a server that may be away"
_BOARD = "waits for a board's controller that may be hung"
_PARALLEL = "the limit of a command that runs there is off by default"
_CLOUD = Wait(says=_OWN_LIMITS, fix="put timeout in front", severity="info")
_GPU = Wait(says="hangs with its driver", fix=_HALF_A_MINUTE, severity="info")

#: The variables that hold the limits for all of Python's sockets, and all of its connections to LDAP.
PYTHON_SOCKETS_LIMIT = "python_sockets_limit"
PYTHON_LDAPS_LIMIT = "python_ldaps_limit"
_PYTHON = Wait(fix="add timeout=10", bounds="--timeout", variable=PYTHON_SOCKETS_LIMIT)

_SERVED = r"/(home|homes|net|nfs|lustre|gpfs|beegfs|cvmfs|ceph|cephfs|weka|panfs|afs)"

#: File systems of a server, by the names under which sites mount them: nfs(5), hard is the default.
_FAR = Wait(
    says="hangs while the server of this file system is away",
    fix=_BRIEFLY,
    operand=rf"^{_SERVED}(/|$)",
    severity="info",
)

_NO_LOGIN = "start no login shell, or put timeout 30 in front"
_PROFILE = "reads the profile of a login, which may wait for a server"


def _login(options: str) -> tuple[Wait, ...]:
    owners = "reads the profile of the job's owner, who can make it wait for ever"
    return (
        Wait(says=owners, fix=_NO_LOGIN, options=options, operand=OWNER),
        Wait(says=_PROFILE, fix=_NO_LOGIN, options=options, severity="info"),
    )


#: It tells how the node is, whatever its arguments are.
_ANY = ""

_ENDS = "ends every job on the node"
_WIPES = "wipes a disk of the node"
_CONTAINERS = "also meets the containers of other jobs"
_SERVICE = "meets every job that uses the service"
_SHARED_MEMORY = "removes the shared memory of every job"
_EVERY_GPU = "changes every GPU of the node"
_CPUS = "changes the CPUs of other jobs"
_KERNEL = "changes the kernel for every job"
_NETWORK = "changes the network of every job"
_DRIVER_GONE = "takes a driver from every job"

_ASKING_VERBS = "install upgrade dist-upgrade full-upgrade distro-sync swap groupinstall reinstall localinstall remove purge autoremove"
_MANAGERS = "install update upgrade dist-upgrade full-upgrade distro-sync swap groupinstall reinstall localinstall"


# ---------------------------------------------------------------------------------------------------------- the table

#: A row a command, or a few commands that share all that is known of them.
COMMANDS: dict[str, Facts] = _table(
    # ------------------------------------------------------------------------------------------------ the node's health
    _row(
        """
        edac-util ibcheckerrors ibping ibstat ibstatus ibv_devinfo mcelog mdadm ntpq ntpstat opainfo perfquery ping6 ras-mc-ctl
        sensors smartctl sminfo
        """,
        "their manual pages",
        health=_ANY,
    ),
    # ------------------------------------------------------------------------------------------------- the shell's own
    _row(
        """
        alias bg bind builtin caller compgen complete compopt coproc dirs disown enable false fc fg function hash help history
        jobs let logout popd pushd select shopt suspend time times typeset unalias
        """,
        "bash(1), SHELL BUILTIN COMMANDS",
        Is.BUILTIN,
    ),
    _row("ulimit", "bash(1), ulimit: unlimited, hard", Is.BUILTIN, alters=r" (unlimited|hard) "),
    _row(": export set shift true unset", "bash(1)", Is.BUILTIN | Is.NEVER_FAILS),
    _row("break continue declare exec local readonly trap umask wait", "bash(1)", Is.BUILTIN | Is.STEADY),
    _row("exit return", "bash(1)", Is.BUILTIN | Is.STEADY | Is.ONLY_LOOKS),
    _row("pwd", "POSIX, pwd", Is.BUILTIN | Is.STEADY | Is.ONE_WORD),
    _row("cd", "POSIX, cd", Is.BUILTIN | Is.NEEDS_ITS_FILE),
    _row(". source", "POSIX, dot", Is.BUILTIN | Is.SOURCES | Is.NEEDS_ITS_FILE),
    _row("eval", "POSIX, eval", Is.BUILTIN | Is.MAKES_NONE),
    _row("[ test", "POSIX, test", Is.BUILTIN | Is.ANSWERS | Is.ONLY_LOOKS | Is.NEEDS_NONE | Is.LOOKS_FOR),
    _row("[[", "bash(1), Compound Commands", Is.BUILTIN | Is.ANSWERS | Is.ONLY_LOOKS),
    _row("command type", "POSIX, command, type", Is.BUILTIN | Is.ANSWERS | Is.SEARCHES),
    _row("read", "POSIX, read", Is.BUILTIN | Is.NEEDS_ITS_FILE | Is.TAKES_NEXT | Is.ONLY_LOOKS),
    _row("getopts mapfile readarray", "bash(1)", Is.BUILTIN | Is.TAKES_NEXT),
    _row("echo printf", "POSIX, echo, printf", Is.BUILTIN | Is.NEVER_FAILS | Is.PRINTS | Is.ONLY_LOOKS),
    _row("kill", "POSIX, kill", Is.BUILTIN | Is.STEADY, fails=(WayToFail("the process is gone"),)),
    # -------------------------------------------------------------------------------------------- shells and languages
    _row(
        "sh bash ksh zsh",
        "bash(1), INVOCATION",
        Is.SHELL,
        program="-c",
        waits=(Wait(says=_PROFILE, fix=_NO_LOGIN, options="-l --login", severity="info"),),
    ),
    _row("dash", "dash(1)", Is.SHELL, program="-c"),
    _row("python", "python(1), -c, -m", Is.LANGUAGE, program="-c", no_file="-m"),
    _row("perl", "perlrun(1), -e, -i", Is.LANGUAGE | Is.LESSENS | Is.LOOKS_FOR, program="-e -E"),
    _row("ruby", "ruby(1), -e", Is.LANGUAGE, program="-e"),
    _row("Rscript julia lua luajit php pypy tclsh", "their manual pages", Is.LANGUAGE),
    _row("node", "node(1), --eval", Is.LANGUAGE, program="-e --eval"),
    # ------------------------------------------------------------------------------------------------- files and their text
    _row("cat", "POSIX, cat", Is.NEEDS_ITS_FILE | Is.PASSES_LINES | Is.SINK),
    _row("tac", "tac(1)", Is.STEADY | Is.PASSES_LINES),
    _row(
        "sort",
        "POSIX, sort",
        Is.STEADY | Is.PASSES_LINES | Is.MUTE,
        writes=(Output(options="-o --output"),),
    ),
    _row("uniq", "POSIX, uniq", Is.STEADY | Is.PASSES_LINES | Is.MUTE),
    _row("head", "POSIX, head; it reads /dev/urandom, too", Is.STEADY | Is.PASSES_LINES | Is.MUTE | Is.RANDOM),
    _row("nl", "POSIX, nl", Is.STEADY | Is.MUTE),
    _row("column", "column(1)", Is.MUTE),
    _row("cut tr", "POSIX, cut, tr", Is.STEADY | Is.REWRITES | Is.MUTE),
    _row("rev", "rev(1)", Is.REWRITES),
    _row(
        "awk",
        "POSIX, awk: system(); -f names a file",
        Is.STEADY | Is.REWRITES | Is.LOOKS_FOR,
        filter_operand=0,
        no_file="-f --file",
    ),
    _row("jq", "jq(1)", Is.REWRITES, filter_operand=0, no_file="-f --from-file"),
    _row(
        "sed",
        "sed(1): -i; its command e starts programs",
        Is.PASSES_LINES | Is.MUTE | Is.LESSENS | Is.LOOKS_FOR,
        program="-e --expression",
        filter_operand=0,
        no_file="-f --file",
    ),
    _row(
        "grep egrep fgrep zgrep pcregrep rg",
        "grep(1), zgrep(1), pcregrep(1), rg(1)",
        Is.ANSWERS | Is.SEARCHES | Is.PASSES_LINES | Is.PICKS_LINES | Is.LOOKS_FOR,
    ),
    _row("cmp diff which", "diff(1), cmp(1), which(1)", Is.ANSWERS | Is.SEARCHES),
    _row("wc", "POSIX, wc", Is.STEADY | Is.MUTE | Is.ONE_WORD | Is.ONLY_LOOKS | Is.MEASURES),
    _row("paste env lsblk lscpu uptime", "their manual pages", Is.STEADY),
    _row("free", "free(1)", Is.STEADY, health=_ANY),
    _row("tee", "POSIX, tee", Is.STEADY | Is.SINK, writes=(Output("all"),)),
    _row("systemd-cat", "systemd-cat(1)", Is.SINK),
    _row(
        "logger",
        "logger(1)",
        Is.NEVER_FAILS | Is.SINK | Is.ONLY_LOOKS | Is.NEEDS_NONE | Is.LOOKS_FOR,
    ),
    _row(
        "ls", "POSIX, ls", Is.STEADY | Is.ANSWERS | Is.SEARCHES | Is.ONLY_LOOKS, waits=(_FAR,), health=rf" {_SERVED}/? "
    ),
    _row(
        "stat",
        "stat(1)",
        Is.STEADY | Is.ONE_WORD | Is.ONLY_LOOKS | Is.MEASURES,
        waits=(_FAR,),
        health=rf" {_SERVED}/? ",
    ),
    _row("basename", "POSIX, basename", Is.STEADY | Is.PRINTS_PATH | Is.ONE_WORD | Is.ONLY_LOOKS),
    _row("dirname realpath", "dirname(1), realpath(1)", Is.STEADY | Is.PRINTS_PATH | Is.ONE_WORD | Is.ONLY_LOOKS),
    _row("readlink", "readlink(1)", Is.STEADY | Is.PRINTS_PATH | Is.ONLY_LOOKS),
    _row("du", "POSIX, du", Is.STEADY | Is.ONLY_LOOKS | Is.MEASURES, waits=(_FAR,)),
    _row("file", "POSIX, file", Is.ONLY_LOOKS),
    _row("findmnt", "findmnt(8)", Is.SEARCHES, lists="", health=_ANY),
    _row("getent", "getent(1)", Is.ANSWERS),
    _row("mountpoint", "mountpoint(1)", Is.ANSWERS, health=_ANY),
    _row("touch", "POSIX, touch", Is.STEADY, writes=(Output("all"),), waits=(_FAR,)),
    _row("truncate", "truncate(1)", Is.STEADY | Is.LESSENS, writes=(Output("all"),)),
    _row(
        "mkdir",
        "POSIX, mkdir",
        Is.PREPARES,
        changes=Change("all"),
        fails=(WayToFail("it exists already", unless="-p --parents", avoidable=True, again=True),),
    ),
    _row(
        "mkfifo mknod", "POSIX, mkfifo; mknod(1)", fails=(WayToFail("it exists already", avoidable=True, again=True),)
    ),
    _row(
        "ln",
        "POSIX, ln",
        Is.PREPARES,
        changes=Change("last"),
        fails=(WayToFail("it exists already", unless="-f --force", avoidable=True, again=True),),
    ),
    _row("cp", "POSIX, cp", Is.PREPARES | Is.COPIES | Is.LESSENS, writes=(Output("last", least=2),)),
    _row(
        "install",
        "install(1)",
        Is.PREPARES | Is.COPIES | Is.LESSENS,
        changes=Change("last", follows=True),
        writes=(Output("last", least=2),),
    ),
    _row("mv", "POSIX, mv", Is.PREPARES | Is.LESSENS, writes=(Output("last", least=2),)),
    _row(
        "chmod chown",
        "POSIX, chmod, chown",
        Is.PREPARES | Is.MAKES_NONE,
        changes=Change("behind the first", follows=True),
    ),
    _row("chgrp", "POSIX, chgrp", Is.STEADY, changes=Change("behind the first", follows=True)),
    _row("setfacl", "setfacl(1)", changes=Change("last", follows=True)),
    _row(
        "rm",
        "POSIX, rm",
        Is.STEADY | Is.DELETES | Is.LESSENS,
        changes=Change("all"),
        fails=(WayToFail("the file is gone", unless="-f --force", avoidable=True),),
    ),
    _row(
        "unlink",
        "unlink(1)",
        Is.DELETES | Is.LESSENS,
        changes=Change("all"),
        fails=(WayToFail("the file is gone", unless="-f --force", avoidable=True),),
    ),
    _row(
        "rmdir",
        "POSIX, rmdir",
        Is.DELETES | Is.LESSENS,
        changes=Change("all"),
        fails=(WayToFail("the directory is gone or not empty", unless="--ignore-fail-on-non-empty"),),
    ),
    _row(
        "shred",
        "shred(1)",
        Is.DELETES | Is.LESSENS,
        changes=Change("all"),
        acts=(Action(_WIPES, r" /dev/(?!loop|ram|shm/)"),),
    ),
    _row(
        "find",
        "find(1)",
        waits=(_FAR,),
        fails=(WayToFail("a file vanishes while it looks", only="-delete", unless="-ignore_readdir_race"),),
    ),
    _row("ed logrotate savelog sponge", "ed(1), logrotate(8), savelog(8), sponge(1)", Is.LESSENS),
    _row("gzip gunzip", "gzip(1)", Is.PREPARES),
    _row(
        "tar",
        "tar(1)",
        Is.PREPARES,
        writes=(
            Output(options="-f --file", only=r"-?\w*[cru]|--(create|append|update)"),
            Output(directories="-C --directory", only=r"-?\w*x|--(extract|get)"),
        ),
    ),
    _row("zip", "zip(1), -P", secret=SecretOption("-P"), writes=(Output("first"),)),
    _row("unzip", "unzip(1), -d, -P", secret=SecretOption("-P"), writes=(Output(directories="-d"),)),
    _row(
        "dd",
        "POSIX, dd",
        writes=(Output(options="of="),),
        acts=(Action(_WIPES, r" of=/dev/(?!null|zero|full|fd/|std|tty|loop|ram|shm/)"),),
    ),
    _row("strace ltrace perf gcc cc", "their manual pages, -o", writes=(Output(options="-o --output"),)),
    _row("make", "make(1)", Is.CARRIES_OUT),
    _row("mktemp seq", "mktemp(1), seq(1)", Is.STEADY | Is.ONE_WORD),
    _row("expr", "POSIX, expr", Is.ONE_WORD | Is.LOOKS_FOR, fails=(WayToFail("its result is 0 or empty"),)),
    _row("date", "POSIX, date", Is.NEVER_FAILS | Is.ONE_WORD),
    _row("hostname logname nproc uname whoami", "their manual pages", Is.STEADY | Is.ONE_WORD),
    _row("arch cksum getconf sum tty", "their manual pages", Is.ONE_WORD),
    _row("md5sum sha256sum", "md5sum(1), sha256sum(1)", Is.ONE_WORD | Is.VERIFIES),
    _row("cosign gpg gpgv minisign sha1sum sha512sum", "their manual pages", Is.VERIFIES),
    _row("shuf uuidgen", "shuf(1), uuidgen(1)", Is.RANDOM),
    # ------------------------------------------------------------------------------------------ processes, locks and time
    _row("ps", "POSIX, ps", Is.STEADY | Is.LISTS_PROCESSES),
    _row(
        "top",
        "top(1), -n",
        Is.LISTS_PROCESSES,
        waits=(Wait(says=_ENDLESS, fix="add -n 1", bounds="-n -bn1 -v -h"),),
    ),
    _row("pgrep pidof", "pgrep(1), pidof(8)", Is.ANSWERS | Is.SEARCHES | Is.LISTS_PROCESSES),
    _row("pkill killall skill", "pkill(1), killall(1), skill(1)", Is.KILLS, fails=(WayToFail("no process matches"),)),
    _row("slay", "slay(1)", Is.KILLS),
    _row(
        "fuser",
        "fuser(1)",
        Is.SEARCHES | Is.LISTS_USERS_OF,
        fails=(WayToFail("nobody uses it", only="-k --kill"),),
    ),
    _row(
        "lsof",
        "lsof(8), BLOCKS AND TIMEOUTS",
        Is.SEARCHES | Is.LISTS_USERS_OF,
        waits=(
            Wait(
                says="hangs when any mounted server is away",
                fix="add -b -w",
                bounds="-b -p -i -v",
                operands=0,
                severity="info",
            ),
        ),
    ),
    _row("ss netstat", "ss(8), netstat(8), -p", Is.LISTS_USERS_OF),
    _row(
        "ipcs",
        "ipcs(1), -p",
        Is.LISTS_USERS_OF,
        lists="",
    ),
    _row(
        "ipcrm",
        "ipcrm(1), --all",
        fails=(WayToFail("it is gone"),),
        acts=(
            Action(_SHARED_MEMORY, r" (-a|--all)"),
            Action(_SHARED_MEMORY, r" (-[msq]|--(shmem|semaphore|queue)-id) ", is_listed=True),
        ),
    ),
    _row(
        "systemd-run at batch daemonize start-stop-daemon", "systemd-run(1), at(1), start-stop-daemon(8)", Is.DETACHES
    ),
    _row("unshare nsenter chroot", "unshare(1), nsenter(1), chroot(8)", Is.ELSEWHERE),
    _row(
        "flock",
        "flock(1)",
        writes=(Output("first"),),
        fails=(WayToFail("somebody else holds the lock", only="-n --nonblock --nb -w --wait --timeout"),),
        waits=(
            Wait(
                says="waits for the lock as long as another process holds it",
                fix="add -w 30",
                bounds="-n --nonblock --nb -w --timeout --wait -u --unlock -V --version",
                severity="info",
            ),
        ),
    ),
    _row(
        "sleep", "sleep(1)", Is.NEVER_FAILS, waits=(Wait(says=_ENDLESS, fix="name a number", operand="^inf(inity)?$"),)
    ),
    _row("renice sync", "renice(1), sync(1)", Is.STEADY),
    _row(
        "tmux",
        "tmux(1)",
        fails=(WayToFail("there is no session", only="kill-session kill-server", avoidable=True),),
    ),
    _row(
        "tail",
        "tail(1), --follow",
        Is.STEADY | Is.PASSES_LINES | Is.MUTE,
        waits=(Wait(says=_ENDLESS, fix="put timeout 10 in front", options="-f -F --follow", bounds="--pid"),),
    ),
    _row(
        "watch", "watch(1)", waits=(Wait(says=_ENDLESS, fix=_BRIEFLY, bounds="-g --chgexit -e --errexit -v --version"),)
    ),
    _row(
        "inotifywait",
        "inotifywait(1), --timeout",
        waits=(Wait(fix="add --timeout 10", bounds="-t --timeout"),),
    ),
    _row(
        "journalctl",
        "journalctl(1), --follow",
        waits=(Wait(says=_ENDLESS, fix=_BRIEFLY, options="-f --follow"),),
        health=_ANY,
    ),
    _row(
        "dmesg",
        "dmesg(1), --follow",
        Is.STEADY,
        waits=(Wait(says=_ENDLESS, fix=_BRIEFLY, options="-w --follow -W --follow-new"),),
        health=_ANY,
    ),
    _row(
        "vmstat iostat mpstat nfsiostat",
        "vmstat(8), iostat(1), mpstat(1), nfsiostat(8): an interval without a count",
        waits=(Wait(says=_ENDLESS, fix="add a count", operands=1, operand=r"^\d+$"),),
    ),
    # --------------------------------------------------------------------------------------------------- users and logins
    _row("id", "POSIX, id", Is.STEADY | Is.ANSWERS | Is.ONE_WORD),
    _row("groups printenv", "groups(1), printenv(1)", Is.STEADY),
    _row(
        "su runuser",
        "su(1), runuser(1), --login",
        program="-c",
        waits=_login("- -l --login"),
    ),
    _row("sudo", "sudo(8), --login", waits=_login("-i --login")),
    _row(
        "loginctl",
        "loginctl(1)",
        fails=(
            WayToFail(
                "the user has no session",
                only="terminate-user kill-user terminate-session kill-session",
                avoidable=True,
            ),
        ),
    ),
    _row(
        "gpasswd", "gpasswd(1)", fails=(WayToFail("the user is not in the group", only="-d --delete", avoidable=True),)
    ),
    _row(
        "useradd groupadd",
        "useradd(8), groupadd(8)",
        fails=(WayToFail("it exists already", unless="-f", avoidable=True, again=True),),
    ),
    _row("userdel groupdel", "userdel(8), groupdel(8)", Is.LESSENS, fails=(WayToFail("it is gone", avoidable=True),)),
    _row("crontab", "POSIX, crontab", fails=(WayToFail("the user has no crontab", only="-r -l"),)),
    _row("chpasswd passwd cryptsetup", "chpasswd(8), passwd(1), cryptsetup(8)", Is.READS_SECRET),
    _row("mail mailx sendmail", "mailx(1), sendmail(8)", Is.TELLS),
    # ----------------------------------------------------------------------------------------------------------- packages
    _row(
        "apt apt-get aptitude",
        "apt-get(8): -qq implies -y; it asks where more is to be done than what was named",
        installs=_MANAGERS,
        asks=_ASKING_VERBS,
        answers="-y --yes --assume-yes --assume-no -qq -s --simulate --dry-run --just-print --no-act --print-uris",
    ),
    _row(
        "yum dnf microdnf tdnf",
        "dnf(8), -y, --assumeno, --setopt",
        installs=_MANAGERS,
        asks=f"{_ASKING_VERBS} update erase",
        answers="-y --assumeyes --assumeno --setopt=assumeyes",
    ),
    _row("rpm-ostree urpmi", "rpm-ostree(1), urpmi(8)", installs=_MANAGERS),
    _row(
        "zypper",
        "zypper(8), --non-interactive, -y",
        installs="install in update up refresh",
        asks="install in update up remove rm dist-upgrade dup patch",
        answers="-n --non-interactive -y --no-confirm --dry-run",
    ),
    _row(
        "pip pipx snap flatpak gem npm pnpm yarn cargo go apk brew uv poetry cpanm opam",
        "their manual pages",
        installs="install add upgrade",
    ),
    _row(
        "conda mamba micromamba",
        "conda activate --help",
        installs="install add upgrade",
        alters=r" (de)?activate ",
    ),
    _row("spack", "spack load --help", installs="install add upgrade", alters=r" (load|unload|env activate) "),
    _row("module", "module(1)", alters=r" (add|load|purge|restore|swap|switch|unload|use) "),
    _row(
        "ml",
        "Lmod, ml: a name without a verb is loaded",
        alters=r"^ (?!(-|list|av|avail|spider|show|help|save) )[^-\s]",
    ),
    _row(
        "pacman",
        "pacman(8), -S, -U, -R, --noconfirm",
        installs="-S -Sy -Syu -Syyu -U --sync --upgrade",
        asks="-S -Sy -Syu -Syyu -U --sync --upgrade -R -Rs -Rns --remove",
        answers="--noconfirm -p --print",
    ),
    _row("emerge swupd", "emerge(1), swupd(1)", installs="--sync --update -u update bundle-add"),
    _row("rpm", "rpm(8)", Is.CARRIES_OUT, installs="-i -U -ivh -Uvh -F --install --upgrade"),
    _row("dpkg", "dpkg(1)", Is.CARRIES_OUT, installs="-i --install"),
    _row(
        "ansible-playbook",
        "ansible-playbook(1): --timeout is for the connection, a task has no limit",
        Is.CARRIES_OUT | Is.ASKS_REMOTE,
        waits=(Wait(fix="put timeout 300 in front", bounds="--syntax-check --list-hosts --list-tasks --version"),),
    ),
    _row("chef-client chef-solo cinc-client puppet", "their manual pages", Is.CARRIES_OUT, waits=(_CLOUD,)),
    # -------------------------------------------------------------------------------------------------------------- Slurm
    _row(
        """
        sacctmgr salloc sattach sbatch sbcast scancel scontrol scrontab scrun sdiag sgather sinfo sjobexitmod sjstat smail
        sprio sreport srun sshare strigger sview
        """,
        "the manual pages of Slurm 26.05, section 1",
        Is.SLURM,
    ),
    _row("sacct squeue sstat", "the manual pages of Slurm 26.05, section 1", Is.SLURM | Is.LISTS_JOBS),
    # ---------------------------------------------------------------------------------------------------------- containers
    _row(
        "docker podman nerdctl",
        "docker-run(1), docker-wait(1), docker-events(1), docker-logs(1), podman-run(1), podman-stats(1): a pull has no limit",
        secret=SecretOption("-p"),
        fails=(WayToFail("the container is gone", only="rm stop kill", unless="-f --force --ignore", avoidable=True),),
        waits=(
            Wait(
                fix="put timeout 60 in front, or add --pull=never",
                bounds="--pull=never",
                verbs="run pull create build push",
            ),
            Wait(says=_ENDLESS, fix=_A_MINUTE, verbs="wait attach"),
            Wait(says=_ENDLESS, fix=_A_MINUTE, verbs="events stats", bounds="--until --no-stream --stream"),
            Wait(says=_ENDLESS, fix=_A_MINUTE, verbs="logs", options="-f --follow"),
        ),
        acts=(
            Action(
                _CONTAINERS,
                r" (system|container|volume|pod|network|builder) prune | system reset | image prune .*(-\w*a\w*|--all) "
                r"| (stop|kill|rm|restart|pause) (.* )?(-\w*a\w*|--all) ",
                unless=r" --filter[ =]",
            ),
            Action(_CONTAINERS, r" (stop|kill|rm|restart|pause) ", is_listed=True),
        ),
        lists=r"^ ((container )?(ps|ls|list)|container list) ",
    ),
    _row(
        "apptainer singularity",
        "apptainer pull, apptainer build: no limit for a registry; apptainer instance stop",
        waits=(Wait(fix="put timeout 300 in front", verbs="pull build"),),
        acts=(Action("stops every instance of the user", r" instance stop .*(-\w*a\w*|--all) "),),
    ),
    _row(
        "enroot",
        "enroot import: as long as the registry; enroot remove",
        waits=(Wait(fix="put timeout 300 in front", verbs="import"),),
        acts=(Action("also removes the containers of other jobs", r" remove ", is_listed=True),),
        lists=r"^ list ",
    ),
    _row(
        "crictl",
        "crictl rm, crictl stopp",
        acts=(Action(_CONTAINERS, r" (rm|rmp|stop|stopp|rmi) .*(-\w*a\w*|--all) "),),
    ),
    _row("ctr docker-compose", "their own help"),
    _row(
        "buildah",
        "buildah-from(1), buildah-rm(1), buildah-prune(1)",
        waits=(Wait(fix="put timeout 300 in front", verbs="from pull push bud build"),),
        acts=(Action(_CONTAINERS, r" prune | (rm|rmi) .*(-\w*a\w*|--all) "),),
    ),
    _row(
        "skopeo",
        "skopeo(1), --command-timeout: none",
        Is.ASKS_REMOTE,
        waits=(
            Wait(
                fix="add --command-timeout 60s", bounds="--command-timeout", verbs="copy inspect sync delete list-tags"
            ),
        ),
    ),
    _row(
        "ch-image sarus shifterimg podman-hpc",
        "their own help: no limit for a registry",
        waits=(Wait(fix="put timeout 300 in front", verbs="pull build import push"),),
    ),
    _row(
        "kubectl",
        "kubectl drain, delete, rollout status: --timeout=0s, no limit; --request-timeout=0, no limit; wait: 30 s",
        Is.ASKS_REMOTE,
        waits=(
            Wait(fix="add --timeout=60s", bounds="--timeout --dry-run", verbs="drain delete"),
            Wait(
                fix="add --timeout=60s",
                bounds="--timeout --watch=false -w=false",
                verbs="rollout",
                operand="^status$",
            ),
            Wait(says=_ENDLESS, fix=_A_MINUTE, verbs="attach port-forward proxy"),
            Wait(says=_ENDLESS, fix=_A_MINUTE, options="-w --watch"),
            Wait(says=_ENDLESS, fix=_A_MINUTE, verbs="logs", options="-f --follow"),
            Wait(fix=_A_MINUTE, verbs="exec run cp"),
            Wait(
                says=_OWN_LIMITS,
                fix="add --request-timeout=10s",
                bounds="--request-timeout --timeout --client --dry-run",
                severity="info",
            ),
        ),
    ),
    _row("helm", "helm(1)"),
    # ---------------------------------------------------------------------------------------------- clients of the network
    _row(
        "curl",
        "curl(1), --max-time: none",
        Is.FETCHES | Is.TELLS | Is.ASKS_REMOTE,
        secret=SecretOption("-u --user -U --proxy-user", behind=":"),
        writes=(Output(options="-o --output -D --dump-header -c --cookie-jar --trace"),),
        waits=(Wait(fix="add --max-time 10", bounds="-m --max-time --connect-timeout -V --version"),),
    ),
    _row(
        "wget",
        "wget(1): 20 tries of 900 s",
        Is.FETCHES | Is.TELLS | Is.ASKS_REMOTE,
        writes=(Output(options="-O --output-document -o --output-file", directories="-P --directory-prefix"),),
        waits=(
            Wait(
                fix="add --timeout=10 --tries=1",
                bounds="-T --timeout --connect-timeout --read-timeout -V --version",
                in_jobs_only=True,
            ),
        ),
    ),
    _row(
        "aria2c",
        "aria2c(1), --timeout: 60 s, 5 tries",
        Is.FETCHES | Is.ASKS_REMOTE,
        writes=(Output(options="-o --out"),),
        waits=(_CLOUD,),
    ),
    _row("axel", "axel(1)", Is.FETCHES | Is.ASKS_REMOTE, writes=(Output(options="-o --output"),), waits=(_CLOUD,)),
    _row(
        "http https xh",
        "HTTPie, xh: --timeout is 0, none",
        Is.FETCHES | Is.TELLS | Is.ASKS_REMOTE,
        secret=SecretOption("-a --auth", behind=":"),
        writes=(Output(options="-o --output"),),
        waits=(Wait(fix="add --timeout=10", bounds="--timeout --version"),),
    ),
    _row(
        "ssh",
        "ssh_config(5), ConnectTimeout: the kernel's limit",
        Is.TELLS | Is.ASKS_REMOTE | Is.ELSEWHERE,
        program_operand=1,
        waits=(Wait(fix=_SSH, bounds="-V -G"),),
    ),
    _row("scp", "scp(1), ConnectTimeout", Is.ASKS_REMOTE, writes=(Output("last", least=2),), waits=(Wait(fix=_SSH),)),
    _row("sftp", "sftp(1), ConnectTimeout", Is.ASKS_REMOTE, waits=(Wait(fix=_SSH),)),
    _row("sshpass", "sshpass(1), -p", secret=SecretOption("-p")),
    _row("ssh-keygen", "ssh-keygen(1), -f", writes=(Output(options="-f"),)),
    _row(
        "rsync",
        "rsync(1), --timeout: 0, none; --delete",
        writes=(Output("last", least=2),),
        acts=(Action("removes the files of every job", r" --del\S* (.* )?/(tmp|var/tmp|dev/shm)/* $"),),
        waits=(
            Wait(
                fix="add --timeout=10",
                bounds="--timeout --contimeout -V --version",
                operand=r"^(?!/)[^/\s]*[^/\\\s]:|^rsync://",
            ),
        ),
    ),
    _row(
        "git",
        "git-clone(1): as long as the server",
        writes=(Output("last", least=3, only="clone"),),
        waits=(_CLOUD,),
    ),
    _row("nc", "nc(1), -w: none", Is.TELLS | Is.ASKS_REMOTE, waits=(Wait(fix="add -w 5", bounds="-w"),)),
    _row("ncat", "ncat(1), -w: none", Is.ASKS_REMOTE, waits=(Wait(fix="add -w 5", bounds="-w --wait"),)),
    _row("socat", "socat(1), -T: off", waits=(Wait(fix="add -T 10 and connect-timeout=5", bounds="-T -V"),)),
    _row("telnet", "telnet(1)", waits=(Wait(fix=_BRIEFLY),)),
    _row("ping", "ping(8), -c", waits=(Wait(says=_ENDLESS, fix="add -c 1 -W 2", bounds="-c -w -V"),), health=_ANY),
    _row("tcpdump", "tcpdump(8), -c", waits=(Wait(says=_ENDLESS, fix=_BRIEFLY, bounds="-r -D --version"),)),
    _row(
        "openssl",
        "openssl-s_client(1): no limit; openssl-passphrase-options(1)",
        Is.RANDOM | Is.VERIFIES,
        secret=SecretOption("-pass -passin -passout", behind=":"),
        writes=(Output(options="-out -keyout"),),
        waits=(Wait(fix=_BRIEFLY, verbs="s_client"),),
    ),
    _row("sshfs", "sshfs(1)", waits=(Wait(fix=_HALF_A_MINUTE),)),
    _row("lftp", "lftp(1), -u", secret=SecretOption("-u", behind=","), waits=(Wait(fix=_HALF_A_MINUTE),)),
    _row(
        "smbclient", "smbclient(1), -U", secret=SecretOption("-U --user", behind="%"), waits=(Wait(fix=_HALF_A_MINUTE),)
    ),
    _row("smbmount rpcclient net", "rpcclient(1), net(8), -U", secret=SecretOption("-U --user", behind="%")),
    _row("showmount", "showmount(8)", waits=(Wait(fix=_BRIEFLY),), health=_ANY),
    _row(
        "ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldappasswd ldapcompare",
        "ldapsearch(1), ldapmodify(1), nettimeout: none; -w",
        Is.ASKS_REMOTE,
        secret=SecretOption("-w"),
        waits=(Wait(fix="add -o nettimeout=5", bounds="-l -o -VV"),),
    ),
    _row("kadmin", "kadmin(1), -w; krb5.conf(5)", Is.ASKS_REMOTE, secret=SecretOption("-w"), waits=(_CLOUD,)),
    _row("ipa adcli wbinfo", "their manual pages: they ask the directory", Is.ASKS_REMOTE, waits=(_CLOUD,)),
    _row("realm", "realm(8): join asks for a password", Is.ASKS_REMOTE | Is.READS_SECRET, waits=(_CLOUD,)),
    _row(
        "dig",
        "dig(1), +time, +tries: 3 tries of 5 s with each server",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_OWN_LIMITS, fix="add +time=2 +tries=1", bounds="+time= +timeout= -v", severity="info"),),
    ),
    _row(
        "host",
        "host(1), -W: 5 s with each server",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_OWN_LIMITS, fix="add -W 2", bounds="-W -V", severity="info"),),
    ),
    _row(
        "nslookup",
        "nslookup(1), -timeout",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_OWN_LIMITS, fix="add -timeout=2", bounds="-timeout= -version", severity="info"),),
    ),
    _row(
        "chronyc",
        "chronyc(1), waitsync: without a number of tries for ever",
        waits=(Wait(says=_ENDLESS, fix="add a number of tries: waitsync 6", verbs="waitsync", operands=1),),
        health=_ANY,
    ),
    _row(
        "lmutil lmstat lmdown rlmutil rlmstat",
        "the manuals of FlexNet and RLM: they ask one licence server after another",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_SERVER, fix=_SHORTLY),),
    ),
    _row(
        "qstat qsub qdel qhost pbsnodes bjobs bsub bhosts condor_q condor_status",
        "the manuals of PBS, LSF and HTCondor: they ask the scheduler",
        Is.ASKS_REMOTE,
        waits=(_CLOUD,),
    ),
    _row(
        "zabbix_sender",
        "zabbix_sender(8), -t: 60 s",
        Is.TELLS | Is.ASKS_REMOTE,
        waits=(Wait(says=_OWN_LIMITS, fix="add -t 5", bounds="-t --timeout -V", severity="info"),),
    ),
    _row("send_nsca kcat kafkacat promtool amtool", "their own help", Is.TELLS | Is.ASKS_REMOTE, waits=(_CLOUD,)),
    _row(
        "kinit",
        "krb5.conf(5): it tries each server again",
        Is.READS_SECRET,
        waits=(Wait(fix=_BRIEFLY, severity="info"),),
    ),
    _row(
        "psql",
        "libpq, connect_timeout: none",
        Is.ASKS_REMOTE,
        program="-c",
        waits=(
            Wait(
                fix="put PGCONNECT_TIMEOUT=5 and timeout 10 in front",
                variable="PGCONNECT_TIMEOUT",
                bounds="-V --version",
            ),
        ),
    ),
    _row(
        "mysql mariadb",
        "mysql(1), connect_timeout, -p, -e",
        Is.ASKS_REMOTE,
        program="-e",
        secret=SecretOption("-p", joined=True),
        waits=(Wait(fix="add --connect-timeout=5", bounds="--connect-timeout --connect_timeout -V --version"),),
    ),
    _row("mysqladmin mysqldump", "mysqladmin(1), mysqldump(1), -p", secret=SecretOption("-p", joined=True)),
    _row("sqlite3", "sqlite3(1)", program_operand=1, writes=(Output("first"),)),
    _row(
        "redis-cli",
        "redis-cli: no limit of its own; -a",
        secret=SecretOption("-a"),
        waits=(Wait(fix=_BRIEFLY, bounds="-t --version"),),
    ),
    _row(
        "mosquitto_pub", "mosquitto_pub(1), -P", Is.TELLS | Is.ASKS_REMOTE, secret=SecretOption("-P"), waits=(_CLOUD,)
    ),
    _row(
        "mosquitto_sub",
        "mosquitto_sub(1), -C, -W, -P",
        Is.ASKS_REMOTE,
        secret=SecretOption("-P"),
        waits=(Wait(says=_ENDLESS, fix="add -C 1 -W 10", bounds="-C -W -E"),),
    ),
    _row("snmpget snmpset snmpwalk", "snmpcmd(1), -A, -X", secret=SecretOption("-A -X")),
    _row("aws az gcloud oci openstack gsutil", "their own pages: 60 s and more a try", Is.ASKS_REMOTE, waits=(_CLOUD,)),
    _row(
        "azcopy doctl hcloud ibmcloud linode-cli s3cmd s5cmd swift",
        "their own pages: 60 s and more a try",
        Is.ASKS_REMOTE,
        waits=(_CLOUD,),
    ),
    _row("consul influx vault", "their own pages: 60 s and more a try", Is.ASKS_REMOTE, waits=(_CLOUD,)),
    _row(
        "rclone",
        "rclone: --timeout 5m0s with --retries 3 and --low-level-retries 10; rclone mount",
        Is.ASKS_REMOTE,
        waits=(
            Wait(says=_ENDLESS, fix="add --daemon", bounds="--daemon", verbs="mount serve"),
            Wait(
                says=_OWN_LIMITS,
                fix="put timeout 300 in front",
                verbs="copy sync move copyto moveto ls lsd lsf delete purge",
                severity="info",
            ),
        ),
    ),
    _row("svn hg", "svn(1), hg(1): as long as the server", waits=(_CLOUD,)),
    _row("mtr", "mtr(8), --report-cycles", waits=(Wait(says=_ENDLESS, fix="add -r -c 3", bounds="-c -r --report -v"),)),
    _row("arping", "arping(8), -c", waits=(Wait(says=_ENDLESS, fix="add -c 1 -w 2", bounds="-c -w -V -f"),)),
    _row(
        "iperf3",
        "iperf3(1), --server",
        waits=(Wait(says=_ENDLESS, fix="add -1", options="-s --server", bounds="-1 --one-off"),),
    ),
    # ---------------------------------------------------------------------------------------------- functions of Python's
    # python/ writes a call as a command, and a parameter as an option: timeout=5 is --timeout 5.
    _row(
        # In two parts: ansible-test takes the word for a call.
        "urllib.request.url" + "open",
        "docs.python.org, urllib.request, socket.setdefaulttimeout: no timeout by default",
        Is.FETCHES | Is.ASKS_REMOTE,
        waits=(_PYTHON,),
    ),
    _row(
        "urllib.request.urlretrieve",
        "docs.python.org, urllib.request",
        Is.FETCHES | Is.ASKS_REMOTE,
        writes=(Output(options="--output"),),
        waits=(Wait(fix="call socket.setdefaulttimeout(10) before", variable=PYTHON_SOCKETS_LIMIT),),
    ),
    _row(
        """
        http.client.HTTPConnection http.client.HTTPSConnection socket.create_connection smtplib.SMTP smtplib.SMTP_SSL
        ftplib.FTP ftplib.FTP_TLS telnetlib.Telnet
        """,
        "docs.python.org, their modules, socket.setdefaulttimeout: no timeout by default",
        waits=(_PYTHON,),
    ),
    _row(
        "socket.socket.connect",
        "docs.python.org, socket.settimeout: none by default",
        waits=(Wait(fix="call settimeout(10) before", bounds="--timeout", variable=PYTHON_SOCKETS_LIMIT),),
    ),
    _row(
        " ".join(
            f"requests.{owner}{verb}"
            for owner in ("", "Session.", "session.")
            for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request")
        ),
        "Requests, Quickstart, Timeouts: none by default",
        waits=(Wait(fix="add timeout=10", bounds="--timeout"),),
    ),
    _row(
        "paramiko.SSHClient.connect paramiko.client.SSHClient.connect",
        "Paramiko, SSHClient.connect, timeout: that of the network by default",
        waits=(Wait(fix="add timeout=10", bounds="--timeout"),),
    ),
    _row(
        "psycopg.connect psycopg2.connect",
        "libpq, connect_timeout: none by default",
        waits=(Wait(fix="add connect_timeout=10", bounds="--connect-timeout"),),
    ),
    _row(
        "ldap.initialize",
        "python-ldap, OPT_NETWORK_TIMEOUT: none by default",
        waits=(Wait(fix="call ldap.set_option(ldap.OPT_NETWORK_TIMEOUT, 10) before", variable=PYTHON_LDAPS_LIMIT),),
    ),
    _row(
        "ldap3.Server",
        "ldap3, Server, connect_timeout: none by default",
        waits=(Wait(fix="add connect_timeout=10", bounds="--connect-timeout"),),
    ),
    # ---------------------------------------------------------------------------------------------------- many nodes at once
    _row("pdsh", f"pdsh(1), -u: {_PARALLEL}", Is.ASKS_REMOTE, waits=(Wait(fix="add -u 10", bounds="-u -V"),)),
    _row("rpdcp pdcp dsh psh", "rpdcp(1), pdcp(1), dsh(1), xCAT's psh(1): no limit", waits=(Wait(fix=_HALF_A_MINUTE),)),
    _row(
        "clush",
        f"clush(1), command_timeout: {_PARALLEL}",
        Is.ASKS_REMOTE,
        waits=(Wait(fix="add -u 10", bounds="-u --command_timeout --version"),),
    ),
    _row("xdsh", f"xdsh(1), -t: {_PARALLEL}", waits=(Wait(fix="add -t 10", bounds="-t --timeout -V --version"),)),
    _row(
        "parallel-ssh pssh",
        "parallel-ssh(1), pssh(1), -t: 0, none",
        waits=(Wait(fix="add -t 10", bounds="-t --timeout"),),
    ),
    _row("rsh", "rsh(1)", waits=(Wait(fix=_BRIEFLY),)),
    _row(
        "ansible",
        "ansible(1): --timeout is for the connection, a task has no limit",
        Is.ASKS_REMOTE,
        waits=(Wait(fix="put timeout 60 in front", bounds="--list-hosts --version"),),
    ),
    _row(
        "cmsh cexec mmdsh",
        "Bright's cmsh, C3's cexec, Storage Scale's mmdsh: no limit",
        Is.ASKS_REMOTE,
        waits=(Wait(fix=_HALF_A_MINUTE),),
    ),
    _row(
        "salt-call",
        "salt-call(1): it tries the master again",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_OWN_LIMITS, fix=_HALF_A_MINUTE, bounds="--local", severity="info"),),
    ),
    _row("salt", "salt(1), -t: it asks again while a job runs", waits=(Wait(fix=_HALF_A_MINUTE, severity="info"),)),
    # ---------------------------------------------------------------------------------------------- the board's controller
    _row(
        "ipmitool",
        "ipmitool(1), -N and -R: for the network only; -P; power",
        secret=SecretOption("-P"),
        waits=(Wait(says=_BOARD, fix=_SHORTLY, bounds="-V -h"),),
        acts=(Action(_ENDS, r" power (off|cycle|reset|soft) ", severity="error"),),
        health=r" (sdr|sensor|sel|chassis) ",
    ),
    _row(
        "ipmi-sensors ipmipower",
        "ipmi-sensors(8), ipmipower(8), -p",
        secret=SecretOption("-p"),
        waits=(Wait(says=_BOARD, fix=_SHORTLY, bounds="-V --version"),),
    ),
    _row(
        "ipmi-dcmi ipmi-sel ipmi-chassis ipmi-fru ipmi-raw ipmi-config bmc-info bmc-device bmc-config",
        "FreeIPMI's ipmi-dcmi(8), ipmi-sel(8) ..., -p",
        secret=SecretOption("-p"),
        waits=(Wait(says=_BOARD, fix=_SHORTLY, bounds="-V --version"),),
    ),
    _row("racadm ilorest hponcfg redfishtool omreport", "their own help", waits=(Wait(says=_BOARD, fix=_SHORTLY),)),
    _row(
        "storcli64 perccli64 ssacli megacli",
        "their own help: a controller that is lost blocks the ioctl",
        waits=(Wait(says="hangs with its controller", fix=_HALF_A_MINUTE, severity="info"),),
    ),
    _row("ipmiutil", "ipmiutil(8)", waits=(Wait(says=_BOARD, fix=_SHORTLY),)),
    _row("rpower", "xCAT's rpower(1)", waits=(Wait(says=_BOARD, fix=_SHORTLY, bounds="-V --version"),)),
    # ------------------------------------------------------------------------------------------------- GPUs and their fabric
    _row(
        "nvidia-smi",
        "nvidia-smi(1); a GPU that is lost blocks the ioctl",
        Is.LISTS_USERS_OF,
        writes=(Output(options="-f --filename"),),
        waits=(
            Wait(says=_ENDLESS, fix=_HALF_A_MINUTE, options="-l --loop -lms --loop-ms"),
            Wait(says=_ENDLESS, fix="add -c 1", bounds="-c --count", verbs="dmon pmon daemon"),
            _GPU,
        ),
        acts=(
            Action(
                _EVERY_GPU,
                # Some subcommands only show something; their -c is a count, their -r no reset.
                r"^(?! (dmon|pmon|topo|nvlink|c2c|vgpu|daemon|replay|stats|encodersessions|fbcsessions|gpm|pci) ).*"
                r" (-r|--gpu-reset|-e|--ecc-config|-c|--compute-mode|-pl|--power-limit|-mig|--multi-instance-gpu|-l[gm]c|"
                r"--lock-\w+-clocks|-r[gm]c|--reset-\w+-clocks|-r?ac|--(reset-)?applications-clocks|-gom|--gom)[ =]|"
                r"^ (mig .*(-[cd][gc]i|--(create|destroy)-\S+)|drain .*(-m|--modify))[ =]",
                # What stands behind an option with its value may say which GPU.
                unless=r" -\S+ [^-\s]\S* \$[{(]\S+ ",
                device="-i|--id",
            ),
        ),
        health=r"^(?!.*(-apps| pmon| -r| -pm| -pl| -c| -ac| -rac| -mig| -lgc| -rgc| -lmc| -rmc| --gpu-reset| --[a-z-]+-mode)[ =])",
    ),
    _row(
        "dcgmi",
        "DCGM, diag: -r 2 takes minutes, -r 3 longer; dmon",
        waits=(
            Wait(says="takes minutes", fix="put timeout 300 in front", verbs="diag"),
            Wait(says=_ENDLESS, fix="add -c 1", bounds="-c --count -l --list", verbs="dmon"),
            _GPU,
        ),
        acts=(
            Action(_EVERY_GPU, r"^ (config|policy) .*--(set|enforce)[ =]", device="-i|--entity-id"),
            # The first level only looks at the software.
            Action(
                "loads every GPU of the node, also those of other jobs",
                r"^ diag .*(-r|--run)[ =]?([2-4]|medium|long|xlong) ",
                unless=r" (-g|--group)[ =]",
                device="-i|--entity-id",
            ),
        ),
        health=r" (diag|health|nvlink|discovery|test) ",
    ),
    _row(
        "rocm-smi amd-smi",
        "rocm-smi and amd-smi: set, reset",
        Is.LISTS_USERS_OF,
        waits=(_GPU,),
        acts=(Action(_EVERY_GPU, r" (--(gpu)?reset\w*|--set\w+|-r|reset|set) ", device="-d|--device|-g|--gpu"),),
        health=r"^(?!.* (--set|--reset|--showpid|process|reset|set))",
    ),
    _row(
        "xpu-smi",
        "xpu-smi config, updatefw, diag",
        waits=(_GPU,),
        acts=(
            Action(
                _EVERY_GPU,
                r"^ config .*--(powerlimit|frequencyrange|standby|scheduler|memoryecc|reset|xelinkport)\b",
                device="-d|--device",
            ),
        ),
        health=r" (health|diag|discovery|stats) ",
    ),
    _row(
        "rocminfo rocm_agent_enumerator hl-smi clinfo sycl-ls nvidia-debugdump",
        "their own help",
        waits=(_GPU,),
        health=_ANY,
    ),
    _row(
        "nvidia-bug-report.sh nvbandwidth gpu-burn gpu_burn rvs",
        "their own help",
        waits=(Wait(says="takes minutes", fix="put timeout 300 in front"),),
    ),
    _row(
        "ibdiagnet ibnetdiscover iblinkinfo ibqueryerrors saquery",
        "ibnetdiscover(8), ibqueryerrors(8): they ask every port of the fabric",
        waits=(Wait(says="asks the whole fabric", fix=_A_MINUTE, severity="info"),),
        health=_ANY,
    ),
    _row("ibportstate", "ibportstate(8)", acts=(Action(_NETWORK, r" (disable|reset|off|speed|width) "),)),
    _row(
        "mst nv-hostengine nvidia-cuda-mps-control nvidia-persistenced",
        "their manual pages",
    ),
    # -------------------------------------------------------------------------------------------------- file systems, disks
    _row(
        "mount",
        "nfs(5), retry: 2 minutes, and hard; fstab(5) says what it is; mount(8), --all, remount",
        changes=Change("last"),
        lists=r"^ ((-t|--types) \S+ |-l )*$",
        acts=(
            Action(
                "changes a file system that other jobs use",
                r" (-o|--options[= ])\s*(\S*,)?remount\b",
                unless=r"SLURM_JOB_?ID",
            ),
        ),
        waits=(
            Wait(
                says=_SERVER,
                fix=_HALF_A_MINUTE,
                options="-t",
                more_than=1,  # mount -t nfs lists what is mounted
                operand=r"^(nfs4?|cifs|smb3|lustre|beegfs|ceph|gpfs|glusterfs|9p|fuse\..*)$",
            ),
            Wait(says=_SERVER, fix=_HALF_A_MINUTE, operand=r"^(?!/)[^\s/=,]+:/|^//[^/]+/|@(tcp|o2ib)\d*:/"),
            Wait(
                says=_SERVER,
                fix=_HALF_A_MINUTE,
                bounds="-l --help -V --version -o --bind --move",
                operands=1,
                severity="info",
            ),
            Wait(says="waits for servers that may be away", fix=_HALF_A_MINUTE, bounds="--fake", options="-a --all"),
        ),
    ),
    _row(
        """
        mount.nfs mount.nfs4 mount.cifs mount.lustre mount.ceph mount.glusterfs mount.wekafs mount.beegfs ceph-fuse s3fs
        """,
        "nfs(5), retry: 2 minutes; the manual pages of the others",
        waits=(Wait(says=_SERVER, fix=_HALF_A_MINUTE),),
    ),
    _row(
        "umount",
        "umount(8), --all",
        Is.LESSENS,
        fails=(WayToFail("it is busy or not mounted", avoidable=True),),
        acts=(
            Action("unmounts file systems that other jobs use", r" (-\w*[aA]\w*|--all(-targets)?) "),
            Action("unmounts file systems that other jobs use", is_listed=True),
        ),
    ),
    _row(
        "fusermount",
        "fusermount(1), -u",
        fails=(WayToFail("it is busy or not mounted", only="-u", avoidable=True),),
    ),
    _row(
        "df",
        "df(1): statfs() of each mount",
        Is.STEADY,
        waits=(
            Wait(
                says="hangs when any mounted server is away",
                fix="add --local",
                bounds="-l --local -x --exclude-type -t --type --version",
                operands=0,
                severity="info",
            ),
            _FAR,
        ),
        health=_ANY,
    ),
    _row("beeond", "BeeOND: it starts a file system on all nodes", waits=(_CLOUD,)),
    _row(
        "lfs",
        "lfs-df(1), lfs-quota(1), lfs-check(1): they ask each server",
        waits=(
            Wait(
                says="waits for servers that may be away",
                fix=_HALF_A_MINUTE,
                verbs="df quota setquota check",
                bounds="-l --lazy",
                severity="info",
            ),
        ),
    ),
    _row(
        "lctl",
        "lctl(8), set_param",
        acts=(Action("changes Lustre for every job", r" (set_param|conf_param|deactivate|net (down|unconfigure)) "),),
        health=r" (ping|get_param|device_list|dl|list_nids) ",
    ),
    _row(
        "lnetctl",
        "lnetctl(8)",
        acts=(Action("changes Lustre for every job", r" ((net|lnet|peer) (del|unconfigure)|set) "),),
        health=r" (ping|show|discover) ",
    ),
    _row("lustre_rmmod lustre_unload", "lustre_rmmod(8)", acts=(Action(_DRIVER_GONE),)),
    _row(
        """
        beegfs beegfs-ctl beegfs-df beegfs-fsck beegfs-check-servers mmgetstate mmhealth mmlscluster mmlsfs mmlsmount
        mmlsquota mmdf weka
        """,
        "the manuals of BeeGFS, IBM Storage Scale and WEKA: they ask the servers",
        waits=(Wait(says="waits for servers that may be away", fix=_HALF_A_MINUTE, severity="info"),),
        health=_ANY,
    ),
    _row(
        "mmmount",
        "the manual of IBM Storage Scale",
        waits=(Wait(says="waits for servers that may be away", fix=_HALF_A_MINUTE, severity="info"),),
    ),
    _row(
        "mmumount mmshutdown",
        "the manual of IBM Storage Scale",
        waits=(Wait(says="waits for servers that may be away", fix=_HALF_A_MINUTE, severity="info"),),
        acts=(Action("takes a file system from every job"),),
    ),
    _row(
        "ceph rados rbd",
        "ceph(8), client_mount_timeout: 300 s without a monitor",
        Is.ASKS_REMOTE,
        waits=(
            Wait(
                says="waits for monitors that may be away",
                fix="add --connect-timeout 10",
                bounds="--connect-timeout -v --version",
            ),
        ),
    ),
    _row(
        "quota repquota",
        "quota(1): it asks the server of each mount",
        waits=(
            Wait(
                says="hangs when any mounted server is away",
                fix="add --local-only, or put timeout 10 in front",
                bounds="-l --local-only",
                severity="info",
            ),
        ),
    ),
    _row(
        "rpcinfo",
        "rpcinfo(8): 60 s for a server that is away",
        Is.ASKS_REMOTE,
        waits=(Wait(says=_SERVER, fix=_BRIEFLY, operands=1, severity="info"),),
    ),
    _row(
        "cvmfs_config",
        "cvmfs_config probe",
        waits=(Wait(says=_SERVER, fix=_HALF_A_MINUTE, verbs="probe", severity="info"),),
    ),
    _row(
        "losetup",
        "losetup(8)",
        Is.LESSENS,
        fails=(WayToFail("the device is gone", only="-d --detach", avoidable=True),),
        acts=(Action("detaches the loop devices of every job", r" (-D|--detach-all) "),),
    ),
    _row(
        "dmsetup",
        "dmsetup(8), remove_all",
        Is.LESSENS,
        acts=(Action("removes the devices of every job", r"^ remove_all "),),
    ),
    _row(
        "mkfs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mke2fs mkswap blkdiscard",
        "mkfs(8), mkswap(8), blkdiscard(8)",
        acts=(Action(_WIPES, r" /dev/(?!loop|ram)"),),
    ),
    _row("wipefs", "wipefs(8)", acts=(Action(_WIPES, r" (-\w*[ao]\w*|--all|--offset) .*/dev/"),)),
    _row(
        "nvme",
        "nvme-format(1), nvme-sanitize(1)",
        acts=(Action(_WIPES, r"^ (format|sanitize) "),),
        health=r" (smart-log|list|error-log) ",
    ),
    _row("sgdisk", "sgdisk(8), --zap", acts=(Action(_WIPES, r" (-\w*[Zz]\w*|--zap(-all)?) "),)),
    _row(
        "swapoff",
        "swapoff(8), --all",
        Is.LESSENS,
        fails=(WayToFail("the device is not in use", avoidable=True),),
        acts=(Action("moves what every job has in swap", r" (-\w*a\w*|--all) "),),
    ),
    # ---------------------------------------------------------------------------------------------- the system of the node
    _row(
        "reboot poweroff halt shutdown",
        "systemctl(1), shutdown(8)",
        Is.ENDS_NODE,
        acts=(Action(_ENDS, unless=r" (-c|-k|--help|-w|--wtmp-only) ", severity="error"),),
    ),
    _row("init telinit", "telinit(8)", acts=(Action(_ENDS, r"^ [016] ", severity="error"),)),
    _row(
        "systemctl",
        "systemctl(1)",
        acts=(
            Action(_ENDS, r"^ (--?[a-z]\S* )*(reboot|poweroff|halt|kexec|isolate|rescue) ", severity="error"),
            Action(
                _SERVICE,
                r"^ (--?[a-z]\S* )*(stop|restart|try-restart|reload-or-restart|force-reload|kill|disable|mask) (?!.*\.slice )",
                unless=r" (--user|-M|--machine)[ =]| --?h",
            ),
            Action(_ENDS, r" (stop|kill) .*(system|user|machine)\.slice ", severity="error"),
        ),
        waits=(Wait(says="--wait waits for the end of the unit", fix=_A_MINUTE, options="--wait"),),
        health=r" (is-active|is-failed|is-system-running|status) ",
    ),
    _row(
        "service",
        "service(8)",
        acts=(Action(_SERVICE, r" (stop|restart|force-reload|condrestart|try-restart) "),),
    ),
    _row(
        "rmmod",
        "rmmod(8)",
        fails=(WayToFail("the module is in use or not loaded", avoidable=True),),
        acts=(Action(_DRIVER_GONE),),
    ),
    _row(
        "modprobe",
        "modprobe(8), --remove",
        fails=(WayToFail("the module is in use or not loaded", only="-r --remove", avoidable=True),),
        acts=(Action(_DRIVER_GONE, r" (-\w*r\w*|--remove) "),),
    ),
    _row(
        "sysctl",
        "sysctl(8), --write",
        Is.PREPARES,
        acts=(Action(_KERNEL, r" (-\w*[wp]\w*|--write|--load|--system)[ =]| [\w.-]+\.[\w.-]+="),),
    ),
    _row("ldconfig", "ldconfig(8)", Is.PREPARES),
    _row(
        "udevadm",
        "udevadm(8), monitor; settle: 120 s",
        waits=(
            Wait(says=_ENDLESS, fix=_BRIEFLY, verbs="monitor"),
            Wait(
                says="waits up to 120 s",
                fix="add --timeout=10",
                bounds="-t --timeout",
                verbs="settle",
                in_jobs_only=True,
                severity="info",
            ),
        ),
    ),
    _row(
        "cloud-init",
        "cloud-init status --wait",
        waits=(Wait(says=_ENDLESS, fix=_A_MINUTE, options="-w --wait", verbs="status"),),
    ),
    _row("busctl", "busctl(1), monitor", waits=(Wait(says=_ENDLESS, fix=_BRIEFLY, verbs="monitor capture"),)),
    _row(
        "lockfile",
        "lockfile(1), -r: -1, for ever",
        waits=(Wait(says="tries for ever", fix="add -r 5", bounds="-r -v"),),
    ),
    _row(
        "crm_mon",
        "crm_mon(8), --one-shot",
        waits=(Wait(says=_ENDLESS, fix="add -1", bounds="-1 --one-shot -V --version"),),
    ),
    _row("killall5", "killall5(8)", acts=(Action(_ENDS, severity="error"),)),
    _row("kexec", "kexec(8), --exec", acts=(Action(_ENDS, r" (-e|--exec) ", severity="error"),)),
    _row("rc-service", "rc-service(8)", acts=(Action(_SERVICE, r" (stop|restart) "),)),
    _row("setenforce", "setenforce(8)", acts=(Action(_KERNEL),)),
    _row("hugeadm", "hugeadm(8)", acts=(Action(_KERNEL, r" --(pool-pages|set|create|thp)-"),)),
    _row(
        "timedatectl", "timedatectl(1)", acts=(Action("changes the clock of every job", r" set-(time|timezone|ntp) "),)
    ),
    _row("wrmsr", "wrmsr(1), -p", acts=(Action(_CPUS, device="-p|--processor"),)),
    _row("pqos", "pqos(8), -R, -e, -a", acts=(Action(_CPUS, r" (-[Rea]|--alloc-\S+)[ =]"),)),
    _row(
        "cset",
        "cset(1)",
        acts=(Action("takes CPUs from other jobs", r"^ (shield|set|proc) .*(-c|-r|-d|-m|--\w+)[ =]"),),
    ),
    _row("setpci", "setpci(8)", acts=(Action("changes a device for every job", r" [\w.+]+=\S"),)),
    _row(
        "ethtool",
        "ethtool(8)",
        acts=(Action(_NETWORK, r"^ (-[sKGLCAX]|--(change|features|offload|set-\S+|coalesce)|--reset) "),),
        health=r"^(?!.* -[A-Zs] )",
    ),
    _row("tc", "tc(8)", acts=(Action(_NETWORK, r" (qdisc|class|filter) (add|del|delete|replace|change) "),)),
    _row(
        "nmcli",
        "nmcli(1)",
        acts=(
            Action(
                _NETWORK,
                r" (con\w*|dev\w*|c|d) (down|up|reload|disconnect|reapply|delete|modify) | (networking|radio \S+) off ",
            ),
        ),
    ),
    _row("ifconfig", "ifconfig(8)", acts=(Action(_NETWORK, r" (down|mtu) "),)),
    _row("ipset", "ipset(8)", acts=(Action(_NETWORK, r"^ (flush|destroy|-F|-X) "),)),
    _row(
        "iptables-restore ip6tables-restore",
        "iptables-restore(8), --noflush",
        acts=(Action(_NETWORK, unless=r" (-n|--noflush|-t|--test) "),),
    ),
    _row(
        "firewall-cmd",
        "firewall-cmd(1)",
        acts=(Action(_NETWORK, r" --(complete-reload|reload|panic-on|set-default-zone=\S+) "),),
    ),
    _row("ufw", "ufw(8)", acts=(Action(_NETWORK, r" (disable|reset|enable|reload) "),)),
    _row(
        "mlxconfig mlxfwreset",
        "mlxconfig(8), mlxfwreset(8)",
        acts=(Action("changes a device for every job", r" (set|reset|s|r) "),),
    ),
    _row("cpufreq-set", "cpufreq-set(1), --cpu", acts=(Action(_CPUS, device="-c|--cpu"),)),
    _row("lvremove vgremove pvremove", "lvremove(8)", Is.LESSENS, acts=(Action("removes a volume of the node"),)),
    _row(
        "zpool",
        "zpool-destroy(8), zpool-export(8)",
        acts=(Action("takes a file system from every job", r"^ (destroy|export) "),),
        health=r" (status|list) ",
    ),
    _row("vgchange", "vgchange(8)", acts=(Action("takes a volume from every job", r" (-an|-a ?n|--activate[ =]n)"),)),
    _row(
        "hdparm",
        "hdparm(8), --security-erase",
        acts=(Action(_WIPES, r" --(security-erase\S*|trim-sector-ranges\S*|make-bad-sector) "),),
    ),
    _row("badblocks", "badblocks(8), -w", acts=(Action(_WIPES, r" -\w*w"),)),
    _row("sfdisk parted", "sfdisk(8), parted(8)", acts=(Action(_WIPES, r" (--delete|--wipe|mklabel|mktable) "),)),
    _row(
        "chcpu",
        "chcpu(8)",
        acts=(Action("takes CPUs from other jobs", r" (-[edcg]|--(enable|disable|configure|deconfigure)) "),),
    ),
    _row("cpupower", "cpupower(1)", acts=(Action(_CPUS, r" (frequency-set|idle-set|set) ", device="-c|--cpu"),)),
    _row("x86_energy_perf_policy", "x86_energy_perf_policy(8)", acts=(Action(_CPUS, r" [^- ]", device="-c|--cpu"),)),
    _row("tuned-adm", "tuned-adm(8)", acts=(Action(_KERNEL, r" (profile|off|auto_profile) "),)),
    _row("ifdown", "ifdown(8)", acts=(Action(_NETWORK),)),
    _row(
        "iptables ip6tables",
        "iptables(8), --flush, --delete",
        fails=(WayToFail("the rule is not there", only="-D --delete", avoidable=True),),
        acts=(Action(_NETWORK, r" (-F|--flush) "),),
    ),
    _row("nft", "nft(8), flush", acts=(Action(_NETWORK, r" (-F|--flush|flush (ruleset|table|chain)) "),)),
    _row(
        "ip",
        "ip(8), ip-link(8)",
        fails=(
            WayToFail("it is not there", only="del delete", avoidable=True),
            WayToFail("it exists already", only="add", avoidable=True, again=True),
        ),
        acts=(Action(_NETWORK, r" link .*\bdown "),),
    ),
)


# ---------------------------------------------------------------------------------------------------------- questions

_NOTHING = Facts()


def facts(name: str) -> Facts:
    """What is known of a command; python3.11 is a python."""
    return COMMANDS.get(name) or COMMANDS.get(name.rstrip("0123456789.")) or _NOTHING


def has_facts(name: str) -> bool:
    """Whether the table has a command: it is a program of its own, also where a sourced file may declare functions."""
    return facts(name) is not _NOTHING


def is_a(name: str, traits: Is) -> bool:
    """Whether a command is one of some kinds."""
    return bool(facts(name).traits & traits)


def names(traits: Is) -> frozenset[str]:
    """The commands of some kinds."""
    return frozenset(name for name, row in COMMANDS.items() if row.traits & traits)


SHELL_WORDS = names(Is.BUILTIN)

_PACKAGES: dict[str, list[str]] = json.loads(
    pathlib.Path(__file__).with_name("base_commands.json").read_text(encoding="utf-8")
)

#: In a minimal installation of Debian or EL, or built into the shell.
BASE_COMMANDS = SHELL_WORDS | SHELLS | frozenset(name for found in _PACKAGES.values() for name in found)


def is_known(name: str) -> bool:
    """Whether a command is none of the site's own."""
    return name in BASE_COMMANDS or has_facts(name)


# ------------------------------------------------------------------------------------- what no single command has alone

#: A Slurm command, where the rule slurm-command does not speak of it already. Source: slurm.conf(5), MessageTimeout and
#: SlurmctldTimeout: each server is tried in turn.
SLURM_WAIT = Wait(says="waits while slurmctld is busy or away", fix=_SHORTLY)

#: Options that say it themselves, whatever the command is.
OUTPUT_OPTIONS = "--output --output-file --outfile --out --log-file --logfile"

#: What clients and Slurm's commands do without asking anybody.
ASKS_NOBODY = re.compile(r"^(-V|--version|--help|--usage|hostnames?|hostlist|hostlistsorted|auth|configure|config)$")

#: Where the node cannot be drained this way, the failure drains it.
DRAINS = re.compile(r"(?i)\bstate=(drain|down|fail)")

#: Signals that end nothing in a program that expects them. Source: signal(7) and the daemons' own pages.
MILD_SIGNALS = word_set("0 HUP USR1 USR2 CONT WINCH URG CHLD 1 10 12 18 28 17 23")

#: Options that select by a relation to a process, not by name. Source: pgrep(1), ps(1).
PKILL_NARROWS = word_set("-P -g -s -t -F --parent --pgroup --session --terminal --ns --nslist --cgroup --pidfile")
PS_NARROWS = word_set("--ppid -p --pid -q -s -g --sid -t --tty")

#: Variables that steer a script's own commands. Source: environ(7), ld.so(8).
FOR_COMMANDS = word_set(
    "PATH LANG LANGUAGE TZ IFS HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PERL5LIB MANPATH SLURM_CONF"
)
