# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""How a probe runs: it reserves nodes, submits its jobs, follows them, and leaves nothing of either."""

from __future__ import annotations

import contextlib
import dataclasses
import pwd
import signal
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _hostlist, _ownership, _probe
from ansible_collections.nodecycle.slurm.plugins.module_utils._ansible import FailedError
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import RESERVATION, probe_user
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import (
    JOB_ID,
    Node,
    Slurm,
    SlurmError,
    closed_partitions,
)

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Seconds until cancelled jobs have left the queue, with their prologs and epilogs.
CANCEL_TIMEOUT = 60


@dataclasses.dataclass(frozen=True)
class Left:
    """The jobs and the reservation of probes."""

    #: Our jobs that have not ended, each with its state.
    jobs: dict[str, str]
    #: Those in our reservation that are not ours.
    strangers: list[str]
    #: Our reservation, if there is one.
    reservation: dict[str, str] | None

    @property
    def complaint(self) -> str:
        """The message about the strangers, if there are any."""
        end = (self.reservation or {}).get("EndTime", "")
        return _probe.strangers_in(RESERVATION, self.strangers, end) if self.strangers else ""


def uids(names: t.Iterable[str]) -> str:
    """The numbers of users for squeue, which ignores a name that it does not know."""
    found = []
    for name in names:
        with contextlib.suppress(KeyError):
            found.append(str(pwd.getpwnam(name).pw_uid))
    return ",".join(dict.fromkeys(found))


def leftovers(slurm: Slurm, user: str) -> Left:
    """The rest of earlier probes. A job is ours if all filters of squeue agree: this code reads and compares no text that a user chose.

    A user may give his job the name of ours. But he can neither be the probes' user nor get into their reservation.
    """
    reservation = slurm.reservations().get(RESERVATION)
    jobs: dict[str, str] = {}
    inside: list[str] = []
    if reservation is not None:
        owners = uids(_probe.users_of(reservation))
        if owners:
            rows = slurm.queue("%A|%T", "-R", RESERVATION, "-n", _probe.JOB_NAME, "-u", owners)
            jobs = {row[0]: row[1] for row in rows}
        inside = [id_ for (id_,) in slurm.queue("%A", "-R", RESERVATION)]
    owner = uids([user])
    if owner:
        rows = slurm.queue("%A|%T", "-n", _probe.JOB_NAME, "-u", owner)
        jobs.update((id_, state) for id_, state in rows if state == _probe.ORPHANED)
    return Left(jobs, sorted(set(inside) - set(jobs), key=int), reservation)


def remove(slurm: Slurm, user: str) -> tuple[Left, list[str]]:
    """Remove our jobs and our reservation. Returns the earlier state, with the present strangers, and the jobs whose prolog or epilog does not end.

    Until they have ended, no other job may start on their nodes: a prolog that fails late drains the node now, and not after the probe has
    passed. A reservation in which somebody else has jobs stays until it ends by itself.
    """
    first = left = leftovers(slurm, user)
    if left.jobs:
        slurm.cancel(left.jobs)
    deadline = time.monotonic() + CANCEL_TIMEOUT
    while left.jobs and time.monotonic() < deadline:
        time.sleep(0.5)
        left = leftovers(slurm, user)
    stuck = [id_ for id_, state in left.jobs.items() if state != "COMPLETING"]
    if stuck:
        raise SlurmError(f"the jobs {', '.join(stuck)} are still there {CANCEL_TIMEOUT} seconds after scancel")
    if left.reservation is not None and not left.strangers:
        slurm.unreserve(RESERVATION)
    return Left(first.jobs, left.strangers, first.reservation), list(left.jobs)


def clear(slurm: Slurm, user: str) -> list[str]:
    """Make room for a probe, or tidy up after one: the jobs whose prolog or epilog does not end. Raises SlurmError for strangers."""
    found, completing = remove(slurm, user)
    if found.strangers:
        raise SlurmError(found.complaint)
    return completing


def sbatch(slurm: Slurm, command: t.Sequence[str], user: pwd.struct_passwd) -> tuple[str, str]:
    """Run a submission in the user's environment: its output, or the words of a refusal."""
    try:
        return slurm.call(*command, environment=_probe.environment(user.pw_name, user.pw_dir)), ""
    except SlurmError as exc:
        return "", str(exc).rpartition(" said: ")[2]


