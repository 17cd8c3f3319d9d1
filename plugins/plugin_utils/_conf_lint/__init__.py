# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The checker of slurm.conf lines: what Slurm would refuse, ignore or regret, said before anything is placed.

check judges the user's lines, check_file a whole slurm.conf. See docs/rules/conf.md for the rules.
"""
