# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Words and questions that several checks share."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..facts import Is, Output
from ..knowledge import OUTPUT_OPTIONS, facts, is_a
from ..model import word_set
from ..program import Call, Comparison, Piece, Point, Program, Word
from ..subject import Subject

#: Expansions of a variable that say what to do when there is none.
HAS_DEFAULT = word_set(":- - := = :+ + :? ?")


def named(piece: Piece) -> str:
    """A variable or a command as a reader would find it in the script."""
    if piece.kind == "variable":
        return f"${piece.text}"
    return f"$({piece.commands[0].name} ...)" if piece.commands else "$(<...)"


def is_job_id(subject: Subject, piece: Piece, at: Point) -> bool:
    """Whether a variable holds the number of the job."""
    if re.search(r"(?i)job_?id", piece.text):
        return True
    return any(
        re.search(r"(?i)job_?id", inner.text)
        for form in subject.values.forms(Word((piece,), 0, 0), at)
        for inner in form.variables
    )


#: Names by which a script calls the job's owner.
OWNER = re.compile(
    r"SLURM_(JOB_)?(UID|USER)\b|\b(USER|user|UID|uid|LOGNAME|username|USERNAME|job_?user|JOB_?USER|job_?uid|JOB_?UID)\b"
)

#: Names by which a script calls the job and what Slurm gave it.
JOB = re.compile(
    r"(?i)job_?id|SLURM_(JOB|STEP)_GPUS|(CUDA|ROCR)_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ZE_AFFINITY_MASK|cpuset|cpus_allowed"
)


#: Everything in a place of everybody.
WIPED = re.compile(r"/(tmp|var/tmp|dev/shm)/+(\*|\.\*|\.\[!?\.\]\*|\{.*\})$")


def origins(subject: Subject, word: Word, at: Point) -> t.Iterator[Piece]:
    """Every piece that a word is made of: its own, those of what was assigned to its variables, of what its commands were given."""
    rest: list[tuple[Word, Point]] = [(word, at)]
    seen: set[int] = set()
    while rest:
        current, where = rest.pop()
        for piece in current.pieces:
            yield piece
            rest.extend((argument, call) for call in piece.commands for argument in call.words)
            if piece.operand is not None:
                rest.append((piece.operand, where))
            if piece.kind == "variable":
                for source, words, pieces in sources(subject, piece, where):
                    # Each of them once: x="$x/y" would go round in circles.
                    if source.sequence not in seen:
                        seen.add(source.sequence)
                        yield from pieces
                        rest.extend((part, source) for part in words)


def sources(subject: Subject, variable: Piece, at: Point) -> t.Iterator[tuple[Point, list[Word], list[Piece]]]:
    """What gave a variable its value: the place, the words there, and the commands whose output was read."""
    if variable.text.isdigit():
        for call in subject.values.calls_of(at.context.function):
            yield call, list(call.words[int(variable.text) :][:1]), []
    for assignment in subject.values.assignments(variable.text, at):
        words = [part for part in (*assignment.items, assignment.value) if part is not None]
        if assignment.kind != "read":
            yield assignment, words, []
            continue
        fed = [redirect.target for redirect in assignment.context.redirects if "<" in redirect.operator]
        commands = tuple(fed_by(subject.program, assignment))
        yield assignment, fed, [Piece("command", "", commands=commands)]


def fed_by(program: Program, at: Point) -> list[Call]:
    """The earlier stages of the pipeline that something stands in."""
    return [call for call in program.stages(at) if call.sequence < at.sequence]


def feeds(program: Program, at: Point) -> list[Call]:
    """The later stages of the pipeline that something stands in."""
    if at.context.pipeline is None:
        return []
    number, position, _length = at.context.pipeline
    return [
        call
        for call in program.calls
        if call.context.pipeline and call.context.pipeline[0] == number and call.context.pipeline[1] > position
    ]


