# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the words of a script can be. Each script asks about the arguments of a command that is called ask."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import walker
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.environment import surroundings
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.program import Call
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.values import Values


def asked(text: str) -> tuple[Values, Call]:
    """The values of a script in a worker_prolog, with its last call of ask."""
    program = walker.read(text.encode(), "bash")
    return Values(program, surroundings("worker_prolog")), program.named("ask")[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d=/a; ask $d/x", {"/a/x"}),
        ("d=/a; d=/b; ask $d", {"/b"}),
        ("a=/tmp; d=$a/x; ask $d", {"/tmp/x"}),
        ("if x; then d=/a; fi; ask $d", {"${d}", "/a"}),
        ("if x; then d=/a; else d=/b; fi; ask $d", {"/a", "/b"}),
        ("d=/a; if x; then d=/b; fi; ask $d", {"/a", "/b"}),
        ("d=/a; x && d=/b; ask $d", {"/a", "/b"}),
        ("if x; then d=/a; ask $d; else d=/b; fi", {"/a"}),
        ("case $y in a) d=/a ;; *) d=/b ;; esac; ask $d", {"/a", "/b"}),
        ("case $y in a) d=/a ;; *) exit 1 ;; esac; ask $d", {"/a"}),
        ("case $y in a) d=/a ;; b) d=/b; ask $d ;; esac", {"/b"}),
        ("for d in /tmp /dev/shm; do ask $d; done", {"/tmp", "/dev/shm"}),
        ('l="/tmp /run"; for d in $l; do ask $d; done', {"/tmp", "/run"}),
        ('l=(/tmp /run); for d in "${l[@]}"; do ask $d/x; done', {"/tmp/x", "/run/x"}),
        ("for d in $(list); do ask $d; done", {"${d}"}),
        ("for a in 1 2; do for b in 3 4; do ask $a$b; done; done", {"13", "14", "23", "24"}),
        ("a=(x y z); ask ${a[1]}", {"y"}),
        ("a=(x y z); ask $a", {"x"}),
        ("a=($(list) y); ask ${a[1]}", {"${a}"}),
        ("x=a; x+=b; ask $x", {"ab"}),
        ("d=x; d=$d/y; ask $d", {"x/y"}),
        ("while x; do d=$d/y; done; ask $d", {"${d}", "${d}/y"}),
        ("ask ${x:-w}", {"w"}),
        ("ask ${SLURM_TMPDIR:-w}", {"${SLURM_TMPDIR}", "w"}),
        ("x=; ask ${x:-w}", {"w"}),
        (": ${x:=w}; ask $x", {"${x}", "w"}),
        ("ask ${x:+w}", {"", "w"}),
        ("f() { local d=/in; ask $d; }; d=/out; f", {"/in"}),
        ("f() { local d=/in; }; d=/out; f; ask $d", {"/out"}),
        ("f() { d=/in; }; d=/out; f; ask $d", {"/in"}),
        ("f() { d=/in; }; d=/out; x && f; ask $d", {"/in", "/out"}),
        ("d=/a; f() { ask $d; }; f; d=/b; f", {"/a", "/b"}),
        ('f() { ask "/x/$1"; }; f a; f b', {"/x/a", "/x/b"}),
        ('f() { shift; ask "/x/$1"; }; f a b', {"/x/${1}"}),
        ("trap 'ask $d' EXIT; d=/a", {"/a"}),
        ("trap clean EXIT; clean() { ask $d; }; d=/a", {"/a"}),
        ("d=/a; ( d=/b ); ask $d", {"/a"}),
        ("d=/a; ( d=/b; ask $d )", {"/b"}),
        ("d=/a; x | while read -r l; do d=/b; done; ask $d", {"/a"}),
        ("d=/a; x=$(d=/b; y); ask $d", {"/a"}),
        ("d=/a; d=/b & ask $d", {"/a"}),
        ("f() { d=/b; }; d=/a; f | x; ask $d", {"/a"}),
        ("f() { d=/b; }; g() { f; }; d=/a; g; ask $d", {"/b"}),
        ("shopt -s lastpipe; d=/a; x | read -r d; ask $d", {"${d}"}),
        ("d=$(mktemp); ask $d", {"$(...)"}),
        ("read -r d; ask $d", {"${d}"}),
    ],
)
def test_forms(text: str, expected: set[str]) -> None:
    values, call = asked(text)
    (word,) = call.arguments
    forms = [form.shown for form in values.forms(word, call)]
    assert set(forms) == expected
    assert values.known(word, call).shown == (forms[0] if len(forms) == 1 else word.shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('o=(-o A); o+=(-m 5); ask "${o[@]}"', ["-o A -m 5"]),
        ('o="-o A"; o="$o -m 5"; ask $o', ["-o A -m 5"]),
        ('o="-o A"; o+=" -m 5"; ask $o', ["-o A -m 5"]),
        ('o="-o A"; x && o="$o -m 5"; ask $o', ["-o A", "-o A -m 5"]),
        ('if x; then o="-m 5"; else o="-m 6"; fi; ask -s $o', ["-s -m 5", "-s -m 6"]),
        ("o='-m 5'; ask \"$o\"", ["-m 5"]),
        ('a=(1 2); b=("${a[@]}" 3); ask "${b[@]}"', ["1 2 3"]),
    ],
)
def test_arguments(text: str, expected: list[str]) -> None:
    values, call = asked(text)
    assert [" ".join(word.shown for word in way) for way in values.arguments(call)] == expected


EMPTY = [
    "x=$(count); ask $x",
    "x=$(count); y=$x; ask $y",
    "x=($(count)); y=${x[0]}; ask $y",
    "x=(1 2); ask ${x[2]}",
    "mapfile -t x < <(count); ask ${x[0]}",
    "ask $NODE_GPUS",
    "f() { ask $NODE_GPUS; }; f",
    "ask $SLURM_JOB_GPUS",
    "ask $SLURM_STEP_ID",
    "ask $1",
    'f() { ask "$1"; }; f "$(count)"',
    "f() { ask $2; }; f a",
    "if x; then y=1; fi; ask $y",
    "while read -r x; do y=$x; done </etc/x; ask $y",
    'for x in "$NODE_GPUS"; do ask $x; done',
    "read -r x </etc/x; ask $x",
    "x=; x+=$(count); ask $x",
    "x=$(echo $(count)); ask $x",
    'while x; do x=$(echo "$x"); done; ask $x',
    'for i in $(count); do a=("${a[@]}" x); done; ask "${a[@]}"',
    'x=$(echo "$NODE_GPUS"); ask $x',
    "ask ${x:-}",
    "ask ${x:+y}",
    ': "${x:=$NODE_GPUS}"; ask $x',
    'if [ -z "$NODE_GPUS" ]; then logger none; fi; ask $NODE_GPUS',
    'if [ -n "$x" ]; then logger; fi; ask $x',
    'if [ -z "$x" ] || [ "$x" = 0 ]; then ask $x; fi',
    '[ -n "$x" ] || exit; x=$(count); ask $x',
    '[ -d "/scratch/$x" ] || exit; ask $x',
    "[ -d $x ] || exit; ask $x",
    'case $x in ""|a) logger ;; *) exit ;; esac; ask $x',
    'f() { [ -n "$x" ] || return 1; }; f; ask $x',
    "x=$(awk 'END { print last }' /x); ask $x",
    "x=$(awk 'END { if (n) print NR }' /x); ask $x",
]

NEVER_EMPTY = [
    "x=1; ask $x",
    "x=$(count | wc -l); ask $x",
    "x=$(grep -c x /etc/x); ask $x",
    "x=$((y + 1)); ask $x",
    "ask ${#x}",
    "ask $SLURM_JOB_ID",
    "ask $?",
    "ask $HOSTNAME",
    "source /etc/site; ask $NODE_GPUS",
    'eval "$(settings)"; ask $NODE_GPUS',
    "export $(cat /etc/site); ask $NODE_GPUS",
    "set -u; ask $NODE_GPUS",
    "ask ${x:-1}",
    "ask ${x:?}",
    ': "${x:?}"; ask $x',
    ': "${x:=1}"; ask $x',
    "for x in $(count); do ask $x; done",
    "while read -r x; do ask $x; done </etc/x",
    'x=$(count); [ -n "$x" ] || exit; ask $x',
    'x=$(count); y=$x; [ -n "$y" ] || exit; ask $y',
    'x=$(count); [ "$x" ] || exit; y=$x; ask $y',
    '[ -z "$x" ] && exit; ask $x',
    'if [ -z "$x" ]; then exit; fi; ask $x',
    'if [ -z "$x" ]; then x=1; fi; ask $x',
    'if y; then x=$(count); [ -n "$x" ] || exit; else x=1; fi; ask $x',
    'if [ -n "$x" ]; then ask $x; fi',
    'if [ "$x" != "" ] && ask $x; then logger; fi',
    'if [ -z "$x" ] || ask $x; then logger; fi',
    'if ! x=$(count) || [ -z "$x" ]; then exit; fi; ask $x',
    'if [ -z "$x" ]; then logger; else ask $x; fi',
    'if [ x"$x" = x ]; then exit; fi; ask $x',
    "[[ $x ]] || exit; ask $x",
    "[[ $x =~ ^[0-9]+$ ]] || exit; ask $x",
    "[[ -n $x && -d /y ]] || exit; ask $x",
    "[[ ${#x} -gt 0 ]] || exit; ask $x",
    '[ "$x" -gt 3 ] || exit; ask $x',
    '[ -d "$x" ] || exit; ask $x',
    "(( x > 0 )) || exit; ask $x",
    'case $x in "") exit ;; esac; ask $x',
    'case "${x:-}" in ""|*[!0-9]*) exit 1 ;; esac; ask $x',
    "case $x in a|b) ask $x ;; esac",
    'until [ -n "$x" ]; do x=$(count); done; ask $x',
    'for i in 1 2; do [ -n "$x" ] || continue; ask $x; done',
    'set -e; [ -n "$x" ]; ask $x',
    'die() { logger "$1"; exit 1; }; [ -n "$x" ] || die none; ask $x',
    'check() { if [ -z "$x" ]; then exit 1; fi; }; check; ask $x',
    'valid() { [ -n "$x" ] || return 1; return 0; }; valid || exit 1; ask $x',
    '[ -n "$x" ] || exit; f() { ask $x; }; f',
    'f() { ask "$1"; }; f a; f b',
    "x=$(awk 'END { print NR }' /x); ask $x",
    "x=$(awk '{ n += $2 } END { print n + 0 }' /x); ask $x",
    "x=$(awk '/a/ { n++ } END { printf \"%d\\n\", n }' /x); ask $x",
]


