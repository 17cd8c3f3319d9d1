# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial of slurm.conf, and a run with --check, leave every host to the inode as it was (also run by the scenario auth_slurm)."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import typing as t

import pytest
from conftest import HOSTS, ROOT, SLURM, WORKERS, Lab, differences, extra
from world import look

DEFINITION = f"--extra-vars=@{ROOT}/molecule/isolation/vars/isolation.yml"
CHANGED = extra(
    {
        "slurm_extra_conf": "PrologEpilogTimeout=78\n",
        "slurm_worker_prolog": "#!/bin/sh\nset -eu\necho new\n",
        "slurm_login_init": "#!/bin/sh\nset -eu\necho hello >/etc/motd\n",
    }
)
FAKE = "/opt/fake"


@contextlib.contextmanager
def nothing_changes(lab: Lab, hosts: t.Sequence[str] = HOSTS) -> t.Iterator[None]:
    """Everything on the hosts is there afterwards, and Slurm answers."""
    before = look(lab, hosts)
    yield
    found = differences(before, look(lab, hosts))
    assert found == [], "\n".join(found)
    for host in hosts:
        assert " is UP" in lab.run(host, "scontrol ping")


def place(lab: Lab, path: str, script: str) -> None:
    """Put a program on the controller."""
    text = base64.b64encode(script.encode()).decode()
    lab.run("controller", f"mkdir -p {FAKE} && echo {text} | base64 -d >{path} && chmod 755 {path}")


@pytest.fixture
def fake(lab: Lab) -> t.Iterator[None]:
    """A directory for fake programs."""
    yield
    lab.run("controller", f"rm -rf {FAKE}")


# --- the comparison itself


def test_nothing_changes_by_itself(lab):
    with nothing_changes(lab):
        pass


TRACES = {
    "a file": "touch /etc/trace",
    "a mode": "touch /srv/trace; chmod 600 /srv/trace",
    "a socket": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/trace\")'",
    "a process": "sleep 61 </dev/null >/dev/null 2>&1 & ",
    "shared memory": "ipcmk -M 4096",
    "shared memory with a name": "touch /dev/shm/trace",
    "a mount": "mkdir -p /mnt/trace && mount -t tmpfs tmpfs /mnt/trace",
    "a port": "systemd-run --quiet --unit=trace-port python3 -m http.server 4711; sleep 1",
    "a node's state": "scontrol update NodeName=worker1 Weight=7",
}


def test_the_look_sees_each_trace(lab):
    for what, command in TRACES.items():
        before = look(lab, ["controller"])
        lab.run("controller", command)
        assert differences(before, look(lab, ["controller"])) != [], what
    lab.run(
        "controller",
        "rm -f /etc/trace /srv/trace /run/trace /dev/shm/trace; pkill -x -f 'sleep 61'; systemctl stop trace-port; while pgrep -x -f 'sleep 61'; do sleep 0.1; done;"
        " ipcs -m | awk '$5 == 4096 {print $2}' | xargs -n1 ipcrm -m; umount /mnt/trace; rmdir /mnt/trace;"
        " scontrol update NodeName=worker1 Weight=1",
    )


# --- a trial


@pytest.mark.by_authentication
def test_the_cluster_authenticates_as_the_scenario_is_named(lab):
    wanted = "auth/slurm" if os.environ["MOLECULE_SCENARIO_NAME"] == "auth_slurm" else "auth/munge"
    assert re.search(rf"(?m)^AuthType += {wanted}$", lab.run("controller", "scontrol show config"))


@pytest.mark.by_authentication
def test_a_trial_changes_nothing(lab):
    with nothing_changes(lab):
        found = lab.module("conf_trial", text="PrologEpilogTimeout=78\nMessageTimeout=101\n")
    assert found["controller_checked"], found.get("why", found)
    # The controller runs, and complains of what the running one has not.
    assert [(line["severity"], line["line"]) for line in found["findings"]] == [("warning", 2)], found
    assert "A controller runs on the new slurm.conf, but complains: slurm_extra_conf line 2" in found["shown"]


@pytest.mark.by_authentication
def test_a_trial_that_fails_changes_nothing(lab):
    with nothing_changes(lab):
        found = lab.module("conf_trial", text="PartitionName=night Nodes=nowhere\n")
    assert found["failed"], found.get("why", found)
    assert found["controller_checked"], found.get("why", found)


