# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of a rollout."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import (
    FINISH,
    RECOVERY,
    SHAPES,
    UNDO,
    Phase,
    recovery_of,
)


def test_each_phase_says_what_the_next_run_does() -> None:
    assert list(RECOVERY) == list(Phase)
    assert [phase for phase in Phase if recovery_of({"phase": phase.value}) == UNDO] == [Phase.UNDO]
    assert set(RECOVERY.values()) == {FINISH, UNDO}


def test_a_phase_is_its_word_in_a_document() -> None:
    assert json.loads(json.dumps({"phase": Phase.UNDO})) == {"phase": "undo"}
    assert Phase.UNDO == "undo"


def test_a_journal_in_an_unknown_phase_is_none_of_ours() -> None:
    with pytest.raises(_documents.DocumentError, match="phase is 'halfway' instead of a phase of a rollout"):
        _documents.require(SHAPES["journal"], {"name": "a", "phase": "halfway"})


def test_what_the_roles_note_is_a_phase(root: pathlib.Path) -> None:
    noted = {
        phase
        for path in root.glob("roles/*/tasks/*.yml")
        for phase in re.findall(r"^ +phase: (.+)$", path.read_text(), re.MULTILINE)
    }
    # A rollout is opened by the plan of the control node.
    assert noted == {phase.value for phase in Phase} - {Phase.OPENED.value}
