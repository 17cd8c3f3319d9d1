# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the rules know of commands, each fact with its source. A check asks here and keeps no list of commands itself.

The commands of a base system are in base_commands.json, which tools/base-commands writes from packages.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import typing as t

from ..core.model import Severity
from .model import word_set
from .wrappers import SHELLS

#: Source: the manual pages of Slurm 26.05, section 1.
SLURM_COMMANDS = word_set(
    """
    sacct sacctmgr salloc sattach sbatch sbcast scancel scontrol scrontab scrun sdiag sgather sinfo sjobexitmod
    sjstat smail sprio squeue sreport srun sshare sstat strigger sview
    """
)

#: Built into the shells: no search at all. Source: bash(1), SHELL BUILTIN COMMANDS.
SHELL_WORDS = word_set(
    """
    [ [[ : . alias bg bind break builtin caller cd command compgen complete compopt continue coproc declare dirs disown echo enable
    eval exec exit export false fc fg function getopts hash help history jobs kill let local logout mapfile popd printf pushd
    pwd read readarray readonly return select set shift shopt source suspend test time times trap true type typeset
    ulimit umask unalias unset wait
    """
)

_PACKAGES: dict[str, list[str]] = json.loads(
    pathlib.Path(__file__).with_name("base_commands.json").read_text(encoding="utf-8")
)

#: In a minimal installation of Debian or EL, or built into the shell.
BASE_COMMANDS = SHELL_WORDS | SHELLS | frozenset(name for names in _PACKAGES.values() for name in names)

#: Programs of clusters and clouds: known as programs even where a sourced file may declare functions.
WELL_KNOWN = SLURM_COMMANDS | word_set(
    """
    amd-smi apptainer aws az azcopy beegfs beegfs-ctl beegfs-fsck beeond clush consul crictl ctr dcgmi docker
    docker-compose enroot gcloud git gsutil helm hl-smi ibstat ibstatus influx ipmitool jq kubectl lctl lfs lnetctl
    mlxconfig mmgetstate mmlscluster mmlsfs mmlsmount mmmount mmumount mst mysql mysqladmin nerdctl nv-hostengine
    nvidia-cuda-mps-control nvidia-persistenced nvidia-smi oci openstack pdsh podman psql rclone redis-cli rocm-smi
    s3cmd singularity sqlite3 tmux vault xpu-smi
    """
)

#: Their output is one word, whatever happens. Source: coreutils and util-linux.
ONE_WORD = word_set(
    """
    wc id date hostname uname nproc stat basename dirname pwd expr mktemp realpath tty whoami arch
    getconf seq sum logname cksum md5sum sha256sum
    """
)

#: Signals that end nothing in a program that expects them. Source: signal(7) and the daemons' own pages.
MILD_SIGNALS = word_set("0 HUP USR1 USR2 CONT WINCH URG CHLD 1 10 12 18 28 17 23")

#: Commands that list processes: by a look at all of them, or at those that use something.
LISTS_PROCESSES = word_set("ps top pgrep pidof")
LISTS_USERS_OF = word_set("nvidia-smi fuser lsof rocm-smi amd-smi ss netstat ipcs")

#: Options that select by a relation to a process, not by name. Source: pgrep(1), ps(1).
PKILL_NARROWS = word_set("-P -g -s -t -F --parent --pgroup --session --terminal --ns --nslist --cgroup --pidfile")
PS_NARROWS = word_set("--ppid -p --pid -q -s -g --sid -t --tty")

#: They start a program outside of the script's process group. Source: systemd-run(1), at(1), start-stop-daemon(8).
DETACHES = word_set("systemd-run at batch daemonize start-stop-daemon")

#: Variables that steer a script's own commands. Source: environ(7), ld.so(8).
FOR_COMMANDS = word_set(
    "PATH LANG LANGUAGE TZ IFS HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PERL5LIB MANPATH SLURM_CONF"
)

