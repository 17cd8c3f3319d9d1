# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's cluster for the tests of all scenarios: hosts, jobs, nodes, playbooks, all of them the real thing."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What this process calls, and what it imports of the lab, shall mean the same cluster, and never the demo's.
NAME = os.environ["LAB_NAME"] = os.environ.get("LAB_NAME") or "nodecycle-test"

sys.path.insert(0, str(ROOT / "lab"))

from nodecycle_lab.inside import NotThereError, inside  # noqa: E402

#: The release of Slurm in the lab.
SLURM = os.environ.get("LAB_SLURM_VERSION") or "24.11"
HOSTS = ("controller", "login", "worker1", "worker2", "worker3")
WORKERS = ("worker1", "worker2", "worker3")


_SNAPSHOT = r"""
cd / || exit
look() {
    find etc var/lib/slurm/slurmd/conf-cache -path etc/nodecycle/releases -prune -o -path etc/nodecycle/history.json -prune -o "$@" 2>/dev/null
}
look -type l -printf '->%l %p\n'
{ look -type f -print0; find etc/nodecycle/current/ -type f -print0 2>/dev/null; } | xargs -0 sha256sum 2>/dev/null
true
"""

_LEFTOVERS = r"""
ls -d /etc/nodecycle/canary* /var/lib/nodecycle/rollout/lock.json /var/lib/nodecycle/rollout/journal.json \
    2>/dev/null
find /etc /var/lib/nodecycle -name '.half-*' -o -name '.nodecycle*' 2>/dev/null
true
"""


class Inside(BaseBackend):  # type: ignore[misc]
    """A host of the lab, for testinfra."""

    NAME = "inside"

    def __init__(self, container: str) -> None:
        self._container = container
        super().__init__(container)

    def run(self, command: str, *args: str, **_kwargs: object) -> CommandResult:
        """See BaseBackend; a host that is switched off answers nothing, with ssh's exit code."""
        wanted = self.get_command(command, *args)
        try:
            return self.run_local(shlex.join(inside(self._container, wanted)))
        except NotThereError as error:
            return self.result(255, self.encode(wanted), b"", str(error).encode())

    @classmethod
    def host(cls, container: str) -> Host:
        """A host as testinfra knows it."""
        backend = cls(container)
        host = Host(backend)
        backend.set_host(host)
        return host


