# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The right values: types, ranges and words. Each function returns the fault, or nothing.

Sources: src/common/parse_value.c for the types, src/common/read_config.c (_validate_and_set_defaults,
_parse_nodename, _parse_partitionname) for the single keys, src/common/parse_time.c for times.
"""

from __future__ import annotations

import re
import typing as t

Check = t.Callable[[str], str]

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_LIMITS = {"uint16": 0xFFFF, "uint32": 0xFFFFFFFF, "uint64": 0xFFFFFFFFFFFFFFFF}
_UNLIMITED = frozenset({"unlimited", "infinite"})
_YES = frozenset({"yes", "up", "true", "1"})
_NO = frozenset({"no", "down", "false", "0"})


def as_number(text: str) -> int | None:
    """A value as C's strtoul(..., 0) reads it: 0x begins a hexadecimal number, 0 an octal one."""
    if text == "":
        return 0
    match = _NUMBER.match(text)
    if not match or match.end() != len(text):
        return None
    sign = -1 if text.strip().startswith("-") else 1
    digits = match.group(1)
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    return sign * int(digits, base)


def as_count(text: str) -> int | None:
    """The same with what Slurm adds: a k for 1024, and UNLIMITED for more than any bound."""
    if text.lower() in _UNLIMITED:
        return 0xFFFFFFFF
    number = as_number(text[:-1] if text[-1:] in ("k", "K") else text)
    return number * 1024 if number is not None and text[-1:] in ("k", "K") else number


def _unsigned(kind: str) -> Check:
    def check(value: str) -> str:
        if value.lower() in _UNLIMITED:
            return ""
        text, factor = value, 1
        if kind != "uint16" and value[-1:] in ("k", "K"):
            text, factor = value[:-1], 1024
        number = as_number(text)
        if number is None:
            return f"{value!r} is not a whole number"
        if number < 0:
            return f"{value!r} is less than zero"
        if number * factor > _LIMITS[kind]:
            return f"{value!r} is more than {_LIMITS[kind]}"
        return ""

    return check


def boolean(value: str) -> str:
    """YES, NO and what Slurm takes for them."""
    return "" if value.lower() in _YES | _NO else f"{value!r} is neither YES nor NO"


def _floating(value: str) -> str:
    if value.lower() in _UNLIMITED:
        return ""
    try:
        float(value or "0")
    except ValueError:
        return f"{value!r} is not a number"
    return ""


#: Type of Slurm's table to the check of a value.
TYPES: dict[str, Check] = {
    "uint16": _unsigned("uint16"),
    "uint32": _unsigned("uint32"),
    "uint64": _unsigned("uint64"),
    "boolean": boolean,
    "float": _floating,
    "double": _floating,
    "long_double": _floating,
}


def seconds(text: str) -> int | None:
    """A time as Slurm writes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; -1 is for ever."""
    if text == "-1" or text.lower() in _UNLIMITED:
        return -1
    if not re.fullmatch(r"[0-9:-]+", text) or not re.search(r"\d", text):
        return None
    dashes, colons, groups = text.count("-"), text.count(":"), len(re.findall(r"\d+", text))
    if dashes > 1 or colons > 2 or (dashes and ":" in text.split("-", 1)[0]):
        return None
    if colons and groups < colons + 1 + dashes:
        return None
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if dashes:
        days, hours, minutes, rest = ([*numbers, 0, 0, 0])[:4]
        return days * 86400 + hours * 3600 + minutes * 60 + rest
    if colons == 2:
        return numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    return numbers[0] * 60 + (numbers[1] if colons else 0)


def a_time(value: str) -> str:
    """A time, or no bound."""
    if seconds(value) is None:
        return f"{value!r} is not a time such as 30, 2:30:00, 7-0 or UNLIMITED"
    return ""


def _a_period(value: str) -> str:
    found = seconds(value)
    if found is None or found <= 0:
        return f"{value!r} is not a time of a minute or more"
    return ""


def _one_of(*allowed: str) -> Check:
    known = {word.lower() for word in allowed}

    def check(value: str) -> str:
        return "" if value.lower() in known else f"{value!r} is not one of {', '.join(allowed)}"

    return check


def _log_level(value: str) -> str:
    if value[:1].isdigit() or value.lower() in LOG_LEVELS:
        return ""
    return f"{value!r} is not one of {', '.join(LOG_LEVELS)}"


LOG_LEVELS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")


def _at_least(least: int) -> Check:
    def check(value: str) -> str:
        number = as_count(value)
        return f"{value!r} is less than {least}" if number is not None and number < least else ""

    return check


