# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Redirections that bash knows and dash, the /bin/sh of Debian and Ubuntu, reads as something else."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ..model import word_set
from ..program import Call, Redirect
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


#: The names behind set -o that dash 0.5.12 knows: set -o prints them.
_OPTIONS = word_set(
    """
    errexit noglob ignoreeof interactive monitor noexec stdin xtrace verbose vi emacs noclobber allexport notify nounset nolog
    debug
    """
)


def bash_options(subject: Subject) -> t.Iterator[Hit]:
    """bashism: set -o with a name that ends dash, unless the script tries it first or asks for bash."""
    program = subject.program
    told: set[str] = set()
    for call in program.named("set"):
        names = [name.shown for name in call.values_of("-o")]
        for name in names:
            if call.context.posix and name.isalpha() and name not in _OPTIONS | told and not _tried(subject, call):
                told.add(name)
                message = f"dash has no set -o {name}, and ends the script here"
                yield hit_at("bashism", call, message, fix="Leave it out, or make the shell bash.")


def _tried(subject: Subject, call: Call) -> bool:
    """Whether the script asks for bash, or tries the option in a shell of its own: (set -o pipefail) && set -o pipefail."""
    others = [other for other in subject.program.named("set") if other is not call and other.texts == call.texts]
    is_tested = call.context.tested or any(other.context.tested for other in others)
    return bool(subject.program.uses_of("BASH_VERSION")) or (bool(others) and is_tested)


def _names_a_number(subject: Subject, redirect: Redirect) -> bool:
    """Whether >& copies a file descriptor, or may do so."""
    texts = subject.values.texts(redirect.target, redirect)
    return redirect.operator == ">&" and (not texts or any(text.isdigit() or text == "-" for text in texts))


CHECKS = (bash_redirections, bash_options)
