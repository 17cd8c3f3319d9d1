# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""From scripts to findings: every distinct text once, ShellCheck beside our own work, with what is known from last time."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import re
import typing as t

from ..core.model import SEVERITIES, Finding, Hit, LintError, Source
from . import cache as cache_module
from . import (
    check_files,
    other_languages,
    parser,
    perl,
    shellcheck,
    suppress,
    tools,
    walker,
)
from .catalogue import RULES
from .checks import (
    arithmetic,
    background,
    bashisms,
    commands,
    deletion,
    evaluation,
    exit_codes,
    file_names,
    growing_files,
    kills,
    node_wide,
    output,
    permissions,
    protocol,
    quoting,
    records,
    secrets,
    siblings,
    sure_mistakes,
    temporary_files,
    unheard,
    user_paths,
    variables,
    verdicts,
    waits,
)
from .environment import HEALTH_TIMEOUT, KNOWN_HOOKS, Surroundings, surroundings
from .model import Options, Script
from .python import script as python_script
from .shebang import Shebang, read_shebang
from .subject import Subject
from .values import Values

_CHECKS = tuple(
    check
    for module in (
        commands,
        variables,
        quoting,
        file_names,
        deletion,
        temporary_files,
        kills,
        node_wide,
        user_paths,
        records,
        growing_files,
        verdicts,
        unheard,
        evaluation,
        permissions,
        secrets,
        waits,
        background,
        exit_codes,
        arithmetic,
        output,
        protocol,
        bashisms,
        siblings,
        sure_mistakes,
    )
    for check in module.CHECKS
)

#: Threads for our own work. One more runs ShellCheck, from the first script to the last: it takes as much of a processor
#: as Python, which works in one thread at a time, and shfmt need of the other one.
_THREADS = 2


def lint(scripts: t.Sequence[Script], *, options: Options | None = None, cache_path: str | None = "") -> list[Finding]:
    """The findings of all scripts, in the order of the scripts and of their lines.

    O(cache_path) is the file that remembers earlier results; the default place when empty, none when None.
    """
    options = options or Options()
    _validate(scripts, options)
    for name in ("shfmt", "shellcheck"):
        tools.find_tool(name)
    memory = cache_module.Cache(cache_module.default_path() if cache_path == "" else cache_path)
    version = cache_module.engine_version()
    known: dict[str, list[Hit]] = {}
    missing: dict[str, Script] = {}
    keys = [_key(script, options, version) for script in scripts]
    for key, script in zip(keys, scripts, strict=True):
        if key in known or key in missing:
            continue
        remembered = None if script.is_secret else memory.get(key)
        if remembered is not None:
            known[key] = remembered
        else:
            missing[key] = script
    for key, hits in zip(missing, _hits_of_all(list(missing.values()), options), strict=True):
        known[key] = hits
        if not missing[key].is_secret:
            memory.put(key, hits)
    memory.save()
    findings: list[Finding] = []
    reported: set[tuple[str, str, str]] = set()
    for key, script in zip(keys, scripts, strict=True):
        # The same text at the same place of the definition is one matter, on however many hosts.
        if (key, script.name, script.origin) in reported:
            continue
        reported.add((key, script.name, script.origin))
        findings.extend(_findings(script, known[key]))
    return options.wishes.applied(findings)


def _validate(scripts: t.Iterable[Script], options: Options) -> None:
    for script in scripts:
        if script.hook not in KNOWN_HOOKS:
            raise LintError(f"'{script.hook}' is not a hook; the hooks are {', '.join(KNOWN_HOOKS)}")
    options.wishes.require_known(RULES)


def _key(script: Script, options: Options, version: str) -> str:
    """Covers everything that the hits of a script depend on."""
    parts = (
        version,
        script.hook,
        str(_timeout(script, options)),
        str(options.slurm_version),
        str(options.path),
        str(script.is_secret),
    )
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + script.content).hexdigest()


def _timeout(script: Script, options: Options) -> int | None:
    if script.timeout is not None:
        return script.timeout
    where = surroundings(script.hook)
    if where.is_health:
        return HEALTH_TIMEOUT
    return options.prolog_epilog_timeout if where.group in ("node", "controller") else None


def _path(where: Surroundings, options: Options) -> str | None:
    """PATH when a script of a hook starts."""
    if where.group == "task":
        return "the user's"
    return options.path if where.is_placed else None


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """A script after the look at its bytes."""

    script: Script
    hits: list[Hit]
    #: The text to analyse further; None if that makes no sense.
    text: bytes | None
    #: Its interpreter; bash if the line is missing.
    shebang: Shebang

    @property
    def shellcheck_shell(self) -> str | None:
        """ShellCheck's name of the shell that reads it, if it knows it."""
        return shellcheck.SHELLS.get(self.shebang.program) if self.text is not None else None


def _prepare(script: Script) -> _Prepared:
    hits, text = check_files.check(script.content)
    shebang = read_shebang(text or b"") or Shebang("/bin/bash", "")
    if text is not None and shebang.program in parser.DIALECTS:
        text = parser.as_utf_8(text)
    return _Prepared(script, hits, text, shebang)


