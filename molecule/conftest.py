# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's cluster for the tests of all scenarios: hosts, jobs, nodes, playbooks, all of them the real thing."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import subprocess
import time
import typing as t

import pytest
import testinfra
from testinfra.host import Host

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = os.environ.get("LAB_NAME") or "nodecycle"
HOSTS = ("controller", "login", "worker1", "worker2", "worker3")
WORKERS = ("worker1", "worker2", "worker3")


class Lab:
    """The cluster, as its users and its administrator see it."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {name: testinfra.get_host(f"podman://{NAME}-{name}") for name in HOSTS}

    def run(self, host: str, command: str, user: str = "root") -> str:
        """What a command prints on a host; it has to succeed."""
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

    # -- jobs, all of them alice's, from the login node

    def sbatch(self, script: str, *options: str) -> str:
        """Submit a batch script; its job id."""
        text = shlex.quote(f"#!/bin/sh\n{script}\n")
        return self.run("login", f"printf %s {text} | sbatch --parsable {' '.join(options)}", "alice").strip()

    def srun(self, command: str, *options: str) -> t.Any:
        """Run an interactive job; its result."""
        return self.try_run("login", f"timeout 60 srun {' '.join(options)} {command}", "alice")

    def job(self, job: str) -> dict[str, str]:
        """What the controller says of a job."""
        text = self.run("controller", f"scontrol show job -o {job}")
        return dict(re.findall(r"(?:^| )([A-Za-z:/]+)=(\S*)", text))

    def finish(self, job: str, seconds: int = 60) -> dict[str, str]:
        """Wait until a job has ended, with its epilogs; what the controller says of it then."""

        def over() -> dict[str, str] | None:
            job_now = self.job(job)
            nodes = self.run("controller", "sinfo -h -t completing -o %N").strip()
            ended = job_now["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT")
            return job_now if ended and not nodes else None

        return wait(over, seconds, f"job {job} to end")

    def output(self, job: str) -> str:
        """What a batch job printed."""
        return self.run("login", f"cat slurm-{job}.out", "alice")

    # -- nodes

    def node(self, name: str) -> dict[str, str]:
        """State and reason of a node."""
        text = self.run("controller", f"scontrol show node -o {name}")
        reason = re.search(r" Reason=(.*?)(?: Comment=|$)", text.strip())
        state = re.search(r" State=(\S+)", text)
        return {"State": state.group(1) if state else "", "Reason": reason.group(1) if reason else ""}

    def wait_for_state(self, name: str, predicate: t.Callable[[str], bool], seconds: int = 30) -> dict[str, str]:
        """Wait until a node's state is as wanted; what the controller says of it then."""
        return wait(
            lambda: (now := self.node(name)) and predicate(now["State"]) and now, seconds, f"the state of {name}"
        )

    def resume(self) -> None:
        """Bring all nodes back, as an administrator does after he has mended what was wrong."""
        for name in WORKERS:
            if "DRAIN" in self.node(name)["State"]:
                self.run("controller", f"scontrol update NodeName={name} State=RESUME")
            self.wait_for_state(name, lambda state: state == "IDLE")

    # -- playbooks

    def play(
        self,
        *arguments: str,
        playbook: str = "playbooks/site.yml",
        inventory: t.Sequence[pathlib.Path] = (),
        only_inventory: pathlib.Path | None = None,
        cwd: pathlib.Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the lab, with more inventories or with another one."""
        wanted = [only_inventory] if only_inventory else [ROOT / "lab/inventory.yml", *inventory]
        sources = [f"--inventory={source}" for source in wanted]
        return subprocess.run(
            ["ansible-playbook", *sources, playbook, *arguments],
            cwd=cwd,
            # Wide: Ansible wraps messages to the terminal.
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

    def module(self, name: str, /, *options: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Call a module of ours on the controller, without a playbook; what it returns, also of a failure."""
        done = subprocess.run(
            [
                *("ansible", "controller", f"--inventory={ROOT / 'lab/inventory.yml'}", *options),
                *("--module-name", f"nodecycle.slurm.{name}"),
                *(("--args", json.dumps(arguments)) if arguments else ()),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        head, found, result = done.stdout.partition(" => ")
        assert found, done.stdout + done.stderr
        return {"failed": "FAILED" in head, **json.loads(result)}


T = t.TypeVar("T")


def wait(look: t.Callable[[], T | None], seconds: float, what: str) -> T:
    """Look again and again until there is something, or fail."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.3)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab."""
    return Lab()
