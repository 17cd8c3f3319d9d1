# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import typing as t

from ansible import constants as C  # noqa: N812
from ansible.plugins.action import ActionBase
from ansible_collections.nodecycle.slurm.plugins.module_utils import _bundle, _conf
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import SLURM
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import DigestError, Release, build
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _core, _definition, _own_files
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._gather import Gathered, gather
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint import definition as linters
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding, LintError
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.report import Report
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.wishes import Wishes
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Renderer, written_option
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import delivery, plan
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._secrets import origin_of

_SECRET_CONF = Problem(
    "slurm_extra_conf",
    "has a vaulted value, and everybody can read slurm.conf",
    "leave the value out; Slurm's own secrets have files of their own (slurmdbd.conf, the keys of munge and of auth/slurm)",
)


class ActionModule(ActionBase):
    """The whole definition, checked on the control node before a host is touched. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(_definition.ARGUMENTS)
        args = _core.plain(args)
        root, wrong = _definition.check_root(args["root"])
        settings = _definition.Settings(
            root=root,
            extra_conf=_definition.lines_of(args["extra_conf"]),
            adopt=tuple(args["adopt"]),
            keep=tuple(args["keep"]),
            unmanaged_nodes=args["unmanaged_nodes"],
            is_limited=args["is_limited"],
            restart_allowed=args["restart_allowed"],
            birth=args["birth"],
        )
        kinds = {"controller": args["controllers"], "login": args["logins"], "worker": args["workers"]}
        gathered = gather(self, task_vars or {}, kinds, set(args["targets"]))
        cluster = args["cluster"]

        problems = [*gathered.problems, *(("", problem) for problem in wrong)]
        is_secret, origin = self._source("extra_conf", args["extra_conf"], task_vars or {})
        if is_secret:
            problems.append(("", _SECRET_CONF))
            # No message below may quote it.
            settings = dataclasses.replace(settings, extra_conf="")
        problems += [("", problem) for problem in _definition.check_keys(gathered.hosts, settings)]
        problems += [("", problem) for problem in _definition.check_delivery(gathered.hosts)]
        if cluster:
            problems += [
                (host, problem)
                for host, spec in gathered.specs
                for problem in _definition.check_scripts([spec], cluster)
            ]
            problems += [
                ("", problem)
                for problem in _definition.check_cluster(gathered.hosts, args["controllers"], settings, cluster)
            ]
        lines = _definition.as_text(problems)
        try:
            wishes = Wishes.written(args["lint_disable"], args["lint_severity"])
            linters.require_known_rules(wishes)
            findings = linters.lint_scripts(
                gathered.rendered,
                slurm_version=cluster["version"] if cluster else None,
                conf=[*_definition.entries_of(cluster), *_conf.entries(settings.extra_conf)],
                wishes=wishes,
            )
            findings += linters.lint_conf(settings.extra_conf, cluster=cluster, wishes=wishes, origin=origin)
        except LintError as exc:
            return {"failed": True, "msg": f"The scripts cannot be checked; no host was touched. {exc}"}
        if args["lint_sarif"] and (wrong_file := _write_sarif(args["lint_sarif"], findings, lines)):
            return {"failed": True, "msg": wrong_file}
        # Notes are for playbooks/validate.yml; a run shows what may hurt.
        report = Report(findings, args["lint_threshold"], mildest="warning" if cluster else "info")
        warnings = _warnings(gathered, cluster, settings.extra_conf, args["probe_timeout"])
        if lines or report.stops:
            return {"failed": True, "msg": _refusal(lines, report), **warnings}
        if report.shown:
            self._display.display(f"\n{report.text}", color=C.config.get_config_value("COLOR_WARN"))
        result = {
            "changed": False,
            "findings": [finding.as_dict() for finding in findings],
            "checked": _checked(gathered, settings, wishes),
            **warnings,
        }
        try:
            return {**result, **(self._outcome(gathered, args, settings) if cluster else {})}
        except DigestError as exc:
            return {"failed": True, "msg": f"No host was touched. {exc}."}

    def _source(self, option: str, value: t.Any, variables: dict[str, t.Any]) -> tuple[bool, str]:
        """Whether a vaulted value went into an option of this task, which is the variable of that name in the role; and its place."""
        renderer = Renderer(loader=self._loader, variables=variables)
        raw = renderer.source_of(f"slurm_{option}", value)
        if raw is None:
            raw = renderer.seen(written_option(self._task, option, value))
        return renderer.is_secret(raw, value), origin_of(raw)

    def _outcome(self, gathered: Gathered, args: dict[str, t.Any], settings: _definition.Settings) -> dict[str, t.Any]:
        """The release that each host is to get."""
        cluster = args["cluster"]
        used = _definition.in_use(gathered.hosts, settings)
        hosts = {}
        bundle: dict[str, str] = {}
        for host in gathered.hosts:
            hooks = _definition.carried(host, used)
            scripts = {hook: host.scripts.get(hook, []) for hook in hooks}
            release = (
                build(scripts, settings.root, _own_files.dispatcher_bodies(), host.script_path)
                if host.is_target
                else None
            )
            is_carried = host.is_delivered or (
                settings.birth and "worker" in host.kinds and "controller" not in host.kinds
            )
            if is_carried and release:
                bundle[release.id] = bundle.get(release.id) or _bundle.carry(release).as_line()
            nothing = _nothing(tuple(hooks), settings.root) if host.is_delivered else None
            if nothing:
                bundle[nothing.id] = bundle.get(nothing.id) or _bundle.carry(nothing).as_line()
            hosts[host.name] = {
                "hooks": hooks,
                "id": release.id if release else "",
                "node": host.node_name,
                "kinds": list(host.kinds),
                "delivery": SLURM if host.is_delivered else "push",
                # Until its first rollout is committed: dispatchers that run nothing.
                "nothing": nothing.id if nothing else "",
                "is_target": host.is_target,
            }
        text = _definition.conf_text(gathered.hosts, settings)
        wanted = hosts[args["controllers"][0]]["id"]
        conf_is_settled = _definition.conf_is_settled(text, settings, cluster)
        is_settled = wanted == cluster["intact"] and (bool(wanted) or cluster["is_clean"]) and conf_is_settled
        # Hosts that this run leaves out keep what they have.
        ids = {
            **((cluster["committed"] or {}).get("hosts") or {}),
            **{host.name: hosts[host.name]["id"] for host in gathered.hosts if host.is_target},
        }
        return {
            "name": plan.name_of(ids, {"text": text, "adopt": settings.adopt}),
            "hooks": used,
            "hosts": hosts,
            "conf_text": text,
            "conf_is_settled": conf_is_settled,
            "controller_is_settled": is_settled,
            "bundle": bundle,
            "compared": _compared(hosts, cluster),
            # It has one limit for all nodes.
            "init_timeout": max((host.init_timeout for host in gathered.hosts if "worker" in host.kinds), default=0),
        }


@functools.cache
def _nothing(hooks: tuple[str, ...], root: str) -> Release | None:
    """The release with these hooks that runs nothing. Nearly all hosts have the same one."""
    return build(dict.fromkeys(hooks, ()), root, _own_files.dispatcher_bodies())


def _compared(hosts: dict[str, dict[str, t.Any]], cluster: dict[str, t.Any]) -> list[str]:
    """The changes that Slurm would deliver, each pair of releases once: V(OLD NEW)."""
    committed = (cluster["committed"] or {}).get("hosts") or {}
    pairs = [
        delivery.change(name, said, committed)
        for name, said in hosts.items()
        if delivery.is_delivered(said) and said["id"] and committed.get(name) != said["id"]
    ]
    return list(dict.fromkeys(pairs))


def _write_sarif(path: str, findings: t.Sequence[Finding], problems: t.Sequence[str]) -> str:
    """Write what was found for other programs. The reason if that is not possible."""
    log = linters.as_sarif(findings, directory=os.getcwd(), problems=problems)
    try:
        pathlib.Path(path).write_text(json.dumps(log, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        return f"No host was touched. slurm_lint_sarif: {path} cannot be written: {exc.strerror}."
    return ""


def _warnings(
    gathered: Gathered, cluster: dict[str, t.Any] | None, extra_conf: str, probe_timeout: int
) -> dict[str, list[str]]:
    """The warnings, as a part of the result."""
    said = []
    if cluster and (strangers := _definition.unknown_workers(gathered.hosts, cluster)):
        said.append(
            f"Slurm does not know these workers: {', '.join(strangers)}. Set slurm_node_name where the names differ."
        )
    of_probe = {hook.name: probe_timeout for hook in HOOKS.values() if hook.conf_key}
    if long := _definition.outlasting(gathered.rendered, of_probe):
        said.append(
            f"{'; '.join(long)}: the probe is given up after {probe_timeout} seconds, and the rollout is undone. Set slurm_probe_timeout higher."
        )
    of_slurm = _definition.limits_of_slurm([*_definition.entries_of(cluster), *_conf.entries(extra_conf)])
    if long := _definition.outlasting(gathered.rendered, of_slurm):
        said.append(
            f"{'; '.join(long)}: Slurm ends the hook before (PrologEpilogTimeout, PrologTimeout or EpilogTimeout of slurm.conf), and a script "
            "that it ends has failed. Set these higher, or the scripts' timeout lower."
        )
    return {"warnings": said} if said else {}


def _checked(gathered: Gathered, settings: _definition.Settings, wishes: Wishes) -> dict[str, int]:
    return {
        "hosts": sum(host.is_target for host in gathered.hosts),
        # One text for many hosts is one script.
        "scripts": len({(item.hook, item.script.content) for _host, item in gathered.rendered}),
        "lines": len(_conf.entries(settings.extra_conf)),
        "rules": linters.count_rules(wishes),
    }


def _refusal(problems: list[str], report: Report) -> str:
    """The reasons to stop the run, with all other findings: the user fixes them all at once."""
    parts = ["No host was touched."]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        parts.append(f"The definition has {count}:\n" + "\n".join(f"- {line}" for line in problems))
    if report.shown:
        parts.append(f"The linters found:\n{report.text}")
    return "\n".join(parts)
