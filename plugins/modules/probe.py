#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: probe
short_description: Send jobs through the hooks of nodes that no user's new job can reach meanwhile
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Puts the nodes into the reservation C(nodecycle_canary), submits a batch job to each partition of each node, waits until all
    have ended with their epilogs, and removes jobs and reservation again, whatever happened.
  - Meanwhile running jobs go on, and no other new job starts on the nodes. Reservations of others stay as they are, also where
    they have the same nodes (flag MAINT).
  - It has passed if every job ended with exit code 0 and no node is out of service afterwards. Else the module fails and returns
    the same values.
  - Jobs that take too long are cancelled and given a minute more for their prologs and epilogs to end.
  - If the module is killed, the reservation ends by itself after at most twice O(timeout) and a minute; the next call and
    O(state=absent) remove what is left. A job of its own is known by reservation, name and user together, so that nothing that
    another user names as he likes is touched.
  - Jobs of others in the reservation, which only root and O(user) can put there, fail O(state=passed). O(state=absent) warns of
    them and leaves the reservation to its own end.
  - Runs as root on a controller host, because root may submit jobs for others. Not twice at the same time.
options:
  name:
    description: Hostlist expression of the nodes. Needed with O(state=passed).
    type: str
  state:
    description: What is wanted.
    type: str
    choices:
      passed: Jobs have gone through the hooks.
      absent: Nothing of an earlier probe is left, no job and no reservation.
    default: passed
  partitions:
    description: The partitions of a node to send a job to, as lists by node name. All that the node is in, where it is not named here.
    type: dict
    default: {}
  user:
    description:
      - The user whose jobs they are; empty for SlurmUser, or V(nobody) where that is root. He needs to exist on the nodes.
      - No person who works on the cluster should be able to be him, because it is by their user, name and reservation that left-over
        jobs are found.
    type: str
    default: ""
  account:
    description: The account of the jobs; empty for the user's default.
    type: str
    default: ""
  qos:
    description: The QOS of the jobs; empty for the default.
    type: str
    default: ""
  gres:
    description: What the jobs ask for, as for C(sbatch --gres); empty for nothing.
    type: str
    default: ""
  command:
    description: The command line that the jobs run, by V(/bin/sh).
    type: str
    default: "true"
  timeout:
    description: Seconds that all jobs together may take, from their submission to the end of their epilogs.
    type: int
    default: 120
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
attributes:
  check_mode:
    support: full
    details:
      - Says which jobs it would submit.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - O(state=passed) runs jobs each time and reports a change.
notes:
  - A job that a failing prolog hits is cancelled and not held, and its node is drained as with any job.
  - EpilogSlurmctld may still run when the module returns; Slurm does not show it.
  - "Slurm 22.05 to 26.05: C(scontrol create reservation), C(sbatch --uid), C(squeue)."
seealso:
  - module: nodecycle.slurm.node
  - module: nodecycle.slurm.held_jobs
"""

EXAMPLES = r"""
---
- name: Send a job through the hooks of a node, in each of its partitions
  nodecycle.slurm.probe:
    name: worker1

- name: The same as a certain user on GPU nodes
  nodecycle.slurm.probe:
    name: gpu[1-2]
    user: probe
    account: staff
    gres: gpu:1
    command: nvidia-smi
    timeout: 300

- name: Remove what a killed run left
  nodecycle.slurm.probe:
    state: absent
"""

RETURN = r"""
passed:
  description: Whether all jobs went through and all nodes are in service.
  returned: with O(state=passed), also on failure
  type: bool
jobs:
  description: The jobs. In check mode those that would be submitted, without id and state.
  returned: with O(state=passed), also on failure
  type: list
  elements: dict
  contains:
    id:
      description: The job's id; empty where it was refused.
      type: str
    node:
      description: The node.
      type: str
    partition:
      description: The partition.
      type: str
    state:
      description: The job's last state; V(REFUSED) where sbatch did not take it, V(GONE) where the controller forgot it.
      type: str
    reason:
      description: Slurm's reason for that state, or what sbatch said.
      type: str
    exit_code:
      description: Exit code and signal, as in C(squeue).
      type: str
  sample: [{id: "4711", node: worker1, partition: batch, state: COMPLETED, reason: "", exit_code: "0:0"}]
