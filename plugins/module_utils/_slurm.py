# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Slurm's own commands: portable text forms, and JSON if the text does not tell and the version has it."""

from __future__ import annotations

import calendar
import contextlib
import dataclasses
import json
import re
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist, _releases

#: (arguments, and optionally all that the environment is to have) -> (exit code, standard output, standard error)
Runner = t.Callable[..., t.Tuple[int, str, str]]

_CONFIG_LINE = re.compile(r"^(\S+)\s*=\s*(.*?)\s*$")
#: Who gave a reason, and when, behind it. A user's name may have an @ of its own (a directory's); a reason of slurm.conf has no user.
_GIVEN = re.compile(r" \[([^\]]*)@([0-9T:-]+)\]")
#: What may stand behind the reason: texts of administrators, in which anything may stand.
_TEXTS = re.compile(r" (?:Comment|Extra|InstanceId|InstanceType|ReservationName)=")
#: What the short forms of a state put behind it, C(*) for a node that does not answer.
_SUFFIXES = "*~#!%$@^-+"

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


#: The message of a command if the controller did not answer within MessageTimeout (seen on 24.11 while a node was down), and the
#: number of further tries.
TIMED_OUT = "Socket timed out on send/recv operation"
ASK_AGAIN = 3


#: squeue's message about one id that the controller does not know, or no longer (MinJobAge).
NO_SUCH_JOB = "Invalid job id specified"

#: Of a job, or of a task of an array.
JOB_ID = re.compile(r"[0-9]+(?:_[0-9]+)?")

#: The columns of squeue that hold numbers or Slurm's own words: id, id with task, state, uid, priority, start, submission, exit code, restarts.
_COLUMNS = re.compile(r"%[AiTUQSV](?:\|%[AiTUQSV])*|(?:(?:JobID|State|exit_code|RestartCnt):[0-9]+\|,?)+")

#: Bytes of one argument; Linux takes 131,072 at most (MAX_ARG_STRLEN).
MAX_ARGUMENT = 100_000


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
    """The controller's facts about itself."""

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
    reason, user, when = _parse_reason(line)
    return Node(
        name=field("NodeName"),
        state=base,
        flags=frozenset(words),
        partitions=tuple(part for part in field("Partitions").split(",") if part),
        reason=reason,
        reason_user=user,
        reason_time=when,
    )


def _parse_reason(line: str) -> tuple[str, str, str]:
    """Reason, user and time in one line of C(scontrol show node -o).

    Texts of administrators may hold anything, also something like the end of a reason. If the user and the time of a reason are not
    certain, they stay empty: so we never take such a drain for ours.
    """
    before, found, behind = line.partition(" Reason=")
    if not found or _TEXTS.search(before):
        return "", "", ""
    given = list(_GIVEN.finditer(behind))
    texts = _TEXTS.search(behind)
    end = min([match.start() for match in (*given, texts) if match], default=len(behind))
    user, when = given[0].groups() if len(given) == 1 and not (texts and texts.start() < given[0].start()) else ("", "")
    return behind[:end].rstrip(), user, when


def parse_nodes(text: str) -> dict[str, Node]:
    """C(scontrol show node -o) by node name."""
    found: dict[str, Node] = {}
    for line in text.splitlines():
        if line.startswith("NodeName="):
            node = parse_node(line)
            if node.name in found:
                raise SlurmError(
                    f"scontrol show node names {node.name} twice: a line break in some node's Reason or Comment makes that text "
                    "look like another node. Change that Reason or Comment"
                )
            found[node.name] = node
    return found


def _listed(value: t.Any) -> list[str]:
    """A state or its flags: a list of words in new versions, one word in old ones."""
    return [str(word).upper() for word in (value if isinstance(value, list) else str(value or "").split("+"))]


def _number(value: t.Any) -> int:
    """A number, which new versions wrap in an object that says whether it is set."""
    if isinstance(value, dict):
        value = value.get("number", 0) if value.get("set", True) else 0
    try:
        return int(value or 0)
    except (ValueError, OverflowError):
        return 0


def parse_nodes_json(text: str) -> dict[str, Node]:
    """C(scontrol show node --json) by node name. Raises ValueError if it is not such a document.

    Shapes of data_parser 0.0.39 to 0.0.45 (23.02 to 26.05): a state is a list with its flags, in the oldest beside them.
    """
    found = {}
    document = load_json(text)
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
        raise ValueError(f"not a list of nodes: {exc!r}") from exc
    return found


def load_json(text: str) -> t.Any:
    """The JSON that a command printed. Raises ValueError.

    22.05 leaves control characters in the texts of users as they are. Where its controller does not answer, it ends with 0, an empty list
    and C(errors) (22.05.8).
    """
    try:
        document = json.loads(text, strict=False)
    except RecursionError as exc:
        raise ValueError(f"not a document of Slurm: {exc}") from exc
    if isinstance(document, dict) and document.get("errors"):
        raise ValueError(f"Slurm says: {document['errors']}")
    return document


def utc(epoch: float) -> str:
    """A moment as Slurm's text forms have it, in UTC as all our calls of Slurm ask for."""
    try:
        return time.strftime(_TIME_FORMAT, time.gmtime(epoch))
    except (ValueError, OverflowError, OSError):
        return "Unknown"


def epoch(text: str) -> int | None:
    """The seconds of such a moment, or None where the text is none."""
    try:
        return calendar.timegm(time.strptime(text, _TIME_FORMAT))
    except ValueError:
        return None


def parse_partitions(text: str) -> dict[str, str]:
    """The partitions in C(scontrol show partition -o), each with its state: V(UP), or V(DOWN), V(DRAIN) or V(INACTIVE) for a closed one."""
    found = re.findall(r"^PartitionName=(\S+)(?:.* State=(\S+))?", text, re.MULTILINE)
    return {name: state or "UP" for name, state in found}


def partition_rules(text: str) -> dict[str, dict[str, str]]:
    """Whose jobs each partition of C(scontrol show partition -o) takes: AllowAccounts, AllowQos, DenyAccounts, DenyQos, as Slurm writes them."""
    found = {}
    for line in text.splitlines():
        if name := re.match(r"PartitionName=(\S+)", line):
            found[name.group(1)] = dict(re.findall(r" ((?:Allow|Deny)(?:Accounts|Qos))=(\S+)", line))
    return found


def partitions_by_qos(text: str) -> list[str]:
    """The partitions in C(scontrol show partition -o) that allow or deny jobs by their QOS."""
    rules = partition_rules(text)
    return [name for name, rule in rules.items() if rule.get("AllowQos", "ALL") != "ALL" or "DenyQos" in rule]


def closed_partitions(partitions: t.Mapping[str, str]) -> list[str]:
    """The partitions whose jobs do not start, of those with their states."""
    return [name for name, state in partitions.items() if state != "UP"]


def parse_reservations(text: str) -> dict[str, dict[str, str]]:
    """C(scontrol show reservation -o) by name, with its fields as they are written there."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("ReservationName="):
            fields: dict[str, str] = {}
            for key, value in re.findall(r"(\w+)=(\S*)", line):
                # A comment, which may hold anything, comes last.
                fields.setdefault(key, value)
            found.setdefault(fields["ReservationName"], fields)
    return found


def _expand(expression: str) -> list[str]:
    try:
        return _hostlist.expand(expression)
    except _hostlist.HostlistError as exc:
        raise SlurmError(str(exc)) from exc


def _readable(text: str) -> str:
    """Output in which bytes that are not UTF-8 are replaced: reasons and comments may have them, and no module could answer with them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _checked(ids: t.Iterable[str]) -> list[str]:
    """Check ids before they go into a command of root's."""
    listed = list(ids)
    wrong = [id_ for id_ in listed if not JOB_ID.fullmatch(id_)]
    if wrong:
        raise SlurmError(
            f"{', '.join(map(repr, wrong[:5]))}: an id of a job is a number like 4711, of an array task 4711_2"
        )
    return listed


def _batches(words: t.Sequence[str]) -> t.Iterator[list[str]]:
    """As many words as fit into one argument, with a sign between them, again and again."""
    some: list[str] = []
    length = 0
    for word in words:
        if some and length + len(word) + 1 > MAX_ARGUMENT:
            yield some
            some, length = [], 0
        some.append(word)
        length += len(word) + 1
    if some:
        yield some


