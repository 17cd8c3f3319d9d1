# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The findings of the last run, so that an unchanged definition costs nothing.

One JSON file. It is a convenience only: unreadable, damaged or unwritable, the scripts are linted again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
import typing as t

from ..core.model import Hit
from . import tools

#: Older entries go first.
MAX_ENTRIES = 4000


def default_path() -> str:
    """Below Ansible's own directory of the user."""
    home = os.environ.get("ANSIBLE_HOME") or os.path.join(os.path.expanduser("~"), ".ansible")
    return os.path.join(home, "nodecycle", "script-lint.json")


def engine_version() -> str:
    """Changes whenever the linter's code, one of its tables or one of its programs does."""
    digest = hashlib.sha256()
    here = pathlib.Path(__file__).resolve().parent
    core, shared = here.parent / "core", here.parents[2] / "module_utils"
    own = [*here.rglob("*.py"), *here.rglob("*.json")]
    for file in [*sorted(own), *sorted(core.rglob("*.py")), shared / "_hooks.py"]:
        digest.update(file.read_bytes())
    for name in ("shfmt", "shellcheck"):
        digest.update(tools.tool_version(name).encode())
    return digest.hexdigest()


class Cache:
    """The hits of scripts by a key that covers everything they depend on."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.changed = False
        self._entries: dict[str, list[list[t.Any]]] = {}
        if path:
            with contextlib.suppress(OSError, ValueError):
                with open(path, encoding="utf-8") as file:
                    loaded = json.load(file)
                if isinstance(loaded, dict):
                    self._entries = loaded

    def get(self, key: str) -> list[Hit] | None:
        """The hits under a key, or None."""
        try:
            entry = self._entries[key]
            # An entry that is used moves to the end, so that the unused ones are dropped first.
            self._entries[key] = self._entries.pop(key)
            return [Hit(*values) for values in entry]
        except (KeyError, TypeError):
            return None

    def put(self, key: str, hits: t.Sequence[Hit]) -> None:
        """Keep the hits of a script."""
        self._entries[key] = [list(dataclasses.astuple(hit)) for hit in hits]
        self.changed = True

    def save(self) -> None:
        """Write the file in one step, if possible."""
        if not self.path or not self.changed:
            return
        entries = dict(list(self._entries.items())[-MAX_ENTRIES:])
        temporary = ""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=os.path.dirname(self.path))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(entries, file)
            os.replace(temporary, self.path)
        except OSError:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
