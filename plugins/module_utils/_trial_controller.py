# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A controller on a slurm.conf that is not yet in place: whether it runs, and its complaints.

No daemon has a dry run (slurmctld lost its -t in 18.08), so slurmctld is started on the candidate and ended as soon as it runs.

Such a controller must not act on the world. It has namespaces of its own: network (it reaches no node, database or other
controller, and nobody reaches it), processes (whatever it starts ends with it, however that is), shared memory, and mounts: all is
read-only for it, and /run, /dev, /tmp and their like are empty file systems of its own (C(_trial)). Where any of this cannot be had,
no controller is started. It starts without state (-c), so it has no job, step or reservation for which
PrologSlurmctld, EpilogSlurmctld, ResvProlog, ResvEpilog, MailProg, UnkillableStepProgram or RebootProgram would run: these stay as
they are, and Slurm's look at their paths counts. HealthCheckProgram, Prolog, Epilog and the task hooks are the nodes' and run
nowhere. The rest is changed for the trial:

=========================================  ===============================================================================
key                                        why
=========================================  ===============================================================================
StateSaveLocation, SlurmctldPidFile,       the running controller's; its state would be overwritten
SlurmctldLogFile, SlurmSchedLogFile
SlurmctldSyslogDebug                       the socket of the system's log is not there
SlurmctldDebug, DebugFlags, LogTimeFormat  what it says has to have the form that is read here
SlurmctldHost                              only this host's stays: it neither asks the others nor waits as a backup
SlurmctldPrimaryOnProg, -OffProg           run as soon as it is primary
ResumeProgram, SuspendProgram,             power saving begins with an idle controller and would switch nodes
ResumeFailProgram
AccountingStorageType, -Enforce            it would wait for a database that it cannot reach
JobCompType and its file                   opens the site's file, or waits for a database
=========================================  ===============================================================================

