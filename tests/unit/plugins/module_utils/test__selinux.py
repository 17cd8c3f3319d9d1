# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels of SELinux, with the real libselinux, a small policy of our own and real extended attributes.

No kernel with SELinux can be had here, so one thing is said instead of asked: that it is on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _conf,
    _conf_files,
    _files,
    _host_files,
    _release,
    _selinux,
    _store,
)

pytestmark = pytest.mark.usefixtures("ownership")

Check = t.Callable[[pathlib.Path], None]

#: The last rule that matches counts. A name that is not final has a rule of its own: nobody may get its label.
POLICY = """
{root}/.*                                  system_u:object_r:default_t:s0
{root}/etc(/.*)?                           system_u:object_r:etc_t:s0
{root}/etc/systemd/system(/.*)?            system_u:object_r:systemd_unit_file_t:s0
{root}/etc/systemd/system/.*          -l   system_u:object_r:link_t:s0
{root}/etc/nodecycle/releases/[0-9a-f]+/.+ --  system_u:object_r:bin_t:s0
{root}/etc/nodecycle/current          -l   system_u:object_r:current_t:s0
{root}/var/log(/.*)?                       system_u:object_r:var_log_t:s0
{root}/var/lib(/.*)?                       system_u:object_r:var_lib_t:s0
{root}/run(/.*)?                           system_u:object_r:var_run_t:s0
{root}/.*/\\.(nodecycle|half)-.*            system_u:object_r:wrong_t:s0
{root}/none(/.*)?                          <<none>>
"""


def type_of(path: pathlib.Path | str) -> str:
    """The type in the label of a path, as the kernel stores it."""
    with contextlib.suppress(OSError):
        return os.getxattr(path, "security.selinux", follow_symlinks=False).decode().split(":")[2]
    return ""


@pytest.fixture
def with_selinux(disk: t.Any) -> t.Callable[[Check], None]:
    """Runs a check on a file system of its own, under the policy."""

    def run(check: Check) -> None:
        def begin(place: pathlib.Path) -> None:
            for directory in (
                "policy/contexts/files",
                "etc/systemd/system",
                "etc/logrotate.d",
                "etc/tmpfiles.d",
                "etc/slurm",
            ):
                (place / directory).mkdir(parents=True)
            for directory in ("var/lib", "var/log", "run", "none"):
                (place / directory).mkdir(parents=True)
            (place / "policy/contexts/files/file_contexts").write_text(POLICY.format(root=place))
            assert ctypes.CDLL("libselinux.so.1").selinux_set_policy_root(bytes(place / "policy")) == 0
            for module in (_release, _store, _host_files, _conf_files):
                for name, path in (
                    ("STATE_DIR", "var/lib/nodecycle"),
                    ("LOG_DIR", "var/log/nodecycle"),
                    ("RUN_DIR", "run/nodecycle"),
                ):
                    setattr(module, name, str(place / path))
            for name, path in (
                ("SYSTEMD_DIR", "systemd/system"),
                ("LOGROTATE", "logrotate.d/x"),
                ("TMPFILES", "tmpfiles.d/x.conf"),
            ):
                setattr(_host_files, name, str(place / "etc" / path))
            _selinux._library.is_selinux_enabled = lambda: 1
            check(place)

        disk.run(begin, size="4m")

    return run


def wrong(paths: t.Iterable[pathlib.Path]) -> dict[str, str]:
    """The paths whose label is not the policy's, or that have none."""
    return {
        str(path): type_of(path)
        for path in paths
        if type_of(path) != _selinux._default(str(path), path.lstat().st_mode).split(":")[2]
    }


def test_everything_that_is_placed_gets_the_label_of_its_path(
    with_selinux: t.Callable[[Check], None], make_release: t.Callable[..., _release.Release]
) -> None:
    def check(place: pathlib.Path) -> None:
        before = set(place.rglob("*"))
        root = str(place / "etc/nodecycle")
        store = _store.Store(root)
        release = make_release(root=root, worker_init=[_release.Script("x", b"#!/bin/sh\n")])
        store.stage(release.manifest(), {file.path: file.content for file in release.files})
        wanted = _host_files.needed(["worker_init", "worker_prolog"], ["worker_init"], root, ["worker_init"])
        _host_files.make_dirs(wanted, {"root": (0, 0)})
        store.activate(release.id)
        _host_files.place(wanted, {"root": (0, 0)})
        ours = set(place.rglob("*")) - before
        assert len(ours) > 25
        assert wrong(ours) == {}
        labels = {type_of(path) for path in ours}
        expected = {
            "etc_t",
            "bin_t",
            "current_t",
            "link_t",
            "systemd_unit_file_t",
            "var_log_t",
            "var_lib_t",
            "var_run_t",
        }
        assert labels == expected

    with_selinux(check)


def test_the_sites_slurm_conf_keeps_its_label_and_our_file_gets_one(with_selinux: t.Callable[[Check], None]) -> None:
    def check(place: pathlib.Path) -> None:
        conf = place / "etc/slurm/slurm.conf"
        conf.write_text("ClusterName=x\n")
        os.setxattr(conf, "security.selinux", b"system_u:object_r:site_t:s0\0")
        fragment = str(place / "etc/slurm/nodecycle.conf")
        changes = [
            _conf.Change(fragment, None, "# ours\n"),
            _conf.Change(str(conf), "ClusterName=x\n", "ClusterName=x\nInclude nodecycle.conf\n"),
        ]
        _conf_files.apply(changes, str(conf))
        assert conf.read_text().endswith("Include nodecycle.conf\n")
        assert (type_of(conf), type_of(fragment)) == ("site_t", "etc_t")
        backups = list((place / "var/lib/nodecycle/backup").iterdir())
        assert [type_of(path) for path in backups] == ["var_lib_t"]

    with_selinux(check)


def test_a_directory_that_is_there_keeps_its_label(with_selinux: t.Callable[[Check], None]) -> None:
    def check(place: pathlib.Path) -> None:
        directory = place / "etc/slurmd.d"
        directory.mkdir()
        os.setxattr(directory, "security.selinux", b"system_u:object_r:site_t:s0\0")
        _files.make_dir(str(directory), 0o755)
        assert type_of(directory) == "site_t"

    with_selinux(check)


def test_a_log_that_is_written_anew_is_still_a_log(with_selinux: t.Callable[[Check], None]) -> None:
    def check(place: pathlib.Path) -> None:
        wanted = _host_files.needed(["worker_prolog"], [], "/etc/nodecycle", [])
        _host_files.make_dirs(wanted, {"root": (0, 0)})
        log = place / "var/log/nodecycle/worker_prolog.log"
        log.write_text("a line\n")
        log.chmod(0o666)
        _host_files.make_dirs(wanted, {"root": (0, 0)})
        assert (log.read_text(), stat.S_IMODE(log.stat().st_mode), type_of(log)) == ("a line\n", 0o640, "var_log_t")

    with_selinux(check)


def test_where_the_policy_has_no_rule_nothing_is_labelled(with_selinux: t.Callable[[Check], None]) -> None:
    def check(place: pathlib.Path) -> None:
        for directory in (place / "none", pathlib.Path("/proc/self/nowhere")):
            assert _selinux._default(str(directory / "x"), stat.S_IFREG) == ""
        _files.write_atomic(str(place / "none/x"), b"", 0o644)
        assert type_of(place / "none/x") == ""

    with_selinux(check)


def test_a_file_system_that_keeps_no_labels_is_no_error(with_selinux: t.Callable[[Check], None]) -> None:
    def check(place: pathlib.Path) -> None:
        with pytest.raises(OSError, match="not supported"):
            os.setxattr("/proc/self/comm", "security.selinux", b"x")
        _selinux.give("/proc/self/comm", str(place / "etc/x"))

    with_selinux(check)


def test_a_label_that_cannot_be_given_is_an_error_and_leaves_the_old_file(
    with_selinux: t.Callable[[Check], None],
) -> None:
    def check(place: pathlib.Path) -> None:
        path = place / "etc/x"
        path.write_bytes(b"old")

        def refuse(_path: str, _label: str) -> None:
            raise PermissionError("refused")

        _selinux._library.lsetfilecon = refuse
        with pytest.raises(PermissionError):
            _files.write_atomic(str(path), b"new", 0o644)
        assert path.read_bytes() == b"old"
        assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []

    with_selinux(check)


@pytest.mark.parametrize("library", [None, _selinux._library], ids=["no libselinux", "switched off"])
def test_without_selinux_nothing_is_labelled(
    library: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_selinux, "_library", library)
    if library:
        monkeypatch.setattr(library, "is_selinux_enabled", lambda: 0)
    path = str(tmp_path / "x")
    _files.write_atomic(path, b"1", 0o644)
    _files.replace_atomic(path, b"2")
    _selinux.give_below(str(tmp_path), str(tmp_path))
    assert (_selinux.label_of(path), type_of(path)) == ("", "")
