# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine: equal texts, the cache, suppressions, severities, and bad input."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
import sys
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding, LintError, at_or_above
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.report import Report
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.wishes import Wishes
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import (
    cache,
    engine,
    other_languages,
    shellcheck,
    tools,
    values,
    walker,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.checks import failures
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script
from odd_scripts import MOST_SECONDS, ODD, processor_seconds

BAD = b"#!/bin/bash\nsqueue -h >/dev/null\nexit 0\n"


def script(content: bytes = BAD, hook: str = "worker_prolog", name: str = "s", **more: t.Any) -> Script:
    """A script of a hook."""
    return Script(hook, name, content, **more)


def lint(*scripts: Script, cache_path: str | None = None, **options: t.Any) -> list[Finding]:
    """The linter without a memory."""
    wishes = Wishes(options.pop("disabled", frozenset()), options.pop("severities", {}))
    return engine.lint(scripts, options=Options(wishes=wishes, **options), cache_path=cache_path)


def rules(findings: list[Finding]) -> list[str]:
    """The rules above info, in order."""
    return [finding.rule for finding in findings if finding.severity != "info"]


# ------------------------------------------------------------------------------------------------- equal texts


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the scripts that were really analysed."""
    names: list[str] = []
    original = engine._own_hits

    def spy(one: t.Any, *rest: t.Any) -> t.Any:
        names.append(one.script.name)
        return original(one, *rest)

    monkeypatch.setattr(engine, "_own_hits", spy)
    return names


def test_equal_content_is_analysed_once(analysed: list[str]) -> None:
    lint(*(script(name=f"s{number}") for number in range(5)))
    assert analysed == ["s0"]


def test_the_same_text_in_another_hook_or_with_another_timeout_is_another_matter(analysed: list[str]) -> None:
    lint(script(name="a"), script(name="b", hook="worker_epilog"), script(name="c", timeout=5))
    assert analysed == ["a", "b", "c"]


def test_one_place_on_many_hosts_is_reported_once() -> None:
    found = lint(*(script(origin="slurm_worker_prolog[1]", host=f"n{number}") for number in range(3)))
    assert rules(found) == ["slurm-command"]
    assert found[0].host == "n0"


def test_texts_that_differ_by_host_are_reported_with_a_host_each() -> None:
    found = lint(script(host="n1"), script(BAD + b"# n2\n", host="n2"))
    assert {finding.host for finding in found if finding.rule == "slurm-command"} == {"n1", "n2"}


def test_two_places_with_the_same_text_are_both_reported() -> None:
    assert rules(lint(script(name="a"), script(name="b"))) == ["slurm-command", "slurm-command"]


# ------------------------------------------------------------------------------------------------------ memory


def test_an_unchanged_script_is_not_analysed_again(tmp_path: pathlib.Path, analysed: list[str]) -> None:
    memory = str(tmp_path / "folder" / "cache.json")
    first = lint(script(), cache_path=memory)
    second = lint(script(), cache_path=memory)
    assert analysed == ["s"]
    assert first == second


@pytest.mark.parametrize(
    "changed",
    [{"slurm_version": "22.05"}, {"path": None}, {"prolog_epilog_timeout": 10}],
    ids=["version", "path", "timeout"],
)
def test_what_changes_the_outcome_is_part_of_the_memory(
    tmp_path: pathlib.Path, analysed: list[str], changed: dict[str, t.Any]
) -> None:
    memory = str(tmp_path / "cache.json")
    lint(script(), cache_path=memory)
    lint(script(), cache_path=memory, **changed)
    assert len(analysed) == 2


def test_severities_apply_to_what_is_remembered(tmp_path: pathlib.Path) -> None:
    memory = str(tmp_path / "cache.json")
    lint(script(), cache_path=memory)
    assert rules(lint(script(), cache_path=memory, disabled=frozenset({"slurm-command"}))) == []


@pytest.mark.parametrize("damage", ["not json", "[1, 2]", '{"key": 3}', ""])
def test_a_damaged_memory_is_forgotten(tmp_path: pathlib.Path, damage: str) -> None:
    memory = tmp_path / "cache.json"
    memory.write_text(damage)
    assert rules(lint(script(), cache_path=str(memory))) == ["slurm-command"]
    assert json.loads(memory.read_text())


def test_an_entry_of_another_form_is_forgotten(tmp_path: pathlib.Path) -> None:
    memory = tmp_path / "cache.json"
    lint(script(), cache_path=str(memory))
    (key,) = json.loads(memory.read_text())
    memory.write_text(json.dumps({key: [["only", "three", 1]]}))
    assert rules(lint(script(), cache_path=str(memory))) == ["slurm-command"]


def test_an_unwritable_memory_does_no_harm(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert rules(lint(script(), cache_path=str(tmp_path / "file" / "cache.json"))) == ["slurm-command"]


def test_the_memory_drops_its_oldest_entries(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_ENTRIES", 2)
    memory = tmp_path / "cache.json"
    lint(*(script(BAD + f"# {number}\n".encode()) for number in range(4)), cache_path=str(memory))
    assert len(json.loads(memory.read_text())) == 2


def test_the_default_place_is_below_ansible_home(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path))
    engine.lint([script()])
    assert (tmp_path / "nodecycle" / "script-lint.json").exists()


# ----------------------------------------------------------------------------------------------------- secrets


def test_nothing_of_a_secret_script_leaves(tmp_path: pathlib.Path) -> None:
    memory = tmp_path / "cache.json"
    text = b'#!/bin/bash\nTOKEN=hunter2hunter2\ncurl -d "$TOKEN" http://secret.host/hunter2\nexit 0\n'
    found = lint(script(text, is_secret=True), cache_path=str(memory))
    assert {"secret-in-clear", "unbounded-wait"} <= set(rules(found))
    assert "hunter2" not in Report(found, "error").text
    assert "secret.host" not in str([finding.as_dict() for finding in found])
    assert not memory.exists()


# ----------------------------------------------------------------------------------------- grading and silencing


def test_severity_is_graded_by_hook() -> None:
    worst = {
        hook: {f.severity for f in lint(script(hook=hook)) if f.rule == "slurm-command"}
        for hook in ("worker_prolog", "controller_prolog", "worker_init")
    }
    assert worst == {"worker_prolog": {"error"}, "controller_prolog": {"warning"}, "worker_init": set()}


def test_a_user_grades_anew_and_switches_off() -> None:
    assert [f.severity for f in lint(script(), severities={"slurm-command": "info"}) if f.rule == "slurm-command"] == [
        "info"
    ]
    assert rules(lint(script(), severities={"slurm-command": "off"})) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"disabled": frozenset({"slurm-comand"})}, "no lint rule 'slurm-comand'"),
        ({"severities": {"nonsense": "off"}}, "no lint rule 'nonsense'"),
        ({"severities": {"slurm-command": "fatal"}}, "must be one of error, warning, info or off"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, t.Any], text: str) -> None:
    with pytest.raises(LintError, match=text):
        lint(script(), **options)


def test_an_unknown_hook_is_named() -> None:
    with pytest.raises(LintError, match="'prolog' is not a hook; the hooks are worker_init"):
        lint(script(hook="prolog"))


@pytest.mark.parametrize(
    "text",
    [
        "squeue -h # nodecycle: disable=slurm-command it is local\nexit 0\n",
        "# nodecycle: disable=slurm-command it is local\nsqueue -h\nexit 0\n",
        "# nodecycle: disable=slurm-command,eval-text it is local\n# more words\n\nsqueue -h\nexit 0\n",
        "# nodecycle:disable = slurm-command it is local\nsqueue -h\nexit 0\n",
        "squeue -h\nexit 0\n# nodecycle: disable-file=slurm-command the controller is local\n",
    ],
)
def test_a_comment_silences(text: str) -> None:
    assert rules(lint(script(b"#!/bin/bash\n" + text.encode()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# nodecycle: disable=eval-text another rule\nsqueue -h\nexit 0\n", ["slurm-command"]),
        ("# nodecycle: disable=slurm-command too far away\ntrue\nsqueue -h\nexit 0\n", ["slurm-command"]),
        ("squeue -h # nodecycle: disable=slurm-command\nexit 0\n", ["slurm-command", "suppression"]),
        ("squeue -h # nodecycle: disable=slurm-commands why\nexit 0\n", ["slurm-command", "suppression"]),
    ],
)
def test_a_comment_that_does_not_count_silences_nothing(text: str, expected: list[str]) -> None:
    assert sorted(rules(lint(script(b"#!/bin/bash\n" + text.encode())))) == expected


def test_shellcheck_and_our_rules_say_a_thing_once() -> None:
    found = lint(script(b"#!/bin/bash\nlogger $SLURM_JOB_COMMENT\n"))
    assert [f.rule for f in found if f.line == 2 and f.rule in ("shellcheck", "unquoted-user-text")] == [
        "unquoted-user-text"
    ]


def test_the_threshold_orders_severities() -> None:
    assert at_or_above("error", "warning")
    assert at_or_above("warning", "warning")
    assert not at_or_above("info", "warning")


# --------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "script-empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "text-encoding"),
        (b"\x1f\x8b\x08\x00\x00", "text-encoding"),
        (b"#!/bin/bash\necho a\0b\n", "text-encoding"),
        (b"\xef\xbb\xbf#!/bin/bash\ntrue\n", "text-encoding"),
        (b"\xff\xfe#\0!\0", "text-encoding"),
        (b"#!/bin/bash\r\ntrue\r\n", "text-encoding"),
        (b"#!/bin/bash\necho '\xe9'\n", "text-encoding"),
        (b"#!/bin/bash\n" + b"true\n" * 1_000_000, "script-size"),
        (b"no shebang, no shell (", "shebang-missing"),
        (b"#!/usr/bin/python3\nif:\n", "syntax-error"),
        (b"#!/usr/bin/python3\nx = '\0'\n", "text-encoding"),
        (b"#!/bin/bash\n" + b"(" * 400 + b"true" + b")" * 400 + b"\n", ""),
        (b"#!/bin/bash\necho " + b"$(" * 150 + b"true" + b")" * 150 + b"\n", ""),
        (b"#!/usr/bin/python3\nx = " + b"(" * 400 + b"1" + b")" * 400 + b"\n", ""),
        (b"#!/bin/zsh\nfor f (a b) print $f\n", ""),
        (b"#!/bin/ksh\nprint hello\nexit 0\n", ""),
        (b"#!", "shebang-interpreter"),
        (b"#!/bin/bash", ""),
    ],
)
def test_bad_input_is_a_finding_and_never_a_traceback(content: bytes, expected: str) -> None:
    found = lint(script(content))
    assert not expected or expected in [finding.rule for finding in found]
    assert all(finding.line >= 1 and finding.message for finding in found)


def twice(count: int) -> str:
    """Functions of which each calls the next one twice."""
    calls = "".join(f"f{number}() {{ f{number + 1}; f{number + 1}; }}\n" for number in range(count))
    return f'{calls}f{count}() {{ rm -rf "/x/$x"; test -n "$y" || return 1; }}\nf0\n'


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("x=" + "$(echo " * 10 + "a" + ")" * 10 + "; rm -rf $x\n", True),
        ("x=" + "$(echo " * 40 + "a" + ")" * 40 + "; rm -rf $x\n", False),
        ('echo "' + '$(echo "' * 40 + '")' * 40 + '"\n', False),
        (twice(60), True),
    ],
    ids=["ten substitutions", "forty substitutions", "forty quoted ones", "sixty functions"],
)
def test_what_doubles_at_each_level_ends_the_reading_or_costs_nothing(text: str, is_read: bool) -> None:
    begin = time.process_time()
    found = lint(script(f"#!/bin/bash\n{text}".encode()))
    assert time.process_time() - begin < 5
    assert ("the script was not analysed: it is nested too deeply" in [f.message for f in found]) != is_read


#: How a function calls the next one twice.
TWICE = {
    "two lines": "f; f",
    "either": "f || f",
    "condition": "if f; then f; fi",
    "branches": 'if [ -e "$1" ]; then f; else f; fi',
    "loop": "while f; do f; done",
    "pipeline": "f | f",
    "handed on": "f || return $?; f || return $?",
    "substitutions": "x=$(f); y=$(f)",
    "subshells": "( f ); ( f )",
}

#: What the last function does.
LAST = (
    "exit 1",
    'rm -rf "/x/$x"',
    "echo bad; logger fail",
    'test -n "$y"',
    "a=$b",
    "return $?",
    "nvidia-smi || echo broken",
    "scontrol update nodename=x state=drain",
    "pkill python",
    "( exit 1 )",
    "squeue | grep x",
    "false",
    "trap 'exit 0' EXIT",
    "case $1 in a) exit 1 ;; esac",
    "set -e; grep x /y",
    "cat f | while read -r l; do exit 1; done",
)

#: What the file does with the first one.
FIRST = (
    "f0",
    "( f0 )",
    "f0 || echo fault",
    "if ! f0; then echo fault; fi",
    "nvidia-smi || f0",
    "f0; rc=$?; exit $rc",
    "f0 &",
    "set -e; f0",
    "v=$(f0); [ $v = 1 ]",
)


class TooManyCalls(BaseException):
    """Nothing in the linter catches it."""


def calls_of_functions(text: str, most: int) -> int:
    """The calls of Python functions in our own work on a script: on a busy machine as many as on an idle one."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"
        if count > most:
            raise TooManyCalls(text)

    prepared = engine._prepare(script(f"#!/bin/bash\n{text}\n".encode()))
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        hits = engine._own_hits(prepared, Options())
    finally:
        sys.setprofile(before)
    assert "unknown-language" not in [hit.rule for hit in hits]
    return count


@pytest.mark.parametrize(("number", "twice"), list(enumerate(TWICE.values())), ids=TWICE)
def test_what_doubles_at_each_level_costs_nothing_in_whatever_form(number: int, twice: str) -> None:
    for last, first in zip(LAST[number % 2 :: 2], itertools.islice(itertools.cycle(FIRST), number, None), strict=False):
        functions = [re.sub(r"\bf\b", f"f{level}", f"f{level - 1}() {{ {twice}; }}") for level in range(1, 25)]
        assert calls_of_functions("\n".join([*functions, f"f24() {{ {last}; }}", first]), most=200_000)


def test_a_variable_is_not_followed_anew_through_each_of_many_calls() -> None:
    functions = [f"f{level}() {{ {f'f{level + 1}; ' * 10}}}" for level in range(6)]
    assert calls_of_functions("\n".join([*functions, "f6() { x=1; }", "f0; rm -rf /a/$x"]), most=200_000)


def test_functions_that_call_each_other_are_read() -> None:
    found = lint(script(b"#!/bin/bash\nf() { nvidia-smi || g; }\ng() { f; echo broken; }\nf\n"))
    assert "unknown-language" not in [finding.rule for finding in found]


def test_a_script_that_is_not_utf_8_is_linted_as_any_other() -> None:
    latin = b"#!/bin/bash\n# f\xfcr alle\ngr\xfc\xdfe() { logger \xe9; }\necho '\xe4\xf6' $SLURM_JOB_NAME\ncd /x; squeue\nrm -rf $nowhere/\xe9\n"
    encoding, *others = lint(script(latin))
    assert (encoding.rule, encoding.severity, encoding.line, encoding.column) == ("text-encoding", "warning", 2, 4)
    assert {"slurm-command", "unquoted-user-text", "unsafe-delete"} <= {finding.rule for finding in others}
    assert others == lint(script(latin.decode("latin-1").translate(dict.fromkeys(range(128, 256), ",")).encode()))


def test_what_python_makes_of_a_script_that_is_not_utf_8_is_not_hidden() -> None:
    text = b"x = '\xfc'\n"
    assert "syntax-error" in [finding.rule for finding in lint(script(b"#!/usr/bin/python3\n" + text))]
    (known,) = lint(script(b"#!/usr/bin/python3\n# -*- coding: latin-1 -*-\n" + text))
    assert (known.rule, known.severity) == ("text-encoding", "warning")


def test_a_mistake_of_the_linter_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_subject: object) -> list[object]:
        raise KeyError("Cmd")

    monkeypatch.setattr(engine, "_CHECKS", (fail,))
    (found,) = (finding for finding in lint(script()) if finding.severity == "warning")
    assert "the linter itself failed on this script (KeyError: 'Cmd')" in found.message


