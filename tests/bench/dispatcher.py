# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time that the dispatcher adds to a script: both started as Slurm starts them, by turns."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import statistics
import tempfile
import time

import report
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script, build
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._own_files import dispatcher_bodies

BARE = b"#!/bin/sh\nexit 0\n"
TOUCH = b"#!/bin/sh\ntouch %s/touched\n"
PRINT = b"#!/bin/sh\necho print hello\n"


@dataclasses.dataclass(frozen=True)
class Case:
    """A hook with these scripts."""

    name: str
    hook: str
    scripts: tuple[bytes, ...]
    timeout: int = 0


CASES = (
    Case("job hook, no script", "worker_prolog", ()),
    Case("job hook, one-line script", "worker_prolog", (BARE,)),
    Case("job hook, script with `touch`", "worker_prolog", (TOUCH,)),
    Case("job hook, script that prints", "worker_prolog", (PRINT,)),
    Case("job hook, one-line script with timeout", "worker_prolog", (BARE,), 60),
    Case("job hook, three one-line scripts", "worker_prolog", (BARE, BARE, BARE)),
    Case("task hook, script that prints", "task_prolog", (PRINT,)),
)


def start(path: str) -> float:
    """Milliseconds from before the start of a program to its end: no environment, standard output into a pipe, as Slurm does."""
    reading, writing = os.pipe()
    begin = time.perf_counter_ns()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2), (os.POSIX_SPAWN_CLOSE, reading)]
    process = os.posix_spawn(path, [path], {}, file_actions=actions)
    os.close(writing)
    while os.read(reading, 65536):
        pass
    _pid, status = os.waitpid(process, 0)
    spent = (time.perf_counter_ns() - begin) / 1e6
    os.close(reading)
    if status:
        raise SystemExit(f"bench: {path} ended with status {status}")
    return spent


def prepare(case: Case, root: pathlib.Path) -> tuple[str, list[str]]:
    """Write the release that a host would get; the path of the dispatcher and those of its scripts."""
    scripts = [
        Script(f"script{number}", content.replace(b"%s", str(root).encode()), timeout=case.timeout)
        for number, content in enumerate(case.scripts)
    ]
    release = build({case.hook: scripts}, str(root), dispatcher_bodies())
    assert release  # a hook was given
    folder = root / "releases" / release.id[:16]
    for file in release.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        # The machine that measures need not be a host of ours.
        path.write_bytes(re.sub(rb"(?m)^(state|log)=(.*)$", rb"\1=%s\2" % str(root).encode(), file.content))
        path.chmod(0o755)
    for name in ("lib", "log"):
        (root / "var" / name / "nodecycle" / case.hook).mkdir(parents=True)
    return str(folder / case.hook), [str(folder / f"{case.hook}.d" / name) for name in release.hooks[case.hook]]


def measure(repeats: int) -> str:
    """The table of this part."""
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="nodecycle-bench-") as folder:
            dispatcher, scripts = prepare(case, pathlib.Path(folder))
            pairs = [(sum(map(start, scripts)), start(dispatcher)) for _round in range(repeats + 5)][5:]
        bare, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        added = statistics.median(ours - bare for bare, ours in pairs)
        rows.append([case.name, f"{bare:.1f}", f"{ours:.1f}", f"**{added:.1f}**", f"{ours / bare:.1f}" if bare else ""])
        report.say(f"{case.name}: {added:.1f} ms added")
    return report.table(["hook", "bare ms", "dispatcher ms", "added ms", "ratio"], rows)
