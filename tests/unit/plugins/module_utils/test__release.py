# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script

ROOT = "/etc/nodecycle"
SCRIPT = Script("check", b"#!/bin/sh\n", ("batch",), 30, "ignore", False)


def build(
    hooks: dict[str, list[Script]], root: str = ROOT, body: str = "exit 0\n", script_path: t.Sequence[str] = ()
) -> Release:
    release = _release.build(hooks, root, dict.fromkeys(("job", "init", "task"), body), script_path)
    assert release
    return release


def test_no_hook_no_release() -> None:
    assert _release.build({}, ROOT, {}) is None
    assert _release.build({"worker_prolog": []}, ROOT, {}) is not None


def test_the_id_is_that_of_the_content_alone() -> None:
    first = build({"worker_prolog": [SCRIPT], "worker_epilog": []})
    assert build({"worker_epilog": [], "worker_prolog": [SCRIPT]}).id == first.id
    assert len(first.id) == 64


CHANGES: dict[str, t.Callable[[Script], Script]] = {
    "content": lambda script: dataclasses.replace(script, content=script.content + b"\n"),
    "name": lambda script: dataclasses.replace(script, name="checks"),
    "partitions": lambda script: dataclasses.replace(script, partitions=("batch", "gpu")),
    "no partitions": lambda script: dataclasses.replace(script, partitions=()),
    "timeout": lambda script: dataclasses.replace(script, timeout=31),
    "on_failure": lambda script: dataclasses.replace(script, on_failure="drain"),
    "no_log": lambda script: dataclasses.replace(script, no_log=True),
    "run": lambda script: dataclasses.replace(script, run="once"),
    "retries": lambda script: dataclasses.replace(script, retries=1),
    "delay": lambda script: dataclasses.replace(script, delay=11),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_files_changes_the_id(change: str) -> None:
    assert build({"worker_prolog": [CHANGES[change](SCRIPT)]}).id != build({"worker_prolog": [SCRIPT]}).id


def test_order_hook_root_and_dispatcher_change_the_id() -> None:
    other = Script("other", b"#!/bin/sh\n")
    ids = {
        build({"worker_prolog": [SCRIPT]}).id,
        build({"worker_epilog": [SCRIPT]}).id,
        build({"worker_prolog": [SCRIPT], "worker_epilog": []}).id,
        build({"worker_prolog": [SCRIPT, other]}).id,
        build({"worker_prolog": [other, SCRIPT]}).id,
        build({"worker_prolog": [SCRIPT]}, root="/opt/nodecycle").id,
        build({"worker_prolog": [SCRIPT]}, body="exit 1\n").id,
    }
    assert len(ids) == 7


#: hook, mode and group of its scripts
ACCESS = [
    ("worker_init", 0o700, "root"),
    ("login_init", 0o700, "root"),
    ("controller_init", 0o700, "root"),
    ("worker_prolog", 0o700, "root"),
    ("worker_epilog", 0o700, "root"),
    ("controller_prolog", 0o750, "slurm"),
    ("controller_epilog", 0o750, "slurm"),
    ("task_prolog", 0o755, "root"),
    ("task_epilog", 0o755, "root"),
]


def test_access_covers_every_hook() -> None:
    assert [hook for hook, _mode, _group in ACCESS] == list(HOOKS)


@pytest.mark.parametrize(("hook", "mode", "group"), ACCESS)
def test_who_runs_a_script_may_read_it_and_nobody_else(hook: str, mode: int, group: str) -> None:
    script = dataclasses.replace(SCRIPT, no_log=True)
    dispatcher, file = build({hook: [script]}).files
    assert (dispatcher.path, dispatcher.mode, dispatcher.group, dispatcher.no_log) == (hook, 0o755, "root", False)
    assert (file.path, file.mode, file.group, file.no_log) == (f"{hook}.d/10-check", mode, group, True)


def test_only_init_hooks_with_scripts_have_to_run() -> None:
    release = build({"worker_init": [SCRIPT], "login_init": [], "worker_prolog": [SCRIPT]})
    assert list(release.init) == ["worker_init"]
    assert release.init != build({"worker_init": [CHANGES["content"](SCRIPT)]}).init
    assert release.init == build({"worker_init": [SCRIPT]}, body="another dispatcher").init, (
        "a new dispatcher is no new init script"
    )


@pytest.mark.parametrize(
    ("count", "first", "last"),
    [(1, "10-s0", "10-s0"), (9, "10-s0", "90-s8"), (10, "010-s0", "100-s9"), (100, "0010-s0", "1000-s99")],
)
def test_file_names_sort_in_the_order_of_the_scripts(count: int, first: str, last: str) -> None:
    names = _release.file_names([Script(f"s{number}", b"") for number in range(count)])
    assert (names[0], names[-1]) == (first, last)
    assert names == sorted(names)


def test_summary_says_what_runs_and_how() -> None:
    init = [Script("format", b"", run="once"), Script("mount", b"", retries=5, delay=20)]
    release = build(
        {"worker_init": init, "worker_prolog": [SCRIPT, Script("plain", b"")], "worker_epilog": [Script("x", b"")]}
    )
    assert release.summary == [
        "worker_init: 10-format run=once",
        "worker_init: 20-mount retries=5 delay=20s",
        "worker_prolog: 10-check partitions=batch timeout=30s on_failure=ignore",
        "worker_prolog: 20-plain",
        "worker_epilog: 10-x",
    ]


def test_pack_and_unpack() -> None:
    release = build({"worker_prolog": [Script("bytes", b"#!/bin/sh\n\x00\xff\n" * 1000)], "worker_epilog": []})
    manifest, content = _release.unpack(_release.pack(release))
    assert manifest == release.manifest()
    assert content == {file.path: file.content for file in release.files}
    assert _release.pack(release).isascii()
    assert set(manifest["files"]) == set(content) == {"worker_prolog", "worker_prolog.d/10-bytes", "worker_epilog"}


def test_the_path_that_slurm_is_told_is_that_of_no_release() -> None:
    assert _release.dispatcher_path(ROOT, "worker_prolog") == "/etc/nodecycle/current/worker_prolog"


# --- the directory of the releases


@pytest.mark.parametrize(
    "root",
    [
        "/etc/nodecycle",
        "/etc//nodecycle",
        "/etc/nodecycle/",
        "//etc/nodecycle",
        "/etc/./nodecycle",
        "/./etc//nodecycle/.",
    ],
)
def test_a_root_has_one_form(root: str) -> None:
    assert _release.normal_root(root) == "/etc/nodecycle"


@pytest.mark.parametrize(
    "root",
    [
        *(
            "/",
            "//",
            "/.",
            "/etc",
            "/usr/",
            "//run",
            "etc/nodecycle",
            "./nodecycle",
            "~/nodecycle",
            "",
            "/etc/../nodecycle",
        ),
        *("/etc/nodecycle/..", "/opt/my dir", "/opt/%n", "/opt/$HOME", "/opt/a#b", "/opt/a\n", "/opt/ü"),
    ],
)
def test_a_root_that_cannot_be_one_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="cannot be the directory of the releases: write an absolute path"):
        _release.normal_root(root)


