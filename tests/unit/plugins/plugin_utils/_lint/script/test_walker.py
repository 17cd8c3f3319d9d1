# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commands of a shell script really run, and under which circumstances."""

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import walker
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.parser import ShellSyntaxError
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.program import Call, Program


def read(text: str) -> Program:
    """The program of a text."""
    return walker.read(text.encode(), "bash")


def squeues(text: str) -> list[Call]:
    """The calls of squeue."""
    return read(text).named("squeue")


@pytest.mark.parametrize(
    "text",
    [
        "squeue",
        "/usr/bin/squeue -h",
        "$ROOT/bin/squeue",
        "${BIN}squeue",
        '"${BIN}"squeue -h',
        "Q=/usr/bin/squeue; $Q -h",
        "Q=$(command -v squeue); $Q",
        "${Q:-squeue} -h",
        "q='squeue -h -u x'; $q",
        'q=(squeue -h); "${q[@]}" -u x',
        "env A=b squeue",
        "exec squeue",
        "sudo -u slurm -- squeue",
        "timeout -k 5 10 squeue",
        "nice -n 5 ionice -c 3 squeue",
        "echo x | xargs -r -n 1 squeue -j",
        "find . -exec squeue {} +",
        "flock -n /run/lock squeue",
        "flock /run/lock -c 'squeue'",
        "su - slurm -c 'squeue'",
        "runuser -u slurm -- squeue",
        "bash -c 'squeue'",
        "sh -ec 'squeue'",
        "bash <<EOF\nsqueue\nEOF",
        "sudo bash -s <<'EOF'\nsqueue\nEOF",
        "eval squeue -h",
        "trap 'squeue' EXIT",
        "trap cleanup EXIT; cleanup() { squeue; }",
        "x=$(squeue)",
        "x=`squeue`",
        'echo "$(squeue)"',
        "cat <(squeue)",
        "cat <<EOF\n$(squeue)\nEOF",
        "true && squeue",
        "if squeue; then :; fi",
        "squeue | wc",
        "( squeue )",
        "{ squeue; } >/dev/null",
        "time squeue",
        "! squeue",
        "squeue &",
        "for j in $(squeue); do :; done",
        "case $(squeue) in x) ;; esac",
        "while read -r x; do squeue; done",
        "f() { squeue; }; f",
        "f() { g; }; g() { squeue; }; f",
        'run() { "$@"; }; run squeue',
        'run() { shift; "$@"; }; run label squeue',
        'retry() { local n=$1; shift; eval "$@"; }; retry 3 squeue',
        "f() { squeue; }; for step in f; do $step; done",
        "f() { squeue; }\ng() { :; }",
        "export X=$(squeue)",
        "[[ -n $(squeue) ]]",
        ": ${x:=$(squeue)}",
        "a=([1]=$(squeue))",
    ],
)
def test_runs(text: str) -> None:
    assert squeues(text)


@pytest.mark.parametrize(
    "text",
    [
        "# squeue",
        "echo squeue",
        "echo 'squeue -h'",
        "command -v squeue",
        "which squeue",
        "type squeue",
        "cat <<'EOF'\nsqueue\nEOF",
        "x=squeue",
        "x='$(squeue)'",
        "f() { squeue; }; true",
        "ssh head squeue",
        "[ -x /usr/bin/squeue ]",
        "alias q=squeue",
        "unset squeue",
        "my_squeue; squeue2",
        "case squeue in squeue) ;; esac",
        "cat /usr/bin/squeue",
        'logger "no squeue here"',
        "python3 -c 'squeue'",
        "bash /opt/squeue/x.sh",
    ],
)
def test_does_not_run(text: str) -> None:
    assert not squeues(text)


def test_a_function_declared_again_is_walked_once() -> None:
    assert len(squeues("f() { squeue; f; }; f; f")) == 1


def test_the_line_in_a_here_document_is_the_script_s() -> None:
    assert [call.line for call in squeues("true\nbash <<EOF\ntrue\nsqueue\nEOF\n")] == [4]


def test_the_line_of_an_evaluated_string_is_the_eval_s() -> None:
    assert [call.line for call in squeues("true\neval 'true\nsqueue'\n")] == [2]