def submit(slurm: Slurm, node: str, partition: str, user: pwd.struct_passwd, params: dict[str, t.Any]) -> _probe.Job:
    """Submit a job. A refusal is a job, too, so that one message names all refusals."""
    command = _probe.submission(node, partition, user.pw_name, user.pw_gid, params)
    out, refusal = sbatch(slurm, command, user)
    if refusal:
        return _probe.Job("", node, partition, "REFUSED", refusal)
    id_ = out.strip().rpartition("\n")[2].split(";")[0]
    if not JOB_ID.fullmatch(id_):
        raise SlurmError(f"sbatch --parsable printed {out.strip()[:200]!r} instead of the job's id")
    return _probe.Job(id_, node, partition)


def refused(
    slurm: Slurm,
    wanted: t.Iterable[tuple[str, str]],
    apart: t.Container[str],
    user: pwd.struct_passwd,
    params: dict[str, t.Any],
) -> list[_probe.Job]:
    """The jobs that Slurm would refuse. It is only asked.

    Of a node that is apart, in a reservation of others, Slurm says that it is not available; ours will lie over it.
    """
    jobs = []
    for node, partition in wanted:
        command = _probe.trial(_probe.submission(node, partition, user.pw_name, user.pw_gid, params))
        _out, refusal = sbatch(slurm, command, user)
        counts = _probe.is_about_accounts(refusal) if node in apart else not _probe.is_busy(refusal)
        if refusal and counts:
            jobs.append(_probe.Job("", node, partition, "REFUSED", refusal))
    return jobs


def follow(slurm: Slurm, jobs: list[_probe.Job], name: str, timeout: int) -> list[_probe.Job]:
    """The jobs when all have ended, or their state after so many seconds."""
    deadline = time.monotonic() + timeout
    while True:
        seen = slurm.jobs((job.id for job in jobs if job.id), _probe.COLUMNS)
        jobs = _probe.looked_at(jobs, _probe.parse_jobs(seen))
        if all(map(_probe.has_passed, jobs)) or time.monotonic() >= deadline:
            break
        nodes = slurm.nodes(name)
        if all(_probe.is_over(job, nodes[job.node]) for job in jobs):
            break
        time.sleep(1)
    return [with_reason(slurm, job) for job in jobs]


def with_reason(slurm: Slurm, job: _probe.Job) -> _probe.Job:
    """A job that has not passed, with Slurm's words for it."""
    if _probe.has_passed(job) or job.state in ("REFUSED", "GONE"):
        return job
    said = slurm.job_reason(job.id)
    # Of a job that has started squeue says "None".
    return dataclasses.replace(job, reason="" if said == "None" else said)


def probe(
    module: AnsibleModule,
    slurm: Slurm,
    nodes: dict[str, Node],
    user: pwd.struct_passwd,
    closed: t.Collection[str],
    params: dict[str, t.Any],
) -> tuple[list[_probe.Job], list[str]]:
    """Reserve the nodes, run the jobs, and leave nothing of either: the jobs, and those whose prolog or epilog does not end."""
    clear(slurm, user.pw_name)
    # The probe of a killed run may still follow its jobs. It ends now that they are gone. Before that it would remove ours, too.
    with _ansible.exclusive(module, _ansible.PROBE_LOCK):
        return reserve_and_run(slurm, nodes, user, params, closed)


def reserve_and_run(
    slurm: Slurm,
    nodes: dict[str, Node],
    user: pwd.struct_passwd,
    params: dict[str, t.Any],
    closed: t.Collection[str],
) -> tuple[list[_probe.Job], list[str]]:
    """The same, where no other probe is under way."""
    clear(slurm, user.pw_name)
    jobs: list[_probe.Job] = []
    try:
        # Not root, too: where Slurm enforces associations, each user of a reservation needs one.
        slurm.reserve(RESERVATION, _hostlist.fold(nodes), [user.pw_name], _probe.reserved_minutes(params["timeout"]))
        for node, partition in _probe.wanted(nodes, params["partitions"], closed):
            jobs.append(submit(slurm, node, partition, user, params))
        jobs = follow(slurm, jobs, params["name"], params["timeout"])
    finally:
        completing = clear(slurm, user.pw_name)
    return jobs, completing


def user_of(params: dict[str, t.Any], slurm_user: str) -> str:
    """The user of the jobs."""
    return probe_user(str(params["user"]), slurm_user)


def account_of(params: dict[str, t.Any], slurm_user: str) -> pwd.struct_passwd:
    """The same with his home and group. Raises FailedError."""
    name = user_of(params, slurm_user)
    try:
        return pwd.getpwnam(name)
    except KeyError as exc:
        raise FailedError(
            f"There is no user {name} on this controller: set slurm_probe_user to one that the controller and all workers know, and that "
            "may submit jobs."
        ) from exc


def stop(number: int, _frame: t.Any) -> t.NoReturn:
    """Let an interrupted probe remove what it made."""
    raise SystemExit(128 + number)


