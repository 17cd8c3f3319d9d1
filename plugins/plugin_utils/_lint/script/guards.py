# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which variables surely have a value: where a condition holds, and after a way out was not taken."""

from __future__ import annotations

import re
import typing as t

from .parser import Node, nodes

Names = frozenset[str]
_NONE: Names = frozenset()

#: Tests of a file: false for a name that is empty (and quoted).
_FILE_TESTS = frozenset("-" + letter for letter in "abcdefghkprsuwxGLNOS")
NUMERIC = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_LEAVES_HERE = frozenset({"exit", "return", "break", "continue"})


class Guards:
    """The questions to the statements of a script. O(functions) are those that it declares."""

    def __init__(self, functions: t.Mapping[str, Node]) -> None:
        self.functions = functions
        #: Answers by question and node, which each statement around it asks again; with the node, so that its id stays its own.
        self._known: dict[tuple[str, int], tuple[t.Any, Node]] = {}
        #: What a function makes sure of for those who call it: by name and kind of the question. Each call asks it again.
        self._of_function: dict[tuple[str, str], Names] = {}

    # -- where a condition holds

    def when_all(self, statements: t.Sequence[Node] | None, outcome: bool) -> Names:
        """The variables with a value when a list of statements was a success, or a failure."""
        if not statements:
            return _NONE
        return self.after_all(statements[:-1]) | self.when(statements[-1], outcome)

    def when(self, node: Node, outcome: bool) -> Names:
        """The variables with a value when a statement was a success, or a failure."""
        key = f"when {outcome}", id(node)
        if key not in self._known:
            self._known[key] = self._when(node.get("Cmd") or {}, outcome != bool(node.get("Negated"))), node
        found: Names = self._known[key][0]
        return found

    def _when(self, command: Node, outcome: bool) -> Names:
        kind = command.get("Type")
        if kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
            both = command["Op"] == "&&"
            left, right = command["X"], command["Y"]
            if outcome == both:
                return self.when(left, both) | self.when(right, both)
            if outcome and (self.leaves(right) or _only_fails(right)):
                return self.when(left, True)
            return self.when(left, not both) & (self.when(left, both) | self.when(right, not both))
        if kind in ("Block", "Subshell"):
            statements = command.get("Stmts") or []
            if kind == "Subshell" and any(_may_end(node, outcome) for node in statements):
                return _NONE
            return self.when_all(statements, outcome)
        if kind == "TestClause":
            return _tested(command["X"], outcome)
        if kind == "ArithmCmd":
            return _counted(command.get("X")) if outcome else _NONE
        if kind == "CallExpr" and command.get("Args"):
            words = command["Args"]
            name = _literal(words[0])
            if name in ("[", "test"):
                return _bracket(words[1 : -1 if name == "[" else None], outcome) | _required(command)
            if outcome and name in self.functions:
                return self._body(name, was_success=True) | _required(command)
        return _required(command)

    def _body(self, name: str, *, was_success: bool) -> Names:
        """The variables with a value after a function. Only for one that was a success a failing return is a way out."""
        statements = (self.functions[name]["Body"].get("Cmd") or {}).get("Stmts") or []
        last = statements[-1:]
        early = [*statements[:-1], *(node for node in last if not _is_return(node))]
        key = name, f"after {was_success}"
        if key not in self._of_function:
            # For a call of itself.
            self._of_function[key] = _NONE
            if not any(_returns(node, any_status=not was_success) for node in early):
                tested = self.when_all(early, True) if was_success and early[-1:] == last else _NONE
                self._of_function[key] = self.after_all(early) | tested
        return self._of_function[key]

    # -- after a statement

    def after_all(self, statements: t.Iterable[Node] | None) -> Names:
        """The variables with a value when what follows a list of statements runs."""
        return _NONE.union(*(self.after(node) for node in statements or ()))

    def after(self, node: Node) -> Names:
        """The variables with a value when what follows a statement runs."""
        key = "after", id(node)
        if key not in self._known:
            self._known[key] = self._after(node), node
        found: Names = self._known[key][0]
        return found

    def _after(self, node: Node) -> Names:
        command = node.get("Cmd") or {}
        kind = command.get("Type")
        if node.get("Background") or not command:
            return _NONE
        if kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
            left = command["X"]
            if self.leaves(command["Y"]):
                return self.when(left, command["Op"] == "||") | self.after(left)
            return self.after(left) | (self.when(node, True) & self.when(node, False))
        if kind == "Block":
            return self.after_all(command.get("Stmts"))
        if kind in ("IfClause", "CaseClause"):
            return self._in_every_branch(node, lambda facts, statements: facts | self.after_all(statements))
        if kind == "WhileClause":
            if any(True for body in command.get("Do") or () for _words in _calls(body, "break")):
                return _NONE
            return self.when_all(command.get("Cond"), bool(command.get("Until")))
        if kind == "CallExpr" and command.get("Args") and _literal(command["Args"][0]) in self.functions:
            return self._body(_literal(command["Args"][0]), was_success=False) | _required(command)
        return _required(command) if kind in ("CallExpr", "DeclClause", "TestClause") else _NONE

    def covered(self, node: Node) -> Names:
        """The variables that every branch of a statement which goes on either tests or sets."""
        return self._in_every_branch(
            node, lambda facts, statements: facts | self.after_all(statements) | self._set_in(statements)
        )

    def replaced(self, node: Node) -> Names:
        """The variables that every branch of a statement which goes on sets."""
        key = "replaced", id(node)
        if key not in self._known:
            found = self._in_every_branch(node, lambda _facts, statements: self._set_in(statements))
            self._known[key] = found, node
        names: Names = self._known[key][0]
        return names

    def set_by(self, function: str) -> Names:
        """The variables that a function sets in any case, for those who call it."""
        key = function, "set"
        if key not in self._of_function:
            # For a call of itself.
            self._of_function[key] = _NONE
            body = (self.functions[function]["Body"].get("Cmd") or {}).get("Stmts") or []
            if not any(_returns(node, any_status=True) for node in body):
                self._of_function[key] = self._set_in(body) - _local(body)
        return self._of_function[key]

    def _set_in(self, statements: t.Sequence[Node]) -> Names:
        """The variables that a list of statements sets in any case."""
        commands = (node.get("Cmd") or {} for node in statements if not node.get("Background"))
        called = (_literal(words[0]) for words in (command.get("Args") for command in commands) if words)
        return _NONE.union(
            _all_set(statements),
            *(self.replaced(node) for node in statements),
            *(self.set_by(name) for name in called if name in self.functions),
        )

    def _in_every_branch(self, node: Node, names: t.Callable[[Names, t.Sequence[Node]], Names]) -> Names:
        command = node.get("Cmd") or {}
        if not _branches(command):
            return _NONE
        ways = [names(*branch) for branch in self.branches(command) if not self.leave(branch[1])]
        return ways[0].intersection(*ways) if ways else _NONE

    def branches(self, command: Node) -> list[tuple[Names, t.Sequence[Node]]]:
        """What holds at the beginning of each branch of an if or case, with its statements; also of the branch that is not written."""
        key = "branches", id(command)
        if key not in self._known:
            ways = {
                "CaseClause": self._cases,
                "IfClause": self._ifs,
                "BinaryCmd": self._either,
                "ForClause": lambda loop: [(_NONE, _first_round(loop["Do"]))],
            }[command["Type"]]
            self._known[key] = ways(command), command
        found: list[tuple[Names, t.Sequence[Node]]] = self._known[key][0]
        return found

    def _either(self, command: Node) -> list[tuple[Names, t.Sequence[Node]]]:
        """a && b and a || b: with b, and without."""
        both = command["Op"] == "&&"
        return [(self.when(command["X"], both), [command["Y"]]), (self.when(command["X"], not both), ())]

    def _ifs(self, command: Node) -> list[tuple[Names, t.Sequence[Node]]]:
        found: list[tuple[Names, t.Sequence[Node]]] = []
        clause: Node | None = command
        failed = _NONE
        while clause is not None and clause.get("Cond"):
            if is_always(clause["Cond"]):
                return [*found, (failed, clause.get("Then") or ())]
            found.append((failed | self.when_all(clause["Cond"], True), clause.get("Then") or ()))
            failed |= self.when_all(clause["Cond"], False)
            clause = clause.get("Else")
        found.append((failed, (clause or {}).get("Then") or ()))
        return found

    def _cases(self, command: Node) -> list[tuple[Names, t.Sequence[Node]]]:
        name = _name(command["Word"])
        subject = frozenset({name}) if name else _NONE
        found: list[tuple[Names, t.Sequence[Node]]] = []
        was_empty = is_complete = False
        for item in command.get("Items") or ():
            patterns = item.get("Patterns") or ()
            has_text = was_empty or not any(_matches_nothing(pattern) for pattern in patterns)
            found.append((subject if has_text else _NONE, item.get("Stmts") or ()))
            was_empty = was_empty or any(_literal(pattern) in ("", "*") and pattern["Parts"] for pattern in patterns)
            is_complete = is_complete or any(_literal(pattern) == "*" for pattern in patterns)
        if not is_complete:
            found.append((subject if was_empty else _NONE, ()))
        return found

    # -- ways out

    def leave(self, statements: t.Iterable[Node]) -> bool:
        """Whether what follows a list of statements never runs."""
        return any(self.leaves(node) for node in statements)

    def leaves(self, node: Node) -> bool:
        """Whether what follows a statement never runs."""
        key = "leaves", id(node)
        if key not in self._known:
            self._known[key] = False, node
            self._known[key] = self._leaves(node), node
        found: bool = self._known[key][0]
        return found

    def _leaves(self, node: Node) -> bool:
        command = node.get("Cmd") or {}
        kind = command.get("Type")
        if node.get("Background"):
            return False
        if kind == "CallExpr" and command.get("Args"):
            name = _literal(command["Args"][0])
            if name in self.functions:
                body = self.functions[name]["Body"]
                return not _returns(body, any_status=True) and self.leaves(body)
            return name in _LEAVES_HERE or (name == "exec" and len(command["Args"]) > 1)
        if kind == "Block":
            return self.leave(command.get("Stmts") or ())
        if kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
            return self.leaves(command["X"])
        if kind in ("IfClause", "CaseClause"):
            return all(self.leave(statements) for _facts, statements in self.branches(command))
        return False