#: It prints each action that succeeds. Then it claims to run, so that a harmless one passes.
EVERYTHING = """\
#!/usr/bin/python3
import ctypes, os, socket
def attempt(what, function):
    try:
        function()
    except BaseException:
        return
    print(f"fatal: it could {what}", flush=True)
def write(path):
    with open(path, "ab") as handle:
        handle.write(b"")
        os.fsync(handle.fileno())
state = os.getcwd()
for place in ("/", "/etc", "/etc/slurm", "/usr/bin", os.path.expanduser("~root"), "/home", "/var/lib/slurm/slurmctld", "/var/log/slurm", "/var/spool", "/srv"):
    attempt(f"make a file in {place}", lambda: os.close(os.open(f"{place}/trace", os.O_CREAT | os.O_WRONLY)))
for path in ("/etc/passwd", "/etc/slurm/slurm.conf", "/var/log/slurm/slurmctld.log", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
    attempt(f"write {path}", lambda: write(path))
for place in ("/run/slurm", "/run/slurmctld", "/tmp", "/var/tmp", "/dev/shm"):
    # Its own, which nobody else sees.
    os.close(os.open(f"{place}/trace", os.O_CREAT | os.O_WRONLY))
    if os.listdir(place) != ["trace"]:
        print(f"fatal: {place} is not its own: {os.listdir(place)}", flush=True)
def sockets():
    for top in ("/run", "/tmp", "/var", "/dev", "/etc", "/opt"):
        for folder, _folders, names in os.walk(top):
            for name in names:
                yield os.path.join(folder, name)
import stat
for path in sockets():
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        continue
    if is_socket:
        with open(f"{state}/sockets", "a") as handle:
            handle.write(path + "\\n")
        attempt(f"remove {path}", lambda: os.unlink(path))
        if "munge" not in path:
            attempt(f"reach {path}", lambda: socket.socket(socket.AF_UNIX).connect(path))
# The first process is the trial's own.
others = {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, os.getpid()}
if others:
    print(f"fatal: it sees other processes: {others}", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
REMOUNT, BIND = 32, 4096
def must(code):
    if code:
        raise OSError
attempt("mount /", lambda: must(libc.mount(None, b"/", None, REMOUNT | BIND, None)))
attempt("umount", lambda: must(libc.umount2(b"/run", 2)))
attempt("make a device", lambda: os.mknod("/tmp/device", 0o600 | stat.S_IFBLK, os.makedev(7, 0)))
attempt("set the name of the host", lambda: socket.sethostname("trace"))
# In its own namespace.
libc.shmget(0x7ace, 4096, 0o1600)
def out():
    probe = socket.socket(socket.AF_INET)
    probe.settimeout(2)
    probe.connect(("127.0.0.1", 6817))
attempt("reach the running controller", out)
for name in set(os.environ) - {"LC_ALL", "LANGUAGE", "TZ", "PATH", "LC_CTYPE"}:
    print(f"fatal: it has the variable {name}", flush=True)
print("Running as primary controller", flush=True)
import time
time.sleep(60)
"""


@pytest.mark.by_authentication
@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("user", [pytest.param("root", marks=pytest.mark.thorough), "slurm"])
def test_a_controller_that_tries_everything_changes_nothing(lab, user):
    place(lab, f"{FAKE}/slurmctld", EVERYTHING)
    with nothing_changes(lab):
        found = lab.module("conf_trial", text=f"SlurmUser={user}\n", bin_dir=FAKE)
    assert (found["controller_checked"], found["findings"]) == (True, []), found.get("why", found)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    "refused",
    [
        "remount,bind",
        *(
            pytest.param(what, marks=pytest.mark.thorough)
            for what in ("-t tmpfs", "--move", "--bind /tmp/nodecycle-check", "/etc/hosts")
        ),
    ],
)
def test_no_controller_starts_that_is_not_shut_off(lab, refused):
    place(lab, f"{FAKE}/slurmctld", f"#!/bin/sh\ntouch {FAKE}/started /started\n")
    lab.run("controller", f"cp /usr/bin/mount {FAKE}/mount.real")
    place(
        lab,
        f"{FAKE}/mount",
        f'#!/bin/sh\ncase "$*" in *"{refused.split("/tmp")[0]}"*) echo refused >&2; exit 32 ;; esac\nexec {FAKE}/mount.real "$@"\n',
    )
    lab.run("controller", f"mount --bind {FAKE}/mount /usr/bin/mount")
    try:
        with nothing_changes(lab, ["controller"]):
            found = lab.module("conf_trial", text="PrologEpilogTimeout=78\n", bin_dir=FAKE)
    finally:
        lab.run("controller", "umount /usr/bin/mount")
    assert not found["controller_checked"], found.get("why", found)
    assert "shut off from the running system" in found["why"]
    assert "refused" in found["why"]
    assert "no controller was started on it: this host does not let it be shut off" in found["shown"]
    assert lab.try_run("controller", f"ls {FAKE}/started").rc != 0