#: Commands that install: the words that say so. Source: their manual pages.
_MANAGERS = "install update upgrade dist-upgrade groupinstall reinstall localinstall"
INSTALLERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("apt", "apt-get", "aptitude", "yum", "dnf", "microdnf", "tdnf"), word_set(_MANAGERS)),
    "zypper": word_set("install in update up refresh"),
    **dict.fromkeys(
        [
            "pip",
            "pip3",
            "pip2",
            "conda",
            "mamba",
            "micromamba",
            "snap",
            "flatpak",
            "gem",
            "npm",
            "cargo",
            "go",
            "apk",
            "brew",
            "spack",
            "uv",
        ],
        word_set("install add upgrade"),
    ),
    "rpm": word_set("-i -U -ivh -Uvh -F --install --upgrade"),
    "dpkg": word_set("-i --install"),
}


#: Options with a program for an interpreter, a shell of another user, or a database. Source: their manual pages.
PROGRAM_OPTIONS: dict[str, str] = {
    **dict.fromkeys(
        ("sh", "bash", "dash", "ksh", "zsh", "su", "runuser", "python", "python2", "python3", "psql"), "-c"
    ),
    **dict.fromkeys(("perl", "ruby", "mysql", "mariadb"), "-e"),
}

#: Their operands from this one on are a program; options with a value come before them.
PROGRAM_OPERANDS: dict[str, int] = {"ssh": 1, "sqlite3": 1}


# ------------------------------------------------------------------------------------------------------------- secrets


@dataclasses.dataclass(frozen=True)
class SecretOption:
    """An option whose value is a secret."""

    options: frozenset[str]
    #: The secret begins behind this character; before it stands the user's name.
    behind: str = ""
    #: Only in the option's own word: V(-psecret). A word after it is something else.
    joined: bool = False


def _secret_options(names: str, options: str, **rest: t.Any) -> dict[str, SecretOption]:
    return dict.fromkeys(names.split(), SecretOption(word_set(options), **rest))


#: Short options, and those of another name than their value. Source: the manual page of each command.
SECRET_OPTIONS: dict[str, SecretOption] = {
    **_secret_options("curl", "-u --user -U --proxy-user", behind=":"),
    **_secret_options("lftp", "-u", behind=","),
    **_secret_options("smbclient smbmount rpcclient net", "-U --user", behind="%"),
    **_secret_options("openssl", "-pass -passin -passout", behind=":"),
    **_secret_options("mysql mysqladmin mysqldump mariadb", "-p", joined=True),
    **_secret_options("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami kadmin", "-w"),
    **_secret_options("ipmitool mosquitto_pub mosquitto_sub zip unzip", "-P"),
    **_secret_options("sshpass docker podman ipmipower ipmi-sensors ipmi-dcmi", "-p"),
    **_secret_options("redis-cli", "-a"),
    **_secret_options("snmpget snmpset snmpwalk", "-A -X"),
}

#: They read a secret from their input. Source: their manual pages.
READS_SECRET = word_set("chpasswd kinit passwd cryptsetup")


# ------------------------------------------------------------------------------------------------------------- outputs


@dataclasses.dataclass(frozen=True)
class Output:
    """Where a command writes to, apart from its output. The source is its manual page."""

    #: The operands that it writes to, if it has as many as O(least).
    operands: t.Literal["none", "all", "first", "last"] = "none"
    least: int = 1
    #: The options whose value it writes to, and those whose value is the directory for it.
    options: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    #: Only with a first argument like this: a regular expression.
    only: str = ""


def _outputs(names: str, *, options: str = "", directories: str = "", **rest: t.Any) -> dict[str, Output]:
    return dict.fromkeys(names.split(), Output(options=word_set(options), directories=word_set(directories), **rest))


