# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The input of the linter of scripts."""

from __future__ import annotations

import dataclasses

from ..core.model import Written
from ..core.wishes import Wishes

#: The PATH that the dispatcher sets for a script (not for the task hooks).
DISPATCHER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def word_set(text: str) -> frozenset[str]:
    """The words of a text: a way to write long lists of names."""
    return frozenset(text.split())


@dataclasses.dataclass(frozen=True)
class Script:
    """One script as one hook would run it."""

    hook: str
    name: str
    content: bytes
    #: Where the user finds it, such as C(slurm_worker_prolog[2] (files/x.sh\)).
    origin: str = ""
    #: Seconds after which the dispatcher ends it; None when nothing does.
    timeout: int | None = None
    #: A host that gets this text (a template may render differently elsewhere).
    host: str | None = None
    #: No text of a secret script may appear in a finding.
    is_secret: bool = False
    #: The file that it stands in, if that is known.
    written: Written | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """The settings that change the outcome, apart from the scripts."""

    #: The oldest Slurm of the cluster, such as V(24.11); None means any that is supported.
    slurm_version: str | None = None
    wishes: Wishes = dataclasses.field(default_factory=Wishes)
    #: PrologEpilogTimeout of the cluster, a bound for scripts without their own.
    prolog_epilog_timeout: int | None = None
    #: The search path a script starts with; None when Slurm starts it without our dispatcher.
    path: str | None = DISPATCHER_PATH
