# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The users who may write to files of the script."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, hit_at
from ..program import Call
from ..subject import Subject


def world_writable(subject: Subject) -> t.Iterator[Hit]:
    """world-writable: chmod, mkdir -m, install -m, mount -o mode=, setfacl and umask that let everybody write."""
    for call in subject.program.named("chmod", "mkdir", "install", "mount", "setfacl", "umask"):
        forms = (dataclasses.replace(call, words=(call.words[0], *words)) for words in subject.values.arguments(call))
        said = next((message for form in forms if (message := _opened(form))), None)
        if said:
            yield hit_at("world-writable", call, said)


def _opened(call: Call) -> str | None:
    """How a command lets every user write."""
    texts = call.texts
    if call.name == "chmod":
        operands = [text for text in texts if not re.fullmatch(r"-[A-Za-z]*[RvcfHLP][A-Za-z]*|--[a-z].*", text)]
        recursive = call.has_option("-R", "--recursive")
        devices = operands[1:] and all(re.match(r"/dev/(?!shm)", text) for text in operands[1:])
        if operands and _opens(operands[0], recursive) and not devices:
            return f"chmod {'-R ' if recursive else ''}{operands[0]} lets every user write"
    elif call.name in ("mkdir", "install"):
        for mode in [word.shown for word in call.values_of("-m", "--mode")]:
            if _opens(mode, False):
                return f"{call.name} with mode {mode} lets every user write"
    elif call.name == "mount":
        for mode in re.findall(r"\bmode=([0-7]+)", " ".join(texts)):
            if _opens(mode, False):
                return f"mount with mode={mode} lets every user write"
    elif call.name == "setfacl":
        for entry in re.findall(r"(?:^|[ ,])(o(?:ther)?:{1,2}[rx-]*w\S*)", " ".join(texts)):
            return f"setfacl with {entry} lets every user write"
    elif call.name == "umask" and texts and re.fullmatch(r"0*[0-7]?[0-7]?[0145]", texts[0]):
        return f"umask {texts[0]}: what is created from here on, every user may write to"
    return None


def _opens(mode: str, recursive: bool) -> bool:
    """Whether a mode gives everybody write access; the sticky bit makes a directory bearable."""
    if re.fullmatch(r"[0-7]{3,5}", mode):
        value = int(mode, 8)
        return bool(value & 0o002) and (recursive or not value & 0o1000)
    return any(re.match(r"[ug]*[oa][uoga]*[+=][rxXst]*w", clause) for clause in mode.split(",")) and "+t" not in mode


CHECKS = (world_writable,)
