# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import activated_nodes
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import (
    _definition,
    _gather,
    _journal_call,
    _own_files,
    _variables,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import (
    answers,
    arguments,
    delivery,
    failures,
    plan,
    rollback,
    state,
    texts,
    undo,
)

Result = dict[str, t.Any]


def _run(hostvars: t.Any) -> state.Run:
    return t.cast("state.Run", dict(hostvars["localhost"]["__slurm_run"]))


def _check(args: Result, hostvars: t.Any) -> Result:
    """Whether to finish or undo an interrupted rollout first."""
    cluster = args["cluster"]
    journal = cluster["journal"]
    interrupted = (
        "undo" if cluster.get("is_down") else plan.what_to_do_first(journal, args["definition"], cluster["nodes"])
    )
    number = hostvars["localhost"].get("__slurm_run", {}).get("number", 0)
    due = undo.undo_plan(journal) if interrupted == "undo" else {}
    defined = (args["definition"] or {}).get("hosts", {})
    delivered = [host for host, said in defined.items() if delivery.is_delivered(said)]
    return {"run": state.checked(args["hosts"], args["controllers"], interrupted, due, number, delivered)}


def _plan(args: Result, hostvars: t.Any) -> Result:
    """Which host takes which step."""
    settings = args["settings"]
    staged = {host: said.get("staged", {}) for host, said in answers.read(args["hosts"], hostvars).items()}
    planned = plan.plan(args["definition"], staged, args["cluster"], settings, args["compared"])
    if planned["problems"]:
        return {"failed": True, "msg": f"Nothing was changed for any job. {'. '.join(planned['problems'])}."}
    planned["outline"] = texts.outline(planned, settings)
    planned["batch_lines"] = texts.batch_lines(planned)
    changed = {host: said.get("changes", []) for host, said in staged.items()}
    changed.update((host, args["compared"][pair]["differences"]) for host, pair in planned["pairs"].items())
    changes = texts.distinct_changes(changed)
    # Ansible shows a diff only with a result that has changed something.
    shown = {"diff": changes, "changed": True} if changes and args["_diff"] else {}
    return {"run": state.planned(_run(hostvars), planned), "warned": planned["warnings"], **shown}


def _failed(args: Result, hostvars: t.Any) -> Result:
    """The hosts on which the step has failed so far."""
    return {"hosts": failures.step_failures(args["hosts"], answers.read(args["hosts"], hostvars))}


def _missed(args: Result, hostvars: t.Any) -> Result:
    """The hosts on which the probes did not meet every script."""
    said = answers.read(args["hosts"], hostvars)
    return {"missed": failures.missed_scripts(args["hosts"], said, args["controllers"])}


def _failures(args: Result, hostvars: t.Any) -> Result:
    """The last failure on each of these hosts, the jobs that Slurm holds for failures of the new release, and who could not be asked."""
    said = answers.read(args["hosts"], hostvars)
    unasked = failures.unasked(args["hosts"], said)
    journal = (args.get("history") or {}).get("journal")
    return {
        "records": failures.last_failures(args["hosts"], said),
        "jobs": failures.failed_jobs(args["hosts"], said),
        "lines": texts.by_text(unasked),
        "answered": [host for host in args["hosts"] if host not in unasked],
        "activated": activated_nodes(journal) if journal else {},
        "unasked": delivery.unasked(journal["hosts"]) if journal else [],
    }


def _undo_outcome(_args: Result, hostvars: t.Any) -> Result:
    """The outcome of an undo so far."""
    run = _run(hostvars)
    said = answers.read(dict.fromkeys([*run["undo"]["steps"], run["anchor"]]), hostvars)
    return undo.undo_outcome(run["undo"], said, run["number"])


def _undone(args: Result, hostvars: t.Any) -> Result:
    """The result of an undo, for a person."""
    run = _run(hostvars)
    outcome = args["outcome"]
    message = texts.undo_message(run["undo"], outcome, run["failed"], args["resumed"], args["released"], args["absent"])
    is_restored = not outcome["not_restored"] and not outcome["still_waiting"]
    return {"run": state.undone(run, message, is_restored=is_restored)}


def _finish(_args: Result, hostvars: t.Any) -> Result:
    """The result of the run, for a person."""
    run = _run(hostvars)
    lines = texts.summary(run["plan"], run["failed"]) if run["go"] else run["message"]
    return {"lines": lines, "go": run["go"]}


def _rollback_target(args: Result, _hostvars: t.Any) -> Result:
    """The rollout to return to. An interrupted one is undone instead."""
    history = args["history"]
    journal = history["journal"]
    if journal:
        run = state.checked(args["hosts"], args["controllers"], "", {}, 0)
        run["failed"] = journal.get("failed", {})
        return {"run": state.begun(run, undo.undo_plan(journal)), "target": {}}
    target = rollback.rollback_target(history["committed"], args["name"])
    if target["problem"]:
        return {"failed": True, "msg": f"Nothing was changed: {target['problem']}."}
    return {"run": state.checked(args["hosts"], args["controllers"], "", {}, 0), "target": target}


def _rollback(args: Result, hostvars: t.Any) -> Result:
    """The journal of a rollback."""
    said = {
        host: answer.get("target", {"unreachable": True, "failed": True, "msg": "it cannot be reached"})
        for host, answer in answers.read(args["hosts"], hostvars).items()
    }
    cluster = args["cluster"]
    found = rollback.rollback(args["target"], said, cluster["slurm_user"], cluster["conf_path"])
    if found["problems"]:
        return {"failed": True, "msg": f"Nothing was changed. {'. '.join(found['problems'])}."}
    return {"rollout": found}


def _rollback_begin(args: Result, hostvars: t.Any) -> Result:
    """The steps of a rollback, as an undo."""
    return {"run": state.begun(_run(hostvars), undo.undo_plan(args["history"]["journal"]))}


def _status(args: Result, hostvars: t.Any) -> Result:
    """The release that each host runs, for a person."""
    said = answers.read(args["hosts"], hostvars)
    lines, unproven = texts.status(args["hosts"], said, args["history"])
    return {"lines": lines, "unproven": unproven}


def _carry(args: Result, hostvars: t.Any) -> Result:
    """The content of the bundle for an assignment."""
    planned = {"deliver": [], "deliver_canary": [], **_run(hostvars).get("plan", {})}
    found = delivery.content(
        args["assignment"], args["definition"] or {}, args["history"], planned, birth=args["birth"]
    )
    return {"content": found}


#: By the name of the step. Methods are V(evaluate), which asks a host, and V(variables), which asks Ansible for other hosts' variables.
_STEPS: dict[str, t.Callable[[Result, t.Any], Result]] = {
    "check": _check,
    "plan": _plan,
    "failed": _failed,
    "missed": _missed,
    "failures": _failures,
    "undo": _undo_outcome,
    "undone": _undone,
    "finish": _finish,
    "rollback_target": _rollback_target,
    "rollback": _rollback,
    "rollback_begin": _rollback_begin,
    "status": _status,
    "carry": _carry,
}


class ActionModule(ActionBase):
    """Decides what a rollout does next, from the answers of all hosts. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        """See ActionBase."""
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(arguments.ARGUMENTS, required_if=arguments.REQUIRED_IF)
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        if args["step"] == "evaluate":
            return {"changed": False, **self._evaluate(args, hostvars, variables)}
        if args["step"] == "variables":
            return {"changed": False, **self._variables(args, variables)}
        args["_diff"] = self._task.diff
        return {"changed": False, **_STEPS[args["step"]](args, hostvars)}

    def _variables(self, args: Result, variables: dict[str, t.Any]) -> Result:
        """Whether each host's variables can be what their documentation says."""
        known = _own_files.known_variables()
        checked = _variables.checkable(known)
        hosts = _gather.variables_of(
            self, variables, args["hosts"], {name: spec.get("default") for name, spec in checked.items()}
        )
        seen_by_plays = _gather.known_to_plays(self, variables)
        found = [
            *(
                ("", problem)
                for problem in _variables.misspelt(sorted(hosts.names), known, args["foreign"], install=args["install"])
            ),
            *(("", problem) for problem in _variables.misspelt_groups(variables["groups"], known, seen_by_plays)),
            *hosts.problems,
            *_variables.unseen(hosts.values, checked, seen_by_plays),
            *_variables.problems(hosts.values, checked),
        ]
        if not found:
            return {}
        lines = "".join(f"\n- {line}" for line in _definition.as_text(found))
        return {"failed": True, "msg": f"No host was touched. These variables are wrong:{lines}"}

    def _evaluate(self, args: Result, hostvars: t.Any, variables: dict[str, t.Any]) -> Result:
        """Whether the rollout goes on. The journal notes failures on hosts, and nodes that Slurm has drained since."""
        said = answers.read(args["hosts"], hostvars)
        if args["seconds"] and not self._task.check_mode:
            now = time.strftime("%H:%M:%S")
            self._display.display(f"Watching the nodes since {now}, for {args['seconds']} seconds.")
        call = {
            "state": "evaluated",
            "failures": {**failures.step_failures(args["hosts"], said), **args["failures"]},
            "seconds": args["seconds"],
            "tolerated": args["tolerated"],
            "note": args["note"],
            "bin_dir": args["bin_dir"],
            "units": args["units"],
        }
        answer = _journal_call.call(self, call, variables)
        if answer.get("failed") or answer.get("unreachable"):
            return answer
        go = answer["go"]
        due = {} if go else undo.undo_plan(answer["journal"])
        run = state.evaluated(_run(hostvars), go=go, failed=answer["failed_nodes"], undo=due)
        return {**answer, "run": run}
