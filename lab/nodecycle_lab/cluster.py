# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of one lab, with their network and volume: started, waited for, removed."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

from .console import LabError
from .engine import (
    DIALECT,
    call,
    container,
    make_network,
    present,
    remove_containers,
    remove_networks_and_volumes,
    subnet_of,
    try_in,
)
from .settings import DIGEST_LABEL, ENGINE, HOSTS, LABEL, NAME, WORKERS

#: Never the name alone: podman takes one of hex digits for the beginning of another network's id.
NETWORK = f"{NAME}-network"
SYSTEMD_TIMEOUT = 60
IDLE_TIMEOUT = 90

T = t.TypeVar("T")


def in_all(function: t.Callable[[str], T], hosts: t.Sequence[str] = HOSTS) -> list[T]:
    """Calls function(host) for all hosts at once; the engine spends its time waiting."""
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(function, hosts))


def addresses() -> dict[str, str]:
    """Fixed ones: a host that boots again has the address by which slurmctld knows it, as in a machine room."""
    subnet = subnet_of(NETWORK)
    return {host: str(subnet[10 + number]) for number, host in enumerate(HOSTS)}


def start_host(host: str, image: str, digest: str, known: dict[str, str]) -> None:
    """Starts a host from an image. known: the addresses of all hosts."""
    # podman's name server forgets a container that is switched off; a machine room's does not, and slurmctld would wait for it.
    names = [f"--add-host={each}:{address}" for each, address in known.items()]
    options = (
        f"--name={container(host)}",
        f"--hostname={host}",
        f"--network={NETWORK}",
        f"--ip={known[host]}",
        f"--network-alias={host}",
        f"--volume={NAME}-home:/home",
        f"--label={LABEL}={NAME}",
        f"--label={DIGEST_LABEL}={digest}",
        # root of a node may unshare namespaces and mount; scripts rely on it.
        *DIALECT.host_options("SYS_ADMIN", "NET_ADMIN"),
    )
    call("run", "--detach", *options, *names, image, *DIALECT.init(container(host)))


def start(image_of: t.Callable[[str], str], digest: str) -> None:
    """Starts all hosts, each from its image, and waits until their systemd has."""
    make_network(NETWORK)
    call("volume", "create", "--label", f"{LABEL}={NAME}", f"{NAME}-home")
    known = addresses()
    # One first: an empty volume is filled from the image of its first user.
    start_host(HOSTS[0], image_of(HOSTS[0]), digest, known)
    in_all(lambda host: start_host(host, image_of(host), digest, known), HOSTS[1:])
    in_all(wait_for_systemd)


def wait_for_systemd(host: str) -> None:
    deadline = time.monotonic() + SYSTEMD_TIMEOUT
    while True:
        state = try_in(host, "systemctl is-system-running").stdout.strip()
        if state in ("running", "degraded"):
            return
        if time.monotonic() > deadline:
            raise LabError(
                f"systemd in {container(host)} is '{state or 'not reachable'}' after {SYSTEMD_TIMEOUT} s; see `{ENGINE} logs {container(host)}`."
            )
        time.sleep(0.3)


def node_states() -> dict[str, str]:
    out = try_in("controller", "sinfo --noheader --Node --format '%N %T'").stdout
    return dict(line.split() for line in out.splitlines() if len(line.split()) == 2)


def slurm_version() -> str:
    """The release that the controller has, as LAB_SLURM_VERSION names it."""
    # "slurm 24.11.5", or "slurm-wlm 22.05.8" of Debian.
    return ".".join(try_in("controller", "sinfo --version").stdout.rpartition(" ")[2].split(".")[:2])


def wait_for_idle() -> None:
    deadline = time.monotonic() + IDLE_TIMEOUT
    while True:
        states = node_states()
        if all(states.get(worker) == "idle" for worker in WORKERS):
            return
        if time.monotonic() > deadline:
            raise LabError(
                f"the nodes are not idle after {IDLE_TIMEOUT} s: {states or 'slurmctld does not answer'}. See `lab/lab exec controller journalctl -u slurmctld`."
            )
        time.sleep(0.3)


def remove() -> None:
    names = present()
    if names:
        remove_containers(*names)
    remove_networks_and_volumes()