OUTPUTS: t.Sequence[t.Mapping[str, Output]] = (
    {
        **_outputs("touch tee truncate", operands="all"),
        **_outputs("cp mv install rsync scp", operands="last", least=2),
        **_outputs("flock sqlite3 zip", operands="first"),
        **_outputs("dd", options="of="),
        **_outputs("curl", options="-o --output -D --dump-header -c --cookie-jar --trace"),
        **_outputs("wget", options="-O --output-document -o --output-file", directories="-P --directory-prefix"),
        **_outputs("tar", options="-f --file", only=r"-?\w*[cru]|--(create|append|update)"),
        **_outputs("sort strace ltrace perf gcc cc", options="-o --output"),
        **_outputs("nvidia-smi", options="-f --filename"),
        **_outputs("ssh-keygen", options="-f"),
        **_outputs("openssl", options="-out -keyout"),
        **_outputs("unzip", directories="-d"),
        **_outputs("git", operands="last", least=3, only="clone"),
    },
    _outputs("tar", directories="-C --directory", only=r"-?\w*x|--(extract|get)"),
)

#: Options that say it themselves, whatever the command is.
OUTPUT_OPTIONS = word_set("--output --output-file --outfile --out --log-file --logfile")


# ------------------------------------------------------------------------------------------------------------ failures
# Source of this part: POSIX XCU (EXIT STATUS of each utility) and the manual pages of the others.

#: They fail only if the node is in trouble anyway, or on purpose.
ROBUST = word_set(
    """
    true : echo printf logger exit return exec touch mkdir chmod chown chgrp umask export set unset date wait
    sleep cat source . rm ln awk cut tr wc uniq nl basename dirname cd pwd shift trap read local declare
    readonly kill tee sync sort env head tail mv cp hostname local break continue id ls install tar gzip gunzip ps df
    du free uptime uname whoami nproc printenv lscpu lsblk dmesg mktemp truncate stat readlink realpath seq tac paste
    logname groups renice sysctl ldconfig
    """
)

ANSWERS = word_set("[ [[ test grep egrep fgrep zgrep pgrep diff cmp mountpoint pidof id getent ls which command type")

#: What they print is wanted; without any they fail.
SEARCHES = word_set("grep egrep fgrep zgrep pgrep pidof diff cmp lsof fuser findmnt ls which command type")

#: They ask another host; Slurm's commands ask slurmctld or slurmdbd.
REMOTE = word_set(
    "curl wget ssh scp sftp psql mysql mariadb nc ncat ldapsearch pdsh clush kubectl aws az gcloud gsutil oci openstack"
)

#: What these do without asking anybody.
ASKS_NOBODY = re.compile(r"^(-V|--version|--help|--usage|hostnames?|hostlist|hostlistsorted|auth|configure|config)$")

#: Where the node cannot be drained this way, the failure drains it.
DRAINS = re.compile(r"(?i)\bstate=(drain|down|fail)")

INTERPRETERS = re.compile(r"(ba|da|k|z)?sh|python[0-9.]*|perl|ruby|Rscript|lua|node|php")


@dataclasses.dataclass(frozen=True)
class WayToFail:
    """A way in which a command fails on a node that is in order."""

    reason: str
    #: Only with one of these options or words.
    only: frozenset[str] = frozenset()
    #: Not with these.
    unless: frozenset[str] = frozenset()
    #: A test before it is a precaution.
    avoidable: bool = False
    #: Only where it names a fixed thing: the second job finds it there.
    again: bool = False


def _ways(names: str, reason: str, *, only: str = "", unless: str = "", **rest: bool) -> dict[str, WayToFail]:
    return dict.fromkeys(names.split(), WayToFail(reason, word_set(only), word_set(unless), **rest))


