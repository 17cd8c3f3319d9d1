# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Redirections that bash knows and dash, the /bin/sh of Debian and Ubuntu, reads as something else."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ..program import Redirect
from ..subject import Subject

#: What dash 0.5.12 makes of each (tried).
_IN_DASH = {
    "&>": "starts the command in the background and empties the file: nothing is written there, and a failure is never seen",
    "&>>": "starts the command in the background: nothing is written to the file, and a failure is never seen",
    "|&": "stops with a syntax error",
    "<<<": "stops with a syntax error",
    ">&": "stops with a bad fd number, for only a number may stand there",
}


def bash_redirections(subject: Subject) -> t.Iterator[Hit]:
    """bashism: the first redirection that dash reads otherwise, also in sh -c, where ShellCheck does not look."""
    for redirect in subject.program.redirects:
        if redirect.context.posix and redirect.operator in _IN_DASH and not _names_a_number(subject, redirect):
            message = f"at {redirect.operator} dash {_IN_DASH[redirect.operator]}"
            yield hit_at("bashism", redirect.target, message, fix="Write >file 2>&1, or make the shell bash.")
            return


def _names_a_number(subject: Subject, redirect: Redirect) -> bool:
    """Whether >& copies a file descriptor, or may do so."""
    texts = subject.values.texts(redirect.target, redirect)
    return redirect.operator == ">&" and (not texts or any(text.isdigit() or text == "-" for text in texts))


CHECKS = (bash_redirections,)
