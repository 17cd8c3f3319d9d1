# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import stat
import types
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _host_files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._host_files import HostFiles

pytestmark = pytest.mark.usefixtures("host")

OWNERS = {"root": (0, 0), "slurm": (64030, 64030)}
ROOT = "/etc/nodecycle"
WORKER = ["worker_init", "worker_prolog", "worker_epilog", "task_prolog", "task_epilog"]
CONTROLLER = ["controller_init", "controller_prolog", "controller_epilog"]
UNIT = "etc/systemd/system/nodecycle-worker-init.service"
LINK = "etc/systemd/system/multi-user.target.wants/nodecycle-worker-init.service"
DROP_IN = "etc/systemd/system/slurmd.service.d/nodecycle.conf"


def apply(wanted: _host_files.HostFiles, owners: dict[str, tuple[int, int]]) -> bool:
    """All that an activation does around its rename."""
    _host_files.make_dirs(wanted, owners)
    return _host_files.place(wanted, owners)


def worker(*init: str) -> HostFiles:
    return _host_files.needed(WORKER, init, ROOT, ["worker_init"])


def snapshot(host: pathlib.Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in host.rglob("*") if not path.is_dir()}


def test_a_worker_gets_its_unit_drop_in_logs_and_directories(host: pathlib.Path) -> None:
    wanted = worker("worker_init")
    assert apply(wanted, OWNERS), "systemd has to read its units again"
    unit = (host / UNIT).read_text()
    assert f"ExecStart=/bin/bash -p {ROOT}/current/worker_init\n" in unit
    assert "\nWants=network-online.target\nAfter=network-online.target remote-fs.target\n" in unit
    assert os.readlink(host / LINK) == str(host / UNIT)
    drop_in = (host / DROP_IN).read_text()
    assert "Wants=nodecycle-worker-init.service\nAfter=nodecycle-worker-init.service\n" in drop_in
    assert f"AssertPathExists={host}/run/nodecycle/worker_init.ok\n" in drop_in
    assert "Requires" not in drop_in, "a restart of our unit would stop a daemon that has jobs"
    logs = sorted(path.name for path in (host / "var/log/nodecycle").iterdir())
    assert logs == ["worker_epilog.log", "worker_init.log", "worker_prolog.log"], "task hooks log through syslog"
    assert stat.S_IMODE((host / "var/lib/nodecycle/worker_prolog").stat().st_mode) == 0o700
    assert stat.S_IMODE((host / "var/lib/nodecycle").stat().st_mode) == 0o755
    assert (host / "etc/logrotate.d/nodecycle").exists()


def test_placing_again_touches_nothing(host: pathlib.Path) -> None:
    wanted = worker("worker_init")
    assert _host_files.missing(wanted, OWNERS)
    apply(wanted, OWNERS)
    before = snapshot(host)
    assert _host_files.missing(wanted, OWNERS) == []
    assert not apply(wanted, OWNERS)
    assert snapshot(host) == before


def test_the_controllers_hooks_belong_to_slurm(host: pathlib.Path) -> None:
    apply(_host_files.needed(CONTROLLER, [], ROOT, []), OWNERS)
    owners = {path.name: path.stat().st_uid for path in (host / "var/log/nodecycle").iterdir()}
    assert owners == {"controller_init.log": 0, "controller_prolog.log": 64030, "controller_epilog.log": 64030}
    assert (host / "var/lib/nodecycle/controller_prolog").stat().st_uid == 64030


@pytest.mark.parametrize(("gate", "held"), [([], False), (["worker_init"], False), (["controller_init"], True)])
def test_the_controller_is_held_back_only_if_asked(gate: list[str], held: bool) -> None:
    wanted = _host_files.needed(CONTROLLER, ["controller_init"], ROOT, gate)
    assert any("slurmctld.service.d" in path for path in wanted.files) == held


