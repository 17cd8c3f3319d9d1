# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image with the definition in it: a host that is made from it runs its scripts from the first job on, without a run of the playbook."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
from lab_calls import Lab

DEFINITION = {
    "slurm_worker_init": [
        {
            "name": "note",
            "content": '#!/bin/sh\nset -eu\necho "init before $(systemctl is-active slurmd || true)" >>/var/tmp/born\n',
        },
        {"name": "format", "run": "once", "content": "#!/bin/sh\nset -eu\necho format >>/var/tmp/born\n"},
    ],
    "slurm_worker_prolog": [
        {"name": "all", "content": "#!/bin/sh\nset -eu\necho prolog >>/var/tmp/born\n"},
        {"name": "one", "nodes": "worker1", "content": "#!/bin/sh\nset -eu\necho one >>/var/tmp/born\n"},
    ],
    "slurm_login_init": "#!/bin/sh\nset -eu\necho login >/var/tmp/born\n",
}
LAB = Lab("image", DEFINITION)
lab, inside, play = LAB.call, LAB.inside, LAB.play
NAME = f"{os.environ.get('LAB_NAME') or 'nodecycle'}-image"
#: The container that is built, and what is made of it.
BUILD, IMAGE = f"{NAME}-build", f"localhost/{NAME}"


def podman(*arguments: str) -> str:
    environment = dict(re.findall(r"(?m)^export (\w+)=(.*)$", lab("env").stdout))
    done = subprocess.run(
        ["podman", *arguments], check=False, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("inventory") / "image.yml"
    hosts = {
        "golden": {
            "ansible_connection": "container",
            "ansible_host": BUILD,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
    }
    path.write_text(json.dumps({"slurm_worker_image": {"hosts": hosts}}))
    return path


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[None]:
    """A cluster under the definition, and beside it a container of a worker's image in which nothing runs."""
    try:
        done = lab("up")
        assert done.returncode == 0, done.stderr
        done = play({})
        assert done.returncode == 0, done.stdout + done.stderr
        worker = podman("inspect", "--format", "{{.ImageName}}", f"{NAME}-worker2")
        podman("run", "--detach", f"--name={BUILD}", "--entrypoint=sleep", worker, "infinity")
        yield
    finally:
        podman("rm", "--force", "--ignore", "--time=0", BUILD)
        lab("down")
        podman("rmi", "--force", "--ignore", IMAGE)


def bake(inventory: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return lab("play", "image.yml", "-i", str(inventory), "-e", json.dumps(DEFINITION), "--limit=golden", *arguments)


def changed(done: subprocess.CompletedProcess[str]) -> str:
    (count,) = re.findall(r"golden +: .*changed=(\d+) ", done.stdout)
    return str(count)


@pytest.mark.usefixtures("cluster")
def test_an_image_gets_everything_and_nothing_is_started_there(inventory: pathlib.Path) -> None:
    planned = bake(inventory, "--check", "--diff")
    assert planned.returncode == 0, planned.stdout
    assert podman("exec", BUILD, "sh", "-c", "ls -d /etc/nodecycle 2>/dev/null || echo none") == "none"
    done = bake(inventory)
    assert done.returncode == 0, done.stdout
    assert (changed(planned), changed(done)) == ("2", "2")
    assert re.search(r"The image has the release [0-9a-f]{16}\.", done.stdout)
    wanted = "/etc/systemd/system/multi-user.target.wants/nodecycle-worker-init.service"
    assert podman("exec", BUILD, "readlink", wanted).endswith("/nodecycle-worker-init.service")
    hooks = podman("exec", BUILD, "sh", "-c", "cd /etc/nodecycle/current && echo *").split()
    assert {"task_epilog", "task_prolog", "worker_epilog", "worker_init", "worker_prolog"} < set(hooks)
    assert podman("exec", BUILD, "ls", "/etc/nodecycle/current/worker_prolog.d") == "10-all"
    # No init script has run, and none is taken for done at the boot of a host.
    assert podman("exec", BUILD, "sh", "-c", "ls /var/tmp/born /run/nodecycle/*.ok 2>/dev/null || echo none") == "none"
    again = bake(inventory)
    assert (again.returncode, changed(again)) == (0, "0"), again.stdout


@pytest.mark.usefixtures("cluster")
def test_a_host_made_from_the_image_runs_it_before_its_first_job() -> None:
    podman("commit", "--quiet", "--change=ENTRYPOINT []", BUILD, IMAGE)
    done = lab("replace", "worker2", "--image", IMAGE)
    assert done.returncode == 0, done.stderr
    job = inside("login", "cd && srun -w worker2 cat /var/tmp/born", "-u", "alice")
    assert re.fullmatch(r"init before (inactive|activating)\nformat\nprolog\n", job), job
    assert inside("controller", "sinfo -h -n worker2 -o %T,%E").strip() == "idle,none"
    again = play({})
    assert again.returncode == 0, again.stdout
    assert "worker2" not in inside("controller", "sinfo -h -R -o %N")


@pytest.mark.usefixtures("cluster")
def test_a_host_made_from_an_old_image_runs_that_until_the_next_run() -> None:
    newer = {"slurm_worker_prolog": "#!/bin/sh\nset -eu\necho newer >>/var/tmp/born\n"}
    assert play(newer).returncode == 0
    assert lab("replace", "worker2", "--image", IMAGE).returncode == 0
    assert inside("login", "cd && srun -w worker2 tail -n 1 /var/tmp/born", "-u", "alice") == "prolog\n"
    status = play(newer, "status.yml")
    assert re.search(r"worker2: release [0-9a-f]{16}, release [0-9a-f]{16} is active instead of", status.stdout), (
        status.stdout
    )
    assert play(newer).returncode == 0
    assert inside("login", "cd && srun -w worker2 tail -n 1 /var/tmp/born", "-u", "alice") == "newer\n"


@pytest.mark.usefixtures("cluster")
def test_a_host_made_from_an_image_without_it_is_drained_by_its_first_job() -> None:
    """What the image is for."""
    assert lab("replace", "worker3").returncode == 0
    LAB.call("exec", "-u", "alice", "login", "sh", "-c", "cd && timeout 20 srun -w worker3 true")
    assert inside("controller", "sinfo -h -n worker3 -o %E").strip() == "Prolog error"


@pytest.mark.usefixtures("cluster")
def test_a_slurm_conf_in_the_image_is_told(inventory: pathlib.Path) -> None:
    podman("exec", BUILD, "touch", "/etc/slurm/slurm.conf")
    done = bake(inventory)
    assert done.returncode == 0, done.stdout
    assert "The image has /etc/slurm/slurm.conf, which was not changed" in done.stdout
    assert podman("exec", BUILD, "cat", "/etc/slurm/slurm.conf") == ""


@pytest.mark.usefixtures("cluster")
def test_an_image_is_no_host_of_the_cluster(inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    both = tmp_path / "both.yml"
    both.write_text(json.dumps({"slurm_worker_image": {"hosts": {"worker1": {}}}}))
    done = lab("play", "image.yml", "-i", str(both))
    assert done.returncode != 0
    assert "worker1 is both an image and a host of the cluster" in done.stdout
    none = lab("play", "image.yml", "-i", str(inventory), "--limit=controller")
    assert none.returncode != 0
    assert "no host of this run is in the group slurm_worker_image or slurm_login_image" in none.stdout
