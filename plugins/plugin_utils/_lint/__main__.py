# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What scripts/nodecycle-lint starts: the collection under its name, wherever it lies and without Ansible."""

from __future__ import annotations

import pathlib
import sys
import types

OLDEST = (3, 10)


def _register(root: pathlib.Path) -> None:
    """Make a directory the collection of this process."""
    for name in ("ansible_collections", "ansible_collections.nodecycle", "ansible_collections.nodecycle.slurm"):
        package = types.ModuleType(name)
        package.__path__ = [str(root)] if name.endswith(".slurm") else []
        sys.modules[name] = package


def _main() -> int:
    if sys.version_info < OLDEST:
        needed, present = (".".join(map(str, version[:2])) for version in (OLDEST, sys.version_info))
        print(
            f"nodecycle-lint: needs Python {needed} or newer, and {sys.executable} is {present}. "
            f"Name another one: PYTHON=/usr/bin/python{needed} nodecycle-lint ...",
            file=sys.stderr,
        )
        return 2
    # Python puts the directory of this file first; its modules have the names of others.
    sys.path.pop(0)
    _register(pathlib.Path(__file__).resolve().parents[3])
    from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint import command_line

    return command_line.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_main())
