# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the container engine. What podman and Docker understand differently is in Podman and Docker, and nowhere else."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import pathlib
import resource
import subprocess
import typing as t

from . import cgroups
from .console import LabError
from .inside import NotThereError, inside
from .process import run
from .settings import CACHE, DIGEST_LABEL, ENGINE, IMAGE_LABEL, LABEL, NAME, REPOSITORY, VERSION

SUBNETS_TRIED = 5
ULIMITS = (("nofile", resource.RLIMIT_NOFILE), ("memlock", resource.RLIMIT_MEMLOCK), ("stack", resource.RLIMIT_STACK))
#: Docker shows a container its own cgroups, but read-only; systemd writes into them (cgroup v2: the first; v1: the second).
WRITABLE_CGROUPS = (
    "for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd; do mount -o remount,bind,rw $tree 2>/dev/null; done; "
    "exec /sbin/init"
)


class Podman:
    """podman makes a container ready for systemd, and finds a free subnet for fixed addresses."""

    image_exists: tuple[str, ...] = ("image", "exists")
    digest_of_image = f'{{{{index .Labels "{DIGEST_LABEL}"}}}}'
    digest_of_container = f'{{{{index .Labels "{DIGEST_LABEL}"}}}}'
    columns = "table {{.Names}} {{.Status}} {{.Image}}"
    label = "LABEL="
    quiet: tuple[str, ...] = ("--quiet",)
    remove_at_once: tuple[str, ...] = ("--ignore", "--time", "0")
    remove_network: tuple[str, ...] = ("--force",)

    def init(self, name: str) -> tuple[str, ...]:
        return cgroups.init(name) if cgroups.is_needed() else ("/sbin/init",)

    def host_options(self, *capabilities: str) -> list[str]:
        return ["--systemd=always", f"--cap-add={','.join(capabilities)}"]

    def subnet(self, network: dict[str, t.Any]) -> str:
        return str(network["subnets"][0]["subnet"])

    def make_network(self, create: tuple[str, ...], name: str) -> None:
        call(*create, name)


class Docker(Podman):
    """docker leaves both to its caller."""

    image_exists = ("image", "inspect", "--format", "{{.Id}}")
    digest_of_image = f'{{{{index .Config.Labels "{DIGEST_LABEL}"}}}}'
    digest_of_container = f'{{{{.Label "{DIGEST_LABEL}"}}}}'
    columns = "table {{.Names}}\t{{.Status}}\t{{.Image}}"
    label = "LABEL "
    quiet = ()
    remove_at_once = ()
    remove_network = ()

    def init(self, name: str) -> tuple[str, ...]:
        return ("/bin/sh", "-c", WRITABLE_CGROUPS, name)

    def host_options(self, *capabilities: str) -> list[str]:
        # Docker's own tmpfs forbids to execute, which no host's /run and /tmp do.
        memory = [f"--tmpfs={path}:exec" for path in ("/run", "/run/lock", "/tmp", "/var/log/journal")]  # noqa: S108
        # Its service may have lower limits than the caller, for whom the units in the image were made.
        limits = [f"--ulimit={name}={':'.join(map(str, resource.getrlimit(of)))}" for name, of in ULIMITS]
        return [
            *(f"--cap-add={capability}" for capability in capabilities),
            # Never the machine's /sys/fs/cgroup: systemd makes it read-only for everybody.
            "--cgroupns=private",
            # Docker's profile forbids every mount, also those of systemd and of scripts.
            "--security-opt=apparmor=unconfined",
            "--env=container=docker",
            *memory,
            *limits,
        ]

    def subnet(self, network: dict[str, t.Any]) -> str:
        return str(network["IPAM"]["Config"][0]["Subnet"])

    def make_network(self, create: tuple[str, ...], name: str) -> None:
        # Fixed addresses need a subnet that was asked for. Docker knows best which is free; another lab may be faster.
        for attempt in range(SUBNETS_TRIED):
            call(*create, name)
            subnet = subnet_of(name)
            call("network", "rm", name)
            try:
                call(*create, f"--subnet={subnet}", name)
                return
            except LabError:
                if attempt == SUBNETS_TRIED - 1:
                    raise


DIALECT = Docker() if ENGINE == "docker" else Podman()


def call(*arguments: str, check: bool = True, stdin: str | None = None, timeout: float | None = None) -> str:
    return run([ENGINE, *arguments], check=check, stdin=stdin, timeout=timeout).stdout.strip()


