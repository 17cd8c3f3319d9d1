# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import DigestError, build, normal_root, pack
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _definition
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._host_python import OnHost
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._own_files import dispatcher_bodies
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Part, Renderer, written_option
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem, nearest


class ActionModule(OnHost):
    """Renders a host's scripts on the control node and sends them in one call. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        args.pop("payload", None)
        script_path, wrong = _definition.check_script_path(args.pop("script_path", None))
        if args.get("state", "staged") == "staged":
            renderer = Renderer(loader=self._loader, variables=variables)
            node_name = str(args.get("node_name") or variables.get("inventory_hostname_short") or "")
            hooks = args.pop("hooks", None) or {}
            problems = [
                Problem(f"hooks.{hook}", f"is not a hook{nearest(hook, HOOKS)}", f"the hooks are {', '.join(HOOKS)}")
                for hook in hooks
                if hook not in HOOKS
            ]
            scripts = {
                hook: renderer.scripts(
                    hook, hooks[hook], f"slurm_{hook}", node_name, self._raw(hook, hooks[hook], renderer)
                )
                for hook in HOOKS
                if hook in hooks
            }
            problems += [*renderer.problems, *wrong]
            if problems:
                lines = _definition.as_text([("", problem) for problem in problems])
                return {
                    **result,
                    "failed": True,
                    "msg": "The scripts cannot be staged; nothing was changed.\n"
                    + "\n".join(f"- {line}" for line in lines),
                }
            try:
                root = normal_root(str(args.get("root") or "/etc/nodecycle"))
            except ValueError as exc:
                return {**result, "failed": True, "msg": f"`slurm_release_root`: {exc}."}
            try:
                release = build(scripts, root, dispatcher_bodies(), script_path)
            except DigestError as exc:
                return {**result, "failed": True, "msg": f"The scripts cannot be staged; nothing was changed. {exc}."}
            args["payload"] = pack(release) if release else ""
        elif "hooks" in args:
            # The module needs only their names, and its arguments appear in the host's system log.
            args["hooks"] = {hook: [] for hook in args["hooks"] or {}}
        result.update(
            self._execute_module(module_name="nodecycle.slurm.release", module_args=args, task_vars=variables)
        )
        if not boolean(args.get("show_diff", True), strict=False) and "diff" in result:
            result["changes"] = result.pop("diff")
        return result

    def _raw(self, hook: str, value: t.Any, renderer: Renderer) -> t.Any:
        """The source of a hook's value: the variable of its name, as in the role, or this task's own argument."""
        if (raw := renderer.source_of(f"slurm_{hook}", value)) is not None:
            return raw
        written = written_option(self._task, "hooks", {hook: value})
        return renderer.seen(written.get(hook) if isinstance(written, dict) else Part(written, hook))
