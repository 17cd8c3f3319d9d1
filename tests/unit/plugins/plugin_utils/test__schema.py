# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _schema
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import HookParser, Problem, ScriptSpec

GOOD = {"name": "check", "content": "#!/bin/sh\n"}


def parse(value: object, hook: str = "worker_prolog") -> tuple[list[ScriptSpec], list[Problem]]:
    parser = HookParser(hook, f"slurm_{hook}", lambda _value: "group_vars/all.yml:7:3")
    return parser.parse(value), parser.problems


# --- right values


@pytest.mark.parametrize("value", [None, "", "  \n", []])
def test_nothing(value: object) -> None:
    assert parse(value) == ([], [])


def test_one_script_as_text() -> None:
    (spec,), problems = parse("#!/bin/sh\n")
    assert not problems
    assert (spec.name, spec.source, spec.value, spec.where) == (
        "script",
        "content",
        "#!/bin/sh\n",
        "slurm_worker_prolog[0] (script)",
    )


def test_a_list_keeps_its_order_and_its_defaults() -> None:
    specs, problems = parse([{"name": "b", "src": "b.sh"}, {"name": "a", "template": "a.j2"}])
    assert not problems
    assert [(spec.name, spec.source, spec.value) for spec in specs] == [("b", "src", "b.sh"), ("a", "template", "a.j2")]
    assert (specs[0].partitions, specs[0].nodes, specs[0].timeout, specs[0].on_failure, specs[0].no_log) == (
        (),
        None,
        0,
        "drain",
        False,
    )
    assert specs[0].origin == "group_vars/all.yml:7:3"


#: options, the spec's attribute and its value
OPTIONS: list[tuple[dict[str, t.Any], str, t.Any]] = [
    ({"partitions": ["a", "b"]}, "partitions", ("a", "b")),
    ({"partitions": "a, b"}, "partitions", ("a", "b")),
    ({"nodes": "n[1-2],x"}, "nodes", ("n1", "n2", "x")),
    ({"nodes": ["n[1-2]", "x"]}, "nodes", ("n1", "n2", "x")),
    ({"timeout": 5}, "timeout", 5),
    ({"timeout": 86400}, "timeout", 86400),
    ({"timeout": "5"}, "timeout", 5),
    ({"on_failure": "ignore"}, "on_failure", "ignore"),
    ({"no_log": True}, "no_log", True),
    ({"src": None}, "source", "content"),
    ({"partitions": None, "nodes": None}, "nodes", None),
    ({"name": "a" * 100}, "name", "a" * 100),
    ({"name": "10-x.sh_Y"}, "name", "10-x.sh_Y"),
]


@pytest.mark.parametrize(("options", "attribute", "value"), OPTIONS)
def test_options(options: dict[str, t.Any], attribute: str, value: object) -> None:
    (spec,), problems = parse([{**GOOD, **options}])
    assert not problems
    assert getattr(spec, attribute) == value


# --- wrong values: the place, the fault, the remedy

HOOK = "slurm_worker_prolog"
SCRIPT = f"{HOOK}[0] (check)"
BAD_VALUES: list[tuple[t.Any, str, str, str]] = [
    (GOOD, HOOK, "is a dictionary", "- "),
    (7, HOOK, "is a number", "list of scripts"),
    (True, HOOK, "is a boolean", "list of scripts"),
    (["#!/bin/sh\n"], f"{HOOK}[0]", "is a string", "`name` and `content`"),
    ([None], f"{HOOK}[0]", "is nothing", "dictionary"),
    ([[GOOD]], f"{HOOK}[0]", "is a list", "dictionary"),
    ([GOOD, {"content": "x"}], f"{HOOK}[1]", "has no `name`", "give it one"),
    ([GOOD, GOOD], f"{HOOK}[1] (check)", f"has the name of {SCRIPT}", "two names"),
]
BAD_OPTIONS: list[tuple[dict[str, t.Any], str, str]] = [
    ({"timout": 5}, "unknown option 'timout' (did you mean 'timeout'?)", "name, content, src, template"),
    ({"xyz": 5}, "unknown option 'xyz'", "the options are"),
    ({3: 5}, "unknown option 3", "the options are"),
    ({"src": "a.sh"}, "has `content` and `src`", "exactly one"),
    ({"content": None}, "has no content", "exactly one"),
    ({"content": ["#!/bin/sh"]}, "has a `content` that is a list", "write text"),
    ({"content": 5}, "has a `content` that is a number", "write text"),
    ({"partitions": []}, "has empty `partitions`", "leave it out for all"),
    ({"partitions": ""}, "has empty `partitions`", "leave it out for all"),
    ({"partitions": {"a": 1}}, "has `partitions` {'a': 1}", "list of partition names"),
    ({"partitions": ["a", 3]}, "has `partitions` ['a', 3]", "list of partition names"),
    ({"partitions": "a,,b"}, "has `partitions` 'a,,b'", "list of partition names"),
    ({"nodes": "n[1-"}, "not a hostlist expression: unbalanced brackets in 'n[1-'", "node[1-8,12]"),
    ({"nodes": ""}, "not a hostlist expression", "node[1-8,12]"),
    ({"timeout": 0}, "has the timeout 0", "1 or more"),
    ({"timeout": -5}, "has the timeout -5", "1 or more"),
    ({"timeout": "-5"}, "has the timeout '-5'", "1 or more"),
    ({"timeout": "--5"}, "has the timeout '--5'", "1 or more"),
    ({"timeout": "²"}, "has the timeout '²'", "1 or more"),
    ({"timeout": "5m"}, "has the timeout '5m'", "whole seconds"),
    ({"timeout": 86401}, "has the timeout 86401, which is more than a day", "86400 at most"),
    # In bash this is 0, which is none at all.
    ({"timeout": 2**64}, f"has the timeout {2**64}, which is more than a day", "86400 at most"),
    ({"timeout": 1.5}, "has the timeout 1.5", "whole seconds"),
    ({"timeout": True}, "has the timeout True", "whole seconds"),
    ({"timeout": None}, "has the timeout None", "whole seconds"),
    ({"on_failure": "ignored"}, "has on_failure 'ignored' (did you mean 'ignore'?)", "drain (as Slurm does) or ignore"),
    ({"on_failure": ["drain"]}, "has on_failure ['drain']", "drain (as Slurm does) or ignore"),
    ({"no_log": "yes"}, "has no_log 'yes'", "true or false"),
]
BAD_VALUES += [([{**GOOD, **options}], SCRIPT, message, remedy) for options, message, remedy in BAD_OPTIONS]
BAD_VALUES += [
    ([{**GOOD, "name": name}], f"{HOOK}[0]", message, remedy)
    for name, message, remedy in [
        ("a/b", "has the name 'a/b', which is not a file name", "letters, digits"),
        ("../x", "has the name '../x'", "letters, digits"),
        (".hidden", "has the name '.hidden'", "not beginning with a dot"),
        ("-rf", "has the name '-rf'", "not beginning with a dot or dash"),
        ("", "has the name ''", "letters, digits"),
        ("two words", "has the name 'two words'", "letters, digits"),
        ("line\n", "has the name 'line\\n'", "letters, digits"),
        ("ü", "has the name 'ü'", "letters, digits"),
        ("a" * 101, "has the name", "up to 100"),
        (10, "has a `name` that is a number", "in quotes"),
    ]
]


@pytest.mark.parametrize(("value", "where", "message", "remedy"), BAD_VALUES)
def test_a_problem_names_place_fault_and_remedy(value: object, where: str, message: str, remedy: str) -> None:
    specs, problems = parse(value)
    (problem,) = problems
    assert problem.where == where
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.origin == "group_vars/all.yml:7:3"
    assert where not in [spec.where for spec in specs] or "name of" in message


#: hook, option, message, remedy
WRONG_HOOK = [
    ("worker_init", {"partitions": ["a"]}, "init scripts belong to no job", "`nodes`"),
    ("login_init", {"nodes": "n1"}, "login_init does not run on the nodes", "the host's variables"),
    ("controller_init", {"nodes": "n1"}, "controller_init does not run on the nodes", "the host's variables"),
    ("controller_prolog", {"nodes": "n1"}, "controller_prolog does not run on the nodes", "SLURM_JOB_NODELIST"),
    ("controller_epilog", {"nodes": "n1"}, "controller_epilog does not run on the nodes", "SLURM_JOB_NODELIST"),
]


@pytest.mark.parametrize(("hook", "options", "message", "remedy"), WRONG_HOOK)
def test_partitions_and_nodes_at_the_wrong_hook(
    hook: str, options: dict[str, t.Any], message: str, remedy: str
) -> None:
    _specs, (problem,) = parse([{**GOOD, **options}], hook)
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize("hook", ["worker_init", "worker_prolog", "worker_epilog", "task_prolog", "task_epilog"])
def test_nodes_at_the_workers_hooks(hook: str) -> None:
    assert not parse([{**GOOD, "nodes": "n1"}], hook)[1]


@pytest.mark.parametrize("hook", [hook.name for hook in HOOKS.values() if not hook.is_init])
def test_partitions_at_the_jobs_hooks(hook: str) -> None:
    assert not parse([{**GOOD, "partitions": ["a"]}], hook)[1]


@pytest.mark.parametrize("option", [{"run": "once"}, {"retries": 3}, {"retries": 3, "delay": 5}])
@pytest.mark.parametrize("hook", HOOKS)
def test_how_often_and_how_many_attempts_are_for_init_scripts(option: dict[str, t.Any], hook: str) -> None:
    (spec,), problems = parse([{**GOOD, **option}], hook) if HOOKS[hook].is_init else ((None,), [])
    if spec:
        assert not problems
        assert {name: getattr(spec, name) for name in option} == option
        return
    found = parse([{**GOOD, **option}], hook)[1]
    assert [problem.message for problem in found] == [f"has `{name}`, which is for init scripts" for name in option]
    assert all("leave it out: " in problem.remedy for problem in found)


#: option, message, remedy
WRONG_INIT: list[tuple[dict[str, t.Any], str, str]] = [
    ({"run": "always"}, "has run 'always'", "write boot (at each boot), change"),
    ({"run": "onec"}, "has run 'onec' (did you mean 'once'?)", "once (until it has succeeded)"),
    ({"run": None}, "has run None", "write boot"),
    ({"retries": 0}, "has retries 0", "a whole number from 1 to 100"),
    ({"retries": 101}, "has retries 101", "a whole number from 1 to 100"),
    ({"retries": True}, "has retries True", "a whole number from 1 to 100"),
    ({"retries": "many"}, "has retries 'many'", "a whole number from 1 to 100"),
    ({"retries": 1, "delay": 3601}, "has delay 3601", "a whole number from 1 to 3600"),
    ({"retries": 1, "delay": 0.5}, "has delay 0.5", "a whole number from 1 to 3600"),
    ({"delay": 5}, "has `delay` and no `retries`", "say how many more attempts there are"),
]


@pytest.mark.parametrize(("options", "message", "remedy"), WRONG_INIT)
def test_a_wrong_option_of_an_init_script(options: dict[str, t.Any], message: str, remedy: str) -> None:
    _specs, (problem,) = parse([{**GOOD, **options}], "worker_init")
    assert message in problem.message
    assert remedy in problem.remedy


def test_all_problems_are_told_at_once_and_good_scripts_are_kept() -> None:
    specs, problems = parse([{"name": "a/b", "timeout": -1, "foo": 1}, GOOD, 5])
    assert len(problems) == 5
    assert [spec.name for spec in specs] == ["check"]


# --- the first line


@pytest.mark.parametrize(
    "content",
    [b"#!/bin/sh\n", b"#! /bin/bash -e\n", b"#!/usr/bin/env python3", b"#!/bin/sh\necho \r\n", b"#!/bin/sh\n\xff"],
)
def test_scripts_that_the_kernel_can_start(content: bytes) -> None:
    assert _schema.require_shebang("w", content) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"echo x\n", "does not begin with #!"),
        (b"\n#!/bin/sh\n", "does not begin with #!"),
        (b" #!/bin/sh\n", "does not begin with #!"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "does not begin with #!"),
        (b"#!\n", "names no absolute interpreter"),
        (b"#!bash\n", "names no absolute interpreter"),
        (b"#!/bin/sh\r\necho x\r\n", "line ends of Windows"),
        (b"#!/bin/sh\r", "line ends of Windows"),
    ],
)
def test_scripts_that_the_kernel_cannot_start(content: bytes, message: str) -> None:
    (problem,) = _schema.require_shebang("w", content, "f:1:1")
    assert message in problem.message
    assert problem.remedy
    assert (problem.where, problem.origin) == ("w", "f:1:1")