class Slurm:
    """Slurm's commands through a runner, with one form of error.

    corrected: takes the nodes as Slurm describes them, and returns them with corrections.
    """

    def __init__(self, run: Runner, corrected: t.Callable[[dict[str, Node]], dict[str, Node]] | None = None) -> None:
        self._run = run
        self._corrected = corrected

    def _patiently(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        """Run a command; a question that a busy controller did not answer in time is asked again, for it changes nothing."""
        is_question = command[0] in {"squeue", "sinfo"} or command[1] == "show"
        code, out, err = self._run(list(command))
        for _again in range(ASK_AGAIN if is_question else 0):
            if not (code and TIMED_OUT in err):
                break
            code, out, err = self._run(list(command))
        return code, _readable(out), _readable(err)

    def call(self, *command: str, environment: t.Mapping[str, str] | None = None) -> str:
        """Run a command, in this environment alone if there is one, and return its output. Raises SlurmError if it does not end with 0."""
        if environment is None:
            code, out, err = self._patiently(command)
        else:
            code, out, err = self._run(list(command), environment)
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

    def clock(self) -> int:
        """The seconds since the epoch on the controller's clock, which stamps reasons; this host's where it does not say."""
        said = re.match(r"Configuration data as of (\S+)", self.call("scontrol", "show", "config"))
        now = epoch(said.group(1)) if said else None
        return int(time.time()) if now is None else now

    def nodes(self, expression: str = "") -> dict[str, Node]:
        """All nodes, or those of a hostlist expression: one query, more where one argument cannot hold the names."""
        found = self.uncorrected_nodes(expression)
        return self._corrected(found) if self._corrected else found

    def uncorrected_nodes(self, expression: str = "") -> dict[str, Node]:
        """The same, without corrections."""
        if not expression:
            return self._nodes([""])
        wanted = _expand(expression)
        found = self._nodes(_hostlist.parts(wanted, MAX_ARGUMENT))
        # For scontrol an unknown name or a bad expression is not an error (22.05 to 26.05).
        missing = [name for name in wanted if name not in found]
        if missing:
            raise SlurmError(f"scontrol knows no node {_hostlist.fold(missing)}")
        return {name: found[name] for name in wanted}

    def _nodes(self, expressions: t.Sequence[str]) -> dict[str, Node]:
        found: dict[str, Node] = {}
        commands = [["scontrol", "show", "node", *([part] if part else [])] for part in expressions]
        for command in commands:
            some = self._nodes_json([*command, "--json"])
            if some is None:
                break
            found.update(some)
        else:
            return found
        # In 22.05 scontrol has no JSON, and sinfo has it of all nodes; later it counts them by their states instead.
        every = self._nodes_json(["sinfo", "-a", "-N", "--json"])
        if every is not None:
            return every
        # Built without JSON.
        for command in commands:
            found.update(parse_nodes(self.call(*command, "-o")))
        return found

    def _nodes_json(self, command: list[str]) -> dict[str, Node] | None:
        """None where the command has no JSON of nodes."""
        code, out, _err = self._patiently(command)
        try:
            return None if code else parse_nodes_json(out)
        except ValueError:
            return None

    # -- jobs. Nothing that a user can choose is ever asked for in lines and columns: names and comments may hold separators and line ends.

    def queue(self, columns: str, *filters: str) -> list[list[str]]:
        """The jobs that squeue's filters let through, in columns that hold numbers or Slurm's own words only; not one that has ended.

        Users choose names, comments, directories, partitions and more, and may put separators and line ends into them: a column
        with such a text is refused.
        """
        if not _COLUMNS.fullmatch(columns):
            raise ValueError(f"squeue: columns {columns!r}")
        wide = not columns.startswith("%")
        out = self.call("squeue", "-h", "-a", *filters, "-O" if wide else "-o", columns)
        rows = ([field.strip() for field in line.rstrip("| ").split("|")] for line in out.splitlines())
        count = columns.count("|") + (0 if wide else 1)
        return [row for row in rows if len(row) == count and JOB_ID.fullmatch(row[0])]

    def jobs(self, ids: t.Iterable[str], columns: str) -> list[list[str]]:
        """The same of certain jobs, also of those that have ended; one that the controller has forgotten is left out."""
        found = []
        for some in _batches(_checked(ids)):
            try:
                found += self.queue(columns, "-t", "all", "-j", ",".join(some))
            except SlurmError as exc:
                # Of a single unknown id this is an error; of several it is none.
                if NO_SUCH_JOB not in str(exc):
                    raise
        return found

    def job_reason(self, id_: str) -> str:
        """The reason of a job's state. The whole answer is one text, because some plugins write text of a user into it."""
        (checked,) = _checked([id_])
        try:
            said = self.call("squeue", "-h", "-a", "-t", "all", "-j", checked, "-o", "%r")
        except SlurmError:
            return ""
        return " ".join(said.split())[:200]

    def jobs_json(self, ids: t.Iterable[str]) -> list[t.Any] | None:
        """All facts of some jobs, 22.05: of all jobs; None if this squeue has no JSON."""
        found: list[t.Any] = []
        for some in _batches(_checked(ids)):
            code, out, err = self._patiently(["squeue", "-a", "--json", "-j", ",".join(some)])
            if code and NO_SUCH_JOB in err:
                continue
            try:
                document = {} if code else load_json(out)
                found += document["jobs"]
            except (ValueError, KeyError, TypeError):
                return None
        return found

    def cancel(self, ids: t.Iterable[str]) -> None:
        """Cancel jobs by their ids."""
        for some in _batches(_checked(ids)):
            self.call("scancel", "--", *some)

    def release(self, ids: t.Iterable[str]) -> None:
        """Release held jobs by their ids."""
        for some in _batches(_checked(ids)):
            self.call("scontrol", "release", ",".join(some))

    def partitions(self) -> dict[str, str]:
        """All partitions, hidden ones too, each with its state."""
        return parse_partitions(self.call("scontrol", "show", "partition", "-a", "-o"))

    def partition_rules(self) -> dict[str, dict[str, str]]:
        """Whose jobs each partition takes."""
        return partition_rules(self.call("scontrol", "show", "partition", "-a", "-o"))

    def waits_for_database(self, cluster: Cluster) -> list[str]:
        """The partitions for which this controller would end when slurmdbd is back, if it read slurm.conf now, without slurmdbd.

        It then renews its copy of the database, and waits for itself.
        """
        release = _releases.parse(cluster.version) or ()
        if "slurmdbd" not in cluster.config.get("AccountingStorageType", "") or not _releases.WAITS_FOR_DATABASE.holds(
            release
        ):
            return []
        found = partitions_by_qos(self.call("scontrol", "show", "partition", "-a", "-o"))
        if found:
            with contextlib.suppress(SlurmError):
                self.call("sacctmgr", "-n", "show", "cluster", "format=cluster")
                return []
        return found

    def reservations(self) -> dict[str, dict[str, str]]:
        """All reservations and their fields."""
        return parse_reservations(self.call("scontrol", "show", "reservation", "-o"))

    def reserve(self, name: str, nodes: str, users: t.Iterable[str], minutes: int) -> None:
        """Keep all new jobs off some nodes but those of these users that ask for it; running jobs go on.

        MAINT lets the reservation lie over those of others, IGNORE_JOBS over running jobs. It ends by itself if nobody is left to
        delete it. The nodes have to fit into one argument.
        """
        if len(nodes) > MAX_ARGUMENT:
            raise SlurmError(
                f"the list of the nodes for the reservation {name} has {len(nodes)} characters, and a command takes {MAX_ARGUMENT}: choose "
                "fewer nodes at a time"
            )
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
        """One C(scontrol update) for all names, more where one argument cannot hold them."""
        pairs = [f"{key}={value}" for key, value in fields.items()]
        for part in _hostlist.parts(names, MAX_ARGUMENT):
            self.call("scontrol", "update", f"NodeName={part}", *pairs)

    def update_partition(self, name: str, **fields: str) -> None:
        """Set fields of a partition."""
        self.call("scontrol", "update", f"PartitionName={name}", *(f"{key}={value}" for key, value in fields.items()))

    def create_partition(self, name: str, **fields: str) -> None:
        """Create a partition, which is there until the next reconfigure."""
        self.call("scontrol", "create", f"PartitionName={name}", *(f"{key}={value}" for key, value in fields.items()))

    def delete_partition(self, name: str) -> None:
        """Delete a partition; refused by Slurm while it has jobs."""
        self.call("scontrol", "delete", f"PartitionName={name}")

    def update_config(self, **fields: str) -> None:
        """Set those keys of slurm.conf that can be set at run time."""
        self.call("scontrol", "update", *(f"{key}={value}" for key, value in fields.items()))