WAYS_TO_FAIL: t.Sequence[t.Mapping[str, WayToFail]] = (
    {
        **_ways("kill", "the process is gone"),
        **_ways("pkill killall skill", "no process matches"),
        **_ways("fuser", "nobody uses it", only="-k --kill"),
        **_ways("rm unlink", "the file is gone", unless="-f --force", avoidable=True),
        **_ways("rmdir", "the directory is gone or not empty", unless="--ignore-fail-on-non-empty"),
        **_ways("umount", "it is busy or not mounted", avoidable=True),
        **_ways("fusermount fusermount3", "it is busy or not mounted", only="-u", avoidable=True),
        **_ways("find", "a file vanishes while it looks", only="-delete", unless="-ignore_readdir_race"),
        **_ways("rmmod", "the module is in use or not loaded", avoidable=True),
        **_ways("modprobe", "the module is in use or not loaded", only="-r --remove", avoidable=True),
        **_ways("losetup", "the device is gone", only="-d --detach", avoidable=True),
        **_ways("swapoff", "the device is not in use", avoidable=True),
        **_ways(
            "loginctl",
            "the user has no session",
            only="terminate-user kill-user terminate-session kill-session",
            avoidable=True,
        ),
        **_ways("iptables ip6tables", "the rule is not there", only="-D --delete", avoidable=True),
        **_ways("ip", "it is not there", only="del delete", avoidable=True),
        **_ways(
            "docker podman nerdctl",
            "the container is gone",
            only="rm stop kill",
            unless="-f --force --ignore",
            avoidable=True,
        ),
        **_ways("gpasswd", "the user is not in the group", only="-d --delete", avoidable=True),
        **_ways("crontab", "the user has no crontab", only="-r -l"),
        **_ways("ipcrm", "it is gone"),
        **_ways("userdel groupdel", "it is gone", avoidable=True),
        **_ways("tmux", "there is no session", only="kill-session kill-server", avoidable=True),
        **_ways("flock", "somebody else holds the lock", only="-n --nonblock --nb -w --wait --timeout"),
        **_ways("expr", "its result is 0 or empty"),
    },
    {
        **_ways("mkdir", "it exists already", unless="-p --parents", avoidable=True, again=True),
        **_ways("ln", "it exists already", unless="-f --force", avoidable=True, again=True),
        **_ways("mkfifo mknod", "it exists already", avoidable=True, again=True),
        **_ways("useradd groupadd", "it exists already", unless="-f", avoidable=True, again=True),
        **_ways("ip", "it exists already", only="add", avoidable=True, again=True),
    },
)


#: They name a file and do not need it.
NEEDS_NO_FILE = word_set("rm rmdir unlink echo printf logger [ test")


# --------------------------------------------------------------------------------------------------------------- waits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wait:
    """One way in which a command keeps a script waiting."""

    #: What the command does; its name comes before.
    says: str = "has no time limit"
    #: What to do about it.
    fix: str
    #: Options that set a limit, or that only ask (V(--version)).
    bounds: str = ""
    #: Only with one of these as first operands.
    verbs: str = ""
    #: Only with one of these options.
    options: str = ""
    #: Only where an operand looks like this: a regular expression.
    operand: str = ""
    #: Only with exactly so many operands.
    operands: int | None = None
    #: Only with more operands than these; the value of an option counts as one.
    more_than: int = 0
    #: The limit may also stand in a variable of this name.
    variable: str = ""
    severity: Severity | None = None
    #: Its own limits are long: a job cannot bear them, a host that starts can.
    in_jobs_only: bool = False
    source: str


#: How a script calls the job's owner, once variables of its own are followed.
OWNER = r"SLURM_JOB_(USER|UID)\b"