Not tried at all, because plugins of the controller act by themselves at its start: BurstBufferType (datawarp removes buffers
of jobs that it does not know, lua runs the site's script), PowerPlugin (sets power caps) and NodeFeaturesPlugins with knl
(runs the site's capmc). Plugins that stay are loaded as at every start: the first lines of job_submit.lua are executed, as
SlurmUser and within the namespaces. Of the running system's sockets below /run munge's alone is in reach, for without it no controller
starts; with auth/slurm the trial makes a socket in its own /run, as the real one does in the real one.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import inspect
import json
import os
import pwd
import re
import socket
import stat
import sys
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _files, _hostlist, _trial
from ansible_collections.nodecycle.slurm.plugins.module_utils._conf_parser import stage
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Runner

#: What the trial needs beside slurmctld. util-linux has the first three from 2.32 on with all that is asked of them.
#: With the package that has them.
TOOLS = {
    **dict.fromkeys(("unshare", "setpriv", "mount"), "util-linux"),
    "ip": "iproute2, on EL iproute",
    **dict.fromkeys(("timeout", "env"), "coreutils"),
}
NAMESPACES = (
    *("--mount", "--propagation", "private", "--net", "--ipc", "--uts"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)

#: Keys that the trial sets to something of its own ({directory} is the private one) where the candidate has them, and always those
#: that are the running controller's.
_REPLACED = {
    "StateSaveLocation": "{directory}/state",
    "SlurmctldPidFile": "{directory}/state/pid",
    "SlurmctldLogFile": "{directory}/state/log",
    "SlurmctldDebug": "info",
    "SlurmctldSyslogDebug": "quiet",
}
#: Keys that stay set, because power saving without a program is an error of its own.
_HARMLESS = {"ResumeProgram": "/bin/true", "SuspendProgram": "/bin/true", "ResumeFailProgram": "/bin/true"}
_REMOVED = (
    "SlurmSchedLogFile",
    "SlurmSchedLogLevel",
    "DebugFlags",
    "LogTimeFormat",
    "SlurmctldPrimaryOnProg",
    "SlurmctldPrimaryOffProg",
    "AccountingStorageType",
    "AccountingStorageEnforce",
    "JobCompType",
    "JobCompLoc",
)
_NEUTRAL = frozenset(key.lower() for key in (*_REPLACED, *_HARMLESS, *_REMOVED, "SlurmctldHost"))
_NOTHING = ("", "none", "(null)")

#: Words of a controller that cannot look up names, or misses the accounting that the trial leaves out.
_OF_THE_ISOLATION = re.compile(
    r"getaddrinfo|slurm_set_addr|slurm_get_port|_set_node_addrs|unable to resolve|slurmdbd|accounting_?storage",
    re.IGNORECASE,
)
_NODE_NAMES = re.compile(r"(?i)\b(?:NodeName|NodeHostname|NodeAddr)=\"?([^\s\"]+)")
_SEVERE = re.compile(r"^(?:slurmctld: )?(?:\[[^\]]*\] )?(fatal|error): (.*)$")

#: The whole environment of the trial. Nothing of the connection's may lead it out (SLURM_SACK_*, RUNTIME_DIRECTORY, NOTIFY_SOCKET ...).
_ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
#: Passed on, for where it is set slurmctld finds its libraries by it.
_LIBRARIES = "LD_LIBRARY_PATH"
#: Munge's own places, old and new.
_MUNGE_SOCKETS = ("/run/munge/munge.socket.2", "/var/run/munge/munge.socket.2")


class NotTriedError(Exception):
    """The controller cannot be tried on this host, or must not; the message says why."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """The result of a controller: whether it ran at last, and its fatal and error lines."""

    ran: bool
    fatal: tuple[str, ...]
    errors: tuple[str, ...]


def trial_files(path: str, directory: str, read: t.Callable[[str], str | None], hostname: str) -> dict[str, str]:
    """The files of a configuration, changed so that a controller on it acts on nothing. Raises NotTriedError."""
    entries = _conf.tree(path, read)
    values = {entry.key.lower(): entry.value for entry in entries}
    _refuse(values)
    host = own_host(entries, hostname)
    beside = os.path.dirname(path)
    files = {}
    # Ours is not yet there, also where it has no key.
    for name in {entry.file for entry in entries} | {path, os.path.join(beside, _conf.FRAGMENT)}:
        text = read(name)
        if text is not None and os.path.dirname(name) == beside:
            try:
                files[name] = _conf.without_keys(text, _NEUTRAL)
            except _conf.ConfError as exc:
                raise NotTriedError(f"{name}: {exc}") from exc
    left = [entry for entry in _conf.tree(path, lambda name: files.get(name, read(name))) if _is_neutral(entry)]
    if left:
        raise NotTriedError(
            f"{left[0].file}:{left[0].line} sets {left[0].key}, and a file outside {beside} is not copied"
        )
    lines = {**_REPLACED, **{key: value for key, value in _HARMLESS.items() if key.lower() in values}}
    own = [f"{key}={value.format(directory=directory)}" for key, value in lines.items()] + [f"SlurmctldHost={host}"]
    main = files[path]
    files[path] = main + ("" if main.endswith("\n") else "\n") + "\n".join(own) + "\n"
    return files


def _is_neutral(entry: _conf.Entry) -> bool:
    return entry.key.lower() in _NEUTRAL


def _refuse(values: t.Mapping[str, str]) -> None:
    """Raises NotTriedError where a plugin would act on the world from its start on."""
    for key, acts in (
        ("BurstBufferType", lambda value: value.lower().rsplit("/", 1)[-1] not in _NOTHING),
        ("PowerPlugin", lambda value: value.lower().rsplit("/", 1)[-1] not in _NOTHING),
        ("NodeFeaturesPlugins", lambda value: "knl" in value.lower()),
    ):
        value = values.get(key.lower(), "")
        if acts(value):
            raise NotTriedError(f"{key}={value} acts by itself as soon as a controller starts")


def own_host(entries: t.Iterable[_conf.Entry], hostname: str) -> str:
    """The value of SlurmctldHost that is this host's. Raises NotTriedError."""
    hosts = [entry.value for entry in entries if entry.key.lower() == "slurmctldhost"]
    short = hostname.split(".")[0]
    for value in hosts:
        if value.split("(")[0].split(".")[0] == short:
            return value
    raise NotTriedError(f"this host ({hostname}) is not among the SlurmctldHost lines ({', '.join(hosts) or 'none'})")


def addresses_of(host: str) -> list[str]:
    """The addresses of a SlurmctldHost value, name or name(address). Raises NotTriedError."""
    name = host.split("(")[-1].rstrip(")")
    try:
        return sorted({str(info[4][0]) for info in socket.getaddrinfo(name, None)})
    except OSError as exc:
        raise NotTriedError(f"SlurmctldHost={host} has no address: {exc}") from exc


def make_private(directory: str, slurm_user: str) -> tuple[int, int]:
    """Let SlurmUser read the private directory and write its state there; the user's uid and gid. Raises NotTriedError."""
    try:
        user = pwd.getpwuid(int(slurm_user)) if slurm_user.isdigit() else pwd.getpwnam(slurm_user)
    except KeyError as exc:
        raise NotTriedError(f"SlurmUser={slurm_user} is not a user of this host") from exc
    state = os.path.join(directory, "state")
    os.mkdir(state, 0o700)
    os.chown(state, user.pw_uid, user.pw_gid)
    os.chown(directory, 0, user.pw_gid)
    os.chmod(directory, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP)
    return user.pw_uid, user.pw_gid


def name_files(
    host: str, addresses: t.Iterable[str], entries: t.Iterable[_conf.Entry], read: t.Callable[[str], str | None]
) -> dict[str, str]:
    """hosts and nsswitch.conf of the namespaces: every node is the namespace itself, and no name server is asked.

    A controller asks ten times, a second apart, for each name that is not known (24.11.5).
    """
    nodes: set[str] = set()
    for entry in entries:
        if entry.key.lower() == "nodename":
            for expression in _NODE_NAMES.findall(entry.value):
                with contextlib.suppress(_hostlist.HostlistError):
                    nodes.update(_hostlist.expand(expression))
    own = "".join(f"{address} {host.split('(')[0]}\n" for address in addresses)
    others = "".join(f"127.0.0.1 {node}\n" for node in sorted(nodes))
    switch = re.sub(r"(?m)^\s*hosts:.*$", "hosts: files", read("/etc/nsswitch.conf") or "hosts: files\n")
    return {"hosts": (read("/etc/hosts") or "") + "\n" + own + others, "nsswitch.conf": switch}


def sockets(entries: t.Iterable[_conf.Entry]) -> list[str]:
    """The sockets that a start needs, where they really are: munge's. auth/slurm needs none, it makes its own.

    Of AuthInfo the last line counts.
    """
    values = {entry.key.lower(): entry.value for entry in entries}
    if values.get("authtype", "auth/munge").lower().rsplit("/", 1)[-1] != "munge":
        return []
    named = re.search(r"(?:^|[,;])\s*socket=([^,;]+)", values.get("authinfo", ""), re.IGNORECASE)
    places = (named.group(1),) if named else _MUNGE_SOCKETS
    real = dict.fromkeys(os.path.realpath(place) for place in places)
    return [place for place in real if stat.S_ISSOCK(_mode(place))]


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0


def environment(present: t.Mapping[str, str]) -> list[str]:
    """The words before a command that give it the trial's environment and nothing else."""
    libraries = {_LIBRARIES: present[_LIBRARIES]} if present.get(_LIBRARIES) else {}
    return ["env", "-i", *(f"{name}={value}" for name, value in {**_ENVIRONMENT, **libraries}.items())]


def try_controller(
    directory: str,
    path: str,
    read: t.Callable[[str], str | None],
    *,
    slurmctld: str,
    slurm_user: str,
    hostname: str,
    timeout: int,
    run: Runner,
) -> Trial:
    """Start a controller on the configuration that read shows, in an empty private directory, until it runs or has ended.

    Raises NotTriedError where that is not possible, not allowed, or came to no result in time.
    """
    files = trial_files(path, directory, read, hostname)
    host = own_host(_conf.tree(path, read), hostname)
    addresses = addresses_of(host)
    uid, gid = make_private(directory, slurm_user)
    staged = os.path.join(directory, "conf")
    os.mkdir(staged, 0o755)
    stage(staged, path, files)
    names = name_files(host, addresses, _conf.tree(path, read), _text)
    plan = {
        "directory": directory,
        "new": os.path.join(directory, "new"),
        "conf": os.path.join(staged, os.path.basename(path)),
        "uid": uid,
        "gid": gid,
        "slurmctld": slurmctld,
        "addresses": addresses,
        "sockets": sockets(_conf.tree(path, read)),
    }
    os.mkdir(os.path.join(directory, "new"))
    own = {**names, "trial.py": inspect.getsource(_trial), "plan.json": json.dumps(plan)}
    for name, text in own.items():
        _files.write_atomic(os.path.join(directory, name), text.encode("utf-8", "surrogateescape"), 0o644)
    _share_key_of_tokens(directory, path, read)
    command = ["timeout", "--kill-after=2", str(timeout), "unshare", *NAMESPACES, *environment(os.environ)]
    # Isolated from the connection's environment and from the directory, in which SlurmUser writes.
    command += [sys.executable, "-I", "-S", os.path.join(directory, "trial.py"), os.path.join(directory, "plan.json")]
    code, _out, err = run(command)
    if not os.path.exists(os.path.join(directory, "isolated")):
        why = " ".join(err.split()) or f"unshare ended with {code}"
        if code in (124, 137):
            why = f"that took more than {timeout} seconds (see whether a mounted file system does not answer)"
        raise NotTriedError(f"this host does not let it be shut off from the running system: {why}")
    said = _text(os.path.join(directory, "said")) or ""
    trial = read_trial(said.replace(staged, os.path.dirname(path)), ran=code == _trial.RAN)
    if code not in (_trial.RAN, _trial.ENDED):
        last = trial.errors[-1] if trial.errors else "nothing of interest"
        raise NotTriedError(f"it neither ran nor ended within {timeout} seconds; it said last: {last}")
    return trial


def _text(path: str) -> str | None:
    data = _files.read_bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _share_key_of_tokens(directory: str, path: str, read: t.Callable[[str], str | None]) -> None:
    """The key of auth/jwt stands in the state's directory, unless AuthAltParameters says where; without it no controller starts."""
    for entry in _conf.tree(path, read):
        key = os.path.join(entry.value, "jwt_hs256.key")
        if entry.key.lower() == "statesavelocation" and os.path.exists(key):
            with contextlib.suppress(FileExistsError):
                os.symlink(key, os.path.join(directory, "state", "jwt_hs256.key"))


def read_trial(text: str, *, ran: bool) -> Trial:
    """The fatal and error lines of a controller, without those that come from its isolation. Raises NotTriedError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    severe = [match.groups() for line in lines if (match := _SEVERE.match(line))]
    fatal = [words for severity, words in severe if severity == "fatal"]
    if any(_OF_THE_ISOLATION.search(words) for words in fatal):
        raise NotTriedError(f"it wants what the trial leaves out: {fatal[0]}")
    errors = [words for severity, words in severe if severity == "error" and not _OF_THE_ISOLATION.search(words)]
    if not ran and not fatal:
        # It ended without the word, for instance by a signal.
        fatal = errors[-1:] or lines[-1:] or ["it ended without a word"]
    return Trial(ran, tuple(fatal), tuple(errors))


def new_errors(candidate: Trial, present: Trial) -> list[str]:
    """The complaints of the candidate's controller that the present one does not have."""
    known = collections.Counter(_comparable(line) for line in (*present.fatal, *present.errors))
    found = []
    for line in candidate.errors:
        if known[_comparable(line)]:
            known[_comparable(line)] -= 1
        elif line not in found:
            found.append(line)
    return found


def _comparable(line: str) -> str:
    return re.sub(r"/\S*/", "", re.sub(r"\d+", "0", line))
