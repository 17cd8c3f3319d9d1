# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is PRIVATE to the collection. It can have breaking changes at any time.

"""The options of every module that needs the daemons' units; C(module_utils/_daemons.py) has the same as an argument spec."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  units:
    description:
      - The systemd units of Slurm's daemons on this host, if they have other names than Slurm's own, V(slurmd.service) and
        V(slurmctld.service). A name without a suffix gets C(.service).
    type: dict
    default: {}
    suboptions:
      slurmd:
        description: The unit of slurmd.
        type: str
      slurmctld:
        description: The unit of slurmctld.
        type: str
"""