def is_always(condition: t.Sequence[Node] | None) -> bool:
    """Whether a condition is true whatever happens."""
    return bool(condition) and all(cannot_fail(node) for node in condition or ())


def cannot_fail(node: Node) -> bool:
    """Whether a statement does no more than true, or only gives variables values without a command in them."""
    command = node.get("Cmd") or {}
    if command.get("Type") != "CallExpr" or node.get("Negated") or node.get("Redirs"):
        return False
    words: list[Node] = command.get("Args") or []
    if words:
        return len(words) == 1 and _literal(words[0]) in ("true", ":")
    kinds = {part.get("Type") for part in nodes(command.get("Assigns"))}
    return not kinds & {"CmdSubst", "ProcSubst", "ArithmExp"} and not _required(command)


def _branches(command: Node) -> bool:
    """Whether a command takes one of several ways."""
    kind = command.get("Type")
    if kind == "ForClause":
        return _goes_round(command["Loop"])
    return kind in ("IfClause", "CaseClause") or (kind == "BinaryCmd" and command["Op"] in ("&&", "||"))


def _goes_round(loop: Node) -> bool:
    """Whether a for loop has an item in any case."""
    return any(
        (_literal(item) and "$?" not in _literal(item)) or re.fullmatch(r"seq (1 )?[1-9]\d*", _spelled(item))
        for item in loop.get("Items") or ()
    )


def _spelled(word: Node) -> str:
    """The command of a word that is $(command a b), as text."""
    parts = word.get("Parts") or [{}]
    statements = parts[0].get("Stmts") or []
    if len(parts) != 1 or parts[0].get("Type") != "CmdSubst" or len(statements) != 1:
        return ""
    return " ".join(map(_literal, (statements[0].get("Cmd") or {}).get("Args") or ()))


# ---------------------------------------------------------------------------------------------------- words and tests


def _literal(word: Node) -> str:
    """The fixed text of a word; a question mark for what is not fixed, so that it is never empty."""
    text = ""
    for part in word.get("Parts") or ():
        if part["Type"] == "DblQuoted":
            text += _literal(part)
        else:
            text += part.get("Value", "") if part["Type"] in ("Lit", "SglQuoted") else "$?"
    return text


def _bare(word: Node) -> tuple[Node | None, bool, str]:
    """The only variable of a word, whether it is quoted, and the fixed text in front of it: x"$name"."""
    parts = [(part, False) for part in word.get("Parts") or ()]
    if parts and parts[-1][0]["Type"] == "DblQuoted":
        parts = parts[:-1] + [(part, True) for part in parts[-1][0].get("Parts") or ()]
    if not parts or parts[-1][0]["Type"] != "ParamExp":
        return None, False, ""
    before = {"Parts": [part for part, _quoted in parts[:-1]]}
    return parts[-1][0], parts[-1][1], _literal(before)


def _name(word: Node, *, quoted: bool = False) -> str | None:
    """The variable that a word is, or a word with nothing but fixed text in front of it."""
    part, is_quoted, before = _bare(word)
    return _plain(part) if part is not None and not before and (is_quoted or not quoted) else None


def _plain(part: Node) -> str | None:
    """The name of $name, ${name}, ${name:-} and ${name:+text}."""
    expansion = part.get("Exp") or {}
    if any(part.get(key) for key in ("Length", "Excl", "Names", "Repl", "Slice", "Index")):
        return None
    is_asked = expansion.get("Op") == ":+" and bool(_literal(expansion.get("Word") or {}))
    if expansion and not is_asked and (expansion.get("Word") or expansion.get("Op") not in ("-", ":-", ":?", "?")):
        return None
    name: str = (part.get("Param") or {}).get("Value", "")
    return name


def _matches_nothing(pattern: Node) -> bool:
    """Whether a pattern of a case may match the empty text."""
    return all(
        part["Type"] not in ("Lit", "SglQuoted", "DblQuoted")
        or not (_literal({"Parts": [part]}).strip("*" if part["Type"] == "Lit" else ""))
        or "$?" in _literal({"Parts": [part]})
        for part in pattern.get("Parts") or ()
    )


def _bracket(words: t.Sequence[Node], outcome: bool) -> Names:
    """[ ... ]: an unquoted operand that is empty is no operand at all."""
    texts = [_literal(word) for word in words]
    for operator, is_both in (("-o", False), ("-a", True)):
        if operator in texts[1:]:
            position = texts.index(operator, 1)
            left, right = (_bracket(part, outcome) for part in (words[:position], words[position + 1 :]))
            return left | right if outcome == is_both else left & right
    if texts[:1] == ["!"]:
        return _bracket(words[1:], not outcome)
    if len(words) == 1:
        return _named(words[0]) if outcome else _NONE
    if len(words) == 2:
        return _unary(texts[0], words[1], outcome, must_quote=True)
    if len(words) == 3:
        return _binary(texts[1], words[0], words[2], outcome)
    return _NONE


