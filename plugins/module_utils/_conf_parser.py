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


def overlay(changes: t.Iterable[_conf.Change], read: _conf.Read) -> _conf.Read:
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


def parse(path: str, candidate: _conf.Read, run: Runner, directory: str) -> None:
    """Let Slurm's parser read what candidate shows, in a private directory. Raises SlurmError with its words.

    Any client command reads the whole configuration first; this one then asks nobody (22.05 to 26.05).
    """
    beside = os.path.join(os.path.dirname(path), _conf.FRAGMENT)
    as_copies = _conf.together(path, candidate)
    stage(directory, path, {name: as_copies(name) for name in (path, beside)})

    def with_candidate(command: list[str]) -> tuple[int, str, str]:
        os.environ["SLURM_CONF"] = os.path.join(directory, os.path.basename(path))
        try:
            return run(command)
        finally:
            del os.environ["SLURM_CONF"]

    try:
        Slurm(with_candidate).call("scontrol", "show", "hostnames", "x")
    except SlurmError as exc:
        # The paths in Slurm's words should be those that the reader knows.
        ours = os.path.join(directory, _conf.FRAGMENT)
        words = str(exc).replace(ours, _conf.fragment_path(path, candidate))
        raise SlurmError(words.replace(directory, os.path.dirname(path))) from exc