class Lab:
    """The cluster, as its users and its administrator see it."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {name: Inside.host(f"{NAME}-{name}") for name in HOSTS}

    def run(self, host: str, command: str, user: str = "root") -> str:
        """The output of a command on a host. It must succeed."""
        done = self.try_run(host, command, user)
        assert done.rc == 0, f"{command} on {host} ended with {done.rc}:\n{done.stdout}{done.stderr}"
        return t.cast(str, done.stdout)

    def try_run(self, host: str, command: str, user: str = "root") -> t.Any:
        """The result of a command on a host, whatever it is."""
        if user != "root":
            command = f"runuser -l {user} -c {shlex.quote(command)}"
        return self.hosts[host].run(command)

    def read(self, host: str, path: str) -> str:
        """A file's text, empty where there is none."""
        return t.cast(str, self.hosts[host].run("cat %s 2>/dev/null", path).stdout)

    def switch_off(self, host: str) -> None:
        """Switch a host off."""
        subprocess.run(["podman", "kill", f"{NAME}-{host}"], check=True, capture_output=True)

    def boot(self, host: str) -> None:
        """Restart a host, or switch it on, and wait until its systemd has started."""
        subprocess.run(["podman", "restart", f"{NAME}-{host}"], check=True, capture_output=True)
        started = ("running", "degraded")
        wait(
            lambda: self.try_run(host, "systemctl is-system-running").stdout.strip() in started, 120, f"{host} to boot"
        )

    def replace(self, host: str) -> None:
        """Put a new host of the same name in its place: the lab's own image, without anything of ours. Its slurmd has registered then."""

        def started() -> str:
            found = re.search(r" SlurmdStartTime=(\S+)", self.run("controller", f"scontrol show node -o {host}"))
            return found.group(1) if found else ""

        before = started()
        subprocess.run([ROOT / "lab/lab", "replace", host], check=True, capture_output=True)
        # Before that the controller, and srun, may still mean the old one.
        wait(lambda: started() not in (before, "", "None", "Unknown"), 60, f"the slurmd of {host}")
        self.wait_for_state(host, lambda state: "NOT_RESPONDING" not in state and "DOWN" not in state, 60)

    # -- jobs, all of them alice's, from the login node

    def sbatch(self, script: str, *options: str) -> str:
        """Submit a batch script; its job id."""
        text = shlex.quote(f"#!/bin/sh\n{script}\n")
        return self.run("login", f"printf %s {text} | sbatch --parsable {' '.join(options)}", "alice").strip()

    def srun(self, command: str, *options: str) -> t.Any:
        """Run an interactive job; its result."""
        return self.try_run("login", f"timeout 60 srun {' '.join(options)} {command}", "alice")

    def job(self, job: str) -> dict[str, str]:
        """The controller's facts about a job."""
        text = self.run("controller", f"scontrol show job -o {job}")
        return dict(re.findall(r"(?:^| )([A-Za-z:/]+)=(\S*)", text))

    def finish(self, job: str, seconds: int = 60) -> dict[str, str]:
        """Wait until a job has ended, with its epilogs. Returns the controller's facts about it."""

        def over() -> dict[str, str] | None:
            job_now = self.job(job)
            nodes = self.run("controller", "sinfo -h -t completing -o %N").strip()
            ended = job_now["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT")
            return job_now if ended and not nodes else None

        return wait(over, seconds, f"job {job} to end")

    def output(self, job: str) -> str:
        """The output of a batch job."""
        return self.run("login", f"cat slurm-{job}.out", "alice")

    # -- nodes

    def node(self, name: str) -> dict[str, str]:
        """State and reason of a node."""
        text = self.run("controller", f"scontrol show node -o {name}")
        reason = re.search(r" Reason=(.*?)(?: Comment=|$)", text.strip())
        state = re.search(r" State=(\S+)", text)
        return {"State": state.group(1) if state else "", "Reason": reason.group(1) if reason else ""}

    def wait_for_state(self, name: str, predicate: t.Callable[[str], bool], seconds: int = 30) -> dict[str, str]:
        """Wait until a node has the wanted state. Returns the controller's facts about it."""
        return wait(
            lambda: (now := self.node(name)) and predicate(now["State"]) and now, seconds, f"the state of {name}"
        )

    def resume(self) -> None:
        """Resume all nodes, as an administrator does after a repair."""
        for name in WORKERS:
            if "DRAIN" in self.node(name)["State"]:
                self.run("controller", f"scontrol update NodeName={name} State=RESUME")
            self.wait_for_state(name, lambda state: state == "IDLE")

    def in_service(self) -> dict[str, str]:
        """The reason why each worker takes no jobs, with user and time; empty if it does."""
        found = {}
        for name in WORKERS:
            now = self.node(name)
            flags = set(now["State"].split("+")) - {"COMPLETING", "RESERVED", "PLANNED", "NOT_RESPONDING"}
            # 24.11 goes on showing the reason of a drain that is over.
            found[name] = "" if flags <= {"IDLE", "MIXED", "ALLOCATED"} else f"{sorted(flags)} {now['Reason']}"
        return found

    def held_jobs(self) -> list[str]:
        """The jobs that wait until somebody releases them, each with Slurm's reason."""
        queue = self.run("controller", "squeue -h -r -t PD -o '%A|%Q|%r'").splitlines()
        fields = [line.split("|", 2) for line in queue]
        return [f"{job} {reason}" for job, priority, reason in fields if priority == "0" or "held" in reason.lower()]

    def hurry(self) -> None:
        """Let requeued jobs start that nobody holds: Slurm makes them wait for two minutes (the lifetime of their credential)."""
        text = self.run("controller", "scontrol show job -o")
        for line in text.splitlines():
            job = dict(re.findall(r"(?:^| )([A-Za-z:/]+)=(\S*)", line))
            if job.get("JobState") == "PENDING" and job["Restarts"] != "0" and job["Priority"] != "0":
                # It may start by itself in this very moment.
                self.try_run("controller", f"scontrol update JobId={job['JobId']} StartTime=now")

    # -- the traces of a rollout

    def snapshot(self) -> dict[str, dict[str, str]]:
        """For each host the digest of each file and the target of each link that a rollout may change for good.

        Without inactive releases, because no job runs them.
        """
        return {host: self._snapshot(host) for host in HOSTS}

    def _snapshot(self, host: str) -> dict[str, str]:
        found = {}
        for line in self.run(host, _SNAPSHOT).splitlines():
            digest, path = line.split(None, 1)
            found[path] = digest
        return found

    def leftovers(self) -> list[str]:
        """The traces that only a rollout under way may have: its lock, journal, reservation, canary, notes and unfinished files."""
        found = [f"{host}: {line}" for host in HOSTS for line in self.run(host, _LEFTOVERS).splitlines()]
        reservations = self.run("controller", "scontrol show reservation -o").strip()
        found += [] if reservations == "No reservations in the system" else [reservations]
        jobs = self.run("controller", "squeue -h -n nodecycle_probe").strip()
        return found + ([jobs] if jobs else [])

    # -- playbooks

    def play(
        self,
        *arguments: str,
        playbook: str = "playbooks/site.yml",
        inventory: t.Sequence[pathlib.Path] = (),
        only_inventory: pathlib.Path | None = None,
        cwd: pathlib.Path = ROOT,
        env: t.Mapping[str, str] | None = None,
        removal_allowed: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the lab, with more inventories or with another one. Most tests remove what an earlier one has placed."""
        allowed = ["--extra-vars=slurm_removal_allowed=true"] if removal_allowed else []
        wanted = [only_inventory] if only_inventory else [ROOT / "lab/inventory.yml", *inventory]
        sources = [f"--inventory={source}" for source in wanted]
        return subprocess.run(
            ["ansible-playbook", *sources, *allowed, playbook, *arguments],
            cwd=cwd,
            # Wide: Ansible wraps messages to the terminal.
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
                "COLUMNS": "10000",
                **(env or {}),
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )

    def module(self, name: str, /, *options: str, host: str = "controller", **arguments: t.Any) -> dict[str, t.Any]:
        """Call a module of ours on a host, without a playbook. Returns its result, also that of a failure, and the warnings (C(shown))."""
        done = subprocess.run(
            [
                *("ansible", host, f"--inventory={ROOT / 'lab/inventory.yml'}", *options),
                *("--module-name", f"nodecycle.slurm.{name}"),
                *(("--args", json.dumps(arguments)) if arguments else ()),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
                "COLUMNS": "10000",
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        head, found, result = done.stdout.partition(" => ")
        assert found, done.stdout + done.stderr
        return {"failed": "FAILED" in head, **json.loads(result), "shown": done.stderr}


#: The permanent load by users and monitoring. Two loops: a submission that waits must not hide a ping that fails.
_TRAFFIC = r"""
cd "$1" || exit
each_second() {
    log=$1
    shift
    while [ ! -e stop ]; do
        began=$(date +%s.%N)
        said=$("$@" 2>&1 </dev/null)
        code=$?
        printf '%s %s %s %s\n' "$began" "$(date +%s.%N)" "$code" "$(printf %s "$said" | tr '\n' ' ')" >>"$log"
        sleep 1
    done
}
# A function, so that the options are expanded anew each time.
submit() {
    timeout 60 sbatch --parsable -J traffic -o /dev/null SBATCH_OPTIONS --wrap 'echo "$SLURM_JOB_ID" >>ended'
}
each_second pings timeout 60 scontrol ping &
each_second submissions submit &
wait
"""

#: Options of Traffic that send its jobs to each worker in turn.
EACH_WORKER = '-w "worker$(($(date +%s) % 3 + 1))"'


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer of the cluster: its time, its duration, and its text."""

    began: float
    seconds: float
    code: int
    said: str


class Traffic:
    """While it is entered, alice asks from the login node every second whether the controller answers, and submits a job.

    Leaving it waits until all those jobs have ended. After that C(problems) has everything that a user would have noticed.
    """

    def __init__(self, lab: Lab, *options: str, end_within: float = 60) -> None:
        self._lab = lab
        self._options = options
        self._end_within = end_within
        self._unit = f"traffic-{time.time_ns()}"
        self._place = f"/home/alice/{self._unit}"

    def __enter__(self) -> Traffic:
        script = shlex.quote(_TRAFFIC.replace("SBATCH_OPTIONS", " ".join(self._options)))
        self._lab.run("login", f"mkdir {self._place} && printf %s {script} >{self._place}/loops", "alice")
        run = f"systemd-run --quiet --unit={self._unit} --uid=alice --gid=alice"
        self._lab.run("login", f"{run} /bin/sh {self._place}/loops {self._place}")
        wait(lambda: self.pings and self.submissions, 30, "the first job of the traffic")
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Submit no more, and wait until all jobs have ended."""
        self._lab.run("login", f"touch {self._place}/stop")
        self._wait_for_jobs()

    @property
    def pings(self) -> list[Answer]:
        """The answers of C(scontrol ping), each second."""
        return self._answers("pings")

    @property
    def submissions(self) -> list[Answer]:
        """The answers of C(sbatch), each second."""
        return self._answers("submissions")

    @property
    def jobs(self) -> list[str]:
        """The ids of the jobs that were accepted."""
        return [answer.said.strip() for answer in self.submissions if answer.code == 0]

    @property
    def ended(self) -> list[str]:
        """The ids of the jobs that have ended. A job that ran twice is there twice."""
        return self._lab.read("login", f"{self._place}/ended").split()

    @property
    def problems(self) -> list[str]:
        """All that a user would have noticed, after the traffic has stopped; empty for a cluster that was there all the time."""
        found = [
            f"scontrol ping at {answer.began:.0f} ended with {answer.code} after {answer.seconds:.1f} s: {answer.said}"
            for answer in self.pings
            if answer.code != 0 or " is UP" not in answer.said or " is DOWN" in answer.said
            # It takes the first hooks of the controller at a restart only, for which the lab gives leave there.
            if SLURM > "22.05"
        ]
        found += [
            f"sbatch at {answer.began:.0f} ended with {answer.code} after {answer.seconds:.1f} s: {answer.said}"
            for answer in self.submissions
            if answer.code != 0 or not answer.said.strip().isdigit()
        ]
        # An id that was given twice: the controller has forgotten the first job of it.
        jobs, ended = collections.Counter(self.jobs), collections.Counter(self.ended)
        found += [
            f"job {job} was accepted {times} times and ended {ended[job]} times"
            for job, times in jobs.items()
            if (times, ended[job]) != (1, 1)
        ]
        return found

    @property
    def longest(self) -> float:
        """The longest time in seconds that a user waited for an answer."""
        return max(answer.seconds for answer in self.pings + self.submissions)

    def _answers(self, log: str) -> list[Answer]:
        # Only whole lines: the last one may be incomplete.
        lines = re.findall(r"(?m)^(.*)\n", self._lab.read("login", f"{self._place}/{log}"))
        fields = [line.split(" ", 3) for line in lines]
        return [Answer(float(began), float(end) - float(began), int(code), said) for began, end, code, said in fields]

    def _wait_for_jobs(self) -> None:
        """Wait until the loops have ended and none of their jobs is left. A job that does not end is a problem, not an error."""
        deadline = time.monotonic() + self._end_within
        ended = 0
        look = f"systemctl is-active --quiet {self._unit} && echo active; squeue -h -n traffic -o %A"
        while self._lab.run("login", look).strip() and time.monotonic() < deadline:
            time.sleep(0.5)
            # A busy machine is slow. The jobs only need to end.
            if len(self.ended) > ended:
                ended = len(self.ended)
                deadline = time.monotonic() + self._end_within


T = t.TypeVar("T")


def wait(look: t.Callable[[], T | None], seconds: float, what: str) -> T:
    """Poll until there is a result, or fail."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.3)


@contextlib.contextmanager
def users(lab: Lab, *options: str) -> t.Iterator[Traffic]:
    """Users submit jobs, to each worker in turn, and notice nothing of the block. It leaves no traces of a rollout."""
    with Traffic(lab, *(options or [EACH_WORKER]), end_within=90) as traffic:
        yield traffic
        held = [job for job in lab.held_jobs() if job.split()[0] in traffic.jobs]
        assert held == []
        lab.hurry()
    # The controller's words are gone with the lab, and a problem may be one in twenty.
    assert traffic.problems == [], lab.run("controller", "uptime; tail --lines=400 /var/log/slurm/slurmctld.log")
    assert lab.leftovers() == []


def differences(before: t.Mapping[str, t.Mapping[str, str]], after: t.Mapping[str, t.Mapping[str, str]]) -> list[str]:
    """The differences of two snapshots: few lines instead of thousands."""
    return [
        f"{host}:/{path}: {before[host].get(path, 'not there')} became {after[host].get(path, 'not there')}"
        for host in before
        for path in sorted(before[host].keys() | after[host].keys())
        if before[host].get(path) != after[host].get(path)
    ]


@contextlib.contextmanager
def undone(lab: Lab, *options: str) -> t.Iterator[Traffic]:
    """The same. In the end every file is unchanged, and every node has the same state of service."""
    files, service = lab.snapshot(), lab.in_service()
    with users(lab, *options) as traffic:
        yield traffic
    assert lab.in_service() == service
    assert differences(files, lab.snapshot()) == []


def extra(variables: t.Mapping[str, t.Any]) -> str:
    """Variables as an argument of ansible-playbook."""
    return f"--extra-vars={json.dumps(variables)}"


def failure_of(done: subprocess.CompletedProcess[str]) -> str:
    """The message with which a run failed, the last one."""
    assert done.returncode != 0, done.stdout
    said = re.findall(r"(?m)^(?:fatal|failed): .*?(?:FAILED|UNREACHABLE)! => (\{.*\})$", done.stdout)
    assert said, done.stdout + done.stderr
    return str(json.loads(said[-1])["msg"])


def summary(done: subprocess.CompletedProcess[str]) -> str:
    """The report at the end of a run."""
    return done.stdout[done.stdout.index("TASK [nodecycle.slurm.rollout : Report the result]") :].split("\n\n")[0]


def active(lab: Lab, host: str) -> str:
    """The release that the next job on a host runs."""
    return lab.run(host, "readlink /etc/nodecycle/current").strip()


def administrator(lab: Lab, what: str) -> None:
    """An action of an administrator by hand."""
    lab.run("controller", f"scontrol update {what}")


class Killer:
    """Runs of a playbook whose tasks are counted, and which are killed at one of them (molecule/killed/plugins/killer.py)."""

    #: One step of the scenario leaves the tasks that it has counted here for the next one.
    CACHE = ROOT / ".cache/killer" / NAME
    #: And the files of the cluster under each definition.
    SNAPSHOTS = CACHE / "snapshots.json"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def _play(self, log: pathlib.Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        plugin = {
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule/killed/plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "killer",
        }
        return self._lab.play(*arguments, env={**plugin, "KILLER_LOG": str(log), **env})

    def count(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A run that is not killed. Its tasks are kept under this name."""
        return self._play(self.CACHE / name, *arguments)

    def kill(self, task: int | str, delay: float, *arguments: str) -> None:
        """A run that is killed so many seconds after the start of the task with this number or name."""
        done = self._play(self.CACHE / "run", *arguments, KILLER_AT=str(task), KILLER_DELAY=str(delay))
        assert done.returncode == -signal.SIGKILL, done.stdout

    def lose(self, host: str, task: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A run during which the power of a host fails, at the start of the task of this name; its result."""
        return self.interrupt(task, f"podman kill {NAME}-{host}", *arguments)

    def interrupt(self, task: str, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A run during which a command runs on this machine, at the start of the task of this name; its result."""
        log = self.CACHE / "run"
        done = self._play(log, *arguments, KILLER_AT=task, KILLER_COMMAND=command)
        assert task in log.read_text().splitlines()
        return done

    @classmethod
    def tasks(cls, name: str) -> list[str]:
        """The tasks that were counted."""
        return (cls.CACHE / name).read_text().splitlines()

    @classmethod
    def points(cls, name: str, how_many: int, since: str = "") -> list[tuple[int, str]]:
        """So many points, evenly spread over the tasks that were counted, or over those from one on: number and name of each task."""
        tasks = cls.tasks(name)
        first = tasks.index(since) if since else 0
        numbers = [first + round((at + 0.5) * (len(tasks) - first) / how_many + 0.5) for at in range(how_many)]
        return [(number, tasks[number - 1]) for number in numbers]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without THOROUGH one test of each kind is enough: a whole rollout takes half a minute, and CI has an hour."""
    if os.environ.get("THOROUGH"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A step of a scenario without any of the wanted tests (-k) is not a failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.option.keyword:
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab."""
    return Lab()


@pytest.fixture
def good(request: pytest.FixtureRequest) -> str:
    """The argument of ansible-playbook that names the scenario's last good definition."""
    scenario = next(place for place in request.path.parents if (place / "molecule.yml").exists())
    return f"--extra-vars=@{scenario}/vars/good.yml"
