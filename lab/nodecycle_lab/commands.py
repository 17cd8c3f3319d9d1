# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of lab/lab."""

from __future__ import annotations

import argparse
import pathlib
import re
import shlex
import sys
import typing as t

from . import cluster, saved
from .console import LabError, say
from .engine import (
    call,
    container,
    digest_of,
    digests_in_use,
    images,
    is_running,
    present,
    prune_images,
    remove_containers,
    table,
)
from .images import make_slurm, slurm_image, suite
from .machine import prepare, write_containers_conf
from .packages import install
from .process import environment, own_playbook, playbook, program, run_through
from .settings import ANSIBLE, ENGINE, ENGINES, HOSTS, INVENTORY, NAME, ROOT, SUITES, USERS, VERSION


def up(*, fresh: bool = False) -> None:
    suite()
    if program(ENGINE) and present():
        if all(cluster.in_all(is_running)):
            states = cluster.node_states()
            if not states:
                raise LabError(
                    f"{NAME} runs, but its slurmctld does not answer. Run `lab/lab reset`, or `lab/lab down`."
                )
            if (version := cluster.slurm_version()) != VERSION:
                raise LabError(
                    f"{NAME} is up with Slurm {version}. Run `lab/lab down` first, or choose another LAB_NAME."
                )
            say(f"{NAME} is up already ({', '.join(f'{node} {state}' for node, state in states.items())})")
            return
        # The machine was restarted or copied, or an `up` was killed: what they ran is gone.
        say(f"{NAME} is there, but not all of its hosts run; starting it afresh")
    make_slurm()
    digest = saved.digest_now()
    is_saved = saved.is_saved(digest) and not fresh
    # Also an `up` that was killed leaves something.
    cluster.remove()
    say(f"starting {len(HOSTS)} containers" + (" from the saved cluster" if is_saved else ""))
    cluster.start(lambda host: saved.image_of(host, digest) if is_saved else slurm_image(), digest)
    if not is_saved:
        say("bringing Slurm up with playbooks/install.yml")
        own_playbook("-i", str(INVENTORY), str(ROOT / "playbooks" / "install.yml"))
        cluster.wait_for_idle()
        say("saving the fresh cluster, for the next up and for reset")
        saved.save(digest)
    cluster.wait_for_idle()
    say(f"{NAME} is up: {', '.join(HOSTS)}; Slurm {VERSION}; all nodes idle")


def reset() -> None:
    names = present()
    if not names:
        raise LabError(f"{NAME} is not up. Run `lab/lab up`.")
    digest = digest_of(names[0])
    if not saved.is_saved(digest):
        raise LabError("there is no saved cluster to go back to. Run `lab/lab down` and `lab/lab up`.")
    cluster.remove()
    say(f"starting {len(HOSTS)} containers from the saved cluster")
    cluster.start(lambda host: saved.image_of(host, digest), digest)
    cluster.wait_for_idle()
    say(f"{NAME} is as new; all nodes idle")


def replace(host: str, image: str) -> None:
    if container(host) not in present():
        raise LabError(f"{NAME} is not up. Run `lab/lab up`.")
    digest = digest_of(container(host))
    remove_containers(container(host))
    cluster.start_host(host, image or saved.image_of(host, digest), digest, cluster.addresses())
    cluster.wait_for_systemd(host)
    say(f"{host} is another one, started from {image or 'the saved cluster'}")


def down(*, with_images: bool = False) -> None:
    if not program(ENGINE):
        return
    cluster.remove()
    kept = []
    if with_images:
        # What another lab runs on, or goes back to, stays.
        needed = tuple(f"-{digest}" for digest in digests_in_use())
        kept = [reference for reference in images() if reference.endswith(needed)]
        for reference in set(images()).difference(kept):
            call("rmi", reference, check=False)
        prune_images()
    gone = " with its images" if with_images else ""
    say(f"{NAME} is gone{gone}" + (", but for those that another lab needs" if kept else ""))


def status() -> None:
    if not present():
        say(f"{NAME} is not up (lab/lab up)")
        sys.exit(1)
    print(table())
    sys.exit(run_through([ENGINE, "exec", container("controller"), "sinfo"]))


