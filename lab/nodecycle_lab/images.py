# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that every lab of this machine starts from: Debian (base), a host of the lab (host), and one with Slurm (slurm)."""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import urllib.request

from .console import LabError, say
from .engine import (
    build,
    call,
    commit,
    container,
    has_image,
    image_digest,
    image_id,
    import_image,
    one_at_a_time,
    prune_images,
    remove_containers,
)
from .machine import install_packages, limits_dropin, prepare
from .process import own_playbook, program, run
from .settings import CACHE, REPOSITORY, ROOT, SUITES, TESTING, USERS, VERSION

PULL_TIMEOUT = 60


def suite() -> str:
    if VERSION not in SUITES:
        raise LabError(f"LAB_SLURM_VERSION={VERSION} is not known; choose one of {', '.join(SUITES)}.")
    return SUITES[VERSION]


def base_image() -> str:
    return f"{REPOSITORY}/base:{suite()}"


def host_image() -> str:
    return f"{REPOSITORY}/host:{suite()}"


def slurm_image() -> str:
    return f"{REPOSITORY}/slurm:{VERSION}"


def has_suite(uri: str) -> bool:
    try:
        request = urllib.request.urlopen(f"{uri}/dists/{suite()}/InRelease", timeout=10)  # noqa: S310 (apt's own http sources)
    except (OSError, ValueError):
        return False
    with request:
        return True


def mirror() -> str | None:
    """The first source of this machine's apt that holds the wanted suite."""
    done = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], check=False)
    uris = (uri.rstrip("/") for uri in dict.fromkeys(done.stdout.split()))
    return next((uri for uri in uris if uri.startswith(("http://", "https://")) and has_suite(uri)), None)


def valid_for_ever() -> list[str]:
    """Debian testing's list of packages is valid for a week, and a mirror may be older."""
    return ['--aptopt=Acquire::Check-Valid-Until "false"'] if suite() == TESTING else []


def make_base() -> None:
    if has_image(base_image()):
        return
    short = f"debian:{suite()}"
    say(f"base image: pulling {short} (at most {PULL_TIMEOUT} s)")
    try:
        call("pull", "--quiet", short, timeout=PULL_TIMEOUT)
        call("tag", short, base_image())
        return
    except (LabError, subprocess.TimeoutExpired):
        say("no image can be pulled here")
    keyring = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    install_packages(
        ([] if program("mmdebstrap") else ["mmdebstrap"]) + ([] if keyring.exists() else ["debian-archive-keyring"])
    )
    # mmdebstrap has a default of its own when the machine names no mirror that has the suite.
    source = [uri] if (uri := mirror()) else []
    say(f"base image: making Debian {suite()} with mmdebstrap (a minute or two)")
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"base-{suite()}.tar"
    try:
        run(["mmdebstrap", "--quiet", "--variant=apt", *valid_for_ever(), suite(), str(archive), *source])
        import_image(archive, base_image())
    finally:
        archive.unlink(missing_ok=True)


def digest_of(start: str, *paths: pathlib.Path) -> str:
    digest = hashlib.sha256(start.encode())
    for path in sorted(path for top in paths for path in ([top] if top.is_file() else top.rglob("*"))):
        if path.is_file():
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def slurm_digest() -> str:
    """Changes when the sources of the Slurm image change."""
    tasks = ROOT / "roles" / "install" / "tasks"
    return digest_of(
        "\0".join((image_id(base_image()), users(), limits_dropin())),
        ROOT / "lab" / "Containerfile",
        ROOT / "lab" / "compiled.py",
        ROOT / "lab" / "image.yml",
        tasks / "guard.yml",
        tasks / "packages.yml",
    )


def users() -> str:
    return " ".join(f"{user}:{uid}" for user, uid in USERS.items())


def make_host(*, force: bool) -> None:
    say(f"host image: building lab/Containerfile for Debian {suite()}")
    arguments = {"BASE": f"{REPOSITORY}/base", "SUITE": suite(), "USERS": users()}
    build(host_image(), ROOT / "lab" / "Containerfile", arguments, force=force)


def make_slurm(*, force: bool = False) -> None:
    """Makes all images, where they are missing or their sources have changed."""
    prepare()
    with one_at_a_time():
        _make_slurm(force=force)


def _make_slurm(*, force: bool) -> None:
    make_base()
    wanted = slurm_digest()
    if has_image(slurm_image()) and image_digest(slurm_image()) == wanted and not force:
        return
    make_host(force=force)
    say(f"Slurm {VERSION} image: installing the packages with the role install")
    builder = container("build")
    # One that was interrupted.
    remove_containers(builder)
    # The host's network, because it reaches the mirror wherever the host does.
    call("run", "--detach", "--name", builder, "--network=host", host_image(), "sleep", "infinity")
    try:
        variables = json.dumps({"lab_image_container": builder, "lab_image_limits": limits_dropin()})
        own_playbook("-i", f"{builder},", "-e", variables, str(ROOT / "lab" / "image.yml"))
        commit(builder, slurm_image(), wanted)
    finally:
        remove_containers(builder)
    prune_images()
