# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs: how they are run, and with which environment."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess

from .console import LabError
from .settings import ANSIBLE, CACHE, ENGINE, NAME, ROOT, VERSION

#: Written by machine.py, where podman needs it.
CONTAINERS_CONF = CACHE / "containers.conf"


def environment() -> dict[str, str]:
    env = dict(
        os.environ,
        LAB_ENGINE=ENGINE,
        LAB_NAME=NAME,
        LAB_SLURM_VERSION=VERSION,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
    )
    if "CONTAINERS_CONF" not in env and CONTAINERS_CONF.exists():
        env["CONTAINERS_CONF"] = str(CONTAINERS_CONF)
    # A silent minute looks like a hang.
    env.setdefault("PYTHONUNBUFFERED", "1")
    return env


def program(name: str) -> bool:
    # An ordinary user of Debian has no sbin in his PATH.
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def run(
    command: list[str], *, check: bool = True, stdin: str | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs quietly; a failure shows everything that was said."""
    # An empty input rather than none: nothing here may wait for the terminal.
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            input=stdin or "",
            timeout=timeout,
            cwd=ROOT,
            env=environment(),
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed. Run `lab/lab setup` first.") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{shlex.join(command)}` failed with {done.returncode}:\n{said}")
    return done


def run_through(command: list[str]) -> int:
    """Runs with the user's own input and output."""
    return subprocess.run(command, check=False, cwd=ROOT, env=environment()).returncode


def prepare_collections() -> None:
    run([str(ROOT / "tools" / "link-collection")])
    run([str(ROOT / "tools" / "vendor-collections")])


def playbook(*arguments: str, directory: pathlib.Path = ROOT, settings: dict[str, str] | None = None) -> int:
    """Runs ansible-playbook, started in a directory, with more settings in its environment."""
    own = ROOT / ".venv" / "bin" / "ansible-playbook"
    command = ANSIBLE or (str(own) if own.exists() else shutil.which("ansible-playbook"))
    if command is None:
        raise LabError("ansible-playbook was not found. Run `make setup`, or install ansible-core 2.16 or newer.")
    prepare_collections()
    env = environment() | (settings or {})
    return subprocess.run(
        [command, *arguments], check=False, cwd=directory, env=env, stdin=subprocess.DEVNULL
    ).returncode


def own_playbook(*arguments: str) -> None:
    """Runs a playbook that the lab needs; only what it changes is shown."""
    quiet = {"ANSIBLE_DISPLAY_OK_HOSTS": "false", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"}
    code = playbook(*arguments, settings=quiet)
    if code != 0:
        raise LabError(f"ansible-playbook failed with {code}; its output is above.")
