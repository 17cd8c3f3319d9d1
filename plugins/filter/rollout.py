# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks decide with: facts of the hosts go in, the next step comes out. Each is documented in a file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _rollout, _rollout_texts


class FilterModule:
    """See Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """See Ansible."""
        return {
            "batch_outline": _rollout_texts.batch_outline,
            "failed_jobs": _rollout.failed_jobs,
            "last_failures": _rollout.last_failures,
            "missed_scripts": _rollout.missed_scripts,
            "rollback": _rollout.rollback,
            "rollback_target": _rollout.rollback_target,
            "rollout_outline": _rollout_texts.outline,
            "rollout_plan": _rollout.plan,
            "rollout_summary": _rollout_texts.summary,
            "status_lines": _rollout_texts.status_lines,
            "step_failures": _rollout.step_failures,
            "undo_message": _rollout_texts.undo_message,
            "undo_outcome": _rollout.undo_outcome,
            "undo_plan": _rollout.undo_plan,
            "what_to_do_first": _rollout.what_to_do_first,
        }
