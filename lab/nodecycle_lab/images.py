# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that every lab of this machine starts from: Debian (base), and Debian with Slurm."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import urllib.request

from .console import LabError, say
from .machine import install_packages, limits_dropin, prepare
from .podman import commit, has_image, image_digest, image_id, podman, prune_images
from .process import own_playbook, program, run
from .settings import CACHE, IMAGE_LABEL, REPOSITORY, ROOT, SUITES, USERS, VERSION

#: What systemd in a container and Ansible need beside an ordinary base image.
BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "iproute2",
    "procps",
    "passwd",
    "sudo",
    "ca-certificates",
)
#: Kept as a package file in the image, so that scripts which install a package
#: can be tried where containers reach no mirror.
OFFLINE_PACKAGE = "jq"
#: The packages start them; in the image they wait for the role install.
SLURM_DAEMONS = ("slurmctld", "slurmd", "sackd")

PULL_TIMEOUT = 60


def suite() -> str:
    if VERSION not in SUITES:
        raise LabError(f"LAB_SLURM_VERSION={VERSION} is not known; choose one of {', '.join(SUITES)}.")
    return SUITES[VERSION]


def base_image() -> str:
    return f"{REPOSITORY}/base:{suite()}"


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


def make_base() -> None:
    if has_image(base_image()):
        return
    short = f"debian:{suite()}"
    say(f"base image: pulling {short} (at most {PULL_TIMEOUT} s)")
    try:
        podman("pull", "--quiet", short, timeout=PULL_TIMEOUT)
        podman("tag", short, base_image())
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
        run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=apt",
                f"--include={','.join(BASE_PACKAGES)}",
                suite(),
                str(archive),
                *source,
            ]
        )
        podman("import", "--quiet", "--change", f"LABEL={IMAGE_LABEL}=base", str(archive), base_image())
    finally:
        archive.unlink(missing_ok=True)


def digest_of(start: str, *paths: pathlib.Path) -> str:
    digest = hashlib.sha256(start.encode())
    for path in sorted(path for top in paths for path in ([top] if top.is_file() else top.rglob("*"))):
        if path.is_file():
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def slurm_digest() -> str:
    """Changes when what goes into the Slurm image changes."""
    tasks = ROOT / "roles" / "install" / "tasks"
    start = "\0".join((image_id(base_image()), PREPARE, FINISH, limits_dropin()))
    return digest_of(start, ROOT / "lab" / "image.yml", tasks / "guard.yml", tasks / "packages.yml")


PREPARE = """
set -e
export DEBIAN_FRONTEND=noninteractive
# An official image deletes what apt downloads.
rm -f /etc/apt/apt.conf.d/docker-clean
apt-get -qq update
apt-get -qq install --yes --no-install-recommends {base} >/dev/null
rm -f /usr/sbin/policy-rc.d
systemctl mask --quiet getty.target console-getty.service systemd-logind.service apt-daily.timer apt-daily-upgrade.timer \
    systemd-networkd-wait-online.service
for user in {users}; do
    useradd --create-home --shell /bin/bash --uid "${{user#*:}}" "${{user%:*}}"
done
"""

FINISH = """
set -e
for unit in munge {daemons}; do systemctl disable --quiet $unit 2>/dev/null || true; done
# Each cluster makes its own.
rm -f /etc/munge/munge.key
apt-get -qq clean
apt-get -qq install --yes --download-only --no-install-recommends {offline} >/dev/null
: > /etc/machine-id
if [ -s /tmp/limits.conf ]; then
    for unit in slurmctld slurmd sackd; do
        mkdir -p /etc/systemd/system/$unit.service.d
        cp /tmp/limits.conf /etc/systemd/system/$unit.service.d/lab-limits.conf
    done
fi
rm -f /tmp/limits.conf
"""


def make_slurm(*, force: bool = False) -> None:
    """Makes both images, where they are missing or their sources have changed."""
    prepare()
    make_base()
    wanted = slurm_digest()
    if has_image(slurm_image()) and image_digest(slurm_image()) == wanted and not force:
        return
    say(f"Slurm {VERSION} image: preparing")
    builder = f"nodecycle-lab-build-{os.getpid()}"
    # The host's network, because it reaches the mirror wherever the host does.
    podman("run", "--detach", "--name", builder, "--network=host", base_image(), "sleep", "infinity")
    try:
        users = " ".join(f"{user}:{uid}" for user, uid in USERS.items())
        podman("exec", "--interactive", builder, "sh", stdin=PREPARE.format(base=" ".join(BASE_PACKAGES), users=users))
        say(f"Slurm {VERSION} image: installing the packages with the role install")
        own_playbook("-i", f"{builder},", "-e", f"lab_image_container={builder}", str(ROOT / "lab" / "image.yml"))
        podman("exec", "--interactive", builder, "sh", "-c", "cat > /tmp/limits.conf", stdin=limits_dropin())
        podman(
            "exec",
            "--interactive",
            builder,
            "sh",
            stdin=FINISH.format(daemons=" ".join(SLURM_DAEMONS), offline=OFFLINE_PACKAGE),
        )
        say(f"Slurm {VERSION} image: saving")
        commit(builder, slurm_image(), wanted)
        prune_images()
    finally:
        podman("rm", "--force", "--time", "0", builder, check=False)