def _hits_of_all(scripts: t.Sequence[Script], options: Options) -> list[list[Hit]]:
    """The hits of each script."""
    prepared = [_prepare(script) for script in scripts]
    texts = [
        (position, (one.shellcheck_shell, one.text))
        for position, one in enumerate(prepared)
        if one.shellcheck_shell is not None and one.text is not None
    ]
    batches = [
        [texts[index] for index in batch] for batch in shellcheck.batches(text for _place, (_shell, text) in texts)
    ]
    threads = concurrent.futures.ThreadPoolExecutor
    with threads(1) as checking, threads(_THREADS) as pool:
        checked = [checking.submit(shellcheck.check, [text for _position, text in batch]) for batch in batches]
        own = list(pool.map(lambda one: _own_hits(one, options), prepared))
        for batch, future in zip(batches, checked, strict=True):
            for (position, _text), hits in zip(batch, future.result(), strict=True):
                if not any(hit.rule == "syntax-error" for hit in own[position]):
                    own[position] = [*_confirmed(own[position], hits), *hits]
    return [
        suppress.apply(_merged(hits), script.content.decode("utf-8", "replace"))
        for script, hits in zip(scripts, own, strict=True)
    ]


def _confirmed(own: t.Iterable[Hit], of_shellcheck: t.Iterable[Hit]) -> list[Hit]:
    """Our hits. One that grades a note of ShellCheck's needs that note: a comment for ShellCheck silences both."""
    notes = {(hit.line, _number(hit)) for hit in of_shellcheck}
    return [hit for hit in own if hit.rule != "shellcheck" or (hit.line, _number(hit)) in notes]


def _number(hit: Hit) -> str:
    """ShellCheck's number, such as V(SC2086)."""
    return hit.message[:6]


def _own_hits(one: _Prepared, options: Options) -> list[Hit]:
    """All hits of a script except ShellCheck's."""
    if one.text is None:
        return one.hits
    try:
        return [*one.hits, *_language_hits(one, one.text, options)]
    except tools.TooMuchError as exc:
        return [*one.hits, _left_out(str(exc))]
    except LintError:
        raise
    except (RecursionError, MemoryError):
        return [*one.hits, _left_out("it is nested too deeply")]
    except Exception as exc:  # a mistake of the linter's own must not keep a cluster from being changed
        message = f"the linter itself failed on this script ({type(exc).__name__}: {exc}); please report it"
        return [*one.hits, Hit("unknown-language", 1, 1, message, "warning")]


def _left_out(reason: str) -> Hit:
    """What is said of a script that asks too much. It must neither end the run nor hold it up."""
    message = f"the script was not analysed: {reason}"
    fix = "Move data and generated parts into files of their own, or split the script; and test it by itself."
    return Hit("unknown-language", 1, 1, message, "warning", fix)


def _language_hits(one: _Prepared, text: bytes, options: Options) -> list[Hit]:
    program = one.shebang.program
    if program in parser.DIALECTS:
        return _shell_hits(one.script, text, one.shebang, options)
    if len(text) > other_languages.MAX_BYTES:
        raise tools.TooMuchError(f"it has more than {other_languages.MAX_BYTES // 1024} KiB of {program or 'text'}")
    where = surroundings(one.script.hook)

    def of_shell(shell: bytes) -> list[Hit]:
        return _shell_hits(one.script, shell, Shebang("/bin/bash", ""), options)

    if re.match(r"python|pypy", program):
        return list(python_script.check(program, text, where, options.slurm_version, of_shell))
    hits = list(other_languages.check(program, text))
    if program.startswith("perl"):
        hits.extend(perl.check(text, where, options.slurm_version, of_shell))
    return hits


def _shell_hits(script: Script, text: bytes, found: Shebang, options: Options) -> list[Hit]:
    dialect = parser.DIALECTS.get(found.program, "bash")
    try:
        program = walker.read(text, dialect, options=found.options)
    except parser.ShellSyntaxError as exc:
        return [Hit("syntax-error", exc.line, exc.column, exc.message)]
    if not program.statements:
        return [check_files.NO_COMMAND]
    where = surroundings(script.hook)
    values = Values(program, where, options.slurm_version)
    subject = Subject(program, where, options.slurm_version, _path(where, options), _timeout(script, options), values)
    return [hit for check in _CHECKS for hit in check(subject)]


def _merged(hits: t.Iterable[Hit]) -> list[Hit]:
    """One hit per rule and line, the most serious; in the order of lines."""
    best: dict[tuple[str, int, str], Hit] = {}
    for hit in hits:
        # Several numbers of ShellCheck's on one line are different matters.
        kind = _number(hit) if hit.rule == "shellcheck" else ""
        key = (hit.rule, hit.line, kind)
        if key not in best or _rank(hit) < _rank(best[key]):
            best[key] = hit
    quoted = {hit.line for hit in best.values() if hit.rule == "unquoted-user-text"}
    kept = [
        hit
        for hit in best.values()
        if not (hit.rule == "shellcheck" and hit.line in quoted and hit.message.startswith(("SC2086", "SC2046")))
    ]
    return sorted(kept, key=lambda hit: (hit.line, hit.column, hit.rule))


def _rank(hit: Hit) -> int:
    return SEVERITIES.index(hit.severity) if hit.severity is not None else 0


def _findings(script: Script, hits: t.Iterable[Hit]) -> t.Iterator[Finding]:
    source = Source(script.hook, script.name, script.origin, script.host, script.written)
    group = surroundings(script.hook).group
    for hit in hits:
        rule = RULES[hit.rule]
        # The message may quote the script; a rule's title never does.
        said = dataclasses.replace(hit, message=rule.title) if script.is_secret else hit
        yield rule.finding(said, source, rule.severity_in(group))