# ----------------------------------------------------------------------------------------------- too much to ask


def left_out(content: bytes) -> list[str]:
    """The warnings about what was not analysed; the other findings are notes."""
    found = [finding for finding in lint(script(content)) if finding.severity != "info"]
    assert {(finding.rule, finding.severity) for finding in found} <= {("unknown-language", "warning")}
    return [finding.message for finding in found]


def test_a_program_gets_so_much_processor_time() -> None:
    assert tools.run(["/bin/sh", "-c", "ulimit -t"], seconds=7).stdout == b"7\n"


@pytest.mark.parametrize("signal", ["XCPU", "KILL"])
def test_a_program_at_its_limit_is_a_matter_of_the_script(signal: str) -> None:
    with pytest.raises(tools.TooMuchError, match="sh needs more than 7 seconds of a processor"):
        tools.run(["/bin/sh", "-c", f"kill -{signal} $$"], seconds=7)


def test_arguments_and_codes_pass_the_limit_as_they_are() -> None:
    done = tools.run(["/bin/sh", "-c", 'printf "%s|" "$@"; cat; exit 3', "x", "a b", "$c", ""], seconds=7, stdin=b"in")
    assert (done.stdout, done.returncode) == (b"a b|$c||in", 3)


@pytest.mark.parametrize(("name", "said"), [("shfmt", "not analysed: shfmt"), ("shellcheck", "ShellCheck did not")])
def test_a_script_on_which_a_program_reaches_its_limit_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, name: str, said: str
) -> None:
    """A stand-in: the real ones would need their seconds, of a machine that has other work."""
    real = tools.find_tool(name)
    # It reaches its limit on the script only, not on what tells whether the program works at all.
    text = f'#!/bin/sh\ncase "$*" in *probe.sh) exec {real} "$@" ;; esac\nkill -XCPU $$\n'
    (tmp_path / name).write_text(text)
    (tmp_path / name).chmod(0o755)
    find = tools.find_tool
    monkeypatch.setattr(tools, "find_tool", lambda wanted: str(tmp_path / name) if wanted == name else find(wanted))
    (message,) = left_out(b"#!/bin/bash\nlogger start\nexit 0\n")
    assert said in message
    assert "needs more than" in message