# --- the head of a dispatcher

NASTY = ["two words", "a'b", 'a"b', "$(touch /tmp/x)", "`id`", "a\\b", "a;b", "*", "ü", "-n", "a\nb"]


def test_nothing_in_a_head_is_more_than_text() -> None:
    """_schema refuses such names already; this is the second line of defence."""
    scripts = [Script(name, b"#!/bin/sh\n", (name, "b"), 5, "ignore") for name in NASTY]
    body = 'printf "%s\\0" "$hook" "$kind" "$root" "${names[@]}" "${partitions[@]}" "${timeouts[@]}" "${ignores[@]}"\n'
    release = build({"worker_prolog": scripts}, root="/tmp/a b'c", body=body)
    done = subprocess.run(["bash", "-c", release.files[0].content], check=True, capture_output=True)
    said = done.stdout.decode().split("\0")[:-1]
    assert said[:3] == ["worker_prolog", "job", f"/tmp/a b'c/releases/{release.id[:16]}"]
    assert said[3:] == [
        *_release.file_names(scripts),
        *[f"{name},b" for name in NASTY],
        *["5"] * len(NASTY),
        *["1"] * len(NASTY),
    ]
    assert not done.stderr


#: Nothing of these may be more than text, wherever root's shell meets it.
DIRECTORIES = [
    "/opt/slurm/bin",
    "/two words",
    "/a'b",
    '/a"b',
    "/$(id)",
    "/`id`",
    "/$HOME",
    "/a\\b",
    "/a;b",
    "/*",
    "/~",
    "/ü",
]


