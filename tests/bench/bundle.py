# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the bundle for new nodes adds to a job, and its size."""

from __future__ import annotations

import pathlib
import random
import shutil
import statistics
import tempfile

import report
from ansible_collections.nodecycle.slurm.plugins.module_utils import _bundle
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script, build
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._own_files import dispatcher_bodies
from dispatcher import start

#: Nodes and different releases.
CASES = ((3, 1), (1000, 1), (1000, 50))
SCRIPTS = 50
#: Bytes of a script that nobody can compress, which is the worst case.
LENGTH = 1500


def _release(root: str, number: int) -> Release:
    chance = random.Random(number)  # noqa: S311 - the same bytes in each run
    scripts = [
        Script(f"script{place}", f"#!/bin/sh\nexit 0\n# {chance.randbytes(LENGTH // 2).hex()}\n".encode())
        for place in range(SCRIPTS)
    ]
    found = build({"worker_prolog": scripts}, root, dispatcher_bodies())
    assert found  # a hook was given
    return found


def _write(place: pathlib.Path, nodes: int, releases: int) -> pathlib.Path:
    """The bundle, for a node of the middle: on most nodes sh does not read the whole table."""
    root = str(place / "etc")
    made = [_release(root, number) for number in range(releases)]
    table = {f"node{number:04}": _bundle.Meant(made[number % releases].id) for number in range(nodes)}
    text = _bundle.render(root, table, {one.id: _bundle.carry(one) for one in made}, 1800, str(place / "run"))
    bundle = place / _bundle.NAME
    bundle.write_text(text.replace("${SLURMD_NODENAME-}", f"node{nodes // 2:04}"))
    bundle.chmod(0o755)
    return bundle


def measure(repeats: int) -> str:
    """The table of this part."""
    rows = []
    for nodes, releases in CASES:
        with tempfile.TemporaryDirectory(prefix="nodecycle-bench-") as folder:
            place = pathlib.Path(folder)
            bundle = _write(place, nodes, releases)
            # The job's scripts themselves would hide the difference.
            empty = place / "empty"
            empty.write_text("#!/bin/sh\nexit 0\n")
            empty.chmod(0o755)
            first = []
            for _round in range(max(1, repeats // 10)):
                shutil.rmtree(place / "etc", ignore_errors=True)
                shutil.rmtree(place / "run", ignore_errors=True)
                # The second one runs the same scripts.
                first.append(start(str(bundle)) - start(str(bundle)))
            dispatcher = place / "etc/current/worker_prolog"
            shutil.copy(empty, dispatcher)
            pairs = [(start(str(empty)), start(str(bundle))) for _round in range(repeats + 5)][5:]
            added = statistics.median(ours - bare for bare, ours in pairs)
            size = bundle.stat().st_size / 1024
            rows.append(
                [
                    f"{nodes} nodes, {releases} releases",
                    f"{size:.0f}",
                    f"{statistics.median(first):.0f}",
                    f"**{added:.1f}**",
                ]
            )
            report.say(f"{nodes} nodes, {releases} releases: {added:.1f} ms added")
    return report.table([f"bundle, {SCRIPTS} scripts", "KiB", "first job ms", "added ms"], rows)
