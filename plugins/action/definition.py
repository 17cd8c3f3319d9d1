# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.nodecycle.slurm.plugins.module_utils._release import build
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _cluster, _sources
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._hosts import gather


class ActionModule(ActionBase):
    """The whole definition, checked on the control node before a host is touched. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                "cluster": {"type": "dict", "required": True},
                "controllers": {"type": "list", "elements": "str", "required": True},
                "logins": {"type": "list", "elements": "str", "default": []},
                "workers": {"type": "list", "elements": "str", "default": []},
                "targets": {"type": "list", "elements": "str", "required": True},
                "root": {"type": "path", "default": "/etc/nodecycle"},
                "extra_conf": {"type": "raw", "default": ""},
                "adopt": {"type": "list", "elements": "str", "default": []},
                "unmanaged_nodes": {"type": "str", "default": ""},
                "is_limited": {"type": "bool", "default": False},
            }
        )
        settings = _cluster.Settings(
            root=os.path.normpath(args["root"]),
            extra_conf=_sources.lines_of(args["extra_conf"]),
            adopt=tuple(args["adopt"]),
            unmanaged_nodes=args["unmanaged_nodes"],
            is_limited=args["is_limited"],
        )
        kinds = {"controller": args["controllers"], "login": args["logins"], "worker": args["workers"]}
        gathered = gather(self, task_vars or {}, kinds, set(args["targets"]))
        cluster = args["cluster"]
        problems = list(gathered.problems)
        problems += [(host, problem) for host, spec in gathered.specs for problem in _cluster.check_scripts([spec], cluster)]
        problems += [("", problem) for problem in _cluster.check_cluster(gathered.hosts, args["controllers"], settings, cluster)]
        if problems:
            lines = _cluster.as_text(problems)
            count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
            return {"failed": True, "msg": f"The definition has {count}; no host was touched.\n" + "\n".join(f"- {line}" for line in lines), "problems": lines}

        used = _cluster.in_use(gathered.hosts)
        hosts = {}
        for host in gathered.hosts:
            hooks = _cluster.carried(host, used)
            release = build({hook: host.scripts.get(hook, []) for hook in hooks}, settings.root, _sources.dispatcher_body()) if host.is_target else None
            hosts[host.name] = {"hooks": hooks, "id": release.id if release else ""}
        text = _cluster.conf_text(used, settings)
        wanted = hosts[args["controllers"][0]]["id"]
        is_settled = wanted == cluster["intact"] and (bool(wanted) or cluster["is_clean"]) and _cluster.conf_is_settled(text, settings, cluster)
        strangers = _cluster.unknown_workers(gathered.hosts, cluster)
        warnings = [f"Slurm does not know these workers: {', '.join(strangers)}. Set slurm_node_name where the names differ."] if strangers else []
        return {
            "changed": False,
            "hooks": used,
            "hosts": hosts,
            "conf_text": text,
            "controller_is_settled": is_settled,
            **({"warnings": warnings} if warnings else {}),
        }
