# SPDX-License-Identifier: GPL-3.0-or-later
"""More of Debian's packages on a host of the lab, also where its containers reach no mirror."""

from __future__ import annotations

import hashlib
import pathlib

from .console import say
from .engine import call, container, image_id, in_host, remove_containers
from .images import slurm_image
from .settings import CACHE, VERSION

APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Options::=--force-unsafe-io"


def download(names: list[str]) -> pathlib.Path:
    """An archive of the packages and of all that they need beside those of the Slurm image. It is made once for an image."""
    digest = hashlib.sha256("\0".join((image_id(slurm_image()), *names)).encode()).hexdigest()[:12]
    archive = CACHE / "packages" / f"{VERSION}-{digest}.tar"
    if archive.exists():
        return archive
    say(f"downloading {', '.join(names)}, once for this image")
    archive.parent.mkdir(parents=True, exist_ok=True)
    half = archive.with_suffix(".half")
    builder = container("packages")
    # One that was interrupted.
    remove_containers(builder)
    # The host's network, because it reaches the mirror wherever the host does.
    call("run", "--detach", "--name", builder, "--network=host", slurm_image(), "sleep", "infinity")
    try:
        options = "--yes --download-only --no-install-recommends -o Dir::Cache::archives=/packages"
        fetch = f"mkdir -p /packages/partial && {APT} update && {APT} install {options} {' '.join(names)}"
        call("exec", builder, "sh", "-c", f"{fetch} && cd /packages && tar -cf /packages.tar *.deb")
        call("cp", f"{builder}:/packages.tar", str(half))
        half.replace(archive)
    finally:
        remove_containers(builder)
    return archive


def install(host: str, names: list[str]) -> None:
    """Installs packages on a host of the running lab, whose own apt need reach nothing."""
    archive = download(names)
    call("cp", str(archive), f"{container(host)}:/var/cache/lab-packages.tar")
    unpack = "cd /var/cache && rm -rf lab-packages && mkdir lab-packages && tar -C lab-packages -xf lab-packages.tar"
    in_host(
        host, f"{unpack} && {APT} install --yes --no-install-recommends ./lab-packages/*.deb && rm -r lab-packages*"
    )
    say(f"{', '.join(names)}: installed on {host}")