nodes:
  description: The nodes afterwards, as RV(nodecycle.slurm.node_info#module:nodes).
  returned: with O(state=passed), also on failure
  type: dict
reservations:
  description: The active reservations of others that have some of the nodes. They were left alone, and their jobs waited.
  returned: with O(state=passed), also on failure
  type: list
  elements: str
completing:
  description:
    - The ids of cancelled jobs whose prolog or epilog had not ended a minute later. If it fails after that, Slurm drains the node then.
  returned: always
  type: list
  elements: str
strangers:
  description: The ids of jobs of others in the reservation of the probes, which therefore was left to its own end.
  returned: with O(state=absent)
  type: list
  elements: str
"""

import contextlib
import dataclasses
import pwd
import signal
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _hostlist, _ownership, _probe
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import RESERVATION
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import JOB_ID, Node, Slurm, SlurmError

#: Seconds until cancelled jobs have left the queue, with their prologs and epilogs.
CANCEL_TIMEOUT = 60


@dataclasses.dataclass(frozen=True)
class Left:
    """What there is of probes."""

    #: Our jobs that have not ended, each with its state.
    jobs: dict[str, str]
    #: Those in our reservation that are not ours.
    strangers: list[str]
    #: Our reservation, if there is one.
    reservation: dict[str, str] | None

    @property
    def complaint(self) -> str:
        """What is wrong with the strangers, if there are any."""
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
    """What is left of probes. Ours is a job on which all filters of squeue agree: no text that a user chose is read or compared here.

    A user may name his job as ours are named, and more; he can neither be the probes' user nor get into their reservation.
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
        jobs |= {id_: state for id_, state in rows if state == _probe.ORPHANED}
    return Left(jobs, sorted(set(inside) - set(jobs), key=int), reservation)


def remove(slurm: Slurm, user: str) -> tuple[Left, list[str]]:
    """Remove our jobs and our reservation: what there was, with the strangers at the end, and the jobs whose prolog or epilog does not end.

    Until they have ended no other job comes to their nodes: a prolog that fails late drains the node then, and not after others have
    been told that all is well. A reservation in which somebody else has jobs stays until it ends by itself.
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


def submit(slurm: Slurm, node: str, partition: str, user: pwd.struct_passwd, params: dict[str, t.Any]) -> _probe.Job:
    """Submit a job; a refusal is a job, too, so that all refusals are said at once."""
    try:
        out = slurm.call(*_probe.submission(node, partition, user.pw_name, user.pw_gid, user.pw_dir, params))
    except SlurmError as exc:
        return _probe.Job("", node, partition, "REFUSED", str(exc).rpartition(" said: ")[2])
    id_ = out.strip().rpartition("\n")[2].split(";")[0]
    if not JOB_ID.fullmatch(id_):
        raise SlurmError(f"sbatch --parsable printed {out.strip()[:200]!r} instead of the job's id")
    return _probe.Job(id_, node, partition)


def follow(slurm: Slurm, jobs: list[_probe.Job], name: str, timeout: int) -> list[_probe.Job]:
    """The jobs once all are over, or as they are after so many seconds."""
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
    module: AnsibleModule, slurm: Slurm, nodes: dict[str, Node], user: pwd.struct_passwd
) -> tuple[list[_probe.Job], list[str]]:
    """Reserve the nodes, run the jobs, and leave nothing of either: the jobs, and those whose prolog or epilog does not end."""
    clear(slurm, user.pw_name)
    # The probe of a killed run may still follow its jobs. It ends, now that they are gone; before that it would remove ours with its own.
    with _ansible.exclusive(module, _ansible.PROBE_LOCK):
        return reserve_and_run(slurm, nodes, user, module.params)


def reserve_and_run(
    slurm: Slurm, nodes: dict[str, Node], user: pwd.struct_passwd, params: dict[str, t.Any]
) -> tuple[list[_probe.Job], list[str]]:
    """The same, where no other probe is under way."""
    clear(slurm, user.pw_name)
    jobs: list[_probe.Job] = []
    try:
        users = dict.fromkeys(["root", user.pw_name])
        slurm.reserve(RESERVATION, _hostlist.fold(nodes), users, _probe.reserved_minutes(params["timeout"]))
        for node, partition in _probe.wanted(nodes, params["partitions"]):
            jobs.append(submit(slurm, node, partition, user, params))
        jobs = follow(slurm, jobs, params["name"], params["timeout"])
    finally:
        completing = clear(slurm, user.pw_name)
    return jobs, completing


def user_of(params: dict[str, t.Any], slurm_user: str) -> str:
    """The user of the jobs."""
    return str(params["user"] or ("nobody" if slurm_user == "root" else slurm_user))


def account_of(module: AnsibleModule, slurm_user: str) -> pwd.struct_passwd:
    """The same with his home and group."""
    name = user_of(module.params, slurm_user)
    try:
        return pwd.getpwnam(name)
    except KeyError:
        module.fail_json(
            msg=f"There is no user {name} on this controller: set slurm_probe_user to one that the controller and all workers know, and that "
            "may submit jobs."
        )


def stop(number: int, _frame: t.Any) -> t.NoReturn:
    """Let an interrupted probe remove what it made."""
    raise SystemExit(128 + number)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["passed", "absent"], "default": "passed"},
            "partitions": {"type": "dict", "default": {}},
            "user": {"type": "str", "default": ""},
            "account": {"type": "str", "default": ""},
            "qos": {"type": "str", "default": ""},
            "gres": {"type": "str", "default": ""},
            "command": {"type": "str", "default": "true"},
            "timeout": {"type": "int", "default": 120},
            **_ansible.BIN_DIR_SPEC,
        },
        required_if=[("state", "passed", ("name",))],
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    params = module.params
    slurm = _ansible.slurm(module)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    try:
        if params["state"] == "absent":
            absent(module, slurm)
        run(module, slurm)
    except SlurmError as exc:
        module.fail_json(msg=f"Probe of {params['name'] or 'no node'}: {exc}")


def absent(module: AnsibleModule, slurm: Slurm) -> t.NoReturn:
    """Remove what an earlier probe left."""
    user = user_of(module.params, slurm.cluster().slurm_user)
    if module.check_mode:
        left = leftovers(slurm, user)
        module.exit_json(
            changed=bool(left.jobs) or left.reservation is not None, completing=[], strangers=left.strangers
        )
    found, completing = remove(slurm, user)
    if completing:
        module.warn(_probe.late(completing))
    if found.strangers:
        # Whoever undoes a rollout has more to give back than this.
        module.warn(f"Probe: {found.complaint}. It was left")
    changed = bool(found.jobs) or (found.reservation is not None and not found.strangers)
    module.exit_json(changed=changed, completing=completing, strangers=found.strangers)


def run(module: AnsibleModule, slurm: Slurm) -> t.NoReturn:
    """Probe the nodes and say how it went."""
    params = module.params
    slurm_user = slurm.cluster().slurm_user
    user = account_of(module, slurm_user)
    nodes = slurm.nodes(params["name"])
    refusal = _probe.refusal(nodes, params["partitions"])
    if refusal:
        module.fail_json(msg=f"Probe of {params['name']}: {refusal}")
    others = _probe.others(slurm.reservations(), nodes)
    if others:
        module.warn(
            f"Among the nodes {params['name']} are some of these reservations of others: {', '.join(others)}. They are left as they are."
        )
    if module.check_mode:
        jobs = [_probe.Job("", node, partition, "") for node, partition in _probe.wanted(nodes, params["partitions"])]
        problems: list[str] = []
        completing: list[str] = []
    else:
        jobs, completing = probe(module, slurm, nodes, user)
        if not all(map(_probe.has_passed, jobs)):
            # The node's drain may come a moment after the job's end.
            time.sleep(1)
        nodes = slurm.nodes(params["name"])
        problems = _probe.problems(jobs, nodes, params["timeout"])
        if completing:
            problems.append(_probe.late(completing))
    result: dict[str, t.Any] = {
        "changed": True,
        "passed": not problems,
        "jobs": [job.facts() for job in jobs],
        "nodes": {name: _ownership.facts(node, slurm_user) for name, node in nodes.items()},
        "reservations": others,
        "completing": completing,
    }
    if problems:
        module.fail_json(msg=f"The probe of {params['name']} did not pass. {'. '.join(problems)}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
