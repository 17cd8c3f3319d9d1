# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The bundle: one program that carries the committed releases of workers, for nodes that do not have theirs.

slurm.conf names it by its bare name, so the controller sends it to every configless slurmd (23.11 and later), also to one of a node that was
born a moment ago. A node that has its release runs on to the dispatcher on its disk; another one unpacks its release first.

To some nodes Ansible connects, and their rollouts may be ahead of the bundle. The others have their releases from the bundle alone
(delivery by Slurm): what it says of them holds, and it carries the canary's release, too.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
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
    RESERVATION,
    RUN_DIR,
    STATE_DIR,
    Release,
    dispatcher_path,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import (
    MANIFEST,
    MANIFEST_MODE,
    Manifest,
    manifest_text,
)

#: The bare name by which slurm.conf calls it, beside the controller's slurm.conf.
NAME = _conf.BUNDLE
#: The hooks whose keys may name it. Slurm says which one it runs (SLURM_SCRIPT_CONTEXT, 22.05 to 26.05).
HOOK = "worker_prolog"
EPILOG = "worker_epilog"

#: {cases}: which release each node has; {releases}: what each needs; {bundle}: the digest of all the rest.
_TEXT = """#!/bin/sh
# Managed by nodecycle.slurm: change the variables, not this file.
# Runs on a worker before and after each job. Gives a node the release that is meant for it, if the node does not have it, and goes on to it.
root={root}
bundle={bundle}
run={run}
hook=worker_prolog
if [ "${SLURM_SCRIPT_CONTEXT-}" = epilog_slurmd ]; then hook=worker_epilog; fi
dispatcher=$root/current/$hook

# All is well since the boot: nothing below is read.
seen=''
{ read -r seen <"$run/bundle"; } 2>/dev/null
if [ "$seen" = "$bundle" ] && [ -x "$dispatcher" ] && [ "${SLURM_JOB_RESERVATION-}" != {reservation} ]; then exec "$dispatcher"; fi

# Slurm gives no PATH.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

if [ "$hook" = worker_epilog ]; then
    rm -f "$run/met/${SLURM_JOB_ID-}"
    if [ -x "$dispatcher" ]; then exec "$dispatcher"; fi
    # The job was there before any release was.
    exit 0
fi

# Of this node: its release, that of the canary, and whether it gets them from here alone.
release='' canary='' delivered=''
case ${SLURMD_NODENAME-} in
{cases}esac
if [ -z "$delivered" ]; then canary=''; fi

# What the bundle carries of a release: the digest of its init scripts, its hooks that keep state, the digest of its files.
of() {
    init='' hooks='' digest=''
    case $1 in
{releases}    esac
}

packed() {
    sed -n "s/^#$1 //p" "$0" | base64 -d
}

# Whether the node has this release, or one that a rollout has given it since this bundle was made.
is_new() {
    [ -x "$dispatcher" ] || return 1
    if [ -z "$release" ]; then return 0; fi
    if [ "$root/current" -ef "$root/releases/$release" ]; then return 0; fi
    since=''
    { read -r since <"$root/newer_than"; } 2>/dev/null
    [ "$since" = "$bundle" ]
}

# Whether the files of a release are on disk as the bundle has them: bytes, modes and owners.
is_whole() {
    [ -d "$root/releases/$1" ] &&
        packed "$1" | tar --compare --gzip --numeric-owner --file - --directory "$root/releases/$1" >/dev/null 2>&1
}

# Whether the init scripts of a release have succeeded since the boot. Those of a newer one are the rollout's.
is_prepared() {
    if [ -z "$1" ]; then return 0; fi
    of "$1"
    if [ -z "$init" ]; then return 0; fi
    if [ -z "$delivered" ] && ! [ "$root/current" -ef "$root/releases/$1" ]; then return 0; fi
    succeeded=''
    { read -r succeeded <"$run/worker_init.ok"; } 2>/dev/null
    [ "$succeeded" = "$init" ]
}

fail() {
    echo "nodecycle: $1" >&2
    exit 1
}

unpack() {
    of "$1"
    half=$root/releases/.half-$1
    mkdir -p "$root/releases" && rm -rf "$half" && mkdir "$half" || return
    packed "$1" >"$half/.packed" || return
    echo "$digest  $half/.packed" | sha256sum --check --status || return
    # The names of the owners would be those of the control node.
    tar --extract --gzip --numeric-owner --preserve-permissions --file "$half/.packed" --directory "$half" || return
    rm -f "$half/.packed"
    # A release of this name that is there is not the active one, or it is damaged.
    rm -rf "$root/releases/$1"
    mv -T "$half" "$root/releases/$1"
}

# Directories in memory are gone after a boot.
make_dirs() {
    of "$1"
    mkdir -p {state} {log} || return
    for each in $hooks; do
        for place in {state} {run}; do
            [ -d "$place/$each" ] || mkdir -m 0700 "$place/$each" || return
        done
    done
}

# A link to a release, replaced in one step.
link() {
    ln -sfn "releases/$1" "$root/.half-link" && mv -fT "$root/.half-link" "$root/$2"
}

# The node has what the bundle says, and no canary of its own. Old releases go, but for those that a running job may still use.
deliver() {
    for each in $release $canary; do
        is_whole "$each" || unpack "$each" || return
        make_dirs "$each" || return
    done
    for each in "$root"/canary*; do
        if [ -z "$canary" ] || [ "${each##*/}" != canary.{probe_uid} ]; then rm -f "$each" || return; fi
    done
    if [ "$canary" ]; then
        link "$canary" canary && link "$canary" canary.{probe_uid} || return
    fi
    if [ -z "$release" ]; then
        rm -f "$root/current"
    elif ! [ "$root/current" -ef "$root/releases/$release" ]; then
        touch -c "$root/current/."
        link "$release" current || return
    fi
    # Bookkeeping: a job does not depend on it.
    {
        find "$root/releases" -mindepth 1 -maxdepth 1 -mtime +7 ! -name "$release" ! -name "${canary:-$release}" -exec rm -rf {} +
        [ -d {logrotate_dir} ] && cat >{logrotate_dir}/.nodecycle.half <<'END' && mv -f {logrotate_dir}/.nodecycle.half {logrotate}
{rotation}END
    } 2>/dev/null || :
}

mkdir -p "$run" || fail "$run cannot be made"
exec 9>"$run/bundle.lock" || fail "$run/bundle.lock cannot be opened"
# Other jobs wait here for the first one.
flock 9 || fail "$run/bundle.lock cannot be locked"
# A canary changes the node, and after its undo the bundle is the same as before.
rm -f "$run/bundle"

meant=$release
if [ "$delivered" ]; then
    deliver || fail "the release $release of the bundle cannot be unpacked in $root"
    if [ -z "$release$canary" ]; then exit 0; fi
    if [ "$canary" ] && [ "${SLURM_JOB_RESERVATION-}" = {reservation} ]; then meant=$canary; fi
elif ! is_new; then
    [ "$release" ] || fail "no release was committed for the node ${SLURMD_NODENAME-}: put it into the inventory and run site.yml"
    { unpack "$release" && make_dirs "$release" && link "$release" current; } || fail "the release $release of the bundle cannot be unpacked in $root"
fi
if ! is_prepared "$meant"; then
    # What a script starts and leaves running must not hold the lock.
    timeout --kill-after={kill_after} {timeout} {start} 9>&- || fail "the init scripts have failed, so this node takes no job"
fi
if [ "$delivered" ] && [ "${SLURM_JOB_RESERVATION-}" = {reservation} ]; then
    # The probe's job asks for it: the files of this release were compared a moment ago.
    { mkdir -p "$run/met" && echo "$meant" >"$run/met/${SLURM_JOB_ID-}"; } || fail "$run/met cannot be written"
fi
# If this cannot be written, the next job comes here again. So does one after a probe of the canary.
if [ "$meant" = "$release" ]; then
    { echo "$bundle" >"$run/bundle.half" && mv -f "$run/bundle.half" "$run/bundle"; } 2>/dev/null
fi
exec 9>&-
exec "$dispatcher"
"""