def has_image(name: str) -> bool:
    return run([ENGINE, *DIALECT.image_exists, name], check=False).returncode == 0


def image_id(image: str) -> str:
    return call("image", "inspect", "--format", "{{.Id}}", image)


def image_digest(image: str) -> str:
    return call("image", "inspect", "--format", DIALECT.digest_of_image, image)


def images() -> list[str]:
    """All images of all labs."""
    references = call("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return [reference for reference in references if reference.startswith(f"{REPOSITORY}/")]


def import_image(archive: pathlib.Path, image: str) -> None:
    call("import", *DIALECT.quiet, "--change", f"{DIALECT.label}{IMAGE_LABEL}=base", str(archive), image)


def build(image: str, source: pathlib.Path, arguments: dict[str, str], *, force: bool) -> None:
    """Builds a Containerfile that needs no other file; force builds each layer anew."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()] + (["--no-cache"] if force else [])
    # The host's network, because it reaches the mirror wherever the host does.
    call(
        "build",
        "--network=host",
        f"--tag={image}",
        f"--label={IMAGE_LABEL}=host",
        *options,
        "-",
        stdin=source.read_text(),
    )


def commit(name: str, image: str, digest: str) -> None:
    labels = (f"{IMAGE_LABEL}={VERSION}", f"{DIGEST_LABEL}={digest}")
    call("commit", *DIALECT.quiet, *(f"--change={DIALECT.label}{label}" for label in labels), name, image)


@contextlib.contextmanager
def one_at_a_time() -> t.Iterator[None]:
    """For those who make and remove images: what one is building, another one's prune would take for a rest."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "images.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune_images() -> None:
    """Removes what no tag and no container leads to any more."""
    call("image", "prune", "--force", "--filter", f"label={IMAGE_LABEL}", check=False)


def present() -> list[str]:
    """The containers of this lab, also those that do not run."""
    return call("ps", "--all", "--filter", f"label={LABEL}={NAME}", "--format", "{{.Names}}").split()


def table() -> str:
    """The containers of this lab, for the user."""
    return call("ps", "--all", "--filter", f"label={LABEL}={NAME}", "--format", DIALECT.columns)


def digest_of(name: str) -> str:
    """The saved cluster that a container goes back to."""
    return call("inspect", "--format", f'{{{{index .Config.Labels "{DIGEST_LABEL}"}}}}', name)


def digests_in_use() -> list[str]:
    """The saved clusters that the labs of this machine go back to."""
    return call("ps", "--all", "--filter", f"label={LABEL}", "--format", DIALECT.digest_of_container).split()


def remove_containers(*names: str) -> None:
    remove = ("rm", "--force", *DIALECT.remove_at_once, *names)
    # podman 4.3 fails once where a container ended behind its back, and then knows.
    if run([ENGINE, *remove], check=False).returncode != 0:
        call(*remove)
    for name in names:
        cgroups.remove(name)


def make_network(name: str) -> None:
    """A network in which hosts can have fixed addresses."""
    DIALECT.make_network(("network", "create", "--label", f"{LABEL}={NAME}"), name)


def subnet_of(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(DIALECT.subnet(json.loads(call("network", "inspect", network))[0]))


def remove_networks_and_volumes() -> None:
    for kind, options in (("volume", ("--force",)), ("network", DIALECT.remove_network)):
        for name in call(kind, "ls", "--quiet", "--filter", f"label={LABEL}={NAME}").split():
            call(kind, "rm", *options, name)


def container(host: str) -> str:
    return f"{NAME}-{host}"


def try_in(host: str, command: str) -> subprocess.CompletedProcess[str]:
    """The result of a shell command on a host; one that does not run answers nothing, with ssh's exit code."""
    try:
        return run(inside(container(host), command), check=False)
    except NotThereError as error:
        return subprocess.CompletedProcess([command], 255, "", str(error))


def is_running(host: str) -> bool:
    """Asked of the host itself: what the engine has noted outlives the machine's end."""
    return try_in(host, ":").returncode == 0


def in_host(host: str, command: str) -> str:
    """What a shell command says on a host; it has to succeed."""
    done = try_in(host, command)
    if done.returncode != 0:
        raise LabError(f"`{command}` on {host} failed with {done.returncode}:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout
