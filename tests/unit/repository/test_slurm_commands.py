# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Slurm's commands by our modules, which run as root: no text that a user can choose, in lines and columns.

A job's name may hold separators and line ends. Read from a column it once told root which jobs to cancel.
"""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CODE = [path for place in ("modules", "module_utils") for path in sorted((ROOT / "plugins" / place).glob("*.py"))]
COMMANDS = {
    "squeue",
    "sinfo",
    "sacct",
    "scontrol",
    "scancel",
    "sbatch",
    "sacctmgr",
    "srun",
    "salloc",
    "sprio",
    "sstat",
    "sreport",
}

#: Numbers and Slurm's own words: id, id with task, state, uid, priority, start.
LETTERS = set("AiTUQSV")
FIELDS = {"JobID", "State", "exit_code", "RestartCnt"}
#: For one job, if the whole answer is text.
ALONE = {"%r"}
#: Objects that C(scontrol show) may be asked for: only administrators write them. Jobs are not among them.
SHOWN = {"config", "hostnames", "node", "partition", "reservation"}
#: What the method queue() of Slurm passes on, which has an allow list of its own (test__slurm.py).
PASSED_ON = {("_slurm.py", "columns")}


def constants(tree: ast.AST) -> dict[str, str]:
    """The module's constants that are texts."""
    return {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def all_constants() -> dict[str, dict[str, str]]:
    """Those of all modules by the module's name."""
    return {path.stem: constants(ast.parse(path.read_text())) for path in CODE}


def text_of(node: ast.AST, own: t.Mapping[str, str], others: t.Mapping[str, t.Mapping[str, str]]) -> str | None:
    """An expression as a text, or None where that is known only when it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return own.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return others.get(node.value.id, {}).get(node.attr)
    return None


def is_allowed(columns: str | None) -> bool:
    """Whether columns of squeue or sinfo hold no text of a user."""
    if columns is None:
        return False
    if columns in ALONE:
        return True
    if columns.startswith("%"):
        return all(re.fullmatch(r"%[A-Za-z]", part) and part[1] in LETTERS for part in columns.split("|"))
    return all(part.partition(":")[0] in FIELDS for part in columns.split(","))


def complaints_of_call(
    words: list[ast.expr], name: str, own: t.Mapping[str, str], others: t.Mapping[str, t.Mapping[str, str]]
) -> t.Iterator[str]:
    """The faults in the words of a command."""
    texts = [None if isinstance(word, ast.Starred) else text_of(word, own, others) for word in words]
    command = texts[0]
    # The cluster's name is the administrator's.
    if command in ("sacct", "sacctmgr", "sprio", "sstat", "sreport") and texts[1:] != [
        "-n",
        "show",
        "cluster",
        "format=cluster",
    ]:
        yield f"{command}: nobody has said yet which of its columns are safe"
    if command in ("squeue", "sinfo"):
        if not any(text in ("-o", "-O", "--json") for text in texts) and not any(
            isinstance(word, ast.IfExp) for word in words
        ):
            yield f"{command} without columns of its own: the default ones have the job's name"
        for text in texts:
            if text and re.match(r"-[oO].|--(format|Format)|-l$|--long|-s$|--steps|--yaml", text):
                yield f"{command} {text}: write -o and the columns as words of their own"
        for at, word in enumerate(words):
            is_option = texts[at] in ("-o", "-O") or isinstance(word, ast.IfExp)
            if is_option:
                behind = words[at + 1]
                passed_on = isinstance(behind, ast.Name) and (name, behind.id) in PASSED_ON
                if not passed_on and not is_allowed(texts[at + 1]):
                    yield f"{command}: columns {ast.unparse(behind)} are not on the list of those without texts of users"
    if command == "scontrol":
        plain = [text for text in texts[1:] if text is None or not text.startswith("-")]
        if plain[:1] == ["show"] and (len(plain) < 2 or plain[1] not in SHOWN):
            yield f"scontrol show {plain[1] if len(plain) > 1 else ''} has texts of users in it"
        if plain[:1] == [None]:
            yield "scontrol: which of its commands is known only when it runs"


def complaints(source: str, name: str, others: t.Mapping[str, t.Mapping[str, str]]) -> list[str]:
    """The faults in a module's calls of Slurm's commands."""
    tree = ast.parse(source)
    own = constants(tree)
    found = []
    for node in ast.walk(tree):
        words: list[ast.expr] = []
        if isinstance(node, ast.Call):
            words = node.args
            if isinstance(node.func, ast.Attribute) and node.func.attr in ("queue", "jobs") and words:
                columns = words[0 if node.func.attr == "queue" else 1]
                passed_on = isinstance(columns, ast.Name) and (name, columns.id) in PASSED_ON
                if not passed_on and not is_allowed(text_of(columns, own, others)):
                    found.append(f"{name}:{node.lineno}: {node.func.attr}({ast.unparse(columns)})")
        elif isinstance(node, (ast.List, ast.Tuple)):
            words = node.elts
        if words and isinstance(words[0], ast.Constant) and words[0].value in COMMANDS:
            found += [f"{name}:{node.lineno}: {each}" for each in complaints_of_call(words, name, own, others)]
    return found


def test_no_text_of_a_user_is_asked_for() -> None:
    others = all_constants()
    assert [each for path in CODE for each in complaints(path.read_text(), path.name, others)] == []


def test_the_calls_are_found() -> None:
    """In another form this test would not see them."""
    calls = sum(
        1
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in COMMANDS and node.value != "scontrol"
    )
    assert calls >= 8


#: Calls that the test must refuse.
BAD = [
    'slurm.call("squeue", "-h", "-o", "%A|%j")',
    'slurm.call("squeue", "-h", "-o", "%A|%r")',
    'slurm.call("squeue", "-h", "-a", "-O", "JobID:24|,Name:160|")',
    'slurm.call("squeue", "-h", "-O", FIELDS)',
    'FIELDS = "JobID,Comment"\nslurm.call("squeue", "-h", "-O", FIELDS)',
    'slurm.call("squeue", "-h")',
    'slurm.call("squeue", *options)',
    'slurm.call("squeue", "-h", "--format=%A")',
    'slurm.call("squeue", "-o%A|%Z")',
    'run(["squeue", "-h", "-o", columns])',
    'slurm.queue("%A|%j")',
    "slurm.queue(columns)",
    'slurm.jobs(ids, "%k")',
    'slurm.call("scontrol", "show", "job", id_)',
    'slurm.call("scontrol", "-o", "show", "jobs")',
    'slurm.call("scontrol", "show", what)',
    'slurm.call("scontrol", what)',
    'slurm.call("sacct", "-o", "JobName")',
    'command = ["sinfo", "-N"]',
]


@pytest.mark.parametrize("source", BAD)
def test_what_is_refused(source: str) -> None:
    assert complaints(source, "x.py", {})


@pytest.mark.parametrize(
    "source",
    [
        'slurm.call("squeue", "-h", "-a", "-t", "all", "-o", "%A|%T")',
        'run(["squeue", "-a", "--json", "-j", ids])',
        'COLUMNS = "%A|%i"\nslurm.queue(COLUMNS, "-r")',
        "slurm.jobs(ids, _probe.COLUMNS)",
        'slurm.call("scontrol", "show", "reservation", "-o")',
        'slurm.call("scancel", "--", *ids)',
    ],
)
def test_what_is_not(source: str) -> None:
    assert complaints(source, "x.py", {"_probe": {"COLUMNS": "JobID:24|,State:32|"}}) == []