def head_of(hook: str, script_path: t.Sequence[str]) -> str:
    return build({hook: [SCRIPT]}, body="", script_path=script_path).files[0].content.decode()


@pytest.mark.parametrize("hook", ["worker_init", "worker_prolog", "controller_epilog"])
def test_the_users_directories_are_in_the_head_and_in_the_name(hook: str) -> None:
    assert "\nscript_path=/opt/slurm/bin:/usr/local/cuda/bin\n" in head_of(
        hook, ["/opt/slurm/bin", "/usr/local/cuda/bin"]
    )
    lists = ([], ["/a"], ["/b"], ["/a", "/b"], ["/b", "/a"])
    assert len({build({hook: [SCRIPT]}, script_path=each).id for each in lists}) == len(lists)


def test_no_directory_is_more_than_text() -> None:
    release = build({"worker_prolog": [SCRIPT]}, body='printf %s "$script_path"\n', script_path=DIRECTORIES)
    done = subprocess.run(["bash", "-c", release.files[0].content], check=True, capture_output=True)
    assert done.stdout.decode() == ":".join(DIRECTORIES)
    assert not done.stderr


@pytest.mark.parametrize(("hook", "scripts"), [("task_prolog", [SCRIPT]), ("worker_prolog", [])])
def test_a_dispatcher_without_a_path_of_its_own_has_none_of_the_users(hook: str, scripts: list[Script]) -> None:
    assert build({hook: scripts}, script_path=["/a"]).id == build({hook: scripts}).id


def test_without_directories_a_dispatcher_is_as_if_there_were_no_such_variable() -> None:
    text = "a\n    # slurm_script_path: why\n    PATH=$script_path:$PATH\nb\n"
    (dispatcher, _script) = build({"worker_prolog": [SCRIPT]}, body=text).files
    assert b"script_path" not in dispatcher.content
    assert dispatcher.content.endswith(b"\na\nb\n")
    (dispatcher, _script) = build({"worker_prolog": [SCRIPT]}, body=text, script_path=["/a"]).files
    assert dispatcher.content.endswith(text.encode())


@pytest.mark.parametrize(("value", "path"), [(None, ()), ([], ()), (DIRECTORIES, tuple(DIRECTORIES))])
def test_the_users_directories(value: object, path: tuple[str, ...]) -> None:
    assert _release.normal_script_path(value) == path


@pytest.mark.parametrize(
    "directory",
    [
        *("", ".", "bin", "./bin", "~/bin", "$HOME/bin", " /bin", "/a:", "/a:b", "/a\n", "/a\nb", "/a\r"),
        *("/..", "/a/../b", "/a\0/../b", "/a\x85", "/\udce9", 1, True, None, {}, ["/a"]),
    ],
)
def test_a_directory_in_which_root_must_not_look_is_refused(directory: object) -> None:
    with pytest.raises(ValueError, match="write absolute paths") as error:
        _release.normal_script_path(["/opt/good", directory])
    assert repr(directory) in str(error.value)
    assert "/opt/good" not in str(error.value)