@pytest.mark.parametrize("text", EMPTY)
def test_may_be_empty(text: str) -> None:
    values, call = asked(text)
    assert values.may_be_empty(call.arguments[0], call)


@pytest.mark.parametrize("text", NEVER_EMPTY)
def test_is_never_empty(text: str) -> None:
    values, call = asked(text)
    assert not values.may_be_empty(call.arguments[0], call)


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("ask $SLURM_JOB_ID", True),
        ("d=$SLURM_JOB_ID; ask $d", True),
        ("d=/x/$SLURM_JOB_ID; ask $d", False),
        ('[ -n "$SLURM_JOB_ID" ] || exit; ask $SLURM_JOB_ID', False),
        ("source /etc/site; ask $NODE", True),
        ("set -u; ask $SLURM_JOB_ID", False),
    ],
)
def test_may_be_empty_when_it_is_started_by_hand(text: str, by_hand: bool) -> None:
    values, call = asked(text)
    assert values.may_be_empty(call.arguments[0], call, by_hand=True) == by_hand


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("x=$(list); ask $x", True),
        ('x=$(list); ask "$x"', False),
        ("x=$(list); y=$x; ask x$y", True),
        ("x='a b'; ask y$x", True),
        ("x=a; ask $x", False),
        ("x=$(wc -l </x); ask $x", False),
        ("read -r x; ask $x", True),
        ("ask $SLURM_JOB_ID", False),
        ("for x in 'a b' c; do ask $x; done", True),
    ],
)
def test_may_be_several_words(text: str, several: bool) -> None:
    values, call = asked(text)
    parts = [piece for piece in call.arguments[0].pieces if not piece.quoted]
    assert any(values.piece_may_be_several(piece, call) for piece in parts) == several


def test_the_assignments_of_a_name_are_collected_once_for_all_its_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the time grows with the square of their number."""
    values, _call = asked("x=a\n" + "x=$x/b; ask $x\n" * 30)
    collected: list[str] = []
    real = Values._collected

    def noted(self: Values, name: str, *more: t.Any) -> t.Any:
        collected.append(name)
        return real(self, name, *more)

    monkeypatch.setattr(Values, "_collected", noted)
    for call in values.program.named("ask"):
        values.forms(call.words[1], call)
    assert collected == ["x"]


#: Six functions that hand their parameter on, each called ten times: there are a million ways to the last one.
HANDED_ON = (
    "".join(f"f{level}() {{ {f'f{level - 1} $1; ' * 10 if level else 'ask $1;'} }}\n" for level in range(6))
    + "f5 /a; " * 10
)


@pytest.mark.parametrize("question", ["forms", "may_be_empty"])
def test_parameters_that_functions_hand_on_are_followed_some_ways_only(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, call = asked(HANDED_ON)
    looks: list[str] = []
    real = Values.calls_of

    def noted(self: Values, function: str | None) -> t.Any:
        looks.append(str(function))
        return real(self, function)

    monkeypatch.setattr(Values, "calls_of", noted)
    getattr(values, question)(call.arguments[0], call)
    assert 0 < len(looks) < 1000