def test_a_large_file_and_one_with_a_long_line_hold_up_no_other() -> None:
    small, long, large = b"true\n", b"true;" * 500 + b"\n", b"true\n" * 8000
    texts = [small] * 30 + [long] + [small] * 30 + [large]
    found = shellcheck.batches(texts)
    assert sorted(position for batch in found for position in batch) == list(range(len(texts)))
    assert [batch for batch in found if {30, 61} & set(batch)] == [[30], [61]]
    assert [len(batch) for batch in found] == [24, 24, 12, 1, 1]


def test_a_file_alone_gets_less_processor_time_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    real = tools.run

    def noted(*given: t.Any, **more: t.Any) -> t.Any:
        limits.append(more["seconds"])
        return real(*given, **more)

    monkeypatch.setattr(tools, "run", noted)
    shellcheck.check([("bash", b"true\n")])
    shellcheck.check([("bash", b"true\n")] * 2)
    assert limits == [shellcheck.SECONDS, shellcheck.SECONDS_OF_A_BATCH]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (b"logger a\n", 60),
        (b"x=$y\n", 60),
        (b": $(true)\n", 60),
        (b"case $x in a) true ;; esac\n", 60),
        (b"f() { true; }; f\n", 60),
    ],
)
def test_a_script_with_too_many_commands_is_left_out(monkeypatch: pytest.MonkeyPatch, line: bytes, count: int) -> None:
    monkeypatch.setattr(walker.Walker, "MAX_EVENTS", 50)
    (message,) = left_out(b"#!/bin/bash\n" + line * count)
    assert "it has more than 50 commands and uses of variables" in message
    assert left_out(b"#!/bin/bash\nPATH=/bin\nlogger a\n") == []


