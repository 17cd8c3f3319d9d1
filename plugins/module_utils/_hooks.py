# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The hooks: each point of a node's or a job's life at which scripts run.

Every other place asks this table; a new hook is a new row here.
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Hook:
    """One hook, and how Slurm (or systemd) handles it.

    Facts: slurm.conf(5) and prolog_epilog.html, 22.05 to 26.05.
    """

    name: str
    #: The kind of host that carries it: V(controller), V(login) or V(worker).
    host: str
    #: The user that runs it: V(root), V(slurm) (SlurmUser) or V(job) (the job's user).
    user: str
    #: The key of slurm.conf that names it; None for the hooks that systemd starts.
    conf_key: str | None

    @property
    def is_init(self) -> bool:
        """Whether the hook belongs to the host's boot, not to a job."""
        return self.conf_key is None


HOOKS: dict[str, Hook] = {
    hook.name: hook
    for hook in (
        Hook("worker_init", "worker", "root", None),
        Hook("login_init", "login", "root", None),
        Hook("controller_init", "controller", "root", None),
        Hook("worker_prolog", "worker", "root", "Prolog"),
        Hook("worker_epilog", "worker", "root", "Epilog"),
        Hook("controller_prolog", "controller", "slurm", "PrologSlurmctld"),
        Hook("controller_epilog", "controller", "slurm", "EpilogSlurmctld"),
        Hook("task_prolog", "worker", "job", "TaskProlog"),
        Hook("task_epilog", "worker", "job", "TaskEpilog"),
    )
}

HOST_KINDS: tuple[str, ...] = ("controller", "login", "worker")


def hooks_of(kinds: t.Iterable[str]) -> list[Hook]:
    """The hooks that a host of these kinds carries, in the table's order."""
    wanted = set(kinds)
    return [hook for hook in HOOKS.values() if hook.host in wanted]