def test_logins_wait_for_login_init_and_are_never_locked_out() -> None:
    wanted = _host_files.needed(["login_init"], ["login_init"], ROOT, ["worker_init"])
    (unit,) = [text for path, text in wanted.files.items() if path.endswith("nodecycle-login-init.service")]
    assert "Before=systemd-user-sessions.service\n" in unit
    assert "Required" not in unit
    assert not any(".service.d/" in path for path in wanted.files)


@pytest.mark.parametrize(("hook", "seconds"), [("worker_init", 1800), ("login_init", 90), ("controller_init", 1800)])
def test_each_unit_has_an_end(hook: str, seconds: int) -> None:
    for timeouts, wanted in (({}, seconds), ({hook: 7}, 7)):
        found = _host_files.needed([hook], [hook], ROOT, [], timeouts=timeouts)
        (unit,) = [text for path, text in found.files.items() if path.endswith(".service")]
        assert f"\nTimeoutStartSec={wanted}\nTimeoutStopSec=10\n" in unit


@pytest.mark.parametrize("value", [0, -1, 86401, "1.5", "infinity", "", None, True, "10m"])
@pytest.mark.parametrize("hook", ["worker_init", "login_init"])
def test_a_limit_that_is_none_is_refused(value: object, hook: str) -> None:
    variable = "slurm_login_init_timeout" if hook == "login_init" else "slurm_init_timeout"
    with pytest.raises(ValueError, match=f"{variable} .* whole seconds, from 1 to 86400"):
        _host_files.init_timeouts({hook: value})


def test_a_host_without_logrotate_and_with_no_rules_of_its_own_for_run_gets_both_rules(host: pathlib.Path) -> None:
    directories = [host / "etc/logrotate.d", host / "etc/tmpfiles.d"]
    for directory in directories:
        directory.rmdir()
    umask = os.umask(0o077)
    try:
        apply(worker(), OWNERS)
    finally:
        os.umask(umask)
    assert [(path.name, stat.S_IMODE(path.parent.stat().st_mode)) for path in map(_only, directories)] == [
        ("nodecycle", 0o755),
        ("nodecycle.conf", 0o755),
    ]


def _only(directory: pathlib.Path) -> pathlib.Path:
    (path,) = directory.iterdir()
    return path


def test_logs_are_rotated_by_size_as_well(host: pathlib.Path) -> None:
    text = worker().files[str(host / "etc/logrotate.d/nodecycle")]
    assert "\n    weekly\n    maxsize 100M\n    rotate 8\n" in text


