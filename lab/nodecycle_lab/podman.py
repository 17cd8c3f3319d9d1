# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of podman."""

from __future__ import annotations

import pathlib
import subprocess

from .console import LabError
from .inside import NotThereError, inside
from .process import run
from .settings import DIGEST_LABEL, IMAGE_LABEL, LABEL, NAME, REPOSITORY, VERSION


def podman(*arguments: str, check: bool = True, stdin: str | None = None, timeout: float | None = None) -> str:
    return run(["podman", *arguments], check=check, stdin=stdin, timeout=timeout).stdout.strip()


def has_image(name: str) -> bool:
    return run(["podman", "image", "exists", name], check=False).returncode == 0


def image_id(image: str) -> str:
    return podman("image", "inspect", "--format", "{{.Id}}", image)


def image_digest(image: str) -> str:
    return podman("image", "inspect", "--format", f'{{{{index .Labels "{DIGEST_LABEL}"}}}}', image)


def images() -> list[str]:
    """All images of all labs."""
    references = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return [reference for reference in references if reference.startswith(f"{REPOSITORY}/")]


def build(image: str, source: pathlib.Path, arguments: dict[str, str], *, force: bool) -> None:
    """Builds a Containerfile that needs no other file; force builds each layer anew."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()] + (["--no-cache"] if force else [])
    # The host's network, because it reaches the mirror wherever the host does.
    podman(
        "build",
        "--network=host",
        f"--tag={image}",
        f"--label={IMAGE_LABEL}=host",
        *options,
        "-",
        stdin=source.read_text(),
    )


def commit(name: str, image: str, digest: str) -> None:
    labels = (f"LABEL={IMAGE_LABEL}={VERSION}", f"LABEL={DIGEST_LABEL}={digest}")
    podman("commit", "--quiet", *(f"--change={label}" for label in labels), name, image)


def prune_images() -> None:
    """Removes what no tag and no container leads to any more."""
    podman("image", "prune", "--force", "--filter", f"label={IMAGE_LABEL}", check=False)


def present() -> list[str]:
    """The containers of this lab, also those that do not run."""
    return podman("ps", "--all", "--filter", f"label={LABEL}={NAME}", "--format", "{{.Names}}").split()


def remove_containers(*names: str) -> None:
    podman("rm", "--force", "--ignore", "--time", "0", *names)


def container(host: str) -> str:
    return f"{NAME}-{host}"


def try_in(host: str, command: str) -> subprocess.CompletedProcess[str]:
    """The result of a shell command on a host; one that does not run answers nothing, with ssh's exit code."""
    try:
        return run(inside(container(host), command), check=False)
    except NotThereError as error:
        return subprocess.CompletedProcess([command], 255, "", str(error))


def in_host(host: str, command: str) -> str:
    """What a shell command says on a host; it has to succeed."""
    done = try_in(host, command)
    if done.returncode != 0:
        raise LabError(f"`{command}` on {host} failed with {done.returncode}:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout
