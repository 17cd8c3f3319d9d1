# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Calls of a Python script's, as commands of a shell's."""

from __future__ import annotations

import ast
import re
import stat
import sys
import typing as t

from ..knowledge import PYTHON_LDAPS_LIMIT, PYTHON_SOCKETS_LIMIT
from . import library
from .commands import Commands
from .source import argument, is_none, method_of, text_of, variable
from .words import Text, expansion, fixed, joined, lines, literal, name_of, quoted, unknown


class Calls(Commands):
    """What functions do: those of the library, and the script's own."""

    def _call_value(self, node: ast.Call) -> Text:
        return self.call(node, wanted=True)

    def call(self, node: ast.Call, *, wanted: bool) -> Text:
        """What a call does, and the text that it answers with."""
        name, method = self.names.full(node.func), method_of(node)
        key = self.names.environment_key(node)
        if key:
            given = node.args[1] if len(node.args) > 1 else argument(node, -1, "default")
            if method == "setdefault" and given is not None:
                self.put(f"export {key}={quoted(self.value(given))}; ", node)
            return expansion(self.default(key, given or ast.Constant("None"))[1:-1])
        own = self.names.called(node)
        if own is not None:
            return self._own_value(node, own)
        if self.is_start(node):
            if wanted and self.prints(node):
                return self.printed(node)
            self.run(self.started(node), node)
            return unknown(node)
        test = self.text_test(node)
        if test:
            self.put(f"if {test}; then :; fi; ", node)
            return unknown(node)
        for special in (self._known_text, self._known_action):
            found = special(node, name, method)
            if found is not None:
                return found
        return self._unknown_call(node, name, method)

    def _known_text(self, node: ast.Call, name: str, method: str) -> Text | None:
        """A call that only answers."""
        if name == "os.path.join":
            return joined(map(self.value, node.args), "/")
        if name == "pathlib.Path" and len(node.args) > 1:
            return joined(map(self.value, node.args), "/")
        if name in library.SAME_TEXT and node.args:
            return self.value(node.args[0])
        if name in ("os.path.dirname", "os.path.basename") and node.args:
            return expansion(f"$(/bin/{name[8:]} {quoted(self.value(node.args[0]))})")
        if name in ("os.path.expanduser",) and node.args:
            text = self.value(node.args[0])
            first = text[0].text if text and not text[0].is_open else ""
            if first.startswith("~") and first != "~" and not first.startswith("~/"):
                return text
            if first == "~" and len(text) > 1:
                return (*expansion(f"$(/bin/getent passwd {quoted(text[1:2])} | /bin/cut -d: -f6)"), *text[2:])
            return text
        if name in ("pathlib.Path.home", "os.getcwd", "pathlib.Path.cwd"):
            return unknown(node)
        if name in ("shlex.quote", "pipes.quote") and node.args:
            self.value(node.args[0])
            return expansion(f"${{{name_of(node)}@Q}}")
        if name in ("time.time", "time.monotonic", "time.perf_counter"):
            return expansion("$(/bin/date +%s)")
        if name == "os.getpid":
            return expansion("$$")
        if name == "tempfile.gettempdir":
            return fixed("/tmp")  # noqa: S108, what it answers
        if re.match(library.UNGUESSED, name):
            return expansion("${SRANDOM}")
        if isinstance(node.func, ast.Attribute):
            if method == "format" and (text_of(node.func.value) or isinstance(node.func.value, ast.JoinedStr)):
                return self.filled(
                    text_of(node.func.value),
                    r"\{\w*(?:[.\[][^}]*)?(?:![rsa])?(?::[^}]*)?\}",
                    list(map(self.value, node.args)),
                )
            if method == "joinpath":
                return joined(map(self.value, (node.func.value, *node.args)), "/")
            if method in ("read", "readline", "readlines"):
                path = self.files.get(variable(node.func.value)) or self.names.opened(node.func.value)
                if path is not None:
                    return expansion(f"$(/bin/cat {quoted(self.value(path))})")
            if method in ("read_text", "read_bytes"):
                return expansion(f"$(/bin/cat {quoted(self.value(node.func.value))})")
            if method in library.SAME_TEXT_METHODS:
                for given in node.args:
                    self.value(given)
                return self.value(node.func.value)
        return None

    def _known_action(self, node: ast.Call, name: str, method: str) -> Text | None:
        """A call that does something to the host, or ends the script."""
        if name in library.ENDS:
            self._exit(node)
        elif name == "print" or name in ("sys.stdout.write", "sys.stderr.write"):
            self._print(node, name)
        elif re.search(library.LOGS, name) or re.search(library.LOGS, ast.unparse(node.func)):
            self.run(
                f"/bin/logger {' '.join(quoted(self.value(a)) for a in node.args if not isinstance(a, ast.Attribute))}",
                node,
            )
        elif name in library.COMMANDS:
            self._same(node, name, library.COMMANDS[name], [])
        elif name in ("os.makedirs", "os.mkdir") and node.args:
            self._mkdir(node, name, self.value(node.args[0]), argument(node, 1, "mode"), argument(node, 2, "exist_ok"))
        elif name in ("os.chmod", "os.lchmod") and len(node.args) > 1:
            self._chmod(node, name, node.args[0], node.args[1])
        elif name in ("os.chown", "shutil.chown", "os.lchown") and node.args:
            owners = [
                o
                for o in (
                    argument(node, 1, "uid") or argument(node, 1, "user"),
                    argument(node, 2, "gid") or argument(node, 2, "group"),
                )
                if o is not None
            ]
            follows = argument(node, -1, "follow_symlinks")
            stays = name == "os.lchown" or (isinstance(follows, ast.Constant) and follows.value is False)
            self.say(node, "chown", name)
            self.run(
                f"/bin/chown {'-h ' if stays else ''}{quoted(joined(map(self.value, owners), ':'))} {quoted(self.value(node.args[0]))}",
                node,
            )
        elif name in library.LOG_FILES:
            path = argument(node, 0 if name != "logging.basicConfig" else -1, "filename")
            if path is not None:
                self.run(f"/bin/touch {quoted(self.value(path))}", node)
        elif name == "os.umask" and node.args:
            mode = _mode(node.args[0])
            self.run(f"umask {mode:04o}" if mode is not None else ":", node)
        elif name in ("os.kill", "os.killpg") and len(node.args) > 1:
            target = quoted(self.value(node.args[0]))
            self.say(node, "kill", name)
            self.run(f"kill -{_signal(node.args[1])} {'-- -' if name == 'os.killpg' else ''}{target}", node)
        elif self.names.opened(node) is not None:
            return self._open(node, node)
        elif name in ("eval", "exec") and node.args:
            text = self.value(node.args[0])
            if literal(text) is None:
                self.say(node, "eval runs", f"{name} runs")
                self.run(f"eval {quoted(text)}", node)
        elif name == "socket.setdefaulttimeout" and not is_none(argument(node, 0)):
            self.put(f"{PYTHON_SOCKETS_LIMIT}={quoted(self.value(node.args[0]))}; ", node)
        elif method == "set_option" and any(self.names.full(a) == "ldap.OPT_NETWORK_TIMEOUT" for a in node.args):
            self.put(f"{PYTHON_LDAPS_LIMIT}={quoted(self.value(node.args[-1]))}; ", node)
        elif name == "time.sleep" and node.args:
            self.run(f"/bin/sleep {quoted(self.value(node.args[0]))}", node)
        elif name == "os.putenv" and len(node.args) > 1 and re.fullmatch(r"\w+", text_of(node.args[0])):
            self.put(f"export {text_of(node.args[0])}={quoted(self.value(node.args[1]))}; ", node)
        elif name == "os.fork":
            if not {"os.setsid", "os.waitpid", "os.wait"} & self.names.calls:
                self.put("/python/os.fork & ", node)
        elif method in ("wait", "communicate", "poll") and isinstance(node.func, ast.Attribute):
            self.run("wait", node)
        elif isinstance(node.func, ast.Attribute):
            return self._path_method(node, node.func, method)
        else:
            return None
        return unknown(node)

    def _path_method(self, node: ast.Call, function: ast.Attribute, method: str) -> Text | None:
        """What a pathlib.Path or a list does."""
        receiver = function.value
        if variable(receiver) in self.names.lists and method in ("append", "extend") and node.args:
            words = self.elements(node.args[0]) if method == "extend" else quoted(self.value(node.args[0]))
            self.put(f"{variable(receiver)}+=({words}); ", node)
        elif method in ("kill", "terminate") and isinstance(receiver, ast.Name) and not node.args:
            if any(
                n
                for n in self.names.nodes
                if isinstance(n, ast.For) and variable(n.target) == receiver.id and "psutil" in ast.unparse(n.iter)
            ):
                self.say(node, "kill", f"{receiver.id}.{method}()")
                self.run(f'kill {"-KILL" if method == "kill" else "-TERM"} "${{{receiver.id}}}"', node)
        elif method in library.METHODS and self.names.full(receiver).split(".")[0] not in ("os", "shutil"):
            self._same(node, f"{method}()", library.METHODS[method], [receiver])
        elif method == "mkdir":
            self._mkdir(node, "mkdir()", self.value(receiver), argument(node, 0, "mode"), argument(node, 2, "exist_ok"))
        elif method == "truncate" and variable(receiver) in self.files:
            self.run(f"/bin/truncate -s 0 {quoted(self.value(self.files[variable(receiver)]))}", node)
        elif method == "chmod" and node.args:
            self._chmod(node, "chmod()", receiver, node.args[0])
        elif method in ("rename", "replace") and len(node.args) == 1:
            self.run(f"/bin/mv {quoted(self.value(receiver))} {quoted(self.value(node.args[0]))}", node)
        else:
            return None
        return unknown(node)

    def _same(self, node: ast.Call, name: str, same: library.Same, before: list[ast.expr]) -> None:
        given = [*before, *(a for n, p in enumerate(same.parameters) if (a := argument(node, n, p)) is not None)]
        if same.command == ":>":
            self.run(
                f"echo {' '.join(quoted(self.value(a)) for a in node.args[:1])} >{quoted(self.value(before[0]))}", node
            )
            return
        words = [quoted(self.value(a)) for a in given]
        if name == "urllib.request.urlretrieve":
            words = [quoted(self.value(a)) for a in reversed(node.args[:2])]
        shell = same.command.split()[0].rpartition("/")[2]
        self.say(node, "rm -r" if same.command.endswith("rm -rf") else shell, name)
        self.run(f"{same.command} {' '.join(words)}", node)

    def _mkdir(self, node: ast.Call, name: str, path: Text, mode: ast.expr | None, exist: ast.expr | None) -> None:
        value = _mode(mode) if mode is not None else None
        options = f"-m {value:03o} " if value is not None else ""
        is_lenient = isinstance(exist, ast.Constant) and exist.value is True
        self.say(node, "mkdir", name)
        self.run(
            f"/bin/mkdir -p {options}{quoted(path)}" if is_lenient else f"/bin/mkdir {options}{quoted(path)} || exit 1",
            node,
        )

    def _chmod(self, node: ast.Call, name: str, path: ast.expr, mode: ast.expr) -> None:
        value = _mode(mode)
        self.say(node, "chmod", name)
        self.run(f"/bin/chmod {f'{value:03o}' if value is not None else 'u+rw'} {quoted(self.value(path))}", node)

    def _open(self, node: ast.Call, at: ast.AST) -> Text:
        """open(): what is written to. What is read counts where it is used."""
        path = self.names.opened(node)
        if path is None:
            return unknown(node)
        text, mode = self.value(path), self.names.mode(node)
        if mode[0] in "wa" or mode.startswith("r+"):
            written = [a for a in self._written_in(at) if a is not None]
            words = " ".join(quoted(self.value(a)) for a in written)
            self.say(node, "writes to", "opens for writing")
            self.run(f"echo {words} >{'>' if mode[0] == 'a' else ''}{quoted(text)}", node)
        else:
            self.run(f"/bin/cat {quoted(text)}", node)
        return unknown(node)

    @staticmethod
    def _written_in(node: ast.AST) -> t.Iterator[ast.expr]:
        """What a with statement writes to its file, as far as it is put together there."""
        for inner in (inner for part in getattr(node, "body", []) for inner in ast.walk(part)):
            if not isinstance(inner, ast.Call) or method_of(inner) != "write" or not inner.args:
                continue
            if not any(isinstance(n, (ast.Call, ast.Subscript)) for n in ast.walk(inner.args[0])):
                yield inner.args[0]

    def _exit(self, node: ast.Call) -> None:
        given = node.args[0] if node.args else None
        if isinstance(given, ast.Attribute) and given.attr == "returncode":
            given = given.value
        if is_none(given) or given is None:
            self.put("exit 0; ", node)
        elif isinstance(given, ast.Constant) and isinstance(given.value, int):
            self.put(f"exit {int(given.value) & 255}; ", node)
        elif isinstance(given, ast.Call) and self.names.called(given):
            name = self.names.called(given) or ""
            self.put(f"{self.own_call(given, name)}; exit {'$?' if self._may_fail(name) else '0'}; ", node)
        elif isinstance(given, ast.Call) and self.is_start(given) and not self.prints(given):
            self.put(f"{self.started(given)}; exit $?; ", node)
        elif variable(given):
            self.put(f'exit "${{{variable(given)}}}"; ', node)
        else:
            self.value(given)
            self.put("exit 1; ", node)

    def _may_fail(self, name: str) -> bool:
        """Whether a function answers with something else than 0 and None."""
        answers = [
            n.value for n in ast.walk(self.names.functions[name]) if isinstance(n, ast.Return) and n.value is not None
        ]
        return not all(isinstance(value, ast.Constant) and not value.value for value in answers)

    def _print(self, node: ast.Call, name: str) -> None:
        """Each line by an echo of its own."""
        file, end = argument(node, -1, "file"), argument(node, -1, "end")
        stream = (
            name.removesuffix(".write")
            if name != "print"
            else self.names.full(file)
            if file is not None
            else "sys.stdout"
        )
        text = joined(map(self.value, node.args), text_of(argument(node, -1, "sep")) or " ")
        if name == "print":
            text = (*text, *(fixed("\n") if end is None else self.value(end)))
        if stream not in ("sys.stdout", "sys.stderr"):
            return
        self.say(node, "echo", "print")
        *whole, rest = lines(text)
        for line in [*whole, *([rest] if rest else [])]:
            # What stands before it on the same line was printed by another call.
            words = (*expansion("${before:?}"), *line) if self.is_line_open else line
            self.run(f"echo {quoted(words)}{' >&2' if stream == 'sys.stderr' else ''}", node)
            self.is_line_open = False
        self.is_line_open = bool(rest)

    def _unknown_call(self, node: ast.Call, name: str, method: str) -> Text:
        """A call of something else. What it is given may be a secret, and it may wait."""
        words: list[str] = []
        for given in node.args:
            callback = given.id if isinstance(given, ast.Name) else ""
            if callback in self.names.functions:
                self.put(f"{callback}_; ", node)
            else:
                words.append(quoted(self.value(given)))
        for keyword in node.keywords:
            callback = keyword.value.id if isinstance(keyword.value, ast.Name) else ""
            if callback in self.names.functions:
                self.put(f"{callback}_; ", node)
            elif keyword.arg is not None and not is_none(keyword.value):
                words += [f"--{keyword.arg.replace('_', '-')}", quoted(self.value(keyword.value))]
            else:
                self.value(keyword.value)
        if isinstance(node.func, ast.Attribute):
            self.value(node.func.value)
        waiting = self.names.waits_as(node)
        if waiting and self._is_limited(node, waiting):
            words += ["--timeout", "1"]
        if waiting or self._matters(node, name, method):
            self.put(f"/python/{waiting or self.shown(node, name)} {' '.join(words)}; ", node)
        return unknown(node)

    def _is_limited(self, node: ast.Call, name: str) -> bool:
        """Whether a wait has a limit that is no keyword: it stands at its place, in **options, or is the object's own."""
        place = library.TIMEOUT_AT.get(name, -1)
        if any(k.arg is None for k in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
            return True
        if not is_none(argument(node, place)):
            return True
        if name != "socket.socket.connect" or not isinstance(node.func, ast.Attribute):
            return False
        made = self.names.maker(node.func.value)
        # A socket of the node's own waits for nobody else.
        return ast.unparse(node.func.value) in self.names.limited or (
            made is not None and "AF_UNIX" in ast.unparse(made)
        )

    def _matters(self, node: ast.Call, name: str, method: str) -> bool:
        """Whether a call may hand on a secret, or start something that nobody knows."""
        root = name.split(".")[0]
        is_foreign = root in self.names.modules and root not in sys.stdlib_module_names
        has_user = any("://" in text and "@" in text for text in map(text_of, node.args))
        return is_foreign or method == "login" or has_user or any(text_of(k.value) for k in node.keywords)

    def shown(self, node: ast.Call, name: str) -> str:
        """A call's name, as a path may have it."""
        return re.sub(r"[^\w.]+", "_", name or method_of(node) or "call")

    # -- the script's own functions

    def own_call(self, node: ast.Call, name: str) -> str:
        """The call of a function, as a command."""
        function = self.names.functions[name]
        if name in self.runners:
            return self.started(node)
        parameters = self.parameters(function)
        given: dict[str, ast.expr] = {
            **dict(zip(parameters, node.args, strict=False)),
            **{k.arg: k.value for k in node.keywords if k.arg is not None},
        }
        words = {parameter: quoted(self.value(value)) for parameter, value in given.items()}
        last = max((n for n, parameter in enumerate(parameters) if parameter in words), default=-1)
        named = [words.get(parameter, "''") for parameter in parameters[: last + 1]]
        return " ".join([f"{name}_", *([] if name in self.names.open_calls else named)])

    def _own_value(self, node: ast.Call, name: str) -> Text:
        if name in self.runners:
            return self.printed(node)
        self.run(self.own_call(node, name), node)
        says = any(
            isinstance(n, (ast.Return, ast.Yield)) and n.value is not None for n in ast.walk(self.names.functions[name])
        )
        return expansion(f"${{{name}_value:?}}") if says else unknown(node)


def _mode(node: ast.expr) -> int | None:
    """A mode: a number, or constants of stat that are added."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _mode(node.left), _mode(node.right)
        return None if left is None or right is None else left | right
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    value = getattr(stat, name, None) if name.startswith("S_I") else None
    return value if isinstance(value, int) else None


def _signal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return str(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.removeprefix("SIG") if name.startswith("SIG") and name.isupper() else "TERM"