def _tested(node: Node, outcome: bool) -> Names:
    """[[ ... ]]."""
    kind = node.get("Type")
    if kind == "ParenTest":
        return _tested(node["X"], outcome)
    if kind == "UnaryTest":
        if node["Op"] == "!":
            return _tested(node["X"], not outcome)
        return _unary(node["Op"], node["X"], outcome, must_quote=False)
    if kind == "BinaryTest":
        if node["Op"] in ("&&", "||"):
            left, right = _tested(node["X"], outcome), _tested(node["Y"], outcome)
            return left | right if outcome == (node["Op"] == "&&") else left & right
        return _binary(node["Op"], node["X"], node["Y"], outcome)
    return _named(node) if outcome else _NONE


def _named(word: Node, *, quoted: bool = False) -> Names:
    name = _name(word, quoted=quoted)
    return frozenset({name}) if name else _NONE


def _unary(operator: str, word: Node, outcome: bool, *, must_quote: bool) -> Names:
    if operator == "-z":
        return _NONE if outcome else _named(word)
    if not outcome:
        return _NONE
    if operator == "-v":
        return frozenset({_literal(word)})
    return _named(word, quoted=must_quote) if operator == "-n" or operator in _FILE_TESTS else _NONE


def _binary(operator: str, left: Node, right: Node, outcome: bool) -> Names:
    if operator in NUMERIC:
        return _measured(operator, left, right, outcome) | (_named(left) | _named(right) if outcome else _NONE)
    if operator == "=~":
        return _named(left) if outcome and not _finds_nothing(_literal(right)) else _NONE
    if operator not in ("=", "==", "!="):
        return _NONE
    for word, other in ((left, right), (right, left)):
        part, _quoted, before = _bare(word)
        text = _literal(other)
        name = _plain(part) if part is not None else None
        if name and "$?" not in text:
            differs = text == before or (not before and not text.strip("*") and not _is_quoted(other))
            return frozenset({name}) if outcome == ((operator == "!=") == differs) else _NONE
    return _NONE


def _is_quoted(word: Node) -> bool:
    return any(part["Type"] in ("SglQuoted", "DblQuoted") for part in word.get("Parts") or ())


def _measured(operator: str, left: Node, right: Node, outcome: bool) -> Names:
    """${#name} -gt 0 and its kind."""
    part, _quoted, before = _bare(left)
    number = _literal(right)
    if part is None or before or not part.get("Length") or not number.isdigit():
        return _NONE
    says_there_is = {"-gt": True, "-ne": number == "0", "-ge": number != "0", "-eq": number != "0"}.get(operator, False)
    says_there_is_none = (operator == "-eq" and number == "0") or (operator == "-lt" and number != "0")
    name: str = (part.get("Param") or {}).get("Value", "")
    return frozenset({name}) if (says_there_is and outcome) or (says_there_is_none and not outcome) else _NONE


def _finds_nothing(expression: str) -> bool:
    """Whether a regular expression matches the empty text."""
    try:
        return re.search(re.sub(r"\[:\w+:\]", "x", expression), "") is not None
    except re.error:
        return False


def _counted(node: Node | None) -> Names:
    """The variables of an arithmetic comparison that is true; an empty one counts as 0."""
    if not node:
        return _NONE
    kind = node.get("Type")
    if kind == "Word":
        text = _literal(node)
        return frozenset({text}) if re.fullmatch(r"[A-Za-z_]\w*", text) else _named(node)
    if kind == "ParenArithm":
        return _counted(node.get("X"))
    if kind == "BinaryArithm" and node["Op"] == "&&":
        return _counted(node["X"]) | _counted(node["Y"])
    if kind == "BinaryArithm" and node["Op"] in (">", "!="):
        return _counted(node["X"])
    return _NONE


