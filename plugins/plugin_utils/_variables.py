# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The variables that are not scripts: their types as the roles' argument_specs say, their ranges, and the same value everywhere. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist
from ansible_collections.nodecycle.slurm.plugins.module_utils._daemons import normal_unit
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import normal_root, normal_script_path
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import LONGEST_TIMEOUT, Problem, nearest

Specs = t.Mapping[str, t.Mapping[str, t.Any]]
Values = t.Mapping[str, t.Any]
#: What is wrong with a value, as the end of a sentence, and the remedy.
Fault = tuple[str, str]

#: The smallest and the largest value.
RANGES: dict[str, tuple[int, int]] = {
    # With one, an undo would have nothing to return to.
    "slurm_release_keep": (2, 1000),
    "slurm_init_timeout": (1, LONGEST_TIMEOUT),
    "slurm_login_init_timeout": (1, LONGEST_TIMEOUT),
    "slurm_batch_watch": (0, LONGEST_TIMEOUT),
    "slurm_batch_pause": (0, LONGEST_TIMEOUT),
    "slurm_tolerated_nodes": (0, 1_000_000),
    "slurm_probe_timeout": (1, LONGEST_TIMEOUT),
}

#: The variables that may differ from host to host. A task that runs once takes all others from whichever host comes first.
OF_ONE_HOST = frozenset(
    {
        "slurm_delivery",
        "slurm_node_name",
        "slurm_conf_path",
        "slurm_release_keep",
        "slurm_controller_init_gate",
        "slurm_init_timeout",
        "slurm_login_init_timeout",
        "slurm_script_path",
        "slurm_slurmd_unit",
        "slurm_slurmctld_unit",
    }
)

_HOOKS = [*(f"slurm_{hook}" for hook in HOOKS), "slurm_extra_conf"]
#: A variable of this form that is not a hook of ours is a typing error.
_HOOK_LIKE = re.compile(r"slurm_(worker|login|controller|task)_[a-z0-9_]*(init|prolog|epilog)[a-z0-9_]*$")
#: How the names of our variables begin, without and with those of the role install. Two underscores are its own.
_OURS = re.compile(r"slurm_"), re.compile(r"slurm_|install_(?!_)")
#: How alike a misspelt name is (difflib's ratio). For hooks the net is wider: a script that is silently left out does harm.
_CLOSE = 0.9
_CLOSE_TO_HOOK = 0.87

_EXPECTED = {
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "path": "a path",
    "list": "a list",
    "dict": "a dictionary",
}
#: Longer values are cut in messages.
_SHOWN = 60
_SHARE = re.compile(r"(?:[1-9][0-9]*|(?:100|[1-9]?[0-9])(?:\.[0-9]+)?%)")
#: The names of inventory groups.
GROUPS = ("slurm_controller_group", "slurm_login_group", "slurm_worker_group")

