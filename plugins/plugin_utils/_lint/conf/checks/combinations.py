# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Values that are right each for itself and do not go together.

Source: src/common/read_config.c (_validate_and_set_defaults), which every command and daemon runs; the few that only
slurmctld checks are marked. An error is what ends them, a warning what they log.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, Severity
from .. import facts, value_types
from ..facts import parts
from ..grammar import Position
from ..subject import Subject

_MAX_JOB_ID = 0x03FF0000


@dataclasses.dataclass(frozen=True)
class Setting:
    """The value of a key that will hold: of the text in question (with its place), or of the cluster's slurm.conf."""

    #: None where nobody knows it yet (a template).
    value: str | None
    place: Position | None


class _Settings:
    """The values that are set, as the checks ask for them."""

    def __init__(self, settings: t.Mapping[str, Setting], is_complete: bool) -> None:
        self._settings = settings
        self._is_complete = is_complete

    def has(self, key: str) -> bool:
        """Whether the key is set, to a value that is known."""
        return key in self._settings and self._settings[key].value is not None

    def lacks(self, key: str) -> bool:
        """Whether the key is certainly not set."""
        return self._is_complete and key not in self._settings

    def text(self, key: str, default: str = "") -> str:
        """The value in lower case; the default where it is not set or not known."""
        setting = self._settings.get(key)
        return setting.value.lower() if setting and setting.value is not None else default

    def words(self, key: str) -> set[str]:
        return {word.strip() for word in self.text(key).split(",") if word.strip()}

    def number(self, key: str) -> int | None:
        setting = self._settings.get(key)
        return (
            value_types.as_count(setting.value)
            if setting and setting.value is not None and setting.value != ""
            else None
        )

    def is_known(self, *keys: str) -> bool:
        """Whether the values of all keys are known, be it that they are not set."""
        return all(self.lacks(key) or (key in self._settings and self._settings[key].value is not None) for key in keys)


#: The keys (lower case) that do not go together, the one to point at first, with what is to be said of them.
_Found = t.Iterator[tuple[tuple[str, ...], str, Severity]]
_Check = t.Callable[[_Settings], _Found]
#: Each with the first and the last release that it is for.
_COMBINATIONS: list[tuple[tuple[int, int], tuple[int, int], _Check]] = []


def _since(first: str, last: str = "99.99") -> t.Callable[[_Check], _Check]:
    def register(check: _Check) -> _Check:
        _COMBINATIONS.append((parts(first), parts(last), check))
        return check

    return register


@_since("22.05")
def _prolog_flags(settings: _Settings) -> _Found:
    flags = settings.words("prologflags")
    contain = flags & {"contain", "x11", "runinjob"}
    if "nohold" in flags and contain:
        yield ("prologflags",), f"PrologFlags: NoHold does not go with {', '.join(sorted(contain))}", "error"
    if "x11" in flags and settings.text("proctracktype") == "proctrack/linuxproc":
        yield (
            ("prologflags", "proctracktype"),
            "PrologFlags=X11 does not go with ProctrackType=proctrack/linuxproc",
            "error",
        )
    if contain and settings.text("proctracktype") in ("proctrack/linuxproc", "proctrack/pgid") and "x11" not in flags:
        said = "PrologFlags=Contain holds a job's processes together with ProctrackType=proctrack/cgroup only"
        yield ("prologflags", "proctracktype"), said, "warning"
    if "tmpfs" in settings.text("jobcontainertype") and not contain and settings.is_known("prologflags"):
        yield (
            ("jobcontainertype", "prologflags"),
            "JobContainerType=job_container/tmpfs wants PrologFlags=Contain",
            "error",
        )


@_since("24.05")
def _run_in_job(settings: _Settings) -> _Found:
    if {"runinjob", "serial"} <= settings.words("prologflags"):
        yield ("prologflags",), "PrologFlags: Serial does not go with RunInJob", "warning"
    # slurmctld only
    contain = settings.words("prologflags") & {"contain", "x11", "runinjob"}
    if "enable_stepmgr" in settings.words("slurmctldparameters") and not contain and settings.is_known("prologflags"):
        yield (
            ("slurmctldparameters", "prologflags"),
            "SlurmctldParameters=enable_stepmgr wants PrologFlags=Contain",
            "error",
        )


@_since("25.11")
def _namespace(settings: _Settings) -> _Found:
    contain = settings.words("prologflags") & {"contain", "x11", "runinjob"}
    if (
        settings.text("namespacetype", "none") not in ("none", "namespace/none", "")
        and not contain
        and settings.is_known("prologflags")
    ):
        yield ("namespacetype", "prologflags"), "NamespaceType wants PrologFlags=Contain", "error"


