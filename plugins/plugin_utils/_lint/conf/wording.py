# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""How a finding speaks of the user's words and values."""

from __future__ import annotations

import typing as t

from . import lists
from .grammar import Pair


def joined(names: t.Sequence[str]) -> str:
    """Names as a part of a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shown(text: str) -> str:
    """A text of the user's, not too much of it."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def shown_value(pair: Pair) -> str:
    """A value, unless it is a password."""
    return "a value that is not shown" if lists.is_secret(pair.name, pair.value) else shown(pair.value)
