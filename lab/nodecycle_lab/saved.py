# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh cluster, saved as one image a host, so that the next `up` and `reset` need no installation.

This file is part of the digest: a change of how a cluster is saved makes a new one.
"""

from __future__ import annotations

import pathlib

from .cluster import in_all
from .engine import (
    call,
    commit,
    container,
    digests_in_use,
    has_image,
    image_id,
    images,
    in_host,
    one_at_a_time,
    prune_images,
    try_in,
)
from .images import digest_of, slurm_image
from .settings import HOSTS, INVENTORY, REPOSITORY, ROOT, VERSION

#: The units whose state a saved cluster must hold whole.
DAEMONS = ("slurmctld", "slurmd", "sackd")


def digest_now() -> str:
    """Changes when the sources of a fresh cluster change."""
    return digest_of(
        image_id(slurm_image()),
        ROOT / "roles" / "install",
        ROOT / "playbooks" / "install.yml",
        ROOT / "lab" / "group_vars",
        pathlib.Path(__file__).resolve(),
        INVENTORY,
    )


def image_of(host: str, digest: str) -> str:
    return f"{REPOSITORY}/{host}:{VERSION}-{digest}"


def is_saved(digest: str) -> bool:
    return all(has_image(image_of(host, digest)) for host in HOSTS)


def save(digest: str) -> None:
    """Keeps every host as it is now; with the daemons stopped, so that their state files are whole."""

    def active(host: str) -> list[str]:
        return try_in(
            host, f"for u in {' '.join(DAEMONS)}; do systemctl -q is-active $u && echo $u; done"
        ).stdout.split()

    daemons = dict(zip(HOSTS, in_all(active), strict=True))
    # 22.05 has no daemon for a login node.
    with_daemons = [host for host in HOSTS if daemons[host]]
    in_all(lambda host: in_host(host, f"systemctl stop {' '.join(daemons[host])}"), with_daemons)
    # The controller remembers by its address the login node that asked for the configuration, and in another lab that address is another's.
    in_host("controller", "rm -f /var/lib/slurm/slurmctld/node_state*")
    with one_at_a_time():
        in_all(lambda host: commit(container(host), image_of(host, digest), digest))
        drop_all_but(digest)
    in_all(lambda host: in_host(host, f"systemctl start {' '.join(daemons[host])}"), with_daemons)


def drop_all_but(digest: str) -> None:
    """Removes the saved clusters of this version that no lab of this machine goes back to."""
    keep = {f"{VERSION}-{used}" for used in (digest, *digests_in_use())}
    for reference in images():
        tag = reference.rpartition(":")[2]
        if tag.startswith(f"{VERSION}-") and tag not in keep:
            call("rmi", reference, check=False)
    prune_images()