@pytest.mark.parametrize("value", ["/opt/slurm/bin", "", {"a": "/a"}, True])
def test_directories_that_are_no_list_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a list"):
        _release.normal_script_path(value)


@pytest.mark.parametrize(
    ("hook", "kind"),
    [("worker_init", "init"), ("worker_prolog", "job"), ("controller_epilog", "job")],
)
def test_kinds(hook: str, kind: str) -> None:
    assert f"\nkind={kind}\n" in build({hook: [SCRIPT]}).files[0].content.decode()


def test_a_task_hook_has_no_variable_with_a_name_of_the_users() -> None:
    head = build({"task_prolog": [SCRIPT]}, body="").files[0].content.decode().splitlines()[2:]
    assert head
    assert [line for line in head if not line.startswith("__nodecycle_")] == []


def test_a_dispatcher_is_deaf_to_the_jobs_environment() -> None:
    assert build({"task_prolog": [SCRIPT]}).files[0].content.startswith(b"#!/bin/bash -p\n")


def test_a_hook_without_scripts_starts_no_bash() -> None:
    release = build({"worker_prolog": []})
    assert release.files[0].content.startswith(b"#!/bin/sh\n")
    assert subprocess.run(["sh", "-c", release.files[0].content], check=False, capture_output=True).returncode == 0


# --- digests of secrets


def visible(release: Release) -> str:
    """The parts of a release that everybody can read: names, digests and the dispatchers."""
    dispatchers = b"".join(file.content for file in release.files if file.mode & 0o004)
    return f"{release.id} {release.init} {release.summary} {dispatchers.decode()}"


@pytest.mark.parametrize("hook", [hook for hook, mode, _group in ACCESS if mode != 0o755])
def test_no_quick_digest_of_a_secret_is_seen(hook: str) -> None:
    text = b"#!/bin/sh\ncurl -u svc:271828 http://license\n"
    shown = build({hook: [Script("secret", text, no_log=True)]})
    # Quick to compute for an attacker: the text's digest, and the plain digest of all that names the release.
    plain = build({hook: [Script("secret", text)]})
    ways = [hashlib.new(name, text).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")]
    digest = _release._digest([["10-secret", hashlib.sha256(text).hexdigest(), [], 0, "drain", True, "boot", 0, 10]])
    for quick in [*ways, digest, plain.id]:
        assert quick not in visible(shown)
    assert _release._digest(
        [["10-secret", hashlib.sha256(text).hexdigest(), [], 0, "drain", False, "boot", 0, 10]]
    ) in visible(plain)


def test_a_secret_still_names_its_release() -> None:
    def named(text: bytes, name: str = "secret") -> str:
        return build({"worker_prolog": [Script(name, text, no_log=True)]}).id

    assert named(b"#!/bin/sh\n1") == named(b"#!/bin/sh\n1")
    assert len({named(b"#!/bin/sh\n1"), named(b"#!/bin/sh\n2"), named(b"#!/bin/sh\n1", "other")}) == 3


def test_a_secret_is_digested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *args, **options: calls.append(options) or real(*args, **options))
    for _host in range(3):
        build({"worker_prolog": [Script("one of many hosts", b"#!/bin/sh\n", no_log=True)]})
    (cost,) = calls
    assert 128 * cost["n"] * cost["r"] * cost["p"] == 16 * 2**20, "the memory of a guess (RFC 7914)"


def test_a_python_without_scrypt_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(hashlib, "scrypt")
    build({"worker_prolog": [SCRIPT]})
    with pytest.raises(_release.DigestError, match="Python whose OpenSSL has it"):
        build({"worker_prolog": [Script("never met", b"#!/bin/sh\n", no_log=True)]})
