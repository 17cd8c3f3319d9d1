# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses an ansible-core that is too old.

Ansible imports this package when it looks up the first task of ours, whichever it is, before any host is touched. Its own check of
meta/runtime.yml only warns. Everything else here may fail on import with an old one, so this file imports nothing of ours and is
written for old Pythons.
"""

from ansible.release import __version__

#: The same as in meta/runtime.yml.
OLDEST_CORE = (2, 16)

if tuple(int(part) for part in __version__.split(".")[:2]) < OLDEST_CORE:
    # Ansible swallows any other error while it looks up a plugin.
    from ansible.errors import AnsibleCollectionUnsupportedVersionError

    raise AnsibleCollectionUnsupportedVersionError(
        "No host was touched: nodecycle.slurm needs ansible-core {0}.{1} or newer, and this is {2}. Install a newer one on the control "
        "node, for example: python3.11 -m venv ~/ansible && ~/ansible/bin/pip install 'ansible-core>={0}.{1}'".format(
            *OLDEST_CORE, __version__
        )
    )