def _at_most(most: int) -> Check:
    def check(value: str) -> str:
        number = as_count(value)
        return f"{value!r} is more than {most}" if number is not None and number > most else ""

    return check


def _port_range(value: str) -> str:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
    if not match or int(match.group(1)) <= 0 or (match.group(2) and int(match.group(2)) <= int(match.group(1))):
        return f"{value!r} is neither a port nor a range of ports such as 6817-6820"
    return ""


def _suspend_time(value: str) -> str:
    if value.lower() in {"none", "infinite", "-1"} or value.isdigit():
        return ""
    return f"{value!r} is not a number of seconds, NONE or INFINITE: Slurm takes it for 0, or for its first digits"


def _suspend_limit(value: str) -> str:
    return f"{value!r} is more than {0xFFFFFFFF}" if value.isdigit() and int(value) > 0xFFFFFFFF else ""


def _excluded_paths(value: str) -> str:
    wrong = [path for path in value.split(",") if path and not path.startswith("/")]
    return f"{wrong[0]!r} is not a path from / on" if wrong and value.lower() != "none" else ""


def _rlimits(value: str) -> str:
    if value in ("ALL", "NONE"):
        return ""
    for word in filter(None, re.split(r"[,\s]+", value)):
        if word.removeprefix("RLIMIT_") not in RLIMITS:
            return f"{word!r} is not one of ALL, NONE, {', '.join(RLIMITS)} (in capitals)"
    return ""


RLIMITS = ("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS")


def _task_plugin_param(value: str) -> str:
    units = 0
    for word in filter(None, value.lower().split(",")):
        if word in ("none", "sockets", "cores", "threads"):
            units += 1
        elif word.startswith("autobind="):
            if word.partition("=")[2] not in ("none", "threads", "cores", "sockets"):
                return f"{word!r} is not one of Autobind=None, Threads, Cores, Sockets"
        elif word not in ("verbose", "slurmdoffspec", "oomkillstep", "slurmdspecoverride"):
            return f"{word!r} is not one of None, Sockets, Cores, Threads, Autobind=..., SlurmdOffSpec, OOMKillStep, SlurmdSpecOverride, Verbose"
    return "only one of None, Sockets, Cores and Threads can hold" if units > 1 else ""


def _preempt_mode(value: str) -> str:
    words = [word for word in value.lower().split(",") if word]
    for word in words:
        if word not in ("off", "cluster", "cancel", "requeue", "on", "suspend", "gang", "within", "priority"):
            return f"{word!r} is not one of OFF, CANCEL, REQUEUE, SUSPEND, GANG, WITHIN, PRIORITY"
    if sum(word not in ("gang", "within", "priority") for word in words) > 1:
        return "only one of OFF, CANCEL, REQUEUE and SUSPEND can hold"
    if "gang" in words and ("within" in words or "priority" in words):
        return "GANG does not go with WITHIN or PRIORITY"
    return ""


def _slurmctld_host(value: str) -> str:
    if re.fullmatch(r"[^()]*(\([^()]*\))?", value):
        return ""
    return f"{value!r} is neither host nor host(address)"


