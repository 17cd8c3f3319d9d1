# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A release: a definition rendered for one host, named by a digest of its content, never changed afterwards."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import os
import pwd
import re
import shlex
import typing as t
import zlib

from ansible_collections.nodecycle.slurm.plugins.module_utils._documents import FORMAT
from ansible_collections.nodecycle.slurm.plugins.module_utils._files import sha256
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS, Hook

#: Where state and logs live on every host; only the root of the releases is the user's to choose.
STATE_DIR = "/var/lib/nodecycle"
LOG_DIR = "/var/log/nodecycle"
RUN_DIR = "/run/nodecycle"
#: On the controller: the journal of a rollout, its lock, and which rollouts were committed.
ROLLOUT_DIR = f"{STATE_DIR}/rollout"

#: Characters of the digest that name a release's directory.
ID_LENGTH = 16

#: The reservation in which the probe's jobs run. Only they run the release that the link C(canary) names, never a user's job.
RESERVATION = "nodecycle_canary"

#: {canary}: this hook in the canary's release, as sh spells it.
_NOTHING_TO_RUN = """#!/bin/sh
# Managed by nodecycle.slurm: this hook has no script here.
[ "${{SLURM_JOB_RESERVATION-}}" = {reservation} ] || exit 0
if [ -x {canary} ] && ! [ {canary} -ef "$0" ]; then exec {canary}; fi
exit 0
"""


@dataclasses.dataclass(frozen=True)
class Script:
    """One script of a hook, rendered for one host."""

    name: str
    content: bytes
    partitions: tuple[str, ...] = ()
    #: Seconds; 0 leaves the bound to Slurm (PrologEpilogTimeout).
    timeout: int = 0
    #: V(drain): a failure is the hook's failure, as in Slurm; V(ignore): it is logged only.
    on_failure: str = "drain"
    #: No output may show the content.
    no_log: bool = False
    #: Init scripts: V(boot), V(change) (not again once this text has succeeded on the host) or V(once) (not again once it has succeeded).
    run: str = "boot"
    #: Init scripts: further attempts after a failure, and the seconds before each.
    retries: int = 0
    delay: int = 10


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a release: path below the release's directory."""

    path: str
    content: bytes
    mode: int
    #: V(root) or V(slurm): the group that may read it; the owner is always root.
    group: str
    no_log: bool = False


@dataclasses.dataclass(frozen=True)
class Release:
    """The release of a host.

    C(summary) says in a line a script what each hook runs, for people and for diffs; C(scripts) says it for the evaluation of a
    probe: file, partitions, timeout (seconds) and on_failure.
    """

    id: str
    hooks: dict[str, list[str]]
    init: dict[str, str]
    scripts: dict[str, list[dict[str, t.Any]]]
    summary: list[str]
    files: list[File]

    def manifest(self) -> dict[str, t.Any]:
        """The record beside the files, with which a proof compares them."""
        return {
            "format": FORMAT,
            "id": self.id,
            "hooks": self.hooks,
            "init": self.init,
            "scripts": self.scripts,
            "summary": self.summary,
            "files": {
                file.path: {
                    "sha256": sha256(file.content),
                    "mode": f"{file.mode:04o}",
                    "group": file.group,
                    "no_log": file.no_log,
                }
                for file in self.files
            },
        }


def _access(hook: Hook) -> tuple[int, str]:
    """Mode and group of a hook's scripts: only the user who runs them may read them."""
    return {"root": (0o700, "root"), "slurm": (0o750, "slurm"), "job": (0o755, "root")}[hook.user]


