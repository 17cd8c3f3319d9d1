# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties of the lab on which all its tests rely: `lab/lab up`, then `pytest tests/lab`."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time
import typing as t

LAB = pathlib.Path(__file__).resolve().parents[2] / "lab" / "lab"


def lab(*arguments: str, check: bool = True) -> str:
    return subprocess.run([LAB, *arguments], check=check, capture_output=True, text=True).stdout


def as_alice(script: str) -> str:
    return lab("exec", "-u", "alice", "login", "sh", "-c", script)


def test_a_job_runs_on_all_workers() -> None:
    assert sorted(as_alice("srun -N3 hostname").split()) == ["worker1", "worker2", "worker3"]


def test_the_partition_gpu_is_worker3() -> None:
    assert as_alice("srun -p gpu hostname").split() == ["worker3"]


def test_the_output_of_a_batch_job_is_seen_on_login() -> None:
    job = as_alice("cd && sbatch --parsable --output=lab-%j.out --wrap='id -un; hostname'").strip()
    for _look in range(60):
        if not as_alice(f"squeue --noheader --jobs={job} 2>/dev/null || true"):
            break
        time.sleep(0.5)
    assert re.fullmatch(r"alice\nworker[123]\n", as_alice(f"cat lab-{job}.out"))


def test_login_is_configless() -> None:
    assert lab("exec", "login", "systemctl", "is-active", "sackd").strip() == "active"
    assert lab("exec", "login", "sh", "-c", "test -e /etc/slurm/slurm.conf || echo none").strip() == "none"


def test_it_has_no_gpus_no_accounting_no_more_shared_storage_and_no_kernel_of_its_own() -> None:
    config = lab("exec", "controller", "scontrol", "show", "config")
    assert re.search(r"(?m)^AccountingStorageType += (accounting_storage/none|\(null\))$", config)
    assert set(lab("exec", "controller", "sinfo", "--noheader", "--format=%G").split()) == {"(null)"}
    assert lab("exec", "worker1", "uname", "-r").strip() == os.uname().release
    name = f"{os.environ.get('LAB_NAME') or 'nodecycle'}-worker1"
    mounts = ["podman", "inspect", "--format", "{{range .Mounts}}{{.Destination}} {{end}}", name]
    assert subprocess.run(mounts, check=True, capture_output=True, text=True).stdout.split() == ["/home"]


def test_no_unit_has_failed() -> None:
    for host in ("controller", "login", "worker1", "worker2", "worker3"):
        assert lab("exec", host, "systemctl", "--failed", "--no-legend").strip() == ""


def test_installing_again_changes_nothing() -> None:
    recap = lab("play", "install.yml")
    assert re.findall(r"changed=(\d+) +unreachable=0 +failed=0", recap) == ["0"] * 5, recap


def test_an_up_with_another_slurm_leaves_the_cluster_alone() -> None:
    environment = {**os.environ, "LAB_SLURM_VERSION": "22.05"}
    done = subprocess.run([LAB, "up"], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is up with Slurm 24.11. Run `lab/lab down` first" in done.stdout + done.stderr
    assert lab("exec", "controller", "systemctl", "is-active", "slurmctld").strip() == "active"


@contextlib.contextmanager
def another_lab(name: str) -> t.Iterator[t.Callable[..., subprocess.CompletedProcess[str]]]:
    """lab/lab for another lab than the one that the other tests use; the lab is removed at the end."""
    environment = {**os.environ, "LAB_NAME": name}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([LAB, *arguments], env=environment, check=False, capture_output=True, text=True)

    try:
        yield run
    finally:
        assert run("down").returncode == 0


def test_an_up_that_was_killed_is_in_nobodys_way() -> None:
    made = ["podman", "network", "create", "--label=nodecycle.lab=half-made", "half-made-network"]
    with another_lab("half-made") as run:
        subprocess.run(made, check=True, capture_output=True)
        done = run("up")
        assert done.returncode == 0, done.stderr


def test_a_lab_whose_machine_was_switched_off_is_started_afresh() -> None:
    """The engine still says that its hosts run: so it is on a copy of a machine, too."""
    with another_lab("switched-off") as run:
        assert run("up").returncode == 0
        for host in ("controller", "login", "worker1", "worker2", "worker3"):
            pids = "{{.State.ConmonPid}} {{.State.Pid}}"
            asked = ["podman", "inspect", "--format", pids, f"switched-off-{host}"]
            # The watcher first, so that nobody tells podman.
            for pid in subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
        done = run("up")
        assert done.returncode == 0, done.stderr
        assert run("exec", "-u", "alice", "login", "srun", "-N3", "hostname").returncode == 0


def until(look: t.Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something, or fail."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.5)


@contextlib.contextmanager
def with_part(playbook: str, *arguments: str) -> t.Iterator[None]:
    """The lab with one of its further parts; without it again at the end."""
    try:
        lab("play", str(LAB.parent / playbook), *arguments)
        yield
    finally:
        lab("reset")


def test_many_nodes_are_real_slurmds() -> None:
    with with_part("many_nodes.yml", "-e", "lab_nodes=20"):
        names = [f"v{number:03d}" for number in range(1, 21)]
        script = 'echo "$SLURMD_NODENAME"'
        assert sorted(as_alice(f"srun -p many -N20 sh -c '{script}'").split()) == names
        assert sorted(as_alice("srun -N3 hostname").split()) == ["worker1", "worker2", "worker3"]


def test_a_node_without_work_is_switched_off_and_on_again_for_a_job() -> None:
    def state() -> str:
        return lab("exec", "controller", "scontrol", "show", "node", "worker2")

    with with_part("power_saving.yml"):
        until(lambda: "POWERED_DOWN" in state(), 90, "worker2 to be switched off")
        assert "inactive" in lab("exec", "worker2", "systemctl", "is-active", "slurmd", check=False)
        assert as_alice("srun -w worker2 hostname") == "worker2\n"
        assert "POWERED_DOWN" not in state()