def conditions(program: Program, at: Point) -> list[Call | Comparison]:
    """The commands and tests on whose outcome something depends."""
    found: list[Call | Comparison] = []
    places: list[Call | Comparison] = [*program.calls, *program.comparisons]
    since = {mark: program.branches.get(mark, mark) for mark in at.context.guards}
    for place in places if since else ():
        guards = place.context.guards
        before = [mark for mark, start in since.items() if start < place.sequence]
        is_elsewhere = any(mark in program.branches and mark not in since for mark in guards)
        if place.sequence < at.sequence and not is_elsewhere and any(mark not in guards for mark in before):
            found.append(place)
    return found


#: Options whose value is no operand.
_VALUED = word_set("-m --mode -o --owner -g --group -S --suffix -t --types -s --size --reference -w --timeout --wait")


_CHOSEN = {"none": slice(0), "all": slice(None), "first": slice(1), "last": slice(-1, None)}


def operands(call: Call) -> list[Word]:
    """The arguments that are neither options nor their values."""
    found: list[Word] = []
    previous = ""
    for word in call.arguments:
        text = word.shown
        if not text.startswith("-") and previous not in _VALUED:
            found.append(word)
        previous = text
    return found


def written(call: Call) -> t.Iterator[Word]:
    """The files that a command writes to, apart from redirections; V(/...) stands for a file in a directory."""
    first = call.texts[0] if call.texts else ""
    for output in facts(call.name).writes or (Output(options=OUTPUT_OPTIONS),):
        if output.only and not re.match(output.only, first):
            continue
        named_there = operands(call)
        if len(named_there) >= output.least:
            yield from named_there[_CHOSEN[output.operands]]
        yield from call.values_of(*output.options.split())
        for word in call.values_of(*output.directories.split()):
            yield below(word)
    if call.name in ("sed", "perl") and call.has_option("-i", "--in-place"):
        yield from operands(call)[1:][-1:]


def below(word: Word) -> Word:
    """A file in a directory."""
    return dataclasses.replace(word, pieces=(*word.pieces, Piece("text", "/...")))


#: Directories that everybody may write to.
WORLD_WRITABLE = re.compile(r"(/tmp|/var/tmp|/dev/shm)/+[^/\s]")


def is_guessable(word: Word) -> bool:
    """Whether a name has nothing in it that nobody can guess. $RANDOM has 32768 values: all of them can be there before."""
    for piece in word.pieces:
        if piece.kind == "command" and any(
            is_a(call.name, Is.RANDOM) or (call.name == "mktemp" and not call.has_option("-u"))
            for call in piece.commands
        ):
            return False
    return not any(piece.text == "SRANDOM" for piece in word.variables) and "XXXX" not in word.shown


def makes_it_first(subject: Subject, call: Call) -> bool:
    """Whether a mkdir fails when somebody was there before, and the script looks at that."""
    if call.name != "mkdir" or call.has_option("-p", "--parents"):
        return False
    names = {subject.values.known(word, call).shown for word in operands(call)}
    # [ -d x ] || mkdir x: with a directory that somebody else made, all goes on.
    asked = any(
        other.sequence < call.sequence
        and other.context.tested
        and set(other.texts) & {"-d", "-e"}
        and any(subject.values.known(word, other).shown in names for word in other.arguments)
        and len(call.context.guards) > len(other.context.guards)
        for other in subject.program.named("[", "test", "[[")
    )
    return (call.context.tested or call.context.errexit) and not asked


def made_first(subject: Subject) -> list[str]:
    """The directories that the script itself makes, and that nobody can have made before."""
    return [
        subject.values.known(word, call).shown
        for call in subject.program.named("mkdir")
        if makes_it_first(subject, call)
        for word in call.arguments
        if word.shown.startswith(("/", "$"))
    ]


def placed(subject: Subject, word: Word, at: Point) -> Word:
    """A relative path with the directory that the script went to before."""
    first = word.pieces[0] if word.pieces else None
    if first is None or first.kind not in ("text", "glob") or first.text.startswith(("/", "~", "&")):
        return word
    if isinstance(at, Call) and at.words[0] is word and "/" not in first.text:
        return word
    call = last_cd(subject, at)
    if call is None or not call.arguments:
        return word
    return dataclasses.replace(word, pieces=(*call.arguments[-1].pieces, Piece("text", "/"), *word.pieces))