#: Keys of slurm.conf itself: values that Slurm refuses beside the type.
REFUSED: dict[str, Check] = {
    "bcastexclude": _excluded_paths,
    "enforcepartlimits": _one_of("ALL", "ANY", "NO", "YES", "up", "true", "1", "down", "false", "0"),
    "firstjobid": _at_least(1),
    "maxdbdmsgs": _at_least(10000),
    "maxjobcount": _at_least(1),
    "maxnodecount": _at_most(65536),
    "maxstepcount": _at_least(1),
    "preemptexempttime": a_time,
    "preemptmode": _preempt_mode,
    "prioritycalcperiod": _a_period,
    "prioritydecayhalflife": a_time,
    "prioritymaxage": a_time,
    "priorityusageresetperiod": _one_of("NONE", "NOW", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"),
    "propagateprioprocess": _at_most(2),
    "propagateresourcelimits": _rlimits,
    "propagateresourcelimitsexcept": _rlimits,
    "slurmctlddebug": _log_level,
    "slurmctldhost": _slurmctld_host,
    "slurmctldport": _port_range,
    "slurmctldsyslogdebug": _log_level,
    "slurmddebug": _log_level,
    "slurmdsyslogdebug": _log_level,
    "suspendtime": _suspend_limit,
    "taskpluginparam": _task_plugin_param,
}


#: The first and the last release that refuse, where it is not all of them: (line, key) to the two.
REFUSED_FROM_TO = {
    ("", "maxnodecount"): ("24.11", "99.99"),
    ("", "suspendtime"): ("23.02", "99.99"),
    ("partitionname", "preemptmode"): ("22.05", "24.05"),
}

#: Words of TaskPluginParam that older releases refuse.
TASK_PLUGIN_PARAM_SINCE = {"oomkillstep": "24.11", "slurmdspecoverride": "25.05"}


def _partition_state(value: str) -> str:
    fits = re.match(r"down|up|drain|inactive", value, re.IGNORECASE)
    return "" if fits else f"{value!r} is not one of UP, DOWN, DRAIN, INACTIVE"


def _oversubscribe(value: str) -> str:
    fits = re.match(r"(no|exclusive|yes|force|yes:.*|force:.*)\Z", value, re.IGNORECASE)
    return "" if fits else f"{value!r} is not one of NO, EXCLUSIVE, YES[:count], FORCE[:count]"


def _partition_select(value: str) -> str:
    fits = re.match(r"CR_(Core|Socket)", value, re.IGNORECASE)
    return "" if fits else f"{value!r} is not one of CR_Core, CR_Core_Memory, CR_Socket, CR_Socket_Memory"


#: Keys on the lines of LINE_KEYS: values that Slurm refuses beside the type.
REFUSED_ON_LINE: dict[tuple[str, str], Check] = {
    ("partitionname", "defaulttime"): a_time,
    ("partitionname", "exclusive"): _one_of("NO", "NODE", "USER", "TOPO", "NONE"),
    ("partitionname", "maxtime"): a_time,
    ("partitionname", "oversubscribe"): _oversubscribe,
    ("partitionname", "preemptmode"): _preempt_mode,
    ("partitionname", "selecttypeparameters"): _partition_select,
    ("partitionname", "shared"): _oversubscribe,
    ("partitionname", "state"): _partition_state,
    ("partitionname", "suspendtime"): _suspend_limit,
}

NODE_STATES = ("CLOUD", "DOWN", "DRAIN", "EXTERNAL", "FAIL", "FAILING", "FUTURE", "IDLE", "UNKNOWN")

#: Values that Slurm accepts with a complaint in its log, or silently but to no good.
DOUBTFUL: dict[str, Check] = {
    "maxarraysize": _at_most(4000001),
    "messagetimeout": _at_most(100),
    "minjobage": _at_least(2),
    "returntoservice": _at_most(2),
    "schedulertimeslice": _at_least(5),
    "suspendtime": _suspend_time,
    "treewidth": _at_least(1),
}

#: The same on the lines of LINE_KEYS.
DOUBTFUL_ON_LINE: dict[tuple[str, str], Check] = {
    ("partitionname", "preemptmode"): _preempt_mode,
    ("partitionname", "suspendtime"): _suspend_time,
}

#: Lists of which Slurm knows every word, and goes on after a complaint.
PATIENT = frozenset({"reconfigflags"})

#: Those of DOUBTFUL that do no harm.
HARMLESS = frozenset({"messagetimeout", "treewidth"})

#: Words that the manual does not list and Slurm searches for all the same.
MORE_WORDS = {
    "privatedata": frozenset({"all", "account", "event", "job", "node", "partition", "reservation", "user", "none"}),
    "accountingstoreflags": frozenset({"none"}),
    "priorityflags": frozenset({"none"}),
    "logtimeformat": frozenset(
        {"iso8601", "iso8601_ms", "rfc5424", "rfc5424_ms", "rfc3339", "clock", "short", "thread_id", "format_stderr"}
    ),
    "authinfo": frozenset({"socket", "ttl", "cred_expire"}),
    "communicationparameters": frozenset(
        {"keepalivetime", "keepaliveprobes", "keepaliveinterval", "getnameinfo_cache_timeout"}
    ),
    "topologyparam": frozenset({"noinaddrany", "noctldinaddrany"}),
}

#: Keys whose words depend on hardware or plugins too much for a check.
OPEN_LISTS = frozenset({"switchparameters", "accountingstorageparameters", "bcastparameters"})


def items(value: str, is_strict: bool = False) -> t.Iterator[tuple[str, int]]:
    """The items of a comma list and where each begins in it. Slurm's strict lists count a blank to the item."""
    for match in re.finditer(r"[^,]+", value):
        item = match.group()
        if is_strict:
            yield item, match.start()
        elif item.strip():
            yield item.strip(), match.start() + len(item) - len(item.lstrip())


def is_placeholder(value: str) -> bool:
    """Whether a value waits for somebody to fill it in, rather than for Slurm."""
    return bool(re.search(r"<[^<>]*>|\{\{|\{%|<%|%>|\}\}|@[A-Z_]+@|\bREPLACE_?\w*\b|(?<!\$)\{[A-Za-z]\w*\}", value))
