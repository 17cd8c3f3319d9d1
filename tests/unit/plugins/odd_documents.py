# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the wrong shape, for every reader of one."""

from __future__ import annotations

import copy
import json
import pathlib
import random
import typing as t

#: Rounds of each reader; more were run by hand.
ROUNDS = 150

VALUES: list[t.Any] = [
    *(None, True, False, 0, -1, 1, 2**70, 1.5, 1e300, "", "x", "../../etc", "\0", "\ud800", "0" * 16, "f" * 64, "0755"),
    *([], {}, [[]], ["x"], [None], {"x": 1}, {"id": "x"}, {"": {}}, [{"id": 1}], {"format": 1}),
]

TEXTS = [
    *(b"", b"{", b"null", b"[]", b"{}", b"5", b'"x"', b"\0", b"\xff\xfe", b'{"format": 1}', b'{"format": 2}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b'{"format": 1, "x": 1e999}', b"1" * 5000),
    b'{"format": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
]


def places(document: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Every place in a document: what holds it, and by which key."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(entries):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def spoilt(dice: random.Random, document: t.Any) -> bytes:
    """A document of which something is missing, cut off, replaced, renamed or put somewhere else."""
    if dice.random() < 0.05:
        return dice.choice(TEXTS)
    document = copy.deepcopy(document)
    for _round in range(dice.randint(1, 3)):
        holder, key = dice.choice(list(places(document)) or [({"x": 1}, "x")])
        what = dice.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[dice.choice(["x", "", "../x", "format", "\ud800", "worker_prolog", "current"])] = holder.pop(key)
        elif what == 2:
            holder[key] = [holder[key]] if dice.random() < 0.5 else {"x": holder[key]}
        else:
            holder[key] = dice.choice(VALUES)
    data = json.dumps(document).encode()
    return data[: dice.randrange(len(data))] if dice.random() < 0.05 else data


#: What a dispatcher notes of a script that failed.
RECORD = {**dict.fromkeys(("time", "hook", "script", "release", "job", "user", "node"), "x"), "exit": 1, "ms": 5}


def spoil_records(dice: random.Random, host: pathlib.Path) -> None:
    """Spoilt records at each place where a dispatcher leaves some; C(STATE_DIR) and the like stand for the directories."""
    for place in ("RUN_DIR/worker_prolog/failures", "STATE_DIR/worker_prolog/failure.json"):
        (host / place).write_bytes(b"\n".join(spoilt(dice, RECORD) for _round in range(5)))
    for place in ("LOG_DIR/worker_prolog.log", "RUN_DIR/worker_prolog/running.4194305"):
        (host / place).write_bytes(b"\n".join(spoilt(dice, {**RECORD, "job": "7"}) for _round in range(5)))