@_since("22.05")
def _exclusive_words(settings: _Settings) -> _Found:
    gather = settings.text("jobacctgatherparams")
    if "usepss" in gather and "noshared" in gather:
        yield ("jobacctgatherparams",), "JobAcctGatherParams: UsePss does not go with NoShared", "error"
    if {"enable_nss_slurm", "disable_send_gids"} <= settings.words("launchparameters"):
        yield ("launchparameters",), "LaunchParameters: enable_nss_slurm does not go with disable_send_gids", "error"
    network = settings.text("communicationparameters")
    if "disableipv4" in network and "enableipv6" not in network:
        yield (
            ("communicationparameters",),
            "CommunicationParameters: DisableIPv4 without EnableIPv6 leaves no network",
            "error",
        )
    if {"l3cache_as_socket", "numa_node_as_socket"} <= settings.words("slurmdparameters"):
        yield (
            ("slurmdparameters",),
            "SlurmdParameters: numa_node_as_socket is ignored beside l3cache_as_socket",
            "warning",
        )
    filters = settings.words("clifilterplugins")
    if len(filters) > 1 and any(word.endswith("none") for word in filters):
        yield ("clifilterplugins",), "CliFilterPlugins: none among others removes all", "warning"


@_since("22.05")
def _accounting(settings: _Settings) -> _Found:
    kind = settings.text("accountingstoragetype", "-")
    if "mysql" in kind:
        yield (
            ("accountingstoragetype",),
            "AccountingStorageType=accounting_storage/mysql is for slurmdbd.conf only",
            "error",
        )
    if kind == "" and settings.has("accountingstoragetype"):
        yield ("accountingstoragetype",), 'AccountingStorageType="" names no plugin', "error"
    enforce = settings.words("accountingstorageenforce") - {"none"}
    if enforce and settings.is_known("accountingstoragetype") and not re.search("slurmdbd|ctld_relay|mysql", kind):
        said = "AccountingStorageEnforce holds with AccountingStorageType=accounting_storage/slurmdbd only"
        yield ("accountingstorageenforce", "accountingstoragetype"), said, "warning"


@_since("22.05")
def _numbers(settings: _Settings) -> _Found:
    first = settings.number("firstjobid")
    last = settings.number("maxjobid")
    if settings.text("maxjobid", "-") == "":
        last = 0
    if (1 if first is None else first) > min(_MAX_JOB_ID if last is None else last, 0x03FFFFFF):
        yield ("firstjobid", "maxjobid"), "FirstJobId is greater than MaxJobId", "error"
    if (settings.number("slurmschedloglevel") or 0) > 0 and settings.lacks("slurmschedlogfile"):
        yield ("slurmschedloglevel",), "SlurmSchedLogLevel wants a SlurmSchedLogFile", "error"
    half = settings.text("prioritydecayhalflife", "-")
    if value_types.seconds(half) == 0 and settings.lacks("priorityusageresetperiod"):
        yield ("prioritydecayhalflife",), "PriorityDecayHalfLife=0 wants a PriorityUsageResetPeriod", "error"
    for one, other in (("DefMemPerNode", "DefMemPerCPU"), ("MaxMemPerNode", "MaxMemPerCPU")):
        if settings.has(one.lower()) and settings.has(other.lower()):
            yield (other.lower(), one.lower()), f"{other} is ignored beside {one}", "warning"
    if (size := _limit(settings, "max_script_size")) and size > 512 * 1024 * 1024:
        yield ("schedulerparameters",), "SchedulerParameters: max_script_size cannot exceed 512 MiB", "error"


@_since("22.05", "23.02")
def _default_select_type(settings: _Settings) -> _Found:
    """Up to 23.02 the plugin that nobody names is select/linear."""
    if settings.number("maxnodecount") and settings.lacks("selecttype"):
        yield ("maxnodecount",), "MaxNodeCount wants SelectType=select/cons_tres", "error"


@_since("23.11")
def _line_size(settings: _Settings) -> _Found:
    if (size := _limit(settings, "max_submit_line_size")) and size > 2 * 1024 * 1024:
        yield ("schedulerparameters",), "SchedulerParameters: max_submit_line_size cannot exceed 2 MiB", "error"
    if settings.text("selecttype") == "select/linear" and settings.text("topologyplugin") == "topology/tree":
        yield (
            ("topologyplugin", "selecttype"),
            "TopologyPlugin=topology/tree does not go with SelectType=select/linear",
            "error",
        )


