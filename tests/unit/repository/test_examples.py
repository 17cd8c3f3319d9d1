# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of our modules: in their own examples, which users copy and no linter reads, and in roles and playbooks."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from module_pages import PLUGINS, ROOT, documentation, options_of

MODULES = sorted(PLUGINS.glob("modules/*.py"))
TASK_FILES = sorted(
    [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
)

#: The keys of a task or play beside its action.
KEYWORDS = {
    "always", "args", "async", "become", "become_user", "block", "changed_when", "check_mode", "delegate_facts",
    "delegate_to", "diff", "environment", "failed_when", "loop", "loop_control", "module_defaults", "name", "no_log",
    "notify", "poll", "register", "rescue", "retries", "run_once", "tags", "throttle", "until", "vars", "when",
}  # fmt: skip
PLAY_KEYWORDS = KEYWORDS | {"any_errors_fatal", "gather_facts", "hosts", "order", "serial", "strategy", "vars_files"}
TASK_LISTS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


def tasks_of(items: list[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    """Every task that does something, also within plays and blocks."""
    for item in items:
        nested = [item[key] for key in TASK_LISTS if key in item]
        for tasks in nested:
            yield from tasks_of(tasks)
        unknown = set(item) - PLAY_KEYWORDS - set(TASK_LISTS) if nested else set()
        assert not unknown, f"not a keyword of a play or block: {sorted(unknown)}"
        if not nested:
            yield item


def check_call(action: str, options: dict[str, t.Any] | None, where: str) -> None:
    """Replaces ansible-lint's rule `args`, which also refuses right values that are templates."""
    module = PLUGINS / "modules" / f"{action.rpartition('.')[2]}.py"
    assert module.exists(), f"{where}: there is no {action}"
    documented = options_of(module)
    unknown = set(options or {}) - set(documented)
    assert not unknown, f"{where}: {action} has no option {sorted(unknown)}"
    missing = {option for option, spec in documented.items() if spec.get("required")} - set(options or {})
    assert not missing, f"{where}: {action} needs {sorted(missing)}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_examples(module: pathlib.Path) -> None:
    examples = documentation(module)["EXAMPLES"]
    assert isinstance(examples, list), "EXAMPLES is a list of tasks or plays"
    used = []
    for task in tasks_of(examples):
        name = task.get("name", "")
        assert name[:1].isupper(), f"a task's name begins with a capital letter: {task}"
        actions = sorted(set(task) - KEYWORDS)
        assert len(actions) == 1, f"{name}: one action, not {actions}"
        (action,) = actions
        assert action.count(".") >= 2, f"{name}: {action} by its full name (ansible.builtin.{action}?)"
        if action.startswith("nodecycle.slurm."):
            check_call(action, task[action], name)
            used.append(action)
    assert f"nodecycle.slurm.{module.stem}" in used, "no example of the module itself"


def calls_in(items: t.Any) -> t.Iterator[tuple[str, str, dict[str, t.Any]]]:
    """The calls of our own modules anywhere in plays and tasks: the task's name, the module, its options."""
    if isinstance(items, list):
        for item in items:
            yield from calls_in(item)
    elif isinstance(items, dict):
        for key, value in items.items():
            if key.startswith("nodecycle.slurm."):
                yield items.get("name", key), key, value
            elif key in TASK_LISTS:
                yield from calls_in(value)


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_calls_in_roles_and_playbooks(path: pathlib.Path) -> None:
    for name, module, options in calls_in(yaml.safe_load(path.read_text())):
        check_call(module, options, name)


#: How a module finds Slurm. On the first controller its values count, though another host of the play renders the task.
FINDS_SLURM = {
    True: {"bin_dir": "{{ __slurm_lead_bin_dir }}", "units": "{{ __slurm_lead_units }}"},
    False: {"bin_dir": "{{ slurm_bin_dir }}", "units": "{{ __slurm_units }}"},
}


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/rollout/tasks/*.yml")), ids=lambda path: path.stem)
def test_a_role_says_how_slurm_is_found_wherever_it_is_needed(path: pathlib.Path) -> None:
    """A call without it works where everything has Slurm's own name, and places another drop-in than the calls beside it."""
    for task in tasks_of(yaml.safe_load(path.read_text())):
        for action in (key for key in task if key.startswith("nodecycle.slurm.")):
            arguments = task[action] or {}
            if action == "nodecycle.slurm.rollout" and arguments["step"] != "evaluate":
                continue
            options = options_of(PLUGINS / "modules" / f"{action.rpartition('.')[2]}.py")
            values = FINDS_SLURM[task.get("delegate_to") == "{{ __slurm_lead }}"]
            wanted = {name: value for name, value in values.items() if name in options}
            assert {name: arguments.get(name) for name in wanted} == wanted, f"{path.name}: {task['name']}"


@pytest.mark.parametrize("module", sorted(PLUGINS.glob("modules/*.py")), ids=lambda path: path.stem)
def test_a_module_that_runs_slurm_s_commands_knows_the_units(module: pathlib.Path) -> None:
    """The slurm.conf of a controller may stand in the unit of its slurmctld alone."""
    options = options_of(module)
    assert "bin_dir" not in options or "units" in options


def test_each_note_of_an_undo_says_that_it_is_one() -> None:
    """A full disk may have kept the first of them off the disk, and only an undo goes on without its notes."""
    path = ROOT / "roles/rollout/tasks/undo.yml"
    calls = [task.get("nodecycle.slurm.journal", {}) for task in tasks_of(yaml.safe_load(path.read_text()))]
    notes = [call["note"] for call in calls if call.get("state") == "noted"]
    assert [note["phase"] for note in notes] == ["undo"] * 2
