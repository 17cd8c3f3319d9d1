# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The links between our own pages."""

from __future__ import annotations

import pathlib
import re

LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def test_links_lead_somewhere(root: pathlib.Path, committed_files: list[pathlib.Path]) -> None:
    broken = [
        f"{page.relative_to(root)}: {link[1]}"
        for page in committed_files
        if page.suffix == ".md"
        for link in LINK.finditer(page.read_text())
        if not (page.parent / link[1]).exists()
    ]
    assert not broken, broken
