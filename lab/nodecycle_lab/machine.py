# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine: what podman needs here that it has not, and the cures."""

from __future__ import annotations

import os
import pathlib
import re
import resource

from . import cgroups
from .console import LabError, say
from .process import CONTAINERS_CONF, prepare_collections, program, run
from .settings import ENGINE

#: What the packaged units ask for; None is infinity.
UNIT_LIMITS = (
    ("LimitNOFILE", resource.RLIMIT_NOFILE, 131072),
    ("LimitMEMLOCK", resource.RLIMIT_MEMLOCK, None),
    ("LimitSTACK", resource.RLIMIT_STACK, None),
)


def can_raise_nofile() -> bool:
    """Whether a container may get podman's default limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard >= 1048576:
        return True
    if os.geteuid() != 0:
        return True  # rootless podman takes the user's own hard limit as it is
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, 1048576))
    except (ValueError, OSError):
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return True


def cures() -> dict[str, list[str]]:
    """The lines of containers.conf that podman needs on this machine; usually none."""
    sections: dict[str, list[str]] = {"containers": [], "engine": []}
    if not can_raise_nofile():
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        processes = 4096 if processes == resource.RLIM_INFINITY else min(processes, 4096)
        sections["containers"].append(f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]')
    if cgroups.has_v1():
        # crun refuses cgroup v1 and v2 side by side; runc does not.
        sections["engine"].append('runtime = "runc"')
        sections["containers"].append("pids_limit = 0")
    if not pathlib.Path("/run/systemd/system").exists():
        # Neither systemd's cgroups nor its journal are there to be used.
        sections["engine"] += ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
        sections["containers"].append('log_driver = "k8s-file"')
    return {name: lines for name, lines in sections.items() if lines}


def write_containers_conf() -> None:
    sections = cures()
    if not sections:
        CONTAINERS_CONF.unlink(missing_ok=True)
        return
    text = "# Written by lab/lab for this machine.\n"
    for name, lines in sections.items():
        text += f"[{name}]\n" + "\n".join(lines) + "\n"
    CONTAINERS_CONF.parent.mkdir(parents=True, exist_ok=True)
    if not CONTAINERS_CONF.exists() or CONTAINERS_CONF.read_text(encoding="utf-8") != text:
        CONTAINERS_CONF.write_text(text, encoding="utf-8")
        say(f"podman needs help on this machine: wrote {CONTAINERS_CONF}")


def helper(name: str) -> pathlib.Path | None:
    """podman's own helpers are not in PATH."""
    folders = ("/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman", "/usr/lib/podman")
    return next((path for path in (pathlib.Path(folder, name) for folder in folders) if path.exists()), None)


def missing_packages() -> list[str]:
    """Programs are asked for, not packages, so that other sources of them count."""
    wanted = {"podman": "podman"}
    if 'runtime = "runc"' in cures().get("engine", []):
        wanted["runc"] = "runc"
    if os.geteuid() != 0:
        wanted |= {"newuidmap": "uidmap", "slirp4netns": "slirp4netns"}
    packages = [package for name, package in wanted.items() if not program(name)]
    packages += [name for name in ("netavark", "aardvark-dns") if helper(name) is None]
    # netavark drives a firewall program that Debian's podman only recommends;
    # before 1.10 it knew iptables alone.
    netavark = helper("netavark")
    version = re.search(r"(\d+)\.(\d+)", run([str(netavark), "--version"], check=False).stdout) if netavark else None
    knows_nft = version is not None and (int(version[1]), int(version[2])) >= (1, 10)
    if not program("iptables") and not (knows_nft and program("nft")):
        packages.append("iptables")
    return packages


def install_packages(packages: list[str]) -> None:
    if not packages:
        return
    if not program("apt-get"):
        raise LabError(f"this machine has no apt-get; install these yourself, then repeat: {', '.join(packages)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if sudo and not program("sudo"):
        raise LabError(f"not root and no sudo here; have these packages installed, then repeat: {', '.join(packages)}")
    say(f"installing {', '.join(packages)} on this machine")
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    # A source that does not answer must not stop the others.
    run([*apt, "update"], check=False)
    run([*apt, "install", "--yes", "--no-install-recommends", *packages])


def limits_dropin() -> str:
    """For the units: a container may not raise its limits, and one that asks for more fails to start."""
    lines = []
    for name, limit, wanted in UNIT_LIMITS:
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY and (wanted is None or hard < wanted):
            lines.append(f"{name}={hard}")
    return "\n".join(["[Service]", *lines, ""]) if lines else ""


def require_docker() -> None:
    """Docker is a service that changes the machine's firewall, so its installation is the user's own step."""
    if not program("docker"):
        raise LabError(
            "LAB_ENGINE=docker, but docker is not installed. Install it, or leave LAB_ENGINE out for podman."
        )
    done = run(["docker", "version", "--format", "{{.Server.Version}}"], check=False)
    if done.returncode != 0:
        raise LabError(
            f"LAB_ENGINE=docker, but docker does not answer. Start its service. It says: {done.stderr.strip()}"
        )


def prepare() -> None:
    """Makes this machine ready; does nothing where it is ready already."""
    if ENGINE == "docker":
        require_docker()
    else:
        install_packages(missing_packages())
        write_containers_conf()
    prepare_collections()