DAMAGE: dict[str, tuple[str, t.Callable[[pathlib.Path], object]]] = {
    "unit gone": (UNIT, lambda path: path.unlink()),
    "unit edited": (UNIT, lambda path: path.write_text("[Unit]\n")),
    "link gone": (LINK, lambda path: path.unlink()),
    "link elsewhere": (LINK, lambda path: (path.unlink(), path.symlink_to("/dev/null"))),
    "drop-in gone": (DROP_IN, lambda path: path.unlink()),
    "log gone": ("var/log/nodecycle/worker_prolog.log", lambda path: path.unlink()),
    "log of another": ("var/log/nodecycle/worker_prolog.log", lambda path: os.chown(path, 12345, 0)),
    "log open": ("var/log/nodecycle/worker_prolog.log", lambda path: path.chmod(0o666)),
    "log executable": ("var/log/nodecycle/worker_prolog.log", lambda path: path.chmod(0o750)),
    "unit open": (UNIT, lambda path: path.chmod(0o666)),
    "unit of another": (UNIT, lambda path: os.chown(path, 12345, 0)),
    "unit of another group": (UNIT, lambda path: os.chown(path, 0, 12345)),
    "unit a link": (UNIT, lambda path: (path.rename(path.with_name("x")), path.symlink_to("x"))),
    "link of another": (LINK, lambda path: os.chown(path, 12345, 12345, follow_symlinks=False)),
    "drop-in open": (DROP_IN, lambda path: path.chmod(0o646)),
    "drop-ins open": ("etc/systemd/system/slurmd.service.d", lambda path: path.chmod(0o777)),
    "drop-ins of another": ("etc/systemd/system/slurmd.service.d", lambda path: os.chown(path, 12345, 0)),
    "rotation open": ("etc/logrotate.d/nodecycle", lambda path: path.chmod(0o666)),
    "tmpfiles open": ("etc/tmpfiles.d/nodecycle.conf", lambda path: path.chmod(0o664)),
    "run open": ("run/nodecycle", lambda path: path.chmod(0o777)),
    "run of another": ("run/nodecycle", lambda path: os.chown(path, 12345, 0)),
    "run sticky": ("run/nodecycle", lambda path: path.chmod(0o1777)),
    "run of a hook open": ("run/nodecycle/worker_prolog", lambda path: path.chmod(0o777)),
    "run of a hook a link": (
        "run/nodecycle/worker_prolog",
        lambda path: (path.rmdir(), path.symlink_to(path.with_name("worker_epilog"))),
    ),
    "run of a hook a file": ("run/nodecycle/worker_prolog", lambda path: (path.rmdir(), path.touch())),
    "logs open": ("var/log/nodecycle", lambda path: path.chmod(0o775)),
    "state open": ("var/lib/nodecycle", lambda path: path.chmod(0o777)),
    "state of a hook open": ("var/lib/nodecycle/worker_prolog", lambda path: path.chmod(0o755)),
    "state of a hook of another": ("var/lib/nodecycle/worker_prolog", lambda path: os.chown(path, 12345, 0)),
    "state gone": ("var/lib/nodecycle/worker_prolog", lambda path: path.rmdir()),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_repaired(kind: str, host: pathlib.Path) -> None:
    wanted = worker("worker_init")
    apply(wanted, OWNERS)
    path, damage = DAMAGE[kind]
    damage(host / path)
    assert _host_files.missing(wanted, OWNERS) == [str(host / path)]
    assert apply(wanted, OWNERS) == path.startswith("etc/systemd")
    (host / "etc/systemd/system/x").unlink(missing_ok=True)
    assert _host_files.missing(wanted, OWNERS) == []


ODD_LOGS: dict[str, t.Callable[[pathlib.Path, pathlib.Path], object]] = {
    "link": lambda log, victim: log.symlink_to(victim),
    "dangling link": lambda log, victim: log.symlink_to(victim.with_name("nothing")),
    "fifo": lambda log, _victim: os.mkfifo(log),
    "directory": lambda log, _victim: log.mkdir(),
}


@pytest.mark.parametrize("kind", ODD_LOGS)
def test_a_log_is_a_file_of_its_own_and_nothing_is_written_through_a_link(kind: str, host: pathlib.Path) -> None:
    wanted = worker()
    apply(wanted, OWNERS)
    victim = host / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    log = host / "var/log/nodecycle/worker_prolog.log"
    log.unlink()
    ODD_LOGS[kind](log, victim)
    assert _host_files.missing(wanted, OWNERS) == [str(log)]
    apply(wanted, OWNERS)
    assert _host_files.missing(wanted, OWNERS) == []
    assert stat.S_ISREG(log.lstat().st_mode)
    assert log.read_text() == ""
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == ("secret", 0o600)
    assert not (host / "nothing").exists()


def test_who_has_opened_a_log_that_was_open_writes_into_nothing(host: pathlib.Path) -> None:
    apply(worker(), OWNERS)
    log = host / "var/log/nodecycle/worker_prolog.log"
    log.write_text("a line\n")
    log.chmod(0o666)
    with log.open("a") as theirs:
        apply(worker(), OWNERS)
        theirs.write("forged\n")
    assert log.read_text() == "a line\n", "what it said stays"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_who_has_opened_a_unit_that_was_open_writes_into_nothing(host: pathlib.Path) -> None:
    wanted = worker("worker_init")
    apply(wanted, OWNERS)
    (host / UNIT).chmod(0o666)
    with (host / UNIT).open("a") as theirs:
        assert _host_files.missing(wanted, OWNERS) == [str(host / UNIT)]
        assert apply(wanted, OWNERS), "systemd has to read it again"
        theirs.write("ExecStart=/home/alice/x\n")
    assert "alice" not in (host / UNIT).read_text()


def test_the_group_of_a_log_is_the_sites(host: pathlib.Path) -> None:
    apply(worker(), OWNERS)
    os.chown(host / "var/log/nodecycle/worker_prolog.log", 0, 4)
    assert _host_files.missing(worker(), OWNERS) == []


def test_the_place_of_the_logs_is_the_sites(host: pathlib.Path) -> None:
    """A link of root's to a larger disk."""
    (host / "disk").mkdir()
    (host / "disk").chmod(0o755)
    (host / "var/log/nodecycle").symlink_to(host / "disk")
    apply(worker(), OWNERS)
    assert _host_files.missing(worker(), OWNERS) == []
    assert (host / "disk/worker_prolog.log").exists()
    (host / "disk").chmod(0o777)
    assert _host_files.missing(worker(), OWNERS) == [str(host / "var/log/nodecycle")]
    apply(worker(), OWNERS)
    assert _host_files.missing(worker(), OWNERS) == []
    assert (host / "var/log/nodecycle").is_symlink()


def test_what_others_put_into_an_open_directory_goes(host: pathlib.Path) -> None:
    apply(worker("worker_init"), OWNERS)
    place = host / "run/nodecycle/worker_prolog"
    (place / "failures").write_text("ours\n")
    place.chmod(0o777)
    (place / "failure.json").symlink_to("/etc/shadow")
    os.chown(place / "failure.json", 12345, 12345, follow_symlinks=False)
    (place / "running.1").mkdir()
    os.chown(place / "running.1", 12345, 12345)
    apply(worker("worker_init"), OWNERS)
    assert sorted(os.listdir(place)) == ["failures"]


def test_what_an_undo_reads_is_closed(host: pathlib.Path) -> None:
    apply(worker(), OWNERS)
    place = host / "var/lib/nodecycle/rollout"
    place.mkdir(mode=0o700)
    (place / "journal.json").write_text("{}")
    assert _host_files.missing(worker(), OWNERS) == []
    place.chmod(0o777)
    assert _host_files.missing(worker(), OWNERS) == [str(place)]
    apply(worker(), OWNERS)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert os.listdir(place) == ["journal.json"]


def test_what_is_no_longer_defined_goes(host: pathlib.Path) -> None:
    apply(worker("worker_init"), OWNERS)
    assert apply(worker(), OWNERS)
    assert not any((host / path).exists() or (host / path).is_symlink() for path in (UNIT, LINK, DROP_IN))
    assert not (host / DROP_IN).parent.exists()


def test_a_drop_in_directory_with_anothers_file_stays(host: pathlib.Path) -> None:
    apply(worker("worker_init"), OWNERS)
    (host / DROP_IN).with_name("site.conf").touch()
    _host_files.remove()
    assert os.listdir((host / DROP_IN).parent) == ["site.conf"]


def test_remove_takes_all_of_it_and_leaves_the_logs(host: pathlib.Path) -> None:
    init = [hook.name for hook in HOOKS.values() if hook.is_init]
    wanted = _host_files.needed(HOOKS, init, ROOT, ["worker_init", "controller_init"])
    apply(wanted, OWNERS)
    assert set(_host_files.present()) == set(wanted.files) | set(wanted.links)
    _host_files.remove()
    assert _host_files.present() == []
    assert [path for path in (host / "etc").rglob("*") if not path.is_dir()] == []
    assert (host / "var/log/nodecycle/worker_init.log").exists()
    _host_files.remove()


def test_a_killed_placing_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before each rename in turn. The next run completes it."""
    wanted = worker("worker_init")
    real = os.replace
    for moment in range(20):
        calls = 0

        def replace(source: str, target: str, moment: int = moment) -> None:
            nonlocal calls
            calls += 1
            if calls > moment:
                raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        try:
            apply(wanted, OWNERS)
        except KeyboardInterrupt:
            monkeypatch.setattr(os, "replace", real)
            apply(wanted, OWNERS)
            assert _host_files.missing(wanted, OWNERS) == []
            _host_files.remove()
        else:
            assert moment > 2
            return
    pytest.fail("never came to its end")


def test_the_order_of_the_hooks_makes_no_difference() -> None:
    assert _host_files.needed(CONTROLLER, [], ROOT, []) == _host_files.needed(
        list(reversed(list(CONTROLLER))), [], ROOT, []
    )


# --- daemons whose units have other names

OTHERS = {"slurmd": "slurmd@.service", "slurmctld": "my-slurmctld.service"}
OTHER_DROP_IN = "etc/systemd/system/slurmd@.service.d/nodecycle.conf"


def renamed() -> HostFiles:
    return _host_files.needed(WORKER, ["worker_init"], ROOT, ["worker_init"], units=OTHERS)


def test_a_drop_in_is_for_the_sites_unit(host: pathlib.Path) -> None:
    apply(renamed(), OWNERS)
    assert "worker_init.ok" in (host / OTHER_DROP_IN).read_text()
    assert not (host / DROP_IN).exists()
    assert _host_files.missing(renamed(), OWNERS) == []
    (host / OTHER_DROP_IN).parent.chmod(0o777)
    assert _host_files.missing(renamed(), OWNERS) == [str((host / OTHER_DROP_IN).parent)]


@pytest.mark.parametrize("is_back", [False, True])
def test_the_drop_in_of_the_units_previous_name_goes(is_back: bool, host: pathlib.Path) -> None:
    before, after = (renamed(), worker("worker_init")) if is_back else (worker("worker_init"), renamed())
    old, new = (OTHER_DROP_IN, DROP_IN) if is_back else (DROP_IN, OTHER_DROP_IN)
    apply(before, OWNERS)
    assert _host_files.missing(after, OWNERS) == [str(host / new), str(host / old)]
    assert apply(after, OWNERS), "systemd has to read them"
    assert not (host / old).parent.exists()
    assert (host / new).exists()
    assert _host_files.missing(after, OWNERS) == []


def test_a_file_of_the_sites_with_that_name_stays(host: pathlib.Path) -> None:
    apply(renamed(), OWNERS)
    site = host / "etc/systemd/system/sssd.service.d/nodecycle.conf"
    site.parent.mkdir()
    site.write_text("[Unit]\nAfter=nodecycle-login-init.service\n")
    link = host / "etc/systemd/system/x.service.d/nodecycle.conf"
    link.parent.mkdir()
    link.symlink_to(host / OTHER_DROP_IN)
    assert _host_files.missing(renamed(), OWNERS) == []
    assert str(host / OTHER_DROP_IN) in _host_files.present()
    _host_files.remove()
    assert not (host / OTHER_DROP_IN).parent.exists()
    assert site.exists()
    assert link.is_symlink()


def test_a_module_places_the_drop_in_of_its_option() -> None:
    store = t.cast("t.Any", types.SimpleNamespace(root=ROOT, slurm_user="slurm"))
    manifest = t.cast("t.Any", {"hooks": {hook: [] for hook in WORKER}, "init": {"worker_init": "x"}})
    params = {"gate": ["worker_init"], "init_timeouts": {"worker_init": 7}, "units": OTHERS}
    wanted = _host_files.needed(
        WORKER, ["worker_init"], ROOT, ["worker_init"], timeouts={"worker_init": 7}, units=OTHERS
    )
    assert _host_files.around(store, manifest, params) == wanted