def last_cd(subject: Subject, at: Point) -> Call | None:
    """The cd that chose the directory at a point; none if nothing did, or if popd undid it."""
    function, called = at.context.function, subject.program.called
    found: list[tuple[int, Call]] = []
    for call in subject.program.named("cd", "pushd", "popd"):
        inside = call.context.function
        # One in a function counts where the function is called, one in a subshell up to its end.
        outer = called.get(inside, []) if inside is not None and not call.context.shells else []
        for site in [call] if inside == function else outer:
            if site.context.function == function and site.context.reaches(at.context):
                found.append((site.sequence, call))
    last = max((entry for entry in found if entry[0] < at.sequence), key=lambda entry: entry[0], default=None)
    if last is not None:
        return last[1] if last[1].name != "popd" else None
    sites = called.get(function, []) if function is not None else []
    is_once = len(sites) == 1 and sites[0].context.function != function
    return last_cd(subject, sites[0]) if is_once else None


def behind(subject: Subject, words: t.Iterable[Word], at: Point) -> str:
    """The names of the variables and the texts of the commands that words are made of, for a search."""
    found: list[str] = []
    for word in words:
        for piece in origins(subject, word, at):
            found += [piece.text, *(text for call in piece.commands for text in (call.name, *call.texts))]
    return " ".join(found)


def is_other_user(call: Call) -> bool:
    """Whether a command runs without root's rights, by sudo, su or runuser."""
    return call.context.user not in (None, "root", "0", "#0")


#: scontrol's verbs that only fold or expand a list of names.
_LOCAL_VERBS = word_set("hostname hostnames hostlist hostlistsorted")


def verbs(call: Call) -> list[str]:
    """The words that say what scontrol is to do."""
    return [text for text in call.texts if not text.startswith("-")][:2]


def only_expands(call: Call) -> bool:
    """Whether scontrol only folds or expands a list of names, without asking the controller."""
    found = verbs(call)
    return call.name == "scontrol" and len(found) == 2 and found[0].startswith("sh") and found[1] in _LOCAL_VERBS


def asks_slurm(call: Call) -> bool:
    """Whether a command asks one of Slurm's daemons."""
    if not is_a(call.name, Is.SLURM) or only_expands(call):
        return False
    return not set(call.texts) & {"-V", "--version", "--help", "--usage"}


#: Where the jobs of a node, or of a user, show themselves; a path of the one job says nothing of others.
_OTHER_JOBS = re.compile(r"^(?!.*(?i:job_?id)).*(job_\*|uid_|slurmstepd|user_jobs|jobs_of)")


def asked_around(subject: Subject, call: Call) -> list[str]:
    """What the conditions of a command look at; those of its loop too, where one of them leads to the next round."""
    places: list[Call | Comparison] = [*conditions(subject.program, call)]
    if any(other.context.loops == call.context.loops for other in subject.program.named("continue")):
        places += [test for test in subject.program.comparisons if test.context.loops == call.context.loops]
    return [behind(subject, place.words, place) for place in places]


def asked_before(subject: Subject, call: Point) -> bool:
    """Whether something before it finds out about other jobs of the user."""
    for other in subject.program.calls:
        if not subject.program.precedes(other, call):
            continue
        if other is not call and _asks(other):
            return True
        # What is only told asks nothing.
        told = is_a(other.name, Is.PRINTS) or other.name == "logger"
        if not told and any(_OTHER_JOBS.search(text) for text in (other.name, *other.texts)):
            return True
    return False


def _asks(call: Call) -> bool:
    """Whether a command tells which jobs, or which sessions, there are."""
    verbs = [text for text in call.texts if not text.startswith("-")][:1]
    if call.name == "scontrol":
        return verbs in (["show"], ["listpids"], ["pidinfo"])
    if call.name == "loginctl":
        return not verbs or re.match(r"list-|show-|\w+-status$", verbs[0]) is not None
    return is_a(call.name, Is.LISTS_JOBS)