@pytest.mark.parametrize(
    ("text", "attribute", "expected"),
    [
        ("timeout 2m squeue", "bound", 120.0),
        ("timeout $LIMIT squeue", "bound", 0.0),
        ("squeue", "bound", None),
        ("sudo squeue", "user", "root"),
        ("sudo -u alice squeue", "user", "alice"),
        ("squeue >/dev/null", "stdout", "null"),
        ("squeue >/x", "stdout", "file"),
        ("squeue >&2", "stdout", "stderr"),
        ("squeue | cat", "stdout", "pipe"),
        ("x=$(squeue)", "stdout", "capture"),
        ("{ squeue; } >/x", "stdout", "file"),
        ("squeue || true", "tested", True),
        ("if squeue; then :; fi", "tested", True),
        ("! squeue", "tested", True),
        ("true && squeue", "tested", False),
        ("set -e\nsqueue", "errexit", True),
        ("set -e\nset +e\nsqueue", "errexit", False),
        ("set -euo pipefail\nsqueue", "pipefail", True),
        ("(set -e)\nsqueue", "errexit", False),
        ("{ set -e; } | cat\nsqueue", "errexit", False),
        ("set -e\nset +e &\nsqueue", "errexit", True),
        ("set -e\nx=$(squeue)", "errexit", False),
        ("set -e\nshopt -s inherit_errexit\nx=$(squeue)", "errexit", True),
        ("set -e\nf() { squeue; }\nx=$(f)", "errexit", False),
        ("set -o nounset\nsqueue", "nounset", True),
        ("trap 'x; exit 0' EXIT\nsqueue", "on_exit", 0),
        ("trap 'x || exit 0' EXIT\nsqueue", "on_exit", None),
        ("f() { x; exit 4; }; trap f 0\nsqueue", "on_exit", 4),
        ("trap 'exit 0' EXIT\ntrap - EXIT\nsqueue", "on_exit", None),
        ("f() { trap 'exit 0' EXIT; }\nf\nsqueue", "on_exit", 0),
        ("f() ( set -e; trap 'exit 0' EXIT )\nf\nsqueue", "on_exit", None),
        ("f() ( set -e )\nf\nsqueue", "errexit", False),
        ("trap 'exit 0' EXIT\n( squeue )", "on_exit", None),
        ("trap 'exit 1' ERR\nf() { squeue; }; f", "on_error", None),
        ("set -E; trap 'exit 1' ERR\nf() { squeue; }; f", "on_error", 1),
        ("f() { squeue; }; if f; then :; fi", "tested", True),
        ("squeue &", "background", True),
    ],
)
def test_circumstances(text: str, attribute: str, expected: object) -> None:
    (call,) = squeues(text)
    assert getattr(call.context, attribute) == expected


@pytest.mark.parametrize(
    ("text", "precedes", "lasts"),
    [
        ("cd /x; squeue", True, True),
        ("squeue; cd /x", False, False),
        ("f() { cd /x; }; f; squeue", True, True),
        ("f() { cd /x; }; squeue; f", False, False),
        ("f() { squeue; }; cd /x; f", True, True),
        ("f() { squeue; }; f; cd /x", False, False),
        ("f() { cd /x; }; g() { squeue; }; f; g", True, True),
        ("f() { cd /x; }; g() { squeue; }; g; f", False, False),
        ("f() { cd /x; }; g() { f; }; g; squeue", True, True),
        ("( cd /x ); squeue", True, False),
        ("( cd /x; squeue )", True, True),
        ("f() { cd /x; }; ( f ); squeue", True, False),
        ("f() { ( cd /x ); }; f; squeue", True, False),
        ("f() { cd /x; squeue; }; ( f )", True, True),
        ("trap 'squeue' EXIT; cd /x", True, True),
        ("f() { f; cd /x; }; f; squeue", True, True),
    ],
)
def test_a_function_runs_where_it_is_called(text: str, precedes: bool, lasts: bool) -> None:
    program = read(text)
    (cd,), (squeue,) = program.named("cd"), program.named("squeue")
    assert (program.precedes(cd, squeue), program.lasts(cd, squeue)) == (precedes, lasts)


def test_a_syntax_error_has_its_place() -> None:
    with pytest.raises(ShellSyntaxError) as caught:
        read("true\nif true; then\n")
    assert caught.value.line == 2