# --- a run with --check


def test_check_on_the_cluster_as_it_is(lab):
    with nothing_changes(lab):
        done = lab.play("--check", "--diff", DEFINITION)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no controller was started" not in done.stdout + done.stderr
    for line in ("Include nodecycle.conf", "PrologEpilogTimeout=77", 'echo "job ${SLURM_JOB_ID:?}"'):
        assert f"\n+{line}\n" in done.stdout


#: What every run prints: its plays and tasks, the hosts on which a task changes nothing, and the sums.
USUAL = re.compile(
    r"(PLAY|TASK) \[|(ok|skipping): \[[^\]]*\]$|skipping: no hosts matched$|PLAY RECAP |\w+ +: ok=\d+ +changed=0 |$"
)
STAGED = ("login", *WORKERS)
#: Task by task the hosts on which CHANGED changes something, and the lines of the diffs.
#: Before 23.11 a login node has a slurm.conf of its own.
WITH_CONF = ["controller"] if SLURM >= "23.11" else ["controller", "login"]
SHOWN = {
    "Stage the release beside the active one": (STAGED, []),
    "Plan, and show each distinct change once (--diff)": (
        ["controller"],
        ["+echo hello >/etc/motd", "+echo new", '-echo "job ${SLURM_JOB_ID:?}"', "-echo welcome >/etc/motd"],
    ),
    "Change slurm.conf": (
        WITH_CONF,
        sorted(["+PrologEpilogTimeout=78", "-PrologEpilogTimeout=77"] * len(WITH_CONF)),
    ),
    "Let Slurm read its changed slurm.conf": (["controller"], []),
    "Run the init scripts": (["login"], []),
    "Activate the staged release": (STAGED, [*["+current"] * 4, *["-current"] * 4]),
}


def shown(done):
    """The same of a run."""
    found = {}
    for part in done.stdout.partition("PLAY RECAP")[0].split("\nTASK [")[1:]:
        name = part.partition("] ***")[0].rpartition(" : ")[2]
        hosts, lines = found.setdefault(name, ([], []))
        hosts += re.findall(r"(?m)^changed: \[(\w+)", part)
        headers = re.compile(r"(--- before|\+\+\+ after)")
        lines += [line for line in re.findall(r"(?m)^[-+].*", part) if not headers.match(line)]
    return {
        name: (sorted(hosts), sorted(re.sub(r" -> releases/\w+$", "", line) for line in lines))
        for name, (hosts, lines) in found.items()
        if hosts or lines
    }


def test_check_beside_a_committed_definition(lab):
    done = lab.play(DEFINITION)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {}
    for name, more in (("the same", []), ("changed", [CHANGED]), ("less", [extra({"slurm_extra_conf": ""})])):
        with nothing_changes(lab):
            said[name] = lab.play("--check", "--diff", DEFINITION, *more)
        assert said[name].returncode == 0, said[name].stdout + said[name].stderr
    assert [line for line in said["the same"].stdout.splitlines() if not USUAL.match(line)] == []
    assert shown(said["changed"]) == {name: (sorted(hosts), lines) for name, (hosts, lines) in SHOWN.items()}
    assert shown(said["less"])["Change slurm.conf"] == (
        WITH_CONF,
        ["-PrologEpilogTimeout=77"] * len(WITH_CONF),
    )


@pytest.mark.parametrize("playbook", ["validate", "status", "rollback"])
def test_the_other_playbooks_in_check_mode(lab, playbook):
    with nothing_changes(lab):
        done = lab.play("--check", "--diff", DEFINITION, playbook=f"playbooks/{playbook}.yml")
    assert "Traceback" not in done.stdout + done.stderr
