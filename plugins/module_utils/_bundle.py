# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The bundle: one program that carries the committed releases of all workers, for nodes that do not have theirs.

slurm.conf names it as Prolog by its bare name, so the controller sends it to every configless slurmd (23.11 and later), also to one of a
node that was born a moment ago. A node that has its release runs on to the dispatcher on its disk; another one unpacks its release first.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
import shlex
import tarfile
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _files, _host_files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    ID_LENGTH,
    LOG_DIR,
    RUN_DIR,
    STATE_DIR,
    Release,
    dispatcher_path,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import MANIFEST, MANIFEST_MODE, manifest_text

#: The bare name by which slurm.conf calls it, beside the controller's slurm.conf.
NAME = "nodecycle_bundle"
#: The hook whose key it takes.
HOOK = "worker_prolog"

#: {cases}: which release each node has, and what it needs; {bundle}: the digest of all the rest.
_TEXT = """#!/bin/sh
# Managed by nodecycle.slurm: change the variables, not this file.
# Runs on a worker before each job. Gives a node the release that was committed for it, if the node does not have it, and goes on to it.
root={root}
bundle={bundle}
run={run}
dispatcher=$root/current/worker_prolog

# All is well since the boot: nothing below is read.
seen=''
{ read -r seen <"$run/bundle"; } 2>/dev/null
if [ "$seen" = "$bundle" ] && [ -x "$dispatcher" ]; then exec "$dispatcher"; fi

release='' init=''
case ${SLURMD_NODENAME-} in
{cases}esac

# Whether the node has this release, or one that a rollout has given it since this bundle was made.
is_new() {
    [ -x "$dispatcher" ] || return 1
    if [ -z "$release" ]; then return 0; fi
    if [ "$root/current" -ef "$root/releases/$release" ]; then return 0; fi
    since=''
    { read -r since <"$root/newer_than"; } 2>/dev/null
    [ "$since" = "$bundle" ]
}

# Whether the init scripts of this release have succeeded since the boot. Those of a newer one are the rollout's.
is_prepared() {
    if [ -z "$init" ]; then return 0; fi
    if ! [ "$root/current" -ef "$root/releases/$release" ]; then return 0; fi
    succeeded=''
    { read -r succeeded <"$run/worker_init.ok"; } 2>/dev/null
    [ "$succeeded" = "$init" ]
}

# Slurm gives no PATH.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

fail() {
    echo "nodecycle: $1" >&2
    exit 1
}

unpack() {
    half=$root/releases/.half-$release
    mkdir -p "$root/releases" && rm -rf "$half" && mkdir "$half" || return
    sed -n "s/^#$release //p" "$0" | base64 -d >"$half/.packed" || return
    echo "$digest  $half/.packed" | sha256sum --check --status || return
    # The names of the owners would be those of the control node.
    tar --extract --gzip --numeric-owner --preserve-permissions --file "$half/.packed" --directory "$half" || return
    rm -f "$half/.packed"
    # A release of this name that is there is not the active one, or it has lost its dispatcher.
    rm -rf "$root/releases/$release"
    mv -T "$half" "$root/releases/$release" || return
    mkdir -p {state} {log} || return
    for hook in $hooks; do
        for place in {state} {run}; do
            [ -d "$place/$hook" ] || mkdir -m 0700 "$place/$hook" || return
        done
    done
    ln -sfn "releases/$release" "$root/.half-current" && mv -fT "$root/.half-current" "$root/current"
}

mkdir -p "$run" || fail "$run cannot be made"
exec 9>"$run/bundle.lock" || fail "$run/bundle.lock cannot be opened"
# Other jobs wait here for the first one.
flock 9 || fail "$run/bundle.lock cannot be locked"

if ! is_new; then
    [ "$release" ] || fail "no release was committed for the node ${SLURMD_NODENAME-}: put it into the inventory and run site.yml"
    unpack || fail "the release $release of the bundle cannot be unpacked in $root"
fi
if ! is_prepared; then
    # What a script starts and leaves running must not hold the lock.
    timeout --kill-after={kill_after} {timeout} {start} 9>&- || fail "the init scripts have failed, so this node takes no job"
fi
# If this cannot be written, the next job comes here again.
{ echo "$bundle" >"$run/bundle.half" && mv -f "$run/bundle.half" "$run/bundle"; } 2>/dev/null
exec 9>&-
exec "$dispatcher"
"""

#: A node's name that sh takes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BUNDLE = re.compile(r"^bundle=([0-9a-f]{64})$", re.MULTILINE)
_ROOT = re.compile(r"^root=(\S+)$", re.MULTILINE)