def _digest(value: t.Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


class DigestError(Exception):
    """This Python cannot name a release that has a secret."""


@functools.lru_cache(maxsize=None)
def _slow_digest(salt: str, content: bytes) -> str:
    try:
        return hashlib.scrypt(content, salt=salt.encode(), n=2**14, r=8, p=1).hex()
    except (AttributeError, ValueError) as exc:
        raise DigestError(
            "scripts with secrets need scrypt, which the OpenSSL of this Python on the control node does not have (FIPS mode switches it "
            f"off: {exc}): run Ansible with a Python whose OpenSSL has it, or take the vaulted values and `no_log` out of the scripts"
        ) from exc


def _digest_of(hook: str, script: Script) -> str:
    """Stands for a script's text in digests that everybody can see.

    A reader who knows the text around a short secret could try all its values against a quick digest, thousands in a millisecond.
    """
    if not script.no_log:
        return sha256(script.content)
    return _slow_digest(f"nodecycle.slurm {hook} {script.name}", script.content)


def file_names(scripts: t.Sequence[Script]) -> list[str]:
    """The scripts' file names: a number for the reader's eye, the dispatcher holds the order itself."""
    width = max(2, len(str(len(scripts) * 10)))
    return [f"{position * 10:0{width}d}-{script.name}" for position, script in enumerate(scripts, 1)]


def _describe(name: str, script: Script) -> str:
    words = [name]
    if script.partitions:
        words.append(f"partitions={','.join(script.partitions)}")
    if script.timeout:
        words.append(f"timeout={script.timeout}s")
    if script.on_failure != "drain":
        words.append(f"on_failure={script.on_failure}")
    if script.run != "boot":
        words.append(f"run={script.run}")
    if script.retries:
        words.append(f"retries={script.retries} delay={script.delay}s")
    return " ".join(words)


def _kind(hook: Hook) -> str:
    """V(init), V(task) (the job's user runs it, in his own environment) or V(job)."""
    return "init" if hook.is_init else "task" if hook.user == "job" else "job"


def canary_link(root: str, uid: int | None = None) -> str:
    """The link to the canary's release that root's and SlurmUser's hooks follow, or that the task hooks of a user follow.

    A job's user may set SLURM_JOB_RESERVATION in the environment of his task hooks, so there only the probe's user has one.
    """
    return os.path.join(root, "canary" if uid is None else f"canary.{uid}")


def probe_user(given: str, slurm_user: str) -> str:
    """The user of the probe's jobs. Never root, whom Slurm may bar from jobs."""
    return given or ("nobody" if slurm_user == "root" else slurm_user)


def probe_uid(given: str, slurm_user: str) -> int:
    """The same as a number, which all hosts of a cluster share. Raises ValueError with a sentence where this host has no such user."""
    name = probe_user(given, slurm_user)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as exc:
        raise ValueError(
            f"this host has no user {name!r} for the probe's jobs: create the user here, or set slurm_probe_user to another one"
        ) from exc


def _array(values: t.Iterable[str]) -> str:
    return "(" + " ".join(shlex.quote(value) for value in values) + ")"


#: The comment and the line of a body that put the user's directories first.
_SCRIPT_PATH = re.compile(r"^ *# slurm_script_path\b.*\n.*\n", re.MULTILINE)


@functools.lru_cache(maxsize=None)
def _without_script_path(body: str) -> str:
    """The body for a host without such directories: it must not get another release because others have some."""
    return _SCRIPT_PATH.sub("", body)


def _dispatcher(
    hook: Hook,
    scripts: t.Sequence[Script],
    names: list[str],
    root: str,
    id_: str,
    digest: str,
    bodies: t.Mapping[str, str],
    script_path: t.Sequence[str],
) -> bytes:
    kind = _kind(hook)
    link = canary_link(root)
    if not scripts and not hook.is_init:
        # An init hook without scripts still says that it succeeded: its unit may be one run older than the release.
        canary = shlex.quote(f"{link}/{hook.name}")
        if kind == "task":
            canary = f'{shlex.quote(link)}."$(/usr/bin/id -u)"/{hook.name}'
        return _NOTHING_TO_RUN.format(canary=canary, reservation=RESERVATION).encode()
    variables = {
        "hook": hook.name,
        "release": id_,
        "root": shlex.quote(f"{root}/releases/{id_[:ID_LENGTH]}"),
        "reservation": RESERVATION,
        "names": _array(names),
        "partitions": _array(",".join(script.partitions) for script in scripts),
        "timeouts": _array(str(script.timeout) for script in scripts),
        "ignores": _array("1" if script.on_failure == "ignore" else "0" for script in scripts),
    }
    if kind == "task":
        variables["canary"] = shlex.quote(link)
    else:
        variables.update(
            kind=kind,
            digest=digest,
            canary=shlex.quote(f"{link}/{hook.name}"),
            state=f"{STATE_DIR}/{hook.name}",
            run=f"{RUN_DIR}/{hook.name}",
            log=f"{LOG_DIR}/{hook.name}.log",
        )
        if hook.is_init:
            variables.update(
                policies=_array(script.run for script in scripts),
                digests=_array(_digest_of(hook.name, script) for script in scripts),
                retries=_array(str(script.retries) for script in scripts),
                delays=_array(str(script.delay) for script in scripts),
            )
        if script_path:
            variables["script_path"] = shlex.quote(":".join(script_path))
    # In a task hook every other name is the user's.
    prefix = "__nodecycle_" if kind == "task" else ""
    # -p: a job's user must not reach in through BASH_ENV or exported functions.
    head = f"#!/bin/bash -p\n# Managed by nodecycle.slurm, release {id_}: change the variables, not this file.\n"
    head += "".join(f"{prefix}{name}={value}\n" for name, value in variables.items())
    body = bodies[kind] if script_path else _without_script_path(bodies[kind])
    return (head + body).encode()


_PLAIN_ROOT = re.compile(r"/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
#: Directories of every system. The directory of the releases belongs to this collection and goes with the last hook.
_SYSTEM = re.compile(r"/(?:bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)")


def normal_root(root: str) -> str:
    """The directory of the releases in its one form, which slurm.conf names and all comparisons use.

    Raises ValueError with a sentence for one that cannot be it.
    """
    parts = root.split("/")
    plain = "/" + "/".join(part for part in parts if part not in ("", "."))
    if not root.startswith("/") or ".." in parts or not _PLAIN_ROOT.fullmatch(plain) or _SYSTEM.fullmatch(plain):
        raise ValueError(
            f"{root!r} cannot be the directory of the releases: write an absolute path of letters, digits, dots, dashes and underscores, "
            "without `..`, to a directory that is for them alone, such as /etc/nodecycle"
        )
    return plain


def normal_script_path(value: object) -> tuple[str, ...]:
    """The directories that come first in the PATH of scripts, from a user's value.

    In a relative one root would run what a user has put into the current directory; an empty one, or a colon, makes such. Raises ValueError
    with a sentence.
    """
    entries = [] if value is None else value
    if not isinstance(entries, list):
        raise ValueError("is not a list: write absolute paths as a list, such as [/opt/slurm/bin]")
    wrong = [
        entry
        for entry in entries
        if not isinstance(entry, str)
        or not entry.startswith("/")
        or ":" in entry
        or ".." in entry.split("/")
        or not entry.isprintable()
    ]
    if wrong:
        raise ValueError(
            f"has {', '.join(repr(entry) for entry in wrong)}: write absolute paths of directories, without `..`, colons and "
            "unprintable characters, one an entry"
        )
    return tuple(str(entry) for entry in entries)


def build(
    hooks: t.Mapping[str, t.Sequence[Script]],
    root: str,
    dispatcher_bodies: t.Mapping[str, str],
    script_path: t.Sequence[str] = (),
) -> Release | None:
    """The release of a host that carries these hooks (a hook without scripts gets a dispatcher that runs nothing).

    dispatcher_bodies: the shell text by kind of hook. None where no hook is carried at all. The dispatchers name the
    release's directory, so they cannot be part of the digest that names it; what they are without that name is. O(root) is in its one form
    (C(normal_root)), and so are the directories that come first in the PATH of scripts (C(normal_script_path)).
    """
    if not hooks:
        return None
    plan: dict[str, t.Any] = {"hooks": {}, "dispatchers": {}}
    names = {name: file_names(scripts) for name, scripts in hooks.items()}
    for name, scripts in hooks.items():
        plan["hooks"][name] = [
            [
                file_name,
                _digest_of(name, script),
                script.partitions,
                script.timeout,
                script.on_failure,
                script.no_log,
                script.run,
                script.retries,
                script.delay,
            ]
            for file_name, script in zip(names[name], scripts)
        ]
        digest = _digest(plan["hooks"][name])
        unnamed = _dispatcher(HOOKS[name], scripts, names[name], root, "", digest, dispatcher_bodies, script_path)
        plan["dispatchers"][name] = [sha256(unnamed), *_access(HOOKS[name])]
    id_ = _digest(plan)

    files: list[File] = []
    init: dict[str, str] = {}
    summary: list[str] = []
    for name, scripts in hooks.items():
        hook = HOOKS[name]
        mode, group = _access(hook)
        digest = _digest(plan["hooks"][name])
        if hook.is_init and scripts:
            init[name] = digest
        dispatcher = _dispatcher(hook, scripts, names[name], root, id_, digest, dispatcher_bodies, script_path)
        files.append(File(name, dispatcher, 0o755, "root"))
        for file_name, script in zip(names[name], scripts):
            files.append(File(f"{name}.d/{file_name}", script.content, mode, group, script.no_log))
            summary.append(f"{name}: {_describe(file_name, script)}")
    described = {
        name: [
            {
                "file": file_name,
                "partitions": list(script.partitions),
                "timeout": script.timeout,
                "on_failure": script.on_failure,
            }
            for file_name, script in zip(names[name], scripts)
        ]
        for name, scripts in hooks.items()
    }
    return Release(id_, names, init, described, summary, files)


def pack(release: Release) -> str:
    """A release as one string that a module takes as an argument."""
    document = {
        "manifest": release.manifest(),
        "content": {file.path: base64.b64encode(file.content).decode() for file in release.files},
    }
    return base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()


def unpack(text: str) -> tuple[dict[str, t.Any], dict[str, bytes]]:
    """The manifest and the files' content of a packed release."""
    document = json.loads(zlib.decompress(base64.b64decode(text)))
    return document["manifest"], {path: base64.b64decode(data) for path, data in document["content"].items()}


def dispatcher_path(root: str, hook: str) -> str:
    """The one path of a hook that Slurm is told, the same for every release."""
    return os.path.join(root, "current", hook)