#: A node's name that sh takes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BUNDLE = re.compile(r"^bundle=([0-9a-f]{64})$", re.MULTILINE)
_CASE = re.compile(
    r"^([A-Za-z0-9._|-]+)\) release=([0-9a-f]*)(?: canary=([0-9a-f]+))?( delivered=yes)? ;;$", re.MULTILINE
)
_ROOT = re.compile(r"^root=(\S+)$", re.MULTILINE)


class Meant(t.NamedTuple):
    """What a node is to run: its release, by its id (empty: nothing); that of the canary; whether it gets them from the bundle alone."""

    release: str
    canary: str = ""
    is_delivered: bool = False


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


def unpacked(carried: Carried) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a release and its files, by their paths. Raises ValueError for what is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(carried.archive)), mode="r:gz") as tar:
            files = {entry.name: found.read() for entry in tar if (found := tar.extractfile(entry)) is not None}
        return json.loads(files.pop(MANIFEST)), files
    except (tarfile.TarError, OSError, EOFError, KeyError) as exc:
        raise ValueError(f"not a release of a bundle: {exc!r}") from exc


def _add(tar: tarfile.TarFile, path: str, mode: int, content: bytes | None) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    tar.addfile(entry, None if content is None else io.BytesIO(content))


def render(
    root: str,
    nodes: t.Mapping[str, Meant],
    releases: t.Mapping[str, Carried],
    timeout: int,
    run_dir: str = RUN_DIR,
    probe_uid: int = 0,
) -> str:
    """The bundle. A node counts whose releases are all in releases; timeout: of the init scripts; probe_uid: of the user of the probe's jobs."""
    carried = {id_[:ID_LENGTH]: carried for id_, carried in releases.items()}
    alike: dict[Meant, list[str]] = {}
    for node, meant in sorted(nodes.items()):
        short = meant._replace(release=meant.release[:ID_LENGTH], canary=meant.canary[:ID_LENGTH])
        if _PLAIN.fullmatch(node) and all(id_ in carried for id_ in (short.release, short.canary) if id_):
            alike.setdefault(short, []).append(node)
    named = sorted({id_ for meant in alike for id_ in (meant.release, meant.canary) if id_})
    cases = ""
    for meant, members in sorted(alike.items()):
        cases += f"{'|'.join(members)}) release={meant.release}"
        cases += f" canary={meant.canary}" if meant.canary else ""
        cases += " delivered=yes ;;\n" if meant.is_delivered else " ;;\n"
    needs = ""
    for name in named:
        found = carried[name]
        digest = _files.sha256(base64.b64decode(found.archive))
        hooks = shlex.quote(found.hooks.replace(",", " "))
        needs += f"    {name}) init={shlex.quote(found.init)} hooks={hooks} digest={digest} ;;\n"
    filled = {
        "root": shlex.quote(root),
        "run": run_dir,
        "state": STATE_DIR,
        "log": LOG_DIR,
        "reservation": RESERVATION,
        "probe_uid": str(probe_uid),
        "timeout": str(timeout),
        "kill_after": str(_host_files.STOP_WITHIN),
        "start": " ".join(_host_files.start_of('"$root/releases/$meant/worker_init"')),
        "logrotate": _host_files.LOGROTATE,
        "logrotate_dir": os.path.dirname(_host_files.LOGROTATE),
        "rotation": _host_files.ROTATION,
        "cases": cases,
        "releases": needs,
    }
    # Not str.format: the text is full of braces.
    text = re.sub(rf"{{({'|'.join(filled)})}}", lambda found: filled[found.group(1)], _TEXT)
    text += "".join(f"#{name} {carried[name].archive}\n" for name in named)
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


def id_of(text: str) -> str:
    """What identifies a bundle; empty for a text that is none."""
    found = _BUNDLE.search(text[:4096])
    return found.group(1) if found else ""


def given(text: str) -> dict[str, Meant]:
    """What a bundle says of each node; nothing for a text that is none of ours, or was changed."""
    found = {}
    for members, release, canary, delivered in _CASE.findall(text) if called(text, HOOK) else ():
        found.update(dict.fromkeys(members.split("|"), Meant(release, canary, bool(delivered))))
    return found


def called(text: str, hook: str) -> str:
    """The dispatcher to which a bundle goes on as this hook; empty for a text that is none of ours, or was changed."""
    id_ = id_of(text)
    root = _ROOT.search(text[:4096])
    is_whole = bool(id_) and _files.sha256(text.replace(id_, "{bundle}", 1).encode("utf-8", "surrogateescape")) == id_
    return dispatcher_path(root.group(1), hook) if root and is_whole else ""
