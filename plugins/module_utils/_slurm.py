# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What Slurm's own commands say of a cluster: portable text forms, and JSON where the text does not tell and the version has it."""

from __future__ import annotations

import calendar
import dataclasses
import json
import re
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist

#: (arguments) -> (exit code, standard output, standard error)
Runner = t.Callable[[list[str]], tuple[int, str, str]]

_CONFIG_LINE = re.compile(r"^(\S+)\s*=\s*(.*?)\s*$")
#: Behind the reason only these may follow. A user's name may have an @ of its own (a directory's); a reason of slurm.conf has no user.
_REASON = re.compile(
    r" Reason=(?P<text>.*?)(?: \[(?P<user>[^\]]*)@(?P<time>[0-9T:-]+)\]|(?= (?:Comment|Extra|InstanceId|InstanceType|ReservationName)=)|\s*$)"
)
#: What the short forms of a state put behind it, C(*) for a node that does not answer.
_SUFFIXES = "*~#!%$@^-+"

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


#: What a command says when the controller did not answer within MessageTimeout (seen on 24.11 while a node was down), and how
#: often it is asked again.
TIMED_OUT = "Socket timed out on send/recv operation"
ASK_AGAIN = 3


class SlurmError(Exception):
    """A Slurm command failed; the message has the command and Slurm's own words."""


@dataclasses.dataclass(frozen=True)
class Node:
    """A node as the controller sees it."""

    name: str
    #: The base state, in capitals: V(IDLE), V(ALLOCATED), V(DOWN) ...
    state: str
    #: V(DRAIN), V(NOT_RESPONDING), V(MAINTENANCE) ...
    flags: frozenset[str]
    partitions: tuple[str, ...]
    reason: str = ""
    reason_user: str = ""
    reason_time: str = ""

    @property
    def is_drained(self) -> bool:
        """Whether the node takes no new job because somebody or something drained it."""
        return "DRAIN" in self.flags


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What the controller says of itself."""

    version: str
    name: str
    conf_path: str
    slurm_user: str
    controllers: tuple[str, ...]
    config: dict[str, str]


def parse_config(text: str) -> dict[str, str]:
    """C(scontrol show config) as a dict of its keys, as they are written there."""
    return {match.group(1): match.group(2) for line in text.splitlines() if (match := _CONFIG_LINE.match(line))}


def parse_node(line: str) -> Node:
    """One line of C(scontrol show node -o)."""

    def field(name: str) -> str:
        match = re.search(rf"(?:^| ){name}=(\S+)", line)
        return match.group(1) if match else ""

    base, *flags = (word.rstrip(_SUFFIXES) for word in field("State").split("+"))
    words = {word for word in flags if word}
    # The text form marks a node that does not answer with a star behind the state.
    if "*" in field("State"):
        words.add("NOT_RESPONDING")
    reason = _REASON.search(line)
    return Node(
        name=field("NodeName"),
        state=base,
        flags=frozenset(words),
        partitions=tuple(part for part in field("Partitions").split(",") if part),
        reason=reason.group("text") if reason else "",
        reason_user=(reason.group("user") or "") if reason else "",
        reason_time=(reason.group("time") or "") if reason else "",
    )


def parse_nodes(text: str) -> dict[str, Node]:
    """C(scontrol show node -o) by node name."""
    nodes = (parse_node(line) for line in text.splitlines() if line.startswith("NodeName="))
    return {node.name: node for node in nodes}


def _listed(value: t.Any) -> list[str]:
    """A state or its flags: a list of words in new versions, one word in old ones."""
    return [str(word).upper() for word in (value if isinstance(value, list) else str(value or "").split("+"))]


def _number(value: t.Any) -> int:
    """A number, which new versions wrap in an object that says whether it is set."""
    if isinstance(value, dict):
        value = value.get("number", 0) if value.get("set", True) else 0
    return int(value or 0)


def parse_nodes_json(text: str) -> dict[str, Node]:
    """C(scontrol show node --json) by node name. Raises ValueError where it is no such document.

    Shapes of data_parser 0.0.39 to 0.0.45 (23.02 to 26.05): a state is a list with its flags, in the oldest beside them.
    """
    found = {}
    document = json.loads(text)
    try:
        for item in document["nodes"]:
            base, *flags = [*_listed(item["state"]), *_listed(item.get("state_flags"))]
            changed = _number(item.get("reason_changed_at"))
            # Of a reason of several lines the text form gives the first one, and so does this.
            reason = str(item.get("reason") or "").split("\n", maxsplit=1)[0]
            found[item["name"]] = Node(
                name=item["name"],
                state=base,
                flags=frozenset(word for word in flags if word),
                partitions=tuple(item.get("partitions") or ()),
                reason=reason,
                # A reason of slurm.conf was set by nobody at no time; JSON says root.
                reason_user=str(item.get("reason_set_by_user") or "") if reason and changed else "",
                reason_time=utc(changed) if reason and changed else "",
            )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"no list of nodes: {exc!r}") from exc
    return found


def utc(epoch: float) -> str:
    """A moment as Slurm's text forms have it, in UTC as all our calls of Slurm ask for."""
    return time.strftime(_TIME_FORMAT, time.gmtime(epoch))


def epoch(text: str) -> int | None:
    """The seconds of such a moment, or None where the text is none."""
    try:
        return calendar.timegm(time.strptime(text, _TIME_FORMAT))
    except ValueError:
        return None


def parse_partitions(text: str) -> list[str]:
    """The partitions' names in C(scontrol show partition -o)."""
    return re.findall(r"^PartitionName=(\S+)", text, re.MULTILINE)


def parse_reservations(text: str) -> dict[str, dict[str, str]]:
    """C(scontrol show reservation -o) by name, with its fields as they are written there."""
    lines = (
        dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines() if line.startswith("ReservationName=")
    )
    return {fields["ReservationName"]: fields for fields in lines}


def _expand(expression: str) -> list[str]:
    try:
        return _hostlist.expand(expression)
    except _hostlist.HostlistError as exc:
        raise SlurmError(str(exc)) from exc


class Slurm:
    """Slurm's commands through a runner, with one form of error."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def _patiently(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        """Run a command; a question that a busy controller did not answer in time is asked again, for it changes nothing."""
        is_question = command[0] == "squeue" or tuple(command[:2]) == ("scontrol", "show")
        code, out, err = self._run(list(command))
        for _again in range(ASK_AGAIN if is_question else 0):
            if not (code and TIMED_OUT in err):
                break
            code, out, err = self._run(list(command))
        return code, out, err

    def call(self, *command: str) -> str:
        """Run a command and return what it printed. Raises SlurmError where it does not end with 0."""
        code, out, err = self._patiently(command)
        if code:
            said = (err.strip() or out.strip() or "nothing").splitlines()
            raise SlurmError(f"{' '.join(command)} ended with exit code {code} and said: {'; '.join(said[-5:])}")
        return out

    def cluster(self) -> Cluster:
        """Version, name, paths and controllers, from the running controller."""
        config = parse_config(self.call("scontrol", "show", "config"))
        hosts = [re.sub(r"\(.*", "", value) for key, value in config.items() if key.startswith("SlurmctldHost[")]
        return Cluster(
            version=config.get("SLURM_VERSION", ""),
            name=config.get("ClusterName", ""),
            conf_path=config.get("SLURM_CONF", "/etc/slurm/slurm.conf"),
            slurm_user=re.sub(r"\(.*", "", config.get("SlurmUser", "slurm")),
            controllers=tuple(hosts),
            config=config,
        )

    def nodes(self, expression: str = "") -> dict[str, Node]:
        """All nodes, or those of a hostlist expression, in one query."""
        command = ["scontrol", "show", "node", *([expression] if expression else [])]
        found = self._nodes_json(command)
        if found is None:
            found = parse_nodes(self.call(*command, "-o"))
        if expression:
            # An unknown name or a bad expression is no error for scontrol (22.05 to 26.05).
            missing = [name for name in _expand(expression) if name not in found]
            if missing:
                raise SlurmError(f"scontrol knows no node {_hostlist.fold(missing)}")
        return found

    def _nodes_json(self, command: list[str]) -> dict[str, Node] | None:
        """None where this scontrol has no JSON (22.05, or built without it)."""
        code, out, _err = self._patiently([*command, "--json"])
        try:
            return None if code else parse_nodes_json(out)
        except ValueError:
            return None

    def partitions(self) -> list[str]:
        """The names of all partitions, hidden ones too."""
        return parse_partitions(self.call("scontrol", "show", "partition", "-a", "-o"))

    def reservations(self) -> dict[str, dict[str, str]]:
        """All reservations and their fields."""
        return parse_reservations(self.call("scontrol", "show", "reservation", "-o"))

    def reserve(self, name: str, nodes: str, users: t.Iterable[str], minutes: int) -> None:
        """Keep all new jobs off some nodes but those of these users that ask for it; running jobs go on.

        MAINT lets the reservation lie over those of others, IGNORE_JOBS over running jobs. It ends by itself if nobody is left to
        delete it.
        """
        self.call(
            "scontrol",
            "create",
            "reservation",
            f"ReservationName={name}",
            "StartTime=now",
            f"Duration={minutes}",
            f"Users={','.join(users)}",
            "Flags=MAINT,IGNORE_JOBS",
            f"Nodes={nodes}",
        )

    def unreserve(self, name: str) -> None:
        """Delete a reservation."""
        self.call("scontrol", "delete", f"reservation={name}")

    def update_nodes(self, names: t.Iterable[str], **fields: str) -> None:
        """One C(scontrol update) for all names."""
        pairs = [f"{key}={value}" for key, value in fields.items()]
        self.call("scontrol", "update", f"NodeName={_hostlist.fold(names)}", *pairs)