class Carried(t.NamedTuple):
    """A release as the bundle carries it: the digest of its init scripts (empty without any), its hooks that keep state (those of root), its files."""

    init: str
    hooks: str
    archive: str

    def as_line(self) -> str:
        """One line of text."""
        return " ".join([self.init or "-", self.hooks or "-", self.archive])


def parse(line: str) -> Carried:
    """The same from its line. Raises ValueError."""
    init, hooks, archive = line.split(" ")
    if not re.fullmatch(r"-|[0-9a-f]{64}", init) or not re.fullmatch(r"[a-z_,-]+", hooks):
        raise ValueError(f"not a release of a bundle: {line[:80]!r}")
    base64.b64decode(archive, validate=True)
    return Carried(init.replace("-", ""), hooks.replace("-", ""), archive)


def carry(release: Release) -> Carried:
    """The release of a worker that is no controller for a bundle: all its files are root's."""
    packed = io.BytesIO()
    # No times: the same release makes the same bytes.
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for directory in sorted({file.path.rpartition("/")[0] for file in release.files} - {""}):
            mode = next(file.mode for file in release.files if file.path.startswith(f"{directory}/"))
            _add(tar, directory, mode, None)
        for file in sorted(release.files, key=lambda file: file.path):
            _add(tar, file.path, file.mode, file.content)
        _add(tar, MANIFEST, MANIFEST_MODE, manifest_text(release.manifest()))
    hooks = ",".join(hook for hook in release.hooks if HOOKS[hook].user != "job")
    return Carried(release.init.get("worker_init", ""), hooks, base64.b64encode(packed.getvalue()).decode())


def _add(tar: tarfile.TarFile, path: str, mode: int, content: bytes | None) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    tar.addfile(entry, None if content is None else io.BytesIO(content))


def render(
    root: str, nodes: t.Mapping[str, str], releases: t.Mapping[str, Carried], timeout: int, run_dir: str = RUN_DIR
) -> str:
    """The bundle. nodes: the release of each node by its id, of which those count that are in releases; timeout: of the init scripts."""
    carried = {id_[:ID_LENGTH]: carried for id_, carried in releases.items()}
    by_release: dict[str, list[str]] = {}
    for node, id_ in sorted(nodes.items()):
        if id_[:ID_LENGTH] in carried and _PLAIN.fullmatch(node):
            by_release.setdefault(id_[:ID_LENGTH], []).append(node)
    cases = ""
    for name, members in sorted(by_release.items()):
        found = carried[name]
        digest = _files.sha256(base64.b64decode(found.archive))
        hooks = shlex.quote(found.hooks.replace(",", " "))
        cases += f"{'|'.join(members)}) release={name} init={found.init} hooks={hooks} digest={digest} ;;\n"
    filled = {
        "root": shlex.quote(root),
        "run": run_dir,
        "state": STATE_DIR,
        "log": LOG_DIR,
        "timeout": str(timeout),
        "kill_after": str(_host_files.STOP_WITHIN),
        "start": " ".join(_host_files.start_of('"$root/current/worker_init"')),
        "cases": cases,
    }
    # Not str.format: the text is full of braces.
    text = re.sub(rf"{{({'|'.join(filled)})}}", lambda found: filled[found.group(1)], _TEXT)
    text += "".join(f"#{name} {carried[name].archive}\n" for name in sorted(by_release))
    return text.replace("{bundle}", _files.sha256(text.encode()), 1)


def path(conf: str) -> str:
    """The bundle beside a slurm.conf."""
    return os.path.join(os.path.dirname(conf), NAME)


def will_be(conf: str, root: str, read: t.Callable[[str], str | None]) -> t.Callable[[str], str | None]:
    """A reader that finds a bundle beside slurm.conf, as a run places it there before slurm.conf names it."""

    def read_also(name: str) -> str | None:
        found = read(name)
        return render(root, {}, {}, 1) if found is None and name == path(conf) else found

    return read_also


def is_named(text: str) -> bool:
    """Whether these lines of slurm.conf name the bundle."""
    return any(entry.value == NAME for entry in _conf.entries(text))


def id_of(text: str) -> str:
    """What identifies a bundle; empty for a text that is none."""
    found = _BUNDLE.search(text[:4096])
    return found.group(1) if found else ""


def called(text: str) -> str:
    """The dispatcher to which a bundle goes on; empty for a text that is none of ours, or was changed."""
    id_ = id_of(text)
    root = _ROOT.search(text[:4096])
    is_whole = bool(id_) and _files.sha256(text.replace(id_, "{bundle}", 1).encode("utf-8", "surrogateescape")) == id_
    return dispatcher_path(root.group(1), HOOK) if root and is_whole else ""
