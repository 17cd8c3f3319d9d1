# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Arithmetic with what may be empty."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ..parser import DIALECTS
from ..program import Word
from ..shebang import read_shebang
from ..subject import Subject
from .vocabulary import named


def empty_operand(subject: Subject) -> t.Iterator[Hit]:
    """accidental-exit-code: 2 * $(command) is a syntax error when the command prints nothing."""
    if subject.where.name in ("controller_epilog", "task_epilog"):
        return
    found = read_shebang(subject.program.source)
    is_posix = found is not None and DIALECTS.get(found.program) == "posix"
    for operand in subject.program.operands:
        piece = operand.piece
        if piece.kind not in ("variable", "command") or not (is_posix or operand.context.errexit):
            continue
        if not subject.values.may_be_empty(Word((piece,), operand.line, operand.column), operand):
            continue
        then = "sh ends with 2" if is_posix else "bash leaves out the rest of the line, or of the block around it"
        message = f"{named(piece)} may be empty, which is a syntax error in this arithmetic: {then}"
        yield hit_at("accidental-exit-code", operand, message)


CHECKS = (empty_operand,)