def execute(host: str, user: str | None, command: list[str]) -> None:
    flags = ["--interactive"] + (["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else [])
    if user:
        flags += ["--user", user, "--workdir", f"/home/{user}" if user in USERS else "/"]
    sys.exit(run_through([ENGINE, "exec", *flags, container(host), *command]))


def play(name: str, *rest: str) -> None:
    path = pathlib.Path(name) if pathlib.Path(name).exists() else ROOT / "playbooks" / name
    if not path.exists():
        raise LabError(f"there is no playbook {name}, neither here nor in {ROOT / 'playbooks'}.")
    sys.exit(playbook("-i", str(INVENTORY), str(path.resolve()), *rest))


def print_env() -> None:
    write_containers_conf()
    for key in ("LAB_ENGINE", "LAB_NAME", "LAB_SLURM_VERSION", "ANSIBLE_CONFIG", "CONTAINERS_CONF"):
        if key in environment():
            print(f"export {key}={shlex.quote(environment()[key])}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="lab/lab",
        description="A Slurm cluster in containers.",
        epilog=f"Environment: LAB_SLURM_VERSION ({', '.join(SUITES)}; now {VERSION}), LAB_NAME (prefix of all names; now {NAME}), LAB_ENGINE ({', '.join(ENGINES)}; now {ENGINE}), LAB_ANSIBLE (the ansible-playbook to run; now {ANSIBLE or 'that of .venv'}).",
    )
    commands = top.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def add(name: str, function: t.Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        return command

    add("setup", lambda _: prepare(), "install what this machine lacks (apt, with sudo if not root)")
    add(
        "image", lambda a: make_slurm(force=a.force), "build the images where they are missing or outdated"
    ).add_argument("--force", action="store_true", help="build the Slurm image even if it is there")
    add("up", lambda a: up(fresh=a.fresh), "start the cluster and wait until all nodes are idle").add_argument(
        "--fresh", action="store_true", help="install it anew, even where a saved cluster of the same sources is there"
    )
    add("reset", lambda _: reset(), "bring the cluster back to the state just after up")
    add("down", lambda a: down(with_images=a.images), "remove every trace of the cluster").add_argument(
        "--images", action="store_true", help="remove the shared images, too"
    )
    add("status", lambda _: status(), "show containers and nodes")
    text = "put a new host in the place of one, as if its disk were new"
    command = add("replace", lambda a: replace(a.host, a.image), text)
    command.add_argument("host", choices=HOSTS)
    command.add_argument("--image", default="", help="start it from this image (without it: from the saved cluster)")
    command = add("exec", lambda a: execute(a.host, a.user, a.command), "run a command on a host")
    command.add_argument("-u", "--user", choices=[*sorted(USERS), "root"], help="as this user")
    command.add_argument("host", choices=HOSTS)
    command.add_argument("command", nargs=argparse.REMAINDER)
    text = "install Debian packages on a host, also where it reaches no mirror"
    command = add("install", lambda a: install(a.host, a.packages), text)
    command.add_argument("host", choices=HOSTS)
    command.add_argument("packages", nargs="+", metavar="PACKAGE")
    text = "run a playbook on the lab, such as `lab/lab play site.yml --check --diff`"
    command = add("play", lambda a: play(*a.command), text)
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="PLAYBOOK [ARGUMENT...]")
    add("inventory", lambda _: print(INVENTORY), "print the path of the inventory")
    add(
        "env",
        lambda _: print_env(),
        "print what the container engine and ansible-playbook need in the environment, for eval",
    )
    return top


def main() -> None:
    top = parser()
    arguments = top.parse_args()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", NAME):
        top.error(f"LAB_NAME={NAME}: only a-z, 0-9 and - can be part of a container's name")
    if ENGINE not in ENGINES:
        top.error(f"LAB_ENGINE={ENGINE}: choose one of {', '.join(ENGINES)}")
    if arguments.name in ("exec", "play") and not arguments.command:
        top.error(f"{arguments.name}: what shall be run?")
    try:
        arguments.function(arguments)
    except LabError as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