_NUMBER = re.compile(r"[-+]?[0-9.]+%?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
#: One NodeName, not an expression for several (slurm.conf(5)).
_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FILE = re.compile(r"[^\[{\0\n][^\0\n]*")
_WORD = re.compile(r"[^\s\-][^\s]*")


def checkable(specs: Specs) -> dict[str, t.Mapping[str, t.Any]]:
    """The variables with values to check here; scripts have a form of their own (V(_schema))."""
    return {
        name: spec
        for name, spec in specs.items()
        if name.startswith("slurm_") and (spec.get("type") != "raw" or name in _CHECKS)
    }


def problems(values: t.Mapping[str, Values], specs: Specs) -> list[tuple[str, Problem]]:
    """The problems with the values of some hosts, each with its host; V(specs) are the roles' options by name."""
    found: list[tuple[str, Problem]] = []
    for name, spec in specs.items():
        # Each distinct value once: a thousand hosts have few.
        hosts_of: dict[str, list[str]] = {}
        for host, known in values.items():
            if name in known:
                hosts_of.setdefault(str(known[name]), []).append(host)
        fault = False
        for hosts in hosts_of.values():
            if problem := wrong(name, values[hosts[0]][name], spec):
                fault = True
                found += [(host, problem) for host in (hosts if len(hosts) < len(values) else [""])]
        if not fault and len(hosts_of) > 1 and name not in OF_ONE_HOST and spec.get("type") != "raw":
            found.append(("", _differs(name, hosts_of)))
    return found


def unseen(values: t.Mapping[str, Values], specs: Specs, of_play: Values) -> list[tuple[str, Problem]]:
    """The names of groups that hosts have and the plays do not see: plays choose their hosts before any host's variables count."""
    return [
        (
            host,
            Problem(
                name,
                f"is {_shown(known[name])} for this host, and the plays do not see that",
                "give it on the command line (-e), or in vars of your import_playbook",
            ),
        )
        for name in GROUPS
        for host, known in values.items()
        if name in known and known[name] != of_play.get(name, specs[name]["default"])
    ]


def misspelt_groups(groups: t.Mapping[str, t.Sequence[str]], specs: Specs, of_play: Values) -> list[Problem]:
    """Groups of ours that are empty beside one with nearly the same name."""
    ours = [str(of_play.get(name, specs[name]["default"])) for name in GROUPS]
    others = [group for group, hosts in groups.items() if hosts and group not in ours]
    return [
        Problem(
            group,
            f"is a group without hosts{hint}",
            f"put the hosts into {group}, or name your group with `-e {name}=...`",
        )
        for name, group in zip(GROUPS, ours, strict=True)
        if not groups.get(group) and (hint := nearest(group, others, cutoff=_CLOSE))
    ]


def wrong(name: str, value: t.Any, spec: t.Mapping[str, t.Any]) -> Problem | None:
    """The problem with one value, or none."""
    return _wrong_type(name, value, spec) or _wrong_value(name, value)


def _differs(name: str, hosts_of: t.Mapping[str, t.Sequence[str]]) -> Problem:
    said = "; ".join(f"{_cut(value)} on {_hostlist.fold(hosts)}" for value, hosts in hosts_of.items())
    return Problem(
        name,
        f"holds for the whole cluster and differs: {said}",
        "set it once for all hosts, for example in group_vars/all.yml",
    )


def misspelt(
    names: t.Iterable[str], known: t.Collection[str], foreign: t.Container[str], *, install: bool = False
) -> list[Problem]:
    """The names that were probably meant for a variable of ours, V(install) those of that role. Others may have slurm_ variables of their own."""
    found = []
    for name in names:
        if name in known or name in foreign or not _OURS[install].match(name):
            continue
        hint = nearest(name, known, cutoff=_CLOSE) or nearest(name, _HOOKS, cutoff=_CLOSE_TO_HOOK)
        if hint or _HOOK_LIKE.match(name):
            found.append(
                Problem(
                    name,
                    f"is not a variable of this collection{hint or nearest(name, _HOOKS)}",
                    "correct its name; if it is somebody else's, add it to slurm_foreign_variables",
                )
            )
    return found


def _wrong_type(name: str, value: t.Any, spec: t.Mapping[str, t.Any]) -> Problem | None:
    type_ = spec.get("type", "str")
    if type_ == "raw" or (value is None and spec.get("default") in ("", [], {})):
        return None
    own = {key: spec[key] for key in ("type", "elements", "choices") if key in spec}
    # Python takes a truth for a number.
    is_truth = isinstance(value, bool) and type_ == "int"
    if is_truth or value is None or ArgumentSpecValidator({name: own}).validate({name: value}).error_messages:
        choices = spec.get("choices")
        wanted = f"one of {', '.join(choices)}" if choices else _EXPECTED[type_]
        hint = nearest(str(value), choices) if choices else ""
        return Problem(name, f"is {_shown(value)}, which is not {wanted}{hint}", f"write {wanted}")
    return None


def _wrong_value(name: str, value: t.Any) -> Problem | None:
    if name in RANGES:
        low, high = RANGES[name]
        fault = None if low <= int(value) <= high else ("is out of range", f"write a whole number from {low} to {high}")
    else:
        fault = _CHECKS[name](value) if name in _CHECKS and value is not None else None
    if not fault:
        return None
    # The lines may hold a secret.
    shown = "is wrong: it" if name == "slurm_extra_conf" else f"is {_shown(value)}, which"
    return Problem(name, f"{shown} {fault[0]}", fault[1])


def _batches(value: t.Any) -> Fault | None:
    sizes = value if isinstance(value, list) else str(value).split(",")
    if sizes and all(_is_share(str(size).strip()) for size in sizes):
        return None
    return "is not a list of sizes", 'write numbers of hosts from 1, or percentages up to 100%, such as ["20%", "100%"]'


def _canary(value: t.Any) -> Fault | None:
    text = str(value).strip()
    if not text or _is_share(text):
        return None
    if _NUMBER.fullmatch(text):
        return "is no number of nodes", "write a number from 1, a percentage up to 100%, or a hostlist expression"
    return _hostlist_expression(value)


def _is_share(size: str) -> bool:
    return bool(_SHARE.fullmatch(size)) and float(size.rstrip("%")) > 0


def _hostlist_expression(value: t.Any) -> Fault | None:
    try:
        if str(value).strip():
            _hostlist.expand(str(value))
    except _hostlist.HostlistError as exc:
        return f"is not a hostlist expression: {exc}", "write names like node[1-8,12]"
    return None


def _root(value: t.Any) -> Fault | None:
    try:
        normal_root(str(value))
    except ValueError as exc:
        return "cannot be the directory of the releases", str(exc).partition(": ")[2]
    return None


def _accepted_by(normal: t.Callable[[t.Any], object], fault: str, remedy: str) -> t.Callable[[t.Any], Fault | None]:
    """A check by the function that puts a value into its one form."""

    def check(value: t.Any) -> Fault | None:
        try:
            normal(value)
        except ValueError:
            return fault, remedy
        return None

    return check


def _path(value: t.Any) -> Fault | None:
    text = str(value)
    if not text or (text.startswith("/") and text.isprintable()):
        return None
    return "is no absolute path", "begin it with /"


def _some_path(value: t.Any) -> Fault | None:
    return _path(value) if str(value) else ("is no path", "write the path of slurm.conf")


def _lines(value: t.Any) -> Fault | None:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value)):
        return None
    return "is neither text nor a list of lines", "write each line as it stands in slurm.conf"