_OWNERS_PROFILE = "reads the profile of the job's owner, who can make it wait for ever"
_PROFILE = "reads the profile of a login, which may wait for a server"
_NO_LOGIN = "start no login shell, or put timeout 30 in front"
_ENDLESS = "never ends"
_OWN_LIMITS = "waits as long as its own defaults say"
_DRIVER = "hangs with its driver"
_SSH = Wait(fix="add -o ConnectTimeout=5 -o BatchMode=yes", source="ssh_config(5), ConnectTimeout: the kernel's limit")
_CONTAINER = (
    Wait(
        fix="put timeout 60 in front, or add --pull=never",
        bounds="--pull=never",
        verbs="run pull create build push",
        source="docker-run(1), podman-run(1): a pull has no limit",
    ),
    Wait(says=_ENDLESS, fix="put timeout 60 in front", verbs="wait attach", source="docker-wait(1), podman-wait(1)"),
    Wait(
        says=_ENDLESS,
        fix="put timeout 60 in front",
        verbs="events stats",
        bounds="--until --no-stream --stream",
        source="docker-events(1), podman-stats(1)",
    ),
    Wait(says=_ENDLESS, fix="put timeout 60 in front", verbs="logs", options="-f --follow", source="docker-logs(1)"),
)
_CLOUD = Wait(
    says=_OWN_LIMITS, fix="put timeout in front", severity="info", source="their own pages: 60 s and more a try"
)
_GPU = Wait(
    says=_DRIVER,
    fix="put timeout 30 in front",
    severity="info",
    source="nvidia-smi(1); a GPU that is lost blocks the ioctl",
)
#: A Slurm command, where the rule slurm-command does not speak of it already.
SLURM_WAIT = Wait(
    says="waits while slurmctld is busy or away",
    fix="put timeout 20 in front",
    source="slurm.conf(5), MessageTimeout and SlurmctldTimeout: each server is tried in turn",
)
_PARALLEL = "the limit of a command that runs there is off by default"

