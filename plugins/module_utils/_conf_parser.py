# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Slurm's own parser, on a slurm.conf that is not yet in place: a copy in a private directory.

Any client command reads the whole configuration before it does anything.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Runner, Slurm, SlurmError


def overlay(changes: t.Iterable[_conf.Change], read: t.Callable[[str], str | None]) -> t.Callable[[str], str | None]:
    """A reader that sees the files as they will be."""
    after = {change.path: change.after for change in changes}
    return lambda path: after[path] if path in after else read(path)


def stage(directory: str, path: str, files: t.Mapping[str, str | None]) -> None:
    """Fill the private directory: links to all files beside slurm.conf, and the files that differ (None: removed).

    Links and not copies, because keys and passwords stand there, too.
    """
    beside = os.path.dirname(path)
    ours = {os.path.basename(name): text for name, text in files.items()}
    for name in os.listdir(beside):
        if name not in ours:
            os.symlink(os.path.join(beside, name), os.path.join(directory, name))
    for name, text in ours.items():
        if text is not None:
            target = os.path.join(directory, name)
            with open(target, "wb") as handle:
                handle.write(text.encode("utf-8", "surrogateescape"))
            os.chmod(target, 0o644)


def parse(changes: t.Sequence[_conf.Change], path: str, run: Runner, directory: str) -> None:
    """Let Slurm's parser read the candidate in a private directory. Raises SlurmError with its words.

    Any client command reads the whole configuration first; this one then asks nobody (22.05 to 26.05).
    """
    stage(directory, path, {change.path: change.after for change in changes})

    def with_candidate(command: list[str]) -> tuple[int, str, str]:
        os.environ["SLURM_CONF"] = os.path.join(directory, os.path.basename(path))
        try:
            return run(command)
        finally:
            del os.environ["SLURM_CONF"]

    try:
        Slurm(with_candidate).call("scontrol", "show", "hostnames", "x")
    except SlurmError as exc:
        # The path in Slurm's words should be the one that the reader knows.
        raise SlurmError(str(exc).replace(directory, os.path.dirname(path))) from exc