def _matching(form: re.Pattern[str], fault: str, remedy: str) -> t.Callable[[t.Any], Fault | None]:
    return lambda value: None if not str(value) or form.fullmatch(str(value)) else (fault, remedy)


def _user(value: t.Any) -> Fault | None:
    if value == "root":
        return "must not be", "name a user who may do no more than others"
    return _matching(_USER, "is no name of a user", "write a login name")(value)


def _command(value: t.Any) -> Fault | None:
    return None if str(value).strip() else ("is no command", "write one, such as true")


_UNIT = _accepted_by(
    normal_unit,
    "is no name of a systemd service",
    "write one such as slurmd.service, of letters, digits and `:-_.\\@`",
)

_CHECKS: dict[str, t.Callable[[t.Any], Fault | None]] = {
    "slurm_batches": _batches,
    "slurm_canary": _canary,
    "slurm_unmanaged_nodes": _hostlist_expression,
    "slurm_release_root": _root,
    "slurm_bin_dir": _path,
    "slurm_conf_path": _some_path,
    "slurm_script_path": _accepted_by(
        normal_script_path,
        "is no list of directories",
        "write absolute paths without `..` and colons, such as [/opt/slurm/bin]",
    ),
    "slurm_slurmctld_unit": _UNIT,
    "slurm_slurmd_unit": _UNIT,
    "slurm_extra_conf": _lines,
    "slurm_node_name": _matching(_NODE, "is no NodeName", "write one name, as in slurm.conf"),
    "slurm_probe_user": _user,
    "slurm_probe_account": _matching(_WORD, "is no account", "write its name"),
    "slurm_probe_qos": _matching(_WORD, "is no QOS", "write its name"),
    "slurm_probe_gres": _matching(_WORD, "names no resources", "write them as for sbatch --gres, such as gpu:1"),
    "slurm_probe_command": _command,
    "slurm_lint_sarif": _matching(_FILE, "is no name of a file", "write a path, such as findings.sarif"),
}


def _shown(value: t.Any) -> str:
    return "empty" if value is None or value == "" else _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
