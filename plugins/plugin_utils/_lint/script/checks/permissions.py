# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The users who may write to files of the script."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..subject import Subject


def world_writable(subject: Subject) -> t.Iterator[Hit]:
    """world-writable: chmod, mkdir -m, install -m and umask that let everybody write."""
    for call in subject.program.calls:
        texts = call.texts
        if call.name == "chmod":
            operands = [text for text in texts if not re.fullmatch(r"-[A-Za-z]*[RvcfHLP][A-Za-z]*|--[a-z].*", text)]
            recursive = call.has_option("-R", "--recursive")
            devices = operands[1:] and all(re.match(r"/dev/(?!shm)", text) for text in operands[1:])
            if operands and _opens(operands[0], recursive) and not devices:
                yield hit_at(
                    "world-writable",
                    call,
                    f"chmod {'-R ' if recursive else ''}{operands[0]} lets every user write",
                )
        elif call.name in ("mkdir", "install"):
            for position, text in enumerate(texts):
                mode = None
                if text in ("-m", "--mode") and position + 1 < len(texts):
                    mode = texts[position + 1]
                elif text.startswith("--mode="):
                    mode = text[7:]
                elif re.fullmatch(r"-[a-z]*m[0-7]{3,4}", text):
                    mode = text[text.index("m") + 1 :]
                elif re.fullmatch(r"-[a-z]+m", text) and position + 1 < len(texts):
                    mode = texts[position + 1]
                if mode and _opens(mode, False):
                    yield hit_at("world-writable", call, f"{call.name} with mode {mode} lets every user write")
        elif call.name == "umask" and texts and re.fullmatch(r"0*[0-7]?[0-7]?[0145]", texts[0]):
            yield hit_at(
                "world-writable",
                call,
                f"umask {texts[0]}: what is created from here on, every user may write to",
            )


def _opens(mode: str, recursive: bool) -> bool:
    """Whether a mode gives everybody write access; the sticky bit makes a directory bearable."""
    if re.fullmatch(r"[0-7]{3,5}", mode):
        value = int(mode, 8)
        return bool(value & 0o002) and (recursive or not value & 0o1000)
    return any(re.match(r"[ug]*[oa][uoga]*[+=][rxXst]*w", clause) for clause in mode.split(",")) and "+t" not in mode


CHECKS = (world_writable,)
