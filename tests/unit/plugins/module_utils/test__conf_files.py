# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts, one slurm.conf: each changes it as if it were alone."""

from __future__ import annotations

import multiprocessing
import pathlib

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _conf_files

MAIN = "ClusterName=x\n# gr\udcfc\udcdfe\nProlog=/mine\n"
TEXT = "# ours\nPrologEpilogTimeout=77\n"


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A slurm.conf of several hosts."""
    monkeypatch.setattr(_conf_files, "STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "slurm").mkdir()
    main = tmp_path / "slurm" / "slurm.conf"
    main.write_bytes(_ansible.to_bytes(MAIN))
    return str(main)


def wanted(path: str, text: str) -> list[_conf.Change]:
    return _conf.changes(path, text, ["Prolog"] if text else [], _ansible.read_text)


def state(path: str) -> dict[str, str | None]:
    folder = pathlib.Path(path).parent
    return {file.name: _ansible.read_text(str(file)) for file in folder.iterdir()}


def place(path: str) -> dict[str, str | None]:
    _conf_files.apply(wanted(path, TEXT), path)
    return state(path)


def test_the_second_host_that_takes_our_lines_away_finds_its_work_done(path: str) -> None:
    place(path)
    first, second = wanted(path, ""), wanted(path, "")
    _conf_files.apply(first, path)
    _conf_files.apply(second, path)
    assert state(path) == {"slurm.conf": MAIN}
    _conf_files.apply(wanted(path, ""), path)


def test_the_second_host_that_places_our_lines_finds_its_work_done(path: str) -> None:
    first, second = wanted(path, TEXT), wanted(path, TEXT)
    _conf_files.apply(first, path)
    placed = state(path)
    assert _conf_files.apply(second, path) == ""
    assert state(path) == placed
    assert placed["nodecycle.conf"] == TEXT


@pytest.mark.parametrize("text", [TEXT, ""])
@pytest.mark.parametrize("done", [1, 2])
def test_a_host_meets_another_one_in_the_midst_of_the_same_work(path: str, text: str, done: int) -> None:
    if not text:
        place(path)
    first, second = wanted(path, text), wanted(path, text)
    _conf_files.apply(first[:done], path)
    _conf_files.apply(second, path)
    _conf_files.apply(first[done:], path)
    assert wanted(path, text) == []
    assert len(state(path)) == (2 if text else 1)


def many(path: str, text: str, barrier: object, failures: object) -> None:
    for _round in range(30):
        barrier.wait()  # type: ignore[attr-defined]
        try:
            _conf_files.apply(wanted(path, text if _round % 2 == 0 else ""), path)
        except Exception as exc:
            failures.put(repr(exc))  # type: ignore[attr-defined]
        barrier.wait()  # type: ignore[attr-defined]


def test_many_hosts_at_the_same_moment(path: str) -> None:
    context = multiprocessing.get_context("fork")
    barrier, failures = context.Barrier(6), context.Queue()
    hosts = [context.Process(target=many, args=(path, TEXT, barrier, failures)) for _host in range(6)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(60)
    found = [failures.get() for _failure in range(failures.qsize())]
    assert found == []
    assert state(path) == {"slurm.conf": MAIN}


def test_what_somebody_else_wrote_meanwhile_is_not_lost(path: str) -> None:
    changes = wanted(path, TEXT)
    pathlib.Path(path).write_text("ClusterName=y\n")
    with pytest.raises(_conf.ConfError, match=r"slurm\.conf was changed by somebody else.*Run again"):
        _conf_files.apply(changes, path)
    assert pathlib.Path(path).read_text() == "ClusterName=y\n"
