# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""ShellCheck's findings, taken over where they matter for a script that Slurm starts."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from ..core.model import Hit, LintError, Severity
from . import tools

#: Interpreters that ShellCheck knows, as it calls them. sh is dash on Debian and Ubuntu, and what dash has is no matter.
SHELLS = {"bash": "bash", "sh": "dash", "dash": "dash", "ash": "dash", "ksh": "ksh"}

#: Not worth a word here: style, files that are not on the control node, names that come from Slurm,
#: and what rules of our own say better (interpreter line, line ends, syntax, a path that may be empty, $? after echo).
_DROPPED = frozenset(
    {
        1008,
        1017,
        1071,
        1082,
        1090,
        1091,
        1113,
        1114,
        1128,
        2002,
        2006,
        2034,
        2039,
        2115,
        2148,
        2154,
        2181,
        2187,
        2312,
        2320,
        2328,
    }
)

#: Certainly a mistake, whatever the script is for.
_RAISED: dict[int, Severity] = dict.fromkeys(
    (
        2070,
        2077,
        2078,
        2095,
        2104,
        2105,
        2144,
        2157,
        2193,
        2215,
        2216,
        2217,
        2252,
        2256,
        2261,
        2276,
        2277,
        2281,
        2283,
        2286,
        2288,
        2327,
    ),
    "warning",
)

#: The same fact as a rule of our own.
_OURS: dict[int, str] = {2319: "exit-code-masked"}

#: echo -e: merely printed differently.
_MILD_BASHISMS = frozenset({3036})

#: Files for one process: few enough that both cores have work, enough that starting costs nothing.
BATCH = 24

#: Of processor time: for a file, and for several that are not large.
SECONDS = 3
SECONDS_OF_A_BATCH = 30

_LARGE = 32 * 1024
_LONG_LINE = 2000


def batches(texts: t.Iterable[bytes]) -> list[list[int]]:
    """The positions of texts that one process checks together: none waits for one that is large or has a very long line."""
    together: list[int] = []
    alone: list[list[int]] = []
    for position, text in enumerate(texts):
        if len(text) > _LARGE or max(map(len, text.split(b"\n"))) > _LONG_LINE:
            alone.append([position])
        else:
            together.append(position)
    return [*(together[start : start + BATCH] for start in range(0, len(together), BATCH)), *alone]


def check(texts: t.Sequence[tuple[str, bytes]]) -> list[list[Hit]]:
    """The hits of each (interpreter, text), in the order given, from one ShellCheck process per interpreter."""
    found: list[list[Hit]] = [[] for _text in texts]
    by_shell: dict[str, list[int]] = {}
    for position, (shell, _text) in enumerate(texts):
        by_shell.setdefault(shell, []).append(position)
    with tempfile.TemporaryDirectory(prefix="nodecycle-lint-") as folder:
        for shell, positions in by_shell.items():
            names = {}
            for position in positions:
                name = os.path.join(folder, f"{position}.sh")
                with open(name, "wb") as file:
                    file.write(texts[position][1])
                names[name] = position
            for name, hits in _hits_of(shell, list(names)).items():
                found[names[name]].extend(hits)
    for hits in found:
        _each_bashism_once(hits)
    return found


def _hits_of(shell: str, files: list[str]) -> dict[str, list[Hit]]:
    """The hits of each file. One that ShellCheck cannot take does not hide those of the others."""
    found: dict[str, list[Hit]] = {name: [] for name in files}
    try:
        for raw in _run(shell, files):
            hit = _hit(raw)
            if hit is not None:
                found[raw["file"]].append(hit)
    except LintError as exc:
        if len(files) > 1:
            return {name: _hits_of(shell, [name])[name] for name in files}
        _probe(os.path.dirname(files[0]), shell)
        message = f"ShellCheck did not analyse the script: {exc}"
        return {files[0]: [Hit("unknown-language", 1, 1, message, "warning")]}
    return found


def _probe(folder: str, shell: str) -> None:
    """Raise LintError where it is ShellCheck that does not work, and not the script."""
    name = os.path.join(folder, "probe.sh")
    with open(name, "wb") as file:
        file.write(b"true\n")
    _run(shell, [name])


def _run(shell: str, files: list[str]) -> list[dict[str, t.Any]]:
    done = tools.run(
        [tools.find_tool("shellcheck"), "--norc", "--format=json1", f"--shell={shell}", *files],
        seconds=SECONDS if len(files) == 1 else SECONDS_OF_A_BATCH,
        timeout=120,
    )
    try:
        comments: list[dict[str, t.Any]] = json.loads(done.stdout)["comments"]
    except (ValueError, KeyError, TypeError) as exc:
        message = done.stderr.decode("utf-8", "replace").strip() or f"it ended with code {done.returncode}"
        raise LintError(f"ShellCheck failed: {message}") from exc
    return comments


def _hit(raw: dict[str, t.Any]) -> Hit | None:
    code = raw["code"]
    if code in _DROPPED or raw["level"] == "style" or 1000 <= code < 2000:
        return None
    place = raw["line"], raw["column"]
    if 3000 <= code < 4000 or code in (2112, 2113):
        return Hit("bashism", *place, f"{raw['message']} (SC{code})", "info" if code in _MILD_BASHISMS else None)
    if code in _OURS:
        return Hit(_OURS[code], *place, f"{raw['message']} (SC{code})")
    return Hit("shellcheck", *place, f"SC{code}: {raw['message']}", _RAISED.get(code, "info"))


def _each_bashism_once(hits: list[Hit]) -> None:
    """Keep a feature's first use only. Each feature counts by itself, for each must be written anew."""
    told: set[str] = set()
    for hit in list(hits):
        if hit.rule == "bashism" and hit.message in told:
            hits.remove(hit)
        elif hit.rule == "bashism":
            told.add(hit.message)