def _required(command: Node) -> Names:
    """The variables that a simple command demands with ${name:?}."""
    if command.get("Type") not in ("CallExpr", "DeclClause"):
        return _NONE
    # The words alone are looked at: a node has ten times as much that tells places.
    words = [*(command.get("Args") or ()), *(item.get("Value") or {} for item in command.get("Assigns") or ())]
    parts = [part for word in words for part in (word.get("Value") or word).get("Parts") or ()]
    found: set[str] = set()
    while parts:
        part = parts.pop()
        if part["Type"] == "DblQuoted":
            parts.extend(part.get("Parts") or ())
        elif part["Type"] == "ParamExp" and (part.get("Exp") or {}).get("Op") in (":?", "?"):
            found.add((part.get("Param") or {}).get("Value", ""))
    return frozenset(found)


def _all_set(statements: t.Iterable[Node]) -> Names:
    return _NONE.union(*(_sets(node) for node in statements))


def _local(body: t.Any) -> Names:
    """The variables that are a function's own."""
    return frozenset(
        item["Name"]["Value"]
        for node in nodes(body)
        if node.get("Type") == "DeclClause" and node["Variant"]["Value"] in ("local", "declare", "typeset")
        for item in node.get("Args") or ()
        if item.get("Name")
    )


def _sets(node: Node) -> Names:
    """The variables that a simple statement sets."""
    command = node.get("Cmd") or {}
    if command.get("Type") == "CallExpr" and not command.get("Args"):
        return frozenset(item["Name"]["Value"] for item in command.get("Assigns") or ())
    if command.get("Type") == "DeclClause":
        return frozenset(item["Name"]["Value"] for item in command.get("Args") or () if item.get("Name"))
    if command.get("Type") == "BinaryCmd" and command["Op"] in ("&&", "||"):
        # x=0 && break || x=1 sets it either way.
        either = _sets_when_done(command["X"]) & _sets(command["Y"]) if command["Op"] == "||" else _NONE
        return _sets(command["X"]) | either
    return _NONE


def _sets_when_done(node: Node) -> Names:
    """The variables that a && b has set where all of it was done."""
    command = node.get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] == "&&":
        return _sets_when_done(command["X"]) | _sets_when_done(command["Y"])
    return _sets(node)


def _first_round(body: t.Sequence[Node]) -> t.Sequence[Node]:
    """The statements of a loop that run in any case: up to the first that may leave it."""
    for number, node in enumerate(body):
        if any(True for name in ("break", "continue", "return") for _words in _calls(node, name)):
            return body[: number + 1]
    return body


def _is_return(node: Node) -> bool:
    words = (node.get("Cmd") or {}).get("Args") or [{}]
    return _literal(words[0]) == "return"


def _returns(node: Node, *, any_status: bool) -> bool:
    """Whether a statement may end its function, or may end it with a success."""
    return any(any_status or _literal((*words, {})[1]).strip("0") == "" for words in _calls(node, "return"))


def _may_end(node: Node, outcome: bool) -> bool:
    """Whether a statement may end its subshell by an exit with success, or with failure."""
    given = [_literal(words[1]) if len(words) > 1 else "" for words in _calls(node, "exit")]
    return any(not re.fullmatch(r"[1-9]\d*", text) if outcome else text != "0" for text in given)


def _only_fails(node: Node) -> bool:
    """Whether a statement is a subshell that ends with a failure in any case: ( logger x; exit 1 )."""
    command = node.get("Cmd") or {}
    statements = command.get("Stmts") or []
    if command.get("Type") != "Subshell" or node.get("Negated") or node.get("Background"):
        return False
    words = (statements[-1].get("Cmd") or {}).get("Args") or [{}]
    last_fails = _literal(words[0]) in ("exit", "false") or _only_fails(statements[-1])
    return last_fails and not any(_may_end(statement, True) for statement in statements)


def _calls(root: Node, name: str) -> t.Iterator[list[Node]]:
    """The words of each call of a command in a statement."""
    for node in nodes(root):
        words = node.get("Args") if node.get("Type") == "CallExpr" else None
        if words and _literal(words[0]) == name:
            yield words