def registered(slurm: Slurm, name: str, timeout: int) -> dict[str, Node]:
    """The nodes, as soon as the controller knows their states again. Raises SlurmError.

    After a reconfigure that restarts it (from 23.11 on), each node has to register first. With many nodes that takes a while.
    """
    deadline = time.monotonic() + timeout
    while True:
        nodes = slurm.nodes(name)
        if time.monotonic() >= deadline or all(node.state != "UNKNOWN" for node in nodes.values()):
            return nodes
        time.sleep(1)


def absent(module: AnsibleModule, slurm: Slurm) -> dict[str, t.Any]:
    """Remove what an earlier probe left. Raises SlurmError."""
    user = user_of(module.params, slurm.cluster().slurm_user)
    if module.check_mode:
        left = leftovers(slurm, user)
        return {
            "changed": bool(left.jobs) or left.reservation is not None,
            "completing": [],
            "strangers": left.strangers,
        }
    found, completing = remove(slurm, user)
    if completing:
        module.warn(_probe.unfinished(completing))
    if found.strangers:
        # An undo must go on, because it has more to restore than this.
        module.warn(f"Probe: {found.complaint}. The reservation stays until then")
    changed = bool(found.jobs) or (found.reservation is not None and not found.strangers)
    return {"changed": changed, "completing": completing, "strangers": found.strangers}


def passed(module: AnsibleModule, slurm: Slurm) -> dict[str, t.Any]:
    """Probe the nodes. Raises SlurmError, and FailedError if the probe did not pass."""
    cluster = slurm.cluster()
    slurm_user = cluster.slurm_user
    params = {**module.params, "mem": _probe.memory(cluster.config)}
    user = account_of(params, slurm_user)
    nodes = registered(slurm, params["name"], params["timeout"])
    closed = closed_partitions(slurm.partitions())
    refusal = _probe.refusal(nodes, params["partitions"], closed)
    if refusal:
        raise FailedError(f"Probe of {params['name']}: {refusal}")
    left_out = _probe.left_out(nodes, params["partitions"], closed)
    if left_out:
        module.warn(
            f"The partition {', '.join(left_out)} is closed, so no probe runs there. Scripts for it alone meet a user's job first."
        )
    reservations = slurm.reservations()
    others = _probe.others(reservations, nodes)
    if others:
        module.warn(
            f"Some of the nodes {params['name']} are in reservations of others: {', '.join(others)}. These stay as they are."
        )
    is_question = module.check_mode or params["state"] == "accepted"
    completing: list[str] = []
    if is_question:
        wanted = _probe.wanted(nodes, params["partitions"], closed)
        jobs = [_probe.Job("", node, partition, "") for node, partition in wanted]
        jobs_refused = refused(slurm, wanted, _probe.reserved(reservations.values()), user, params)
        if cluster.config.get("EnforcePartLimits", "NO") == "NO":
            enforced = "associations" in cluster.config.get("AccountingStorageEnforce", "")
            barred, doubts = _probe.barred(wanted, slurm.partition_rules(), params, are_accounts_enforced=enforced)
            jobs_refused += barred
            for doubt in doubts:
                module.warn(
                    f"The partition {doubt}. If {user.pw_name} has none that it allows, the probe's job waits there and the rollout is undone."
                )
        problems = _probe.problems(jobs_refused, nodes, params["timeout"], user.pw_name)
    else:
        jobs, completing = probe(module, slurm, nodes, user, closed, params)
        if not all(map(_probe.has_passed, jobs)):
            # The node's drain may come a moment after the job's end.
            time.sleep(1)
        nodes = slurm.nodes(params["name"])
        problems = _probe.problems(jobs, nodes, params["timeout"], user.pw_name, params["met"])
        if completing:
            problems.append(_probe.unfinished(completing))
    result: dict[str, t.Any] = {
        "changed": params["state"] == "passed",
        "passed": not problems,
        "jobs": [job.facts() for job in jobs],
        "nodes": {name: _ownership.facts(node, slurm_user) for name, node in nodes.items()},
        "reservations": others,
        "left_out": left_out,
        "completing": completing,
        "late": [] if is_question or completing else _probe.late(jobs, params["met"]),
    }
    if problems:
        verdict = "cannot run" if is_question else "did not pass"
        raise FailedError(f"The probe of {params['name']} {verdict}. {'. '.join(problems)}", **result)
    return result


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Probe nodes, or remove what an earlier probe left. Raises FailedError."""
    slurm = _ansible.slurm(module)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    try:
        return absent(module, slurm) if module.params["state"] == "absent" else passed(module, slurm)
    except SlurmError as exc:
        raise FailedError(f"Probe of {module.params['name'] or 'no node'}: {exc}") from exc
