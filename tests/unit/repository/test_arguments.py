# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of our modules. Ansible writes them all to the host's system log unless no_log prevents that."""

from __future__ import annotations

import base64
import importlib
import typing as t

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.action import script_lint
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _definition, _hidden, _schema
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import arguments
from module_pages import ROOT, options_of

MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))

#: Actions of the control node: they run on no host, so their arguments are in no host's log. Their modules are documentation alone.
ON_THE_CONTROL_NODE = {
    "definition": _definition.ARGUMENTS,
    "rollout": arguments.ARGUMENTS,
    "script_lint": script_lint.ARGUMENTS,
}

#: Options that hold text and may stand in a system log, each with the reason.
HARMLESS = {
    **dict.fromkeys(
        [f"{name}.bin_dir" for name in MODULES]
        + [f"{name}.{option}" for name in MODULES for option in ("path", "root", "conf_path")]
        + ["release.conf.path", "release.script_path"],
        "a path of the site's, the same for every job",
    ),
    **dict.fromkeys(
        ["conf.text", "conf_trial.text", "proof_info.conf_text", "release.conf.text"],
        "becomes slurm.conf, which everybody can read; a vaulted value in it is refused",
    ),
    **dict.fromkeys(["conf.adopt", "conf_trial.adopt", "release.conf.adopt"], "names of slurm.conf's keys"),
    **dict.fromkeys(
        [
            "bundle.nodes",
            "bundle.delivered",
            "bundle.canaries",
            "bundle.compared",
            "probe.met",
            "bundle.keep",
            "release.id",
            "init.id",
            "proof_info.release",
            "proof_info.staged",
            "hook_log_info.release",
        ],
        "a digest that everybody may know",
    ),
    **dict.fromkeys(
        ["node.name", "node_info.name", "hook_log_info.node", "release.node_name", "journal.removed"], "names of hosts"
    ),
    **dict.fromkeys(
        [f"{name}.units.{daemon}" for name in MODULES for daemon in ("slurmd", "slurmctld")],
        "names of units of systemd",
    ),
    "node.reason": "Slurm shows it to everybody",
    **dict.fromkeys(["held_jobs.jobs", "held_jobs_info.jobs"], "ids"),
    "hook_log_info.jobs": "ids and names of hosts",
    "journal.holder": "machine, boot and process of ansible-playbook",
    "cluster_info.init_timeouts": "numbers",
    "init.timeouts": "numbers",
    "release.init_timeouts": "numbers",
    "proof_info.init_timeouts": "numbers",
    "release.probe_user": "a user's name",
    "bundle.probe_user": "a user's name",
    "bundle.slurm_user": "a user's name",
    "held_jobs_info.activated": "names of hosts and times",
    "held_jobs_info.unasked": "names of hosts",
    "release.hooks": "the action plugin leaves the hooks' names of it",
    "release.slurm_user": "a user's name",
    "hook_log_info.slurm_user": "a user's name",
    "probe.name": "names of hosts",
    "probe.partitions": "names of partitions and hosts",
    "probe.user": "a user's name",
    **dict.fromkeys(["probe.account", "probe.qos", "probe.gres", "probe.command"], "Slurm shows it with the job"),
}


def texts(spec: dict[str, t.Any], prefix: str) -> t.Iterator[str]:
    """The options that may hold any text, and that no_log does not keep out of the log."""
    for name, option in spec.items():
        if option.get("no_log") or option.get("choices"):
            continue
        if "options" in option:
            yield from texts(option["options"], f"{prefix}.{name}")
        elif option.get("type", "str") not in ("int", "float", "bool"):
            yield f"{prefix}.{name}"


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """The argument_spec that a module gives to Ansible."""
    if name in ON_THE_CONTROL_NODE:
        return ON_THE_CONTROL_NODE[name]
    module = importlib.import_module(f"ansible_collections.nodecycle.slurm.plugins.modules.{name}")
    seen: list[dict[str, t.Any]] = []

    class Seen(Exception):  # noqa: N818
        pass

    def note(**options: t.Any) -> t.NoReturn:
        seen.append(options["argument_spec"])
        raise Seen

    monkeypatch.setattr(module, "AnsibleModule", note)
    with pytest.raises(Seen):
        module.main()
    return seen[0]


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ON_THE_CONTROL_NODE])
def test_no_option_that_may_hold_a_secret_is_logged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = sorted(set(texts(spec_of(name, monkeypatch), name)) - set(HARMLESS))
    assert not unknown, f"say why these may stand in a system log, or make them HIDDEN_SPEC: {unknown}"


def test_the_page_of_the_module_release_has_all_options_of_a_script() -> None:
    release = importlib.import_module("ansible_collections.nodecycle.slurm.plugins.modules.release")
    page = str(yaml.safe_load(release.DOCUMENTATION)["options"]["hooks"]["description"])
    assert [option for option in _schema.OPTIONS if f"V({option})" not in page] == []


def test_dictionaries_are_never_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible would strike all their strings out of the module's result."""
    for name in MODULES:
        for option, spec in spec_of(name, monkeypatch).items():
            assert not (spec.get("no_log") and spec.get("type") in ("dict", "list")), f"{name}.{option}"


def specified(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Documented options as an argument_spec."""
    return {
        name: {
            **{key: option[key] for key in ("type", "elements", "required", "default") if key in option},
            # Documented as a list, or each with its meaning.
            **({"choices": list(option["choices"])} if "choices" in option else {}),
            **({"options": specified(option["suboptions"])} if "suboptions" in option else {}),
        }
        for name, option in options.items()
    }


def without_rules(spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """An argument_spec without the rules between options, which documentation has no form for."""
    rules = ("required_one_of", "mutually_exclusive")
    return {
        name: {
            key: without_rules(value) if key == "options" else value
            for key, value in option.items()
            if key not in rules
        }
        for name, option in spec.items()
    }


@pytest.mark.parametrize("name", ON_THE_CONTROL_NODE)
def test_an_actions_documentation_is_what_it_takes(name: str) -> None:
    """ansible-test looks at the arguments of modules only."""
    options = options_of(ROOT / f"plugins/modules/{name}.py")
    assert specified(options) == without_rules(ON_THE_CONTROL_NODE[name])


class Module:
    """The parts of a module that unpack needs."""

    def __init__(self, **params: t.Any) -> None:
        self.params = params

    def fail_json(self, msg: str) -> t.NoReturn:
        raise SystemExit(msg)


def test_what_the_action_packs_the_module_unpacks() -> None:
    failures = {"worker1": {"output": "password=hunter2 \N{BULLET} \udcff"}}
    args = _hidden.packed({"state": "evaluated", "failures": failures, "note": None}, ("failures", "note", "rollout"))
    assert args["state"] == "evaluated"
    assert isinstance(args["failures"], str)
    assert "hunter2" not in args["failures"] + base64.b64decode(args["failures"]).decode("latin-1")
    module = Module(failures=args["failures"], note=None, rollout={})
    _ansible.unpack(t.cast("t.Any", module), "failures", "note", "rollout")
    assert module.params == {"failures": failures, "note": None, "rollout": {}}


@pytest.mark.parametrize("value", ["x", "{}", 1, [], _ansible.pack([1])])
def test_what_is_no_dictionary_is_refused_and_not_quoted(value: object) -> None:
    packed = _hidden.packed({"failures": value}, ["failures"])
    with pytest.raises(SystemExit, match=r"^failures is not a dictionary$"):
        _ansible.unpack(t.cast("t.Any", Module(**packed)), "failures")