@_since("24.05")
def _unkillable(settings: _Settings) -> _Found:
    step, message = settings.number("unkillablesteptimeout"), settings.number("messagetimeout")
    message = 10 if message is None and settings.lacks("messagetimeout") else message
    if step is not None and message is not None and step < 5 * message:
        said = f"UnkillableStepTimeout={step} is less than five times MessageTimeout ({message}): nodes may be drained with Kill task failed"
        yield ("unkillablesteptimeout", "messagetimeout"), said, "warning"


@_since("26.05")
def _health_check(settings: _Settings) -> _Found:
    timeout, interval = settings.number("healthchecktimeout"), settings.number("healthcheckinterval")
    if timeout is not None and interval and timeout >= interval:
        said = f"HealthCheckTimeout={timeout} must be less than HealthCheckInterval={interval}; every command complains of it"
        yield ("healthchecktimeout", "healthcheckinterval"), said, "warning"


@_since("22.05")
def _mcs(settings: _Settings) -> _Found:
    plugin = settings.text("mcsplugin")
    if settings.has("mcsparameters") and settings.lacks("mcsplugin"):
        yield ("mcsparameters",), "MCSParameters wants an MCSPlugin", "error"
    if plugin == "mcs/group" and settings.lacks("mcsparameters"):
        yield ("mcsplugin",), "MCSPlugin=mcs/group wants MCSParameters", "error"


@_since("22.05")
def _preemption(settings: _Settings) -> _Found:
    modes = {
        "suspend" if word == "on" else "off" if word == "cluster" else word for word in settings.words("preemptmode")
    }
    real = modes - {"gang", "off"}
    if "suspend" in modes and not modes & {"gang", "within", "priority"}:
        yield ("preemptmode",), "PreemptMode=SUSPEND wants GANG too", "error"
        return
    if not settings.is_known("preemptmode", "preempttype"):
        return
    kind = settings.text("preempttype")
    if kind in ("", "preempt/none"):
        if real:
            yield (
                ("preemptmode", "preempttype"),
                f"PreemptMode={','.join(sorted(real)).upper()} wants a PreemptType",
                "error",
            )
    elif kind in ("preempt/qos", "preempt/partition_prio") and not real - {"within", "priority"}:
        yield ("preempttype", "preemptmode"), f"PreemptType={kind} wants a PreemptMode other than OFF", "error"


@_since("22.05")
def _task_plugin(settings: _Settings) -> _Found:
    if (
        "oomkillstep" in settings.words("taskpluginparam")
        and settings.is_known("taskplugin")
        and "cgroup" not in settings.text("taskplugin")
    ):
        yield ("taskpluginparam", "taskplugin"), "TaskPluginParam=OOMKillStep wants TaskPlugin=task/cgroup", "error"
    if (
        settings.has("maxnodecount")
        and settings.has("selecttype")
        and "cons_tres" not in settings.text("selecttype", "cons_tres")
    ):
        yield ("maxnodecount", "selecttype"), "MaxNodeCount goes with SelectType=select/cons_tres only", "error"


def _limit(settings: _Settings, word: str) -> int | None:
    match = re.search(rf"{word}=(\d+)", settings.text("schedulerparameters"))
    return int(match.group(1)) if match else None


def _effective(subject: Subject) -> dict[str, Setting]:
    """The cluster's future values, by key (lower case)."""
    found = {
        entry.key.lower(): Setting(entry.value, None)
        for entry in subject.cluster.present
        if entry.key.lower() not in facts.LINE_KEYS
    }
    for _statement, head, key in subject.known_heads:
        if subject.is_conditional(head) or subject.is_open(head.value):
            found[head.name] = Setting(None, head.value_place)
        elif key.type_in(subject.targets[-1]) not in facts.ADDING_TYPES:
            found[head.name] = Setting(head.value, head.value_place)
    return found


def combination(subject: Subject) -> t.Iterator[Hit]:
    """fatal-combination: pointed at in the text, be it that the other key stands in the cluster's slurm.conf."""
    settings = _effective(subject)
    is_alone = subject.is_whole and not subject.has_include and not subject.is_template
    asked = _Settings(settings, is_complete=is_alone or bool(subject.cluster.present))
    for first, last, check in _COMBINATIONS:
        bad = [release for release in subject.targets if first <= parts(release) <= last]
        for keys, message, severity in check(asked) if bad else ():
            places = [settings[key].place for key in keys if key in settings]
            place = next(filter(None, places), None)
            if place:
                yield from subject.graded("fatal-combination", bad, place, message, severity)


CHECKS = (combination,)