@pytest.mark.parametrize(
    "text",
    [
        b"#!/bin/bash\nPATH=/bin\n" + b"".join(b"sh -c 'logger %d'\n" % number for number in range(5)),
        b"#!/bin/bash\nPATH=/bin\n" + b"eval 'logger a'\n" * 5 + b"exit 0\n",
        b"#!/bin/bash\nPATH=/bin\n" + b"bash <<E\nlogger a\nE\n" * 5 + b"exit 0\n",
        b"#!/usr/bin/python3\nimport os\n" + b"os.system('logger a; true')\n" * 5,
    ],
)
def test_a_script_that_starts_too_many_shells_is_left_out(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(walker.Walker, "MAX_TEXTS", 4)
    assert any(message.startswith("the script was not analysed: ") for message in left_out(text))
    monkeypatch.setattr(walker.Walker, "MAX_TEXTS", 5)
    assert not any(message.startswith("the script was not analysed: ") for message in left_out(text))


@pytest.mark.parametrize("name", ODD)
def test_a_very_large_or_odd_script_takes_little_time(name: str) -> None:
    before = processor_seconds()
    lint(script(ODD[name]))
    assert processor_seconds() - before < MOST_SECONDS


def test_a_condition_behind_many_others_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is set in two branches that ask for the one before: two to the power of twelve ways lead to the first."""
    asked: list[t.Any] = []
    real = failures.conditions

    def noted(*given: t.Any) -> t.Any:
        asked.append(given)
        return real(*given)

    monkeypatch.setattr(failures, "conditions", noted)
    chain = "".join(f'if [ "$v{n}" = x ]; then v{n + 1}=a; else v{n + 1}=b; fi\n' for n in range(12))
    text = f'#!/bin/bash\nset -e\n{chain}if [ "$v12" = x ]; then rm /var/lib/site/mark; fi\nexit 0\n'
    lint(script(text.encode()))
    assert 0 < len(asked) < 100


def test_variables_with_too_many_values_leave_the_script_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"#!/bin/bash\nPATH=/bin\nx=a y=b\n" + b'[ -d /x ] && x="$y/a" && y="$x/b"\n' * 10 + b'logger "$x"\nexit 0\n'
    assert left_out(text) == []
    monkeypatch.setattr(values, "MAX_LOOKS", 1000)
    assert left_out(text) == ["the script was not analysed: its variables can have too many values"]


def test_a_large_script_in_another_language_is_left_out() -> None:
    rest = b"x = 1\n" * (other_languages.MAX_BYTES // 6)
    assert left_out(b"#!/usr/bin/python3\n" + rest[:-120]) == []
    (message,) = left_out(b"#!/usr/bin/python3\n" + rest)
    assert message == "the script was not analysed: it has more than 256 KiB of python3"


@pytest.mark.parametrize(
    "text",
    [
        b"#!/usr/bin/python3\nx = " + b"1 + " * 20000 + b"1\n",
        b"#!/usr/bin/python3\nx" + b".a()" * 20000 + b"\n",
        b"#!/bin/bash\nPATH=/bin\n" + b"if true; then\n" * 400 + b":\n" + b"fi\n" * 400,
        # shfmt has a limit of its own.
        b"#!/bin/bash\nPATH=/bin\n: " + b"$(" * 3000 + b"true" + b")" * 3000 + b"\n",
    ],
)
def test_a_script_that_is_nested_too_deeply_is_left_out(text: bytes) -> None:
    """It may be a right one, so it is no syntax error."""
    assert left_out(text) == ["the script was not analysed: it is nested too deeply"]


@pytest.mark.parametrize("program", ["tclsh", "expect", "R", "awk", "made-up"])
def test_an_unknown_language_is_a_note(program: str) -> None:
    found = lint(script(f"#!/usr/bin/{program}\nwhatever ( [ {{\n".encode()))
    assert [(f.rule, f.severity) for f in found] == [("unknown-language", "info")]


#: A program for each language that the linter knows; {mark} is a file that it makes as early as the language allows.
EAGER = {
    "sh": "x=$(touch {mark})\ntouch {mark}\neval 'touch {mark}'\n",
    "bash": "declare -a a=($(touch {mark}))\n[[ $(touch {mark}) ]]\ncat <(touch {mark})\n",
    "ksh": "touch {mark}\n",
    "zsh": "touch {mark}\n",
    "python3": "import os\nos.system('touch {mark}')\nopen('{mark}', 'w')\n",
    "perl": "BEGIN {{ open(F, '>', '{mark}') }}\nuse POSIX;\n",
    "ruby": "BEGIN {{ File.write('{mark}', '') }}\n`touch {mark}`\n",
    "php": "<?php declare(ticks=1); touch('{mark}');\n",
    "lua": "os.execute('touch {mark}')\n",
    "node": "require('fs').writeFileSync('{mark}', '')\n",
    "tcsh": "set x = `touch {mark}`\nforeach i (`touch {mark}`)\nend\ntouch {mark}\n",
    "csh": "set x = `touch {mark}`\ntouch {mark}\n",
    "fish": "set x (touch {mark})\nif test (touch {mark}); end\ntouch {mark}\n",
    "awk": 'BEGIN {{ system("touch {mark}") }}\n',
}


@pytest.mark.parametrize("program", EAGER)
def test_linting_executes_nothing(tmp_path: pathlib.Path, program: str) -> None:
    mark = tmp_path / "mark"
    lint(script(f"#!/usr/bin/{program}\n{EAGER[program].format(mark=mark)}".encode()))
    assert not mark.exists()


def test_options_of_the_interpreter_line_load_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "evil.rb").write_text(f"File.write('{tmp_path}/mark', '')\n")
    lint(script(f"#!/usr/bin/ruby -r{tmp_path}/evil.rb\nputs 1\n".encode()))
    assert not (tmp_path / "mark").exists()


def interpreter(tmp_path: pathlib.Path, name: str, said: str = "") -> pathlib.Path:
    """An interpreter that notes its call with the arguments and variables, prints something and fails."""
    path = tmp_path / name
    path.write_text(
        f"#!/bin/sh\n{{ echo \"$*\"; env; cat; }} >{tmp_path}/called\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n"
    )
    path.chmod(0o755)
    return tmp_path / "called"


@pytest.mark.parametrize("program", ["perl", "tcsh", "csh", "fish", "perl5.36"])
def test_what_can_only_be_checked_by_running_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, program: str
) -> None:
    called = interpreter(tmp_path, program.rstrip("0123456789."))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (found,) = lint(script(f"#!/usr/bin/{program}\nwhatever (\n".encode()))
    assert (found.rule, found.severity) == ("unknown-language", "info")
    assert "the syntax was not checked" in found.message
    assert not called.exists()


@pytest.mark.parametrize(
    ("program", "said", "line", "message"),
    [
        (
            "ruby",
            "-:3: syntax error, unexpected end-of-input\nruby: compile error (SyntaxError)",
            3,
            "ruby: syntax error",
        ),
        (
            "php",
            "\nParse error: syntax error, unexpected token in Standard input code on line 4\n",
            4,
            "php: Parse error",
        ),
        ("lua", "luac: stdin:2: unexpected symbol near '='", 2, "lua: unexpected symbol"),
        ("node", "[stdin]:2\nlet a = ;\n\nSyntaxError: Unexpected token ';'\n at x:99", 2, "node: SyntaxError"),
    ],
)
def test_an_interpreter_s_words_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, program: str, said: str, line: int, message: str
) -> None:
    called = interpreter(tmp_path, {"lua": "luac"}.get(program, program), said)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("RUBYOPT", "NODE_OPTIONS", "LUA_INIT", "PHPRC"):
        monkeypatch.setenv(name, "-r/nonexistent")
    (found,) = lint(script(f"#!/usr/bin/{program}\nwhatever\n".encode()))
    assert (found.rule, found.line) == ("syntax-error", line)
    assert found.message.startswith(message)
    assert "/nonexistent" not in called.read_text()


@pytest.mark.parametrize(
    "said", ["", "Segmentation fault", "(node:48) Warning: To load an ES module, set x\n[stdin]:48"]
)
def test_what_an_interpreter_says_otherwise_is_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, said: str
) -> None:
    interpreter(tmp_path, "node", said)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (found,) = lint(script(f"#!/usr/bin/node\nwhatever {len(said)}\n".encode()))
    assert (found.rule, found.line) == ("unknown-language", 1)


def test_an_interpreter_that_is_not_there_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (without,) = lint(script(b"#!/usr/bin/ruby\nputs (\n"))
    assert (without.rule, without.severity) == ("unknown-language", "info")
    assert "ruby is not installed on the control node" in without.message


# ---------------------------------------------------------------------------------- messages of the two programs


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"#!/bin/bash\necho " + b"a" * 17000 + b" )\n", 2),
        (b"#!/bin/bash\n" + b"x" * 20000 + b"'\n", 2),
        (b"#!/bin/bash\n" + b"\n" * 270000 + b"if\n", 1),
    ],
    ids=["column", "quote", "line"],
)
def test_an_error_beyond_shfmt_s_numbers_is_a_finding_of_its_script(text: bytes, line: int) -> None:
    found = [finding for finding in lint(script(text)) if finding.rule == "syntax-error"]
    assert [(finding.line, finding.script) for finding in found] == [(line, "s")]


def test_a_long_command_of_a_python_script_is_no_end_of_the_run() -> None:
    command = "echo " + "a" * 17000 + " ) ; squeue"
    found = lint(script(f"#!/usr/bin/python3\nimport os\nos.system('{command}')\n".encode()))
    assert all(finding.line >= 1 for finding in found)


@pytest.mark.parametrize("before", [b": " + b"a" * 17000 + b"; ", b"\n" * 270000], ids=["column", "line"])
def test_a_finding_beyond_shfmt_s_numbers_has_its_place(before: bytes) -> None:
    text = b"#!/bin/bash\n" + before + b"squeue >/dev/null\n"
    (found,) = (finding for finding in lint(script(text)) if finding.rule == "slurm-command")
    assert found.line == text[: text.index(b"squeue")].count(b"\n") + 1
    assert found.column == text.index(b"squeue") - text.rfind(b"\n", 0, text.index(b"squeue"))


def test_one_script_that_shellcheck_does_not_take_is_a_finding_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    real = tools.find_tool("shellcheck")
    (tmp_path / "shellcheck").write_text(
        "#!/bin/sh\nfor one; do case $one in /*) ! grep -q 'not for you' \"$one\" || { echo crashed >&2; exit 2; } ;; esac; done\n"
        f'exec {real} "$@"\n'
    )
    (tmp_path / "shellcheck").chmod(0o755)
    monkeypatch.setattr(
        tools, "find_tool", lambda name: real.replace("shellcheck", name) if name == "shfmt" else str(tmp_path / name)
    )
    scripts = [
        Script("worker_prolog", name, b"#!/bin/bash\n# " + text + b"\nif [ a = b -a 1 ]; then unset a[1]; fi\n")
        for name, text in (("bad", b"not for you"), ("good", b"fine"))
    ]
    found = engine.lint(scripts, cache_path=None)
    notes = [(finding.script, finding.severity) for finding in found if finding.rule == "unknown-language"]
    assert notes == [("bad", "warning")]
    assert "ShellCheck did not analyse the script: ShellCheck failed: crashed" in next(
        f.message for f in found if f.rule == "unknown-language"
    )
    assert [finding.script for finding in found if finding.rule == "shellcheck"][:1] == ["good"]


# ------------------------------------------------------------------------------------------ with and without dispatcher


@pytest.mark.parametrize(
    ("command", "held"),
    [
        ("/opt/m &", True),
        ("/opt/m >/dev/null &", True),
        ("/opt/m 2>&1 >/dev/null &", True),
        ("/opt/m >/dev/null 2>&1 &", False),
        ("/opt/m &>/run/m &", False),
        ("exec >/run/log 2>&1; /opt/m &", False),
        ("{ /opt/m; } 2>/dev/null >&2 &", False),
        ("f() { /opt/m; }; f >/dev/null 2>&1 &", False),
        ("(/opt/a >/dev/null 2>&1; /opt/b) &", True),
    ],
)
@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_slurm_waits_for_a_background_process_that_has_its_output(hook: str, command: str, held: bool) -> None:
    text = f"#!/bin/bash\n{command}\nexit 0\n".encode()

    def said(path: str | None) -> bool:
        (found,) = (hit for hit in lint(script(text, hook), path=path) if hit.rule == "background-process")
        return "Slurm waits for its end" in found.message

    assert said(None) is held
    # The dispatcher's pipe is not Slurm's; the task hooks have none.
    assert said("/usr/bin") is (held and hook == "task_prolog")


# ---------------------------------------------------------------------------------------------- missing programs


@pytest.mark.parametrize("name", ["shfmt", "shellcheck"])
def test_a_missing_program_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, name: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    other = {"shfmt": "shellcheck", "shellcheck": "shfmt"}[name]
    (tmp_path / other).write_text("#!/bin/sh\n")
    (tmp_path / other).chmod(0o755)
    tools.find_tool.cache_clear()
    try:
        with pytest.raises(LintError, match=rf"needs the program '{name}'.*pip install -r requirements.txt.*{name}-py"):
            lint(script())
    finally:
        tools.find_tool.cache_clear()


def test_a_broken_program_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "shfmt"
    broken.write_text("#!/bin/sh\necho 'cannot open shared object' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr(tools, "find_tool", lambda _name: str(broken))
    with pytest.raises(LintError, match="shfmt failed: cannot open shared object"):
        lint(script())


# ------------------------------------------------------------------------------------------------------ reports


def test_a_report_says_where_what_why_and_how() -> None:
    found = lint(script(origin="slurm_worker_prolog[2] (files/x.sh)", host="n1"))
    text = Report(found, "error").text
    assert (
        "worker_prolog: s - slurm_worker_prolog[2] (files/x.sh), as rendered for n1\n"
        "  line 2: error (stops the run): squeue runs in worker_prolog [slurm-command]" in text
    )
    assert "why: Prolog and epilog hold up the job" in text
    assert "fix: Use the SLURM_JOB_* variables" in text
    assert "1 error" in text


def test_a_report_explains_a_rule_once() -> None:
    text = Report(lint(script(BAD.replace(b"exit", b"sinfo >/dev/null\nexit"))), "error").text
    assert text.count("[slurm-command]") == 2
    assert text.count("why: Prolog and epilog hold up") == 1


def test_no_findings_is_said() -> None:
    assert Report([], "error").text == "No findings."
