# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the script linter on a labelled corpus: precision, recall and speed.

    PYTHONPATH=.cache/collections python tests/bench/lint_corpus.py FOLDER --labels labels.csv --index index.csv

FOLDER holds the fetched files under the ids of the index (FOLDER/scripts/001). The files are other people's and
are never part of this repository; index.csv says where each one is.

A label counts when it is sure: found means a finding above info of a rule that answers to the label's rule, on the
same line or within two lines. A finding above info without any label near it (sure or arguable) is a false
positive; so is a certain mistake of ShellCheck's without a label logic_bug. Files are read as Slurm itself would start them,
without the dispatcher's PATH.
"""

from __future__ import annotations

import argparse
import collections
import csv
import pathlib
import re
import sys
import tempfile
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit/plugins/plugin_utils/_lint/script"))
from odd_scripts import ODD, processor_seconds

#: The corpus's name of a rule: ours.
RULES: dict[str, tuple[str, ...]] = {
    "slurm_command_in_prolog_epilog": ("slurm-command",),
    "path_not_set": ("command-search-path",),
    "unbounded_wait": ("unbounded-wait", "wait-exceeds-timeout"),
    "world_writable_tmp": ("predictable-temp-file",),
    "unintended_nonzero_exit": ("accidental-exit-code",),
    "unquoted_dangerous_expansion": ("unquoted-user-text",),
    "missing_env_guard": ("variable-not-set",),
    "missing_shebang": ("shebang-missing", "shebang-interpreter"),
    "unscoped_rm": ("unsafe-delete",),
    "eval_or_curl_pipe_sh": ("eval-text", "download-and-run"),
    "task_protocol_misuse": ("task-protocol",),
    "world_writable_permissions": ("world-writable",),
    "kills_all_user_processes": ("kill-user-processes",),
    "kills_unscoped_processes": ("kill-unscoped",),
    "bashism_in_sh": ("bashism",),
    "secret_in_script": ("secret-in-clear",),
    "stdout_print_noise": ("stdout-noise",),
    "exit_code_masked": ("exit-code-masked",),
    "syntax_error": ("syntax-error", "script-empty"),
    "package_install_in_prolog": ("package-install",),
    "crlf_or_bom": ("text-encoding",),
    # Whatever else is wrong. ShellCheck's certain mistakes belong here alone, the others to the labels above, too.
    "logic_bug": (
        "shellcheck",
        "check-without-effect",
        "exit-code-masked",
        "kill-unscoped",
        "node-wide-action",
        "unanchored-match",
        "unquoted-user-text",
        "unsafe-delete",
        "user-controlled-path",
        "variable-not-set",
    ),
}

#: Rules that no label of the corpus is made for: without a label that fits, their findings are neither right nor false.
#: `--verbose` lists them.
NO_LABEL = frozenset(
    {
        "background-process",
        "check-without-effect",
        "node-wide-action",
        "user-controlled-path",
        "unanchored-match",
        "growing-file",
        "file-not-placed",
    }
)

#: The corpus's kind of a program: the hook that is nearest to it. What the node's or the controller's
#: daemon starts outside of jobs is like an init script: root, no job.
HOOKS = {
    "prolog": "worker_prolog",
    "epilog": "worker_epilog",
    "prolog_slurmctld": "controller_prolog",
    "epilog_slurmctld": "controller_epilog",
    "task_prolog": "task_prolog",
    "task_epilog": "task_epilog",
    "init": "worker_init",
    "health_check": "worker_init",
    "resume": "controller_init",
    "suspend": "controller_init",
    "other": "worker_init",
}

NEAR = 2


class Counts:
    """The findings of one rule."""

    def __init__(self) -> None:
        self.found = self.missed = self.false = 0

    @property
    def precision(self) -> float | None:
        total = self.found + self.false
        return self.found / total if total else None

    @property
    def recall(self) -> float | None:
        total = self.found + self.missed
        return self.found / total if total else None


def neutral(text: bytes, kind: str) -> bytes:
    """A template with its instructions blanked and its values replaced by a word; lines stay where they are."""
    # In front of a slash stands a directory, with its whole path.
    text = re.sub(rb"(?:(?<=^)|(?<=[\s\"'=(]))(\{\{[^{}\n]*\}\}|<%=[^\n%]*%>)(?=/)", rb"/\1", text, flags=re.MULTILINE)
    if kind in ("jinja", "go"):
        # {{ ansible_managed | comment }} and the like: a line of its own is a comment or a block of text.
        text = re.sub(rb"^[ \t]*\{\{[^\n]*\}\}[ \t]*$", b"# value", text, flags=re.MULTILINE)
        text = re.sub(rb"\{%.*?%\}|\{#.*?#\}", lambda m: b"\n" * m[0].count(b"\n"), text, flags=re.DOTALL)
        return re.sub(rb"\{\{.*?\}\}", lambda m: b"value" + b"\n" * m[0].count(b"\n"), text, flags=re.DOTALL)
    if kind == "erb":
        text = re.sub(rb"<%=.*?%>", b"value", text, flags=re.DOTALL)
        return re.sub(rb"<%.*?%>", lambda m: b"\n" * m[0].count(b"\n"), text, flags=re.DOTALL)
    return text


def read_table(path: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> int:
    """Print the tables; 1 when a script is missing or an error stands on a clean file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--index", required=True)
    parser.add_argument("--must-not-fire")
    parser.add_argument("--verbose", action="store_true", help="list every miss and every false positive")
    parser.add_argument("--speed", action="store_true", help="measure 350 scripts, cold and warm, and odd scripts")
    arguments = parser.parse_args()

    index = {row["id"]: row for row in read_table(arguments.index) if row["type"] == "script"}
    labels: dict[str, list[dict[str, str]]] = collections.defaultdict(list)
    for row in read_table(arguments.labels):
        labels[row["id"]].append(row)
    silent = read_table(arguments.must_not_fire) if arguments.must_not_fire else []

    scripts, absent = [], []
    for name, row in index.items():
        file = arguments.folder / name
        if not file.exists():
            absent.append(name)
            continue
        scripts.append(Script(HOOKS[row["kind"]], name, neutral(file.read_bytes(), row["template_kind"]), name))
    options = Options(path=None)
    findings = engine.lint(scripts, options=options, cache_path=None)
    by_file: dict[str, list[Finding]] = collections.defaultdict(list)
    for finding in findings:
        by_file[finding.script].append(finding)

    unreadable = [
        script.name
        for script in scripts
        if index[script.name]["is_template"] == "True" and any(f.rule == "syntax-error" for f in by_file[script.name])
    ]
    counts, details = measure(scripts, by_file, labels, set(unreadable))
    table(counts)
    clean = [name for name, row in index.items() if row["clean"] == "1" and name not in unreadable]
    errors = [f for name in clean for f in by_file[name] if f.severity == "error"]
    warnings = [f for name in clean for f in by_file[name] if f.severity == "warning"]
    wrong = [
        f"{row['id']}:{row['line']} {f.rule} {f.message}"
        for row in silent
        for f in by_file[row["id"]]
        if f.severity != "info" and f.rule in RULES[row["rule"]] and f.line == int(row["line"])
    ]
    print(
        f"\nfiles: {len(scripts)} read, {len(absent)} not at hand, {len(unreadable)} templates that cannot be parsed without their values"
    )
    print(f"clean files: {len(clean)}, with {len(errors)} findings at error and {len(warnings)} at warning")
    if silent:
        print(f"must not fire: {len(silent)} lines, {len(wrong)} fired")
    if arguments.verbose:
        print("\nabsent:", *absent, "\nunreadable templates:", *unreadable)
        for line in [*details, *(f"MUST NOT FIRE {line}" for line in wrong)]:
            print(line)
        for f in errors + warnings:
            print(f"CLEAN {f.script}:{f.line} {f.severity} {f.rule} {f.message}")
    if arguments.speed:
        speed(scripts, options)
    return 1 if errors or wrong else 0


def measure(
    scripts: t.Sequence[Script],
    by_file: t.Mapping[str, list[Finding]],
    labels: t.Mapping[str, list[dict[str, str]]],
    left_out: set[str],
) -> tuple[dict[str, Counts], list[str]]:
    """Compare findings with labels, rule by rule. Returns the differences as lines."""
    counts: dict[str, Counts] = collections.defaultdict(Counts)
    details: list[str] = []
    names = {ours: theirs for theirs, all_ours in reversed(RULES.items()) for ours in all_ours}

    def answers(finding: Finding, label: t.Mapping[str, str]) -> bool:
        return finding.rule in RULES.get(label["rule"], ()) and abs(finding.line - int(label["line"])) <= NEAR

    for script in scripts:
        if script.name in left_out:
            continue
        serious = [f for f in by_file.get(script.name, ()) if f.severity != "info"]
        for label in labels.get(script.name, ()):
            if label["rule"] not in RULES or label["certainty"] != "sure":
                continue
            if any(answers(f, label) for f in serious):
                counts[label["rule"]].found += 1
            else:
                counts[label["rule"]].missed += 1
                details.append(f"MISSED {script.name}:{label['line']} {label['rule']} ({script.hook}): {label['why']}")
        for f in serious:
            if any(answers(f, label) for label in labels.get(script.name, ())):
                continue
            if f.rule in NO_LABEL:
                details.append(f"NO LABEL {script.name}:{f.line} {f.rule} {f.severity} ({script.hook}): {f.message}")
            else:
                counts[names.get(f.rule, f.rule)].false += 1
                details.append(f"FALSE  {script.name}:{f.line} {f.rule} {f.severity} ({script.hook}): {f.message}")
    return counts, details


def table(counts: t.Mapping[str, Counts]) -> None:
    """One line per rule, and one for all."""

    def show(name: str, c: Counts) -> None:
        precision, recall = ("    -" if v is None else f"{v:5.2f}" for v in (c.precision, c.recall))
        print(f"{name:34} {c.found:5} {c.missed:6} {c.false:5}   {precision}   {recall}")

    print(f"{'rule':34} {'found':>5} {'missed':>6} {'false':>5} {'precision':>9} {'recall':>7}")
    total = Counts()
    for name in sorted(counts):
        show(name, counts[name])
        for part in ("found", "missed", "false"):
            setattr(total, part, getattr(total, part) + getattr(counts[name], part))
    show("all", total)


def speed(scripts: t.Sequence[Script], options: Options) -> None:
    """What 350 distinct scripts take, without and with the cache, and then each very large or very odd one."""

    def measured(label: str, chosen: t.Sequence[Script], cache_path: str | None) -> str:
        start, before = time.perf_counter(), processor_seconds()
        engine.lint(chosen, options=options, cache_path=cache_path)
        return f"| {label} | {processor_seconds() - before:.1f} | {time.perf_counter() - start:.1f} |"

    many = [
        Script(s.hook, f"{s.name}-{number}", s.content + f"\n# {number}\n".encode(), s.name)
        for number, s in zip(range(350), list(scripts) * (350 // max(len(scripts), 1) + 1), strict=False)
    ]
    with tempfile.TemporaryDirectory() as folder:
        memory = f"{folder}/cache.json"
        print("\n| scripts | seconds of a processor | seconds |\n|---|--:|--:|")
        for label in ("cold", "warm, nothing changed"):
            print(measured(f"{len(many)} of the corpus, {label}", many, memory))
    for name, content in ODD.items():
        print(measured(name, [Script("worker_prolog", name, content)], None))


if __name__ == "__main__":
    sys.exit(main())
