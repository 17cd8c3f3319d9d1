# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import shlex
import signal
import subprocess
import threading
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: killer
type: aggregate
short_description: Writes down each task of a run, and kills it or a host at one of them
description:
  - Appends the name of each task to the file KILLER_LOG as it starts. At the task KILLER_AT (its number, from 1, or its name) it sends
    SIGKILL to ansible-playbook, KILLER_DELAY seconds later, so that the task is under way.
  - Where there is a KILLER_COMMAND, that is run instead, and the task waits for it.
author: [nodecycle.slurm maintainers (@nodecycle)]
requirements: [being enabled]
"""


def kill() -> None:
    """End this process as nothing but a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


class CallbackModule(CallbackBase):
    """See Ansible."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._done = False

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """See CallbackBase."""
        del is_conditional
        self._count += 1
        name = task.get_name().rpartition(" : ")[2]
        with pathlib.Path(os.environ["KILLER_LOG"]).open("a") as log:
            log.write(f"{name}\n")
        if self._done or os.environ.get("KILLER_AT") not in (str(self._count), name):
            return
        self._done = True
        delay = float(os.environ.get("KILLER_DELAY", "0"))
        if command := os.environ.get("KILLER_COMMAND"):
            subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL)
        elif delay:
            threading.Timer(delay, kill).start()
        else:
            kill()