#: A command with the ways in which it waits; the first that fits is told.
WAITS: dict[str, tuple[Wait, ...]] = {
    # Clients.
    "curl": (
        Wait(
            fix="add --max-time 10",
            bounds="-m --max-time --connect-timeout -V --version",
            source="curl(1), --max-time",
        ),
    ),
    "wget": (
        Wait(
            fix="add --timeout=10 --tries=1",
            bounds="-T --timeout --connect-timeout --read-timeout -V --version",
            in_jobs_only=True,
            source="wget(1): 20 tries of 900 s",
        ),
    ),
    "psql": (
        Wait(
            fix="put PGCONNECT_TIMEOUT=5 and timeout 10 in front",
            variable="PGCONNECT_TIMEOUT",
            bounds="-V --version",
            source="libpq, connect_timeout: none",
        ),
    ),
    "mysql": (
        Wait(
            fix="add --connect-timeout=5",
            bounds="--connect-timeout --connect_timeout -V --version",
            source="mysql(1), connect_timeout",
        ),
    ),
    "mariadb": (
        Wait(
            fix="add --connect-timeout=5",
            bounds="--connect-timeout --connect_timeout -V --version",
            source="mariadb(1), connect_timeout",
        ),
    ),
    "ssh": (dataclasses.replace(_SSH, bounds="-V -G"),),
    "scp": (_SSH,),
    "sftp": (_SSH,),
    "rsync": (
        Wait(
            fix="add --timeout=10",
            bounds="--timeout --contimeout -V --version",
            operand=r"^(?!/)[^/\s]*[^/\\\s]:|^rsync://",
            source="rsync(1), --timeout: 0, none",
        ),
    ),
    "nc": (Wait(fix="add -w 5", bounds="-w", source="nc(1), -w: none"),),
    "ncat": (Wait(fix="add -w 5", bounds="-w --wait", source="ncat(1), -w"),),
    "socat": (Wait(fix="add -T 10 and connect-timeout=5", bounds="-T -V", source="socat(1), -T: off"),),
    "telnet": (Wait(fix="put timeout 10 in front", source="telnet(1)"),),
    "ldapsearch": (Wait(fix="add -o nettimeout=5", bounds="-l -o -VV", source="ldapsearch(1), nettimeout: none"),),
    "redis-cli": (Wait(fix="put timeout 10 in front", bounds="-t --version", source="redis-cli: no limit of its own"),),
    **dict.fromkeys(
        ("apptainer", "singularity"),
        (
            Wait(
                fix="put timeout 300 in front",
                verbs="pull build",
                source="apptainer pull, apptainer build: no limit for a registry",
            ),
        ),
    ),
    "enroot": (Wait(fix="put timeout 300 in front", verbs="import", source="enroot import: as long as the registry"),),
    **dict.fromkeys(
        ("sshfs", "lftp", "smbclient"), (Wait(fix="put timeout 30 in front", source="their manual pages"),)
    ),
    "openssl": (Wait(fix="put timeout 10 in front", verbs="s_client", source="openssl-s_client(1): no limit"),),
    "showmount": (Wait(fix="put timeout 10 in front", source="showmount(8)"),),
    "kinit": (Wait(fix="put timeout 10 in front", severity="info", source="krb5.conf(5): retries each server"),),
    # Many nodes at once.
    "pdsh": (Wait(fix="add -u 10", bounds="-u -V", source=f"pdsh(1), -u: {_PARALLEL}"),),
    "rpdcp": (Wait(fix="put timeout 30 in front", source="rpdcp(1)"),),
    "pdcp": (Wait(fix="put timeout 30 in front", source="pdcp(1)"),),
    "clush": (
        Wait(
            fix="add -u 10", bounds="-u --command_timeout --version", source=f"clush(1), command_timeout: {_PARALLEL}"
        ),
    ),
    "psh": (Wait(fix="put timeout 30 in front", source="xCAT's psh(1): no limit"),),
    "xdsh": (Wait(fix="add -t 10", bounds="-t --timeout -V --version", source=f"xdsh(1), -t: {_PARALLEL}"),),
    "parallel-ssh": (Wait(fix="add -t 10", bounds="-t --timeout", source="parallel-ssh(1), -t: 0, none"),),
    "pssh": (Wait(fix="add -t 10", bounds="-t --timeout", source="pssh(1), -t: 0, none"),),
    "dsh": (Wait(fix="put timeout 30 in front", source="dsh(1)"),),
    "rsh": (Wait(fix="put timeout 10 in front", source="rsh(1)"),),
    "salt": (Wait(fix="put timeout 30 in front", severity="info", source="salt(1), -t: asks again while a job runs"),),
    # The board's controller.
    "ipmitool": (
        Wait(
            says="waits for a board's controller that may be hung",
            fix="put timeout 20 in front",
            bounds="-V -h",
            source="ipmitool(1), -N and -R: for the network only",
        ),
    ),
    "ipmi-sensors": (
        Wait(
            says="waits for a board's controller that may be hung",
            fix="put timeout 20 in front",
            bounds="-V --version",
            source="ipmi-sensors(8)",
        ),
    ),
    "ipmipower": (
        Wait(
            says="waits for a board's controller that may be hung",
            fix="put timeout 20 in front",
            bounds="-V --version",
            source="ipmipower(8)",
        ),
    ),
    "ipmiutil": (
        Wait(
            says="waits for a board's controller that may be hung", fix="put timeout 20 in front", source="ipmiutil(8)"
        ),
    ),
    "rpower": (
        Wait(
            says="waits for a board's controller that may be hung",
            fix="put timeout 20 in front",
            bounds="-V --version",
            source="xCAT's rpower(1)",
        ),
    ),
    # Orchestration.
    "kubectl": (
        Wait(
            fix="add --timeout=60s",
            bounds="--timeout --dry-run",
            verbs="drain delete",
            source="kubectl drain, delete: --timeout=0s, no limit",
        ),
        Wait(
            fix="add --timeout=60s",
            bounds="--timeout --watch=false -w=false",
            verbs="rollout",
            operand="^status$",
            source="kubectl rollout status: --timeout=0s, no limit",
        ),
        Wait(
            says=_ENDLESS,
            fix="put timeout 60 in front",
            verbs="attach port-forward proxy",
            source="kubectl: until it is stopped",
        ),
        Wait(says=_ENDLESS, fix="put timeout 60 in front", options="-w --watch", source="kubectl get --watch"),
        Wait(
            says=_ENDLESS,
            fix="put timeout 60 in front",
            verbs="logs",
            options="-f --follow",
            source="kubectl logs --follow",
        ),
        Wait(
            fix="put timeout 60 in front", verbs="exec run cp", source="kubectl exec, run, cp: as long as the command"
        ),
        Wait(
            says=_OWN_LIMITS,
            fix="add --request-timeout=10s",
            bounds="--request-timeout --timeout --client --dry-run",
            severity="info",
            source="kubectl: --request-timeout=0, no limit; wait: 30 s",
        ),
    ),
    "docker": _CONTAINER,
    "podman": _CONTAINER,
    "nerdctl": _CONTAINER,
    **dict.fromkeys(["aws", "az", "beeond", "gcloud", "oci", "openstack", "git", "gsutil", "azcopy"], (_CLOUD,)),
    # Drivers and file systems: a call hangs in the kernel.
    "nvidia-smi": (
        Wait(
            says=_ENDLESS,
            fix="put timeout 30 in front",
            options="-l --loop -lms --loop-ms",
            source="nvidia-smi(1), --loop",
        ),
        Wait(
            says=_ENDLESS, fix="add -c 1", bounds="-c --count", verbs="dmon pmon daemon", source="nvidia-smi(1), dmon"
        ),
        _GPU,
    ),
    "dcgmi": (
        Wait(
            says="takes minutes",
            fix="put timeout 300 in front",
            verbs="diag",
            source="DCGM, diag: -r 2 takes minutes, -r 3 longer",
        ),
        Wait(says=_ENDLESS, fix="add -c 1", bounds="-c --count -l --list", verbs="dmon", source="DCGM, dmon"),
        _GPU,
    ),
    **dict.fromkeys(["rocm-smi", "amd-smi", "rocminfo", "xpu-smi", "hl-smi"], (_GPU,)),
    "mount": (
        Wait(
            says="waits for a server that may be away",
            fix="put timeout 30 in front",
            options="-t",
            more_than=1,  # mount -t nfs lists what is mounted
            operand=r"^(nfs4?|cifs|smb3|lustre|beegfs|ceph|gpfs|glusterfs|9p|fuse\..*)$",
            source="nfs(5), retry: 2 minutes, and hard",
        ),
        Wait(
            says="waits for a server that may be away",
            fix="put timeout 30 in front",
            operand=r"^(?!/)[^\s/=,]+:/|^//[^/]+/|@(tcp|o2ib)\d*:/",
            source="nfs(5), retry: 2 minutes, and hard",
        ),
        Wait(
            says="waits for a server that may be away",
            fix="put timeout 30 in front",
            bounds="-l --help -V --version -o --bind --move",
            operands=1,
            severity="info",
            source="fstab(5) says what it is",
        ),
        Wait(
            says="waits for servers that may be away",
            fix="put timeout 30 in front",
            bounds="--fake",
            options="-a --all",
            source="mount(8), --all",
        ),
    ),
    **dict.fromkeys(
        ("mount.nfs", "mount.nfs4", "mount.cifs", "mount.lustre"),
        (Wait(says="waits for a server that may be away", fix="put timeout 30 in front", source="nfs(5), retry"),),
    ),
    "df": (
        Wait(
            says="hangs when any mounted server is away",
            fix="add --local",
            bounds="-l --local -x --exclude-type -t --type --version",
            operands=0,
            severity="info",
            source="df(1): statfs() of each mount",
        ),
    ),
    "lsof": (
        Wait(
            says="hangs when any mounted server is away",
            fix="add -b -w",
            bounds="-b -p -i -v",
            operands=0,
            severity="info",
            source="lsof(8), BLOCKS AND TIMEOUTS",
        ),
    ),
    # What goes on until it is stopped.
    "sleep": (Wait(says=_ENDLESS, fix="name a number", operand="^inf(inity)?$", source="sleep(1)"),),
    "tail": (
        Wait(
            says=_ENDLESS,
            fix="put timeout 10 in front",
            options="-f -F --follow",
            bounds="--pid",
            source="tail(1), --follow",
        ),
    ),
    "inotifywait": (Wait(fix="add --timeout 10", bounds="-t --timeout", source="inotifywait(1), --timeout"),),
    "ping": (Wait(says=_ENDLESS, fix="add -c 1 -W 2", bounds="-c -w -V", source="ping(8)"),),
    "ping6": (Wait(says=_ENDLESS, fix="add -c 1 -W 2", bounds="-c -w -V", source="ping(8)"),),
    "journalctl": (
        Wait(says=_ENDLESS, fix="put timeout 10 in front", options="-f --follow", source="journalctl(1), --follow"),
    ),
    "dmesg": (
        Wait(
            says=_ENDLESS,
            fix="put timeout 10 in front",
            options="-w --follow -W --follow-new",
            source="dmesg(1), --follow",
        ),
    ),
    "watch": (
        Wait(
            says=_ENDLESS,
            fix="put timeout 10 in front",
            bounds="-g --chgexit -e --errexit -v --version",
            source="watch(1)",
        ),
    ),
    "top": (Wait(says=_ENDLESS, fix="add -n 1", bounds="-n -bn1 -v -h", source="top(1), -n"),),
    "tcpdump": (Wait(says=_ENDLESS, fix="put timeout 10 in front", bounds="-r -D --version", source="tcpdump(8)"),),
    "vmstat": (
        Wait(says=_ENDLESS, fix="add a count", operands=1, operand=r"^\d+$", source="vmstat(8), delay without count"),
    ),
    "iostat": (
        Wait(
            says=_ENDLESS, fix="add a count", operands=1, operand=r"^\d+$", source="iostat(1), interval without count"
        ),
    ),
    "mpstat": (
        Wait(
            says=_ENDLESS, fix="add a count", operands=1, operand=r"^\d+$", source="mpstat(1), interval without count"
        ),
    ),
    "udevadm": (Wait(says=_ENDLESS, fix="put timeout 10 in front", verbs="monitor", source="udevadm(8)"),),
    # A login reads profiles, which their owner can make wait for ever.
    "su": (
        Wait(says=_OWNERS_PROFILE, fix=_NO_LOGIN, options="- -l --login", operand=OWNER, source="su(1), --login"),
        Wait(says=_PROFILE, fix=_NO_LOGIN, options="- -l --login", severity="info", source="su(1), --login"),
    ),
    "runuser": (
        Wait(says=_OWNERS_PROFILE, fix=_NO_LOGIN, options="- -l --login", operand=OWNER, source="runuser(1), --login"),
        Wait(says=_PROFILE, fix=_NO_LOGIN, options="- -l --login", severity="info", source="runuser(1), --login"),
    ),
    "sudo": (
        Wait(says=_OWNERS_PROFILE, fix=_NO_LOGIN, options="-i --login", operand=OWNER, source="sudo(8), --login"),
        Wait(says=_PROFILE, fix=_NO_LOGIN, options="-i --login", severity="info", source="sudo(8), --login"),
    ),
    **dict.fromkeys(
        ("bash", "sh", "ksh", "zsh"),
        (Wait(says=_PROFILE, fix=_NO_LOGIN, options="-l --login", severity="info", source="bash(1), INVOCATION"),),
    ),
    "flock": (
        Wait(
            says="waits for the lock as long as another process holds it",
            fix="add -w 30",
            bounds="-n --nonblock --nb -w --timeout --wait -u --unlock -V --version",
            severity="info",
            source="flock(1)",
        ),
    ),
}


def waits_of(name: str) -> tuple[Wait, ...]:
    """The ways in which a command waits; none for those that do their work and end."""
    return WAITS.get(name, ())
