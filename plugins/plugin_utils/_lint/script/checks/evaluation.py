# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Programs that are made of strings, or come from the network."""

from __future__ import annotations

import itertools
import posixpath
import re
import typing as t

from ...core.model import Hit, hit_at
from .. import environment
from ..facts import Is
from ..knowledge import facts, is_a
from ..program import Call, Word
from ..subject import Subject
from .vocabulary import fed_by, operands, origins, placed, written


def eval_text(subject: Subject) -> t.Iterator[Hit]:
    """eval-text: eval, or sh -c, of something that is not fixed; text of a user in any program that is put together."""
    told: set[int] = set()
    for hit in itertools.chain(_evaluated(subject), _put_together(subject)):
        if hit.line not in told:
            told.add(hit.line)
            yield hit


def _put_together(subject: Subject) -> t.Iterator[Hit]:
    """A program with text of a user in it: for a shell, another host, Python, a database."""
    for call in subject.program.calls:
        for word, at in _programs(subject, call):
            name = _user_text(subject, word, at)
            if name is not None:
                yield hit_at(
                    "eval-text", call, f"the text of ${name} becomes a part of the program that {call.name} runs"
                )
                break


def _programs(subject: Subject, call: Call) -> t.Iterator[tuple[Word, Call]]:
    """The texts that a command runs as a program."""
    known = facts(call.name)
    yield from ((word, call) for word in call.values_of(*known.program.split())[:1])
    named = [word for word in call.arguments if not word.shown.startswith("-") and "=" not in word.shown.split(" ")[0]]
    if known.program_operand is not None:
        yield from ((word, call) for word in named[known.program_operand :])
    if known.filter_operand is not None and not call.has_option(*known.no_file.split(), *known.program.split()):
        yield from ((word, call) for word in _behind_settings(call)[known.filter_operand :][:1])
    if is_a(call.name, Is.RUNS_FILE) and not named:
        yield from ((r.body, call) for r in call.context.redirects if r.body is not None)
        for source in fed_by(subject.program, call):
            if is_a(source.name, Is.PRINTS):
                yield from ((word, source) for word in source.arguments)


def _behind_settings(call: Call) -> list[Word]:
    """The operands of a filter; awk -v name=value and jq --arg name value set variables of its own."""
    found: list[Word] = []
    skipped = 0
    for word in call.arguments:
        if skipped:
            skipped -= 1
        elif word.shown in ("-v", "-F", "--assign"):
            skipped = 1
        elif word.shown in ("--arg", "--argjson", "--slurpfile", "--rawfile"):
            skipped = 2
        elif not word.shown.startswith("-"):
            found.append(word)
    return found


def _user_text(subject: Subject, word: Word, at: Call) -> str | None:
    """The variable of a word whose text a user decides, and that nothing quotes or cleans."""
    for form in subject.values.forms(word, at):
        for piece in form.variables:
            plain = piece.operator in ("", ":-", "-", ":?", "?", ":=")
            if piece.text in environment.USER_TEXT and plain and not subject.values.assignments(piece.text, at):
                return piece.text
    return None


def _evaluated(subject: Subject) -> t.Iterator[Hit]:
    for call in subject.program.calls:
        if call.name == "eval" and call.arguments:
            kinds = {piece.kind for word in call.arguments for piece in word.pieces}
            if kinds & {"variable", "command"} and not _only_arguments(call) and not _sets_options(subject, call):
                # eval "$(ssh-agent)": the text is a program's, who wrote it is known.
                message = f"eval runs {_short(' '.join(call.texts))}"
                yield hit_at("eval-text", call, message, "info" if kinds == {"command"} and _trusted(call) else None)
        elif is_a(call.name, Is.SHELL):
            for position, word in enumerate(call.arguments[:-1]):
                text = word.literal or ""
                if re.fullmatch(r"-[A-Za-z]*c", text):
                    program = call.arguments[position + 1]
                    if len(program.pieces) == 1 and program.pieces[0].kind == "variable" and not _is_argument(program):
                        known = subject.values.known(program, call)
                        if known.literal is None:
                            yield hit_at("eval-text", call, f"{call.name} -c runs {_short(program.shown)}")
                    break


def _trusted(call: Call) -> bool:
    """Whether all that is evaluated comes from programs that make shell code, not from data."""
    makers = [maker for word in call.arguments for piece in word.pieces for maker in piece.commands]
    return bool(makers) and not any(is_a(maker.name, Is.PRINTS | Is.FILTER | Is.FETCHES) for maker in makers)


def _sets_options(subject: Subject, call: Call) -> bool:
    """eval set -- "$options": what getopt printed is quoted for it."""
    makers = [maker for piece in origins(subject, call.arguments[-1], call) for maker in piece.commands]
    return call.texts[:2] == ["set", "--"] and any(maker.name == "getopt" for maker in makers)


def _only_arguments(call: Call) -> bool:
    return all(_is_argument(word) for word in call.arguments)


def _is_argument(word: Word) -> bool:
    return len(word.pieces) == 1 and word.pieces[0].kind == "variable" and word.pieces[0].text in ("@", "*")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def download_and_run(subject: Subject) -> t.Iterator[Hit]:
    """download-and-run: what curl or wget brought is executed."""
    calls = subject.program.calls
    fetched: dict[str, Call] = {}
    #: Directories with what was brought: cloned, or unpacked from it.
    trees: dict[str, Call] = {}
    stages: dict[int, Call] = {}
    for call in calls:
        if is_a(call.name, Is.FETCHES):
            if call.context.pipeline is not None:
                stages[call.context.pipeline[0]] = call
            for target in _fetch_targets(subject, call):
                fetched[target] = call
        elif call.name == "git" and call.texts[:1] == ["clone"] and not _is_release(subject, call):
            trees[_cloned(subject, call)] = call
        elif call.name in ("tar", "unzip"):
            archives = [
                fetched[text] for word in call.arguments for text in subject.values.texts(word, call) if text in fetched
            ]
            folders = call.values_of("-C", "--directory", "-d")
            if archives and folders:
                trees[subject.values.known(folders[-1], call).shown] = archives[0]
        elif is_a(call.name, Is.RUNS_FILE):
            if (
                call.context.pipeline is not None
                and call.context.pipeline[0] in stages
                and not [w for w in call.arguments if not w.shown.startswith("-")]
            ):
                source = stages[call.context.pipeline[0]]
                yield hit_at(
                    "download-and-run",
                    source,
                    f"the output of {source.name} goes straight into {call.name}",
                )
            for word in call.arguments:
                source_call = _fetcher(word)
                if source_call is not None:
                    yield hit_at(
                        "download-and-run",
                        source_call,
                        f"{call.name} runs what {source_call.name} brings",
                    )
        elif call.name == "eval":
            fetcher = next((c for word in call.arguments if (c := _fetcher(word))), None)
            if fetcher is not None:
                yield hit_at(
                    "download-and-run",
                    fetcher,
                    f"eval runs what {fetcher.name} brings",
                )
    if not fetched and not trees:
        return
    if any(is_a(call.name, Is.VERIFIES) for call in calls):
        return
    reported: set[int] = set()
    for call in calls:
        for target in _executed_files(subject, call):
            origin = fetched.get(target) or next((c for f, c in fetched.items() if _same_file(f, target)), None)
            origin = origin or next((c for folder, c in trees.items() if target.startswith(folder + "/")), None)
            if origin is not None and origin is not call and origin.sequence not in reported:
                reported.add(origin.sequence)
                runner = f"{call.name or call.path}, line {call.line}"
                yield hit_at(
                    "download-and-run", origin, f"the file that {origin.name} brings is executed later ({runner})"
                )


def _fetcher(word: Word) -> Call | None:
    """The command in a word that brings something from the network."""
    return next((c for piece in word.pieces for c in piece.commands if is_a(c.name, Is.FETCHES)), None)


def _is_release(subject: Subject, clone: Call) -> bool:
    """Whether somebody chose what is cloned: a tag with a number, a commit that is checked out."""
    branches = [subject.values.known(word, clone).shown for word in clone.values_of("-b", "--branch")]
    return any(re.search(r"[\d$]", branch) for branch in branches) or any(
        other.sequence > clone.sequence and {"checkout", "reset", "verify-commit", "verify-tag"} & set(other.texts)
        for other in subject.program.named("git")
    )


def _cloned(subject: Subject, call: Call) -> str:
    """The directory that git clone makes."""
    named = [subject.values.known(word, call).shown for word in operands(call)]
    source = next((text for text in named[1:] if ":" in text or "/" in text), "")
    after = named[named.index(source) + 1 :] if source else []
    return after[0].rstrip("/") if after else posixpath.basename(source.rstrip("/")).removesuffix(".git")


def _same_file(fetched: str, executed: str) -> bool:
    """Whether a path that ends in a variable or pattern can be the other one: the directory is what is known."""
    folder, _slash, name = fetched.rpartition("/")
    other, _slash, other_name = executed.rpartition("/")
    return bool(folder) and folder == other and (name.startswith("${") or "*" in other_name)


def _fetch_targets(subject: Subject, call: Call) -> t.Iterator[str]:
    for redirect in call.context.redirects:
        if redirect.operator in (">", ">>", ">|") and redirect.fd in ("", "1"):
            yield subject.values.known(redirect.target, call).shown
    for word in written(call):
        target = subject.values.known(word, call).shown
        if target not in ("-", "/dev/null"):
            yield target
    if (call.name == "wget" and not call.has_option("-O", "--output-document")) or (
        call.name == "curl" and call.has_option("-O", "--remote-name")
    ):
        for word in call.arguments:
            text = subject.values.known(word, call).shown
            if "://" in text:
                yield text.rsplit("/", 1)[-1]


def _executed_files(subject: Subject, call: Call) -> t.Iterator[str]:
    """Files that a command executes or makes executable."""
    words = [subject.values.known(word, call) for word in call.words]
    if "/" in words[0].shown:
        yield subject.values.known(placed(subject, call.words[0], call), call).shown.replace("/./", "/")
        yield words[0].shown
        yield words[0].shown.removeprefix("./")
    if is_a(call.name, Is.RUNS_FILE):
        file = next((word.shown for word in words[1:] if not word.shown.startswith("-")), None)
        if file:
            yield file
            yield file.removeprefix("./")
    if is_a(call.name, Is.CARRIES_OUT):
        for word in words[1:]:
            if not word.shown.startswith("-"):
                yield word.shown
                yield word.shown.removeprefix("./")
    if (
        call.name == "chmod"
        and len(words) > 2
        and re.search(
            r"\+[rwX]*x|^0?[0-7]*[1357]", words[1].shown if not words[1].shown.startswith("-") else words[2].shown
        )
    ):
        for word in words[2:]:
            yield word.shown
            yield word.shown.removeprefix("./")


CHECKS = (
    eval_text,
    download_and_run,
)
