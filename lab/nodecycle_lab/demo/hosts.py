# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the lab, as the demonstration asks them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import pathlib
import re
import shlex
import subprocess
import typing as t

from ..console import LabError
from ..engine import container
from ..inside import inside

#: For each host, what on_host.py says of it.
Facts = dict[str, dict[str, t.Any]]

ON_HOST = pathlib.Path(__file__).with_name("on_host.py")


def command(host: str, *words: str, user: str = "root") -> list[str]:
    """The command line that runs a command on a host, in the user's home."""
    return inside(container(host), f"cd ~{user} && exec {shlex.join(words)}", user)


def run(host: str, *words: str, user: str = "root", text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(host, *words, user=user), check=False, input=text, capture_output=True, text=True)


def out(host: str, *words: str, user: str = "root", text: str = "") -> str:
    """What a command says on a host; it has to succeed."""
    done = run(host, *words, user=user, text=text)
    if done.returncode:
        raise LabError(f"`{shlex.join(words)}` on {host} failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def gather(hosts: t.Sequence[str], since: float) -> Facts:
    """What each host has to say (on_host.py)."""
    source = ON_HOST.read_text(encoding="utf-8")

    def one(host: str) -> dict[str, t.Any]:
        found: dict[str, t.Any] = json.loads(out(host, "python3", "-", str(int(since)), text=source))
        return found

    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        return dict(zip(hosts, pool.map(one, hosts), strict=True))


@dataclasses.dataclass
class Node:
    name: str
    state: str
    reason: str
    partitions: list[str]

    @property
    def is_out(self) -> bool:
        """Whether it takes no jobs until somebody resumes or repairs it."""
        return re.search("drain|down|fail", self.state) is not None


def nodes() -> list[Node]:
    """All nodes; a reason only where Slurm means it: 24.11 keeps the old one after a resume."""
    found: dict[str, Node] = {}
    # A line for each of a node's partitions.
    for line in out("controller", "sinfo", "--noheader", "--Node", "--format", "%N|%R|%T|%E").splitlines():
        name, partition, state, reason = line.split("|", 3)
        node = found.setdefault(name, Node(name, state, "", []))
        node.partitions.append(partition)
        if node.is_out and reason != "none":
            node.reason = reason
    return list(found.values())
