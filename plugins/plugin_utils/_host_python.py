# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""One sentence in place of the traceback of a host's Python that is too old for the modules."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

OLDEST = (3, 8)

_PROGRAM = "import platform; print(platform.python_version())"


class OnHost(ActionBase):
    """An action that calls a module on the host."""

    def _execute_module(self, *args: t.Any, **options: t.Any) -> dict[str, t.Any]:
        """See ActionBase."""
        result: dict[str, t.Any] = super()._execute_module(*args, **options)
        # Ansible's own wrapper of a module needs a newer Python than the oldest that is out there, so no module can say this itself. A module
        # that ran returns its arguments; newer ansible-cores leave them out, and then the host is asked after each failure.
        if not result.get("failed") or "invocation" in result or not self._used_interpreter:
            return result
        interpreter = self._used_interpreter.lstrip("#!")
        try:
            answer = self._low_level_execute_command(f"{interpreter} -c {shlex.quote(_PROGRAM)}")
        except AnsibleError:
            # The failure itself says more than a connection that is gone by now.
            return result
        said = refusal(interpreter, str(answer.get("stdout", "")))
        if not said:
            return result
        facts = {"ansible_facts": result["ansible_facts"]} if "ansible_facts" in result else {}
        return {"changed": False, "failed": True, "msg": said, **facts}


def refusal(interpreter: str, output: str) -> str:
    """What is wrong with an interpreter that says this of itself; nothing where it is new enough or says nothing."""
    version = output.strip().rpartition("\n")[2].strip()
    found = re.match(r"(\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) >= OLDEST:
        return ""
    oldest = ".".join(map(str, OLDEST))
    return (
        f"{interpreter} of this host is Python {version}, and nodecycle.slurm needs {oldest} or newer on a host. Install a newer one beside "
        "it, and set `ansible_python_interpreter` for this host to its path."
    )
