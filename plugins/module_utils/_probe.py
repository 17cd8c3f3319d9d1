# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Probe jobs, which run the hooks before any user's job does: their choice, their submission, and the meaning of their end. Pure."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import RESERVATION, RUN_DIR
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node

#: With the reservation's name and the user, how a probe is known.
JOB_NAME = "nodecycle_probe"

#: C(squeue -O) of a probe's own jobs, with widths that no value reaches. Names of the fields as 22.05 to 26.05 know them.
COLUMNS = "JobID:24|,State:32|,exit_code:16|,RestartCnt:12|"

#: The state of a job whose reservation was deleted, or has ended, while it waited. The job does not name the reservation any more.
ORPHANED = "RESV_DEL_HOLD"

#: States in which a job no longer changes. COMPLETING is not among them: its epilogs run.
_ENDED = frozenset({
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT", "GONE",
})  # fmt: skip

#: For the job's shell and the task prolog, which run in the job's memory.
MEMORY = "256M"

#: Where a prolog that Slurm has delivered notes for a probe's job which release it meets.
MET = f"{RUN_DIR}/met"
#: The exit code of a job that has met another one.
NOT_MET = 97

#: What sbatch --test-only says of a node that has no room now, or that is in the reservation of somebody else (22.05 to 26.05).
_BUSY = ("Requested nodes are busy", "Required node not available (down, drained or reserved)")

_WHAT_THE_PROBE_IS = (
    "These variables decide about the job: slurm_probe, slurm_probe_user, slurm_probe_account, slurm_probe_qos, slurm_probe_gres, "
    "slurm_probe_command and slurm_probe_timeout."
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A probe, as it was submitted and as the controller sees it."""

    id: str
    node: str
    partition: str
    #: As squeue has it; V(REFUSED) if sbatch refused the job, V(BARRED) if it would wait for ever, V(GONE) if the controller no longer knows it.
    state: str = "PENDING"
    #: Slurm's reason, for a refused job sbatch's message.
    reason: str = ""
    exit_code: str = ""
    restarts: int = 0

    def facts(self) -> dict[str, str]:
        """As the module returns it."""
        return {
            "id": self.id,
            "node": self.node,
            "partition": self.partition,
            "state": self.state,
            "reason": self.reason,
            "exit_code": self.exit_code,
        }


@dataclasses.dataclass(frozen=True)
class Seen:
    """A line of squeue."""

    state: str
    exit_code: str
    restarts: int


def parse_jobs(rows: t.Iterable[t.Sequence[str]]) -> dict[str, Seen]:
    """The jobs in squeue's answer for COLUMNS, by job id."""
    return {
        id_: Seen(state, _exit_code(code), int(count) if count.isdigit() else 0) for id_, state, code, count in rows
    }


def _exit_code(text: str) -> str:
    """Code and signal; 22.05 prints the status as wait(2) gives it."""
    return f"{int(text) >> 8}:{int(text) & 127}" if text.isdigit() else text


def command_of(node: str, params: t.Mapping[str, t.Any]) -> str:
    """What a job runs. On a node to which Ansible does not connect, the job sees which release its prolog has met (_bundle)."""
    release = (params.get("met") or {}).get(node)
    if not release:
        return str(params["command"])
    return f'[ "$(cat {MET}/"$SLURM_JOB_ID" 2>/dev/null)" = {release} ] || exit {NOT_MET}; {params["command"]}'


def late(jobs: t.Iterable[Job], met: t.Container[str]) -> list[str]:
    """The nodes whose jobs met another release, if that is all that is wrong: Slurm has not sent it yet."""
    failed = [job for job in jobs if not has_passed(job)]
    nodes = [job.node for job in failed if job.node in met and job.exit_code == f"{NOT_MET}:0"]
    return list(dict.fromkeys(nodes)) if len(nodes) == len(failed) else []


def wanted(
    nodes: t.Mapping[str, Node], partitions: t.Mapping[str, t.Any], closed: t.Container[str] = ()
) -> list[tuple[str, str]]:
    """Node and partition of each job: those given for a node, else all that it is in and whose jobs start."""
    return [
        (name, part)
        for name, node in nodes.items()
        for part in partitions.get(name, [each for each in node.partitions if each not in closed])
    ]


def left_out(nodes: t.Mapping[str, Node], partitions: t.Mapping[str, t.Any], closed: t.Iterable[str]) -> list[str]:
    """The closed partitions in which there is no job for that reason."""
    own = {part for name, node in nodes.items() if name not in partitions for part in node.partitions}
    return [name for name in closed if name in own]


def refusal(nodes: t.Mapping[str, Node], partitions: t.Mapping[str, t.Any], closed: t.Container[str] = ()) -> str:
    """The reason why no job would tell anything about these nodes; empty if one would."""
    out = [
        f"{name} is out of service: {_ownership.describe(node)}"
        for name, node in nodes.items()
        if _ownership.is_out(node)
    ]
    if out:
        return f"{'; '.join(out)}. No job starts there; choose other nodes with slurm_canary"
    for name, parts in partitions.items():
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            return f"partitions: {name}: needs a list of names, not {parts!r}"
    idle = [name for name in nodes if not any(node == name for node, _part in wanted(nodes, partitions, closed))]
    return f"{', '.join(idle)} is in no partition that takes jobs. Choose other nodes with slurm_canary" if idle else ""


def minutes(timeout: int) -> int:
    """The time limit of a job."""
    return max(1, -(-timeout // 60))


def reserved_minutes(timeout: int) -> int:
    """How long the nodes are reserved: a job may start at the very end of the time and has to fit with its limit before the end."""
    return 2 * minutes(timeout) + 1


def deadline(timeout: int) -> int:
    """After how many minutes Slurm gives up a job that nobody removed, and that waits although its reservation has ended.

    Much later than that, because clocks may differ: it must never end a job that is followed.
    """
    return reserved_minutes(timeout) + 10


def users_of(reservation: t.Mapping[str, str]) -> list[str]:
    """The users for whom a probe made a reservation."""
    return [name for name in reservation.get("Users", "").split(",") if name and name != "(null)"]


def environment(user: str, home: str) -> dict[str, str]:
    """The whole environment of a probe's job, and of the command that submits it."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "USER": user, "LOGNAME": user}


def memory(config: t.Mapping[str, str]) -> str:
    """The memory of a job where Slurm gives out memory, else nothing.

    A job that names none may get all memory of its node (without DefMemPerNode), and a node that is half full would be no canary.
    """
    return MEMORY if "MEMORY" in config.get("SelectTypeParameters", "").upper() else ""


def trial(command: t.Iterable[str]) -> list[str]:
    """The same submission as a question. Without the reservation, which is not there yet."""
    left_out = ("--parsable", "--reservation=")
    return [*(word for word in command if not word.startswith(left_out)), "--test-only"]


def is_busy(said: str) -> bool:
    """Whether Slurm would take a job and has no room for it just now: then the reservation makes room."""
    return any(words in said for words in _BUSY)


def barred(
    wanted_jobs: t.Iterable[tuple[str, str]],
    rules: t.Mapping[str, t.Mapping[str, str]],
    params: t.Mapping[str, t.Any],
    *,
    are_accounts_enforced: bool,
) -> tuple[list[Job], list[str]]:
    """The jobs that their partition would never start, and the beginning of a sentence for each partition of which nobody can tell.

    With EnforcePartLimits=NO, the default, Slurm takes such a job, also as a question, and lets it wait (part_policy_valid_qos and
    part_policy_valid_acct, called by _part_access_check in job_mgr.c, 24.11.5). A rule for an account holds for the accounts below it, too
    (slurm.conf.5, since 23.02), and which these are is in the database alone. So of accounts there are doubts only.
    """
    jobs: list[Job] = []
    doubts: dict[str, None] = {}
    qos, account = _names(params.get("qos")), _names(params.get("account"))
    for node, partition in wanted_jobs:
        rule = rules.get(partition, {})
        allowed, denied = _names(rule.get("AllowQos", "ALL")), _names(rule.get("DenyQos"))
        # Several are a list to choose from.
        if qos and (qos <= denied or (allowed != {"all"} and not qos & allowed)):
            key = "DenyQos" if qos <= denied else "AllowQos"
            why = f"the QOS {params['qos']} is not allowed ({key}={rule[key]})"
            jobs.append(Job("", node, partition, "BARRED", why))
        elif not qos and allowed != {"all"}:
            doubts[f"{partition} allows the QOS {rule['AllowQos']} only, and slurm_probe_qos names none"] = None
        allowed = _names(rule.get("AllowAccounts", "ALL"))
        if are_accounts_enforced and allowed != {"all"} and not account & allowed:
            named = f"is {params['account']}" if account else "names none"
            doubts[f"{partition} allows the account {rule['AllowAccounts']} only, and slurm_probe_account {named}"] = (
                None
            )
    return jobs, list(doubts)


def _names(text: object) -> set[str]:
    """A list of names as Slurm compares them."""
    return {name for name in str(text or "").lower().split(",") if name}


def submission(node: str, partition: str, user: str, group: int, params: t.Mapping[str, t.Any]) -> list[str]:
    """The command that submits a job, to be run in its V(environment).

    Not requeued, so that a failing prolog ends the job instead of holding it. It takes its environment along: if it took less, Slurm would
    ask a login shell of the user on the node, and cancel the job (26.05.5, for a user without a shell) or drain the node (Job env setup error).
    """
    options = {key: params[key] for key in ("account", "qos", "gres", "mem") if params.get(key)}
    return [
        "sbatch",
        "--parsable",
        f"--uid={user}",
        f"--gid={group}",
        f"--job-name={JOB_NAME}",
        f"--reservation={RESERVATION}",
        f"--partition={partition}",
        f"--nodelist={node}",
        "--nodes=1",
        "--ntasks=1",
        f"--time={minutes(params['timeout'])}",
        f"--deadline=now+{deadline(params['timeout'])}minutes",
        "--no-requeue",
        "--output=/dev/null",
        "--chdir=/",
        "--export=ALL",
        *(f"--{key}={value}" for key, value in options.items()),
        f"--wrap={command_of(node, params)}",
    ]


def looked_at(jobs: t.Iterable[Job], seen: t.Mapping[str, Seen]) -> list[Job]:
    """The jobs as squeue has them now."""
    now = []
    for job in jobs:
        line = seen.get(job.id)
        if job.state == "REFUSED":
            now.append(job)
        elif line is None:
            now.append(dataclasses.replace(job, state="GONE"))
        else:
            now.append(
                dataclasses.replace(
                    job,
                    state=line.state,
                    exit_code=line.exit_code,
                    restarts=line.restarts,
                )
            )
    return now


def is_over(job: Job, node: Node) -> bool:
    """Whether a job will not change any more: it has ended, or it waits and will never run."""
    if job.state in _ENDED or job.state == "REFUSED":
        return True
    # Also with --no-requeue: PrologFlags=ForceRequeueOnFail.
    waits = job.state not in ("RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "SUSPENDED", "STOPPED")
    return waits and (job.restarts > 0 or _ownership.is_out(node))


def has_passed(job: Job) -> bool:
    """Whether a job went through all hooks that it met."""
    return job.state == "COMPLETED" and job.exit_code == "0:0"


def is_about_accounts(reason: str) -> bool:
    """Whether Slurm refuses a job, or lets it wait, because of its user, account or QOS."""
    return any(word in reason for word in ("Assoc", "QOS", "qos", "Account", "User", "account", "user", "permission"))


def _remedy_for_accounts(user: str) -> str:
    return (
        f"If Slurm enforces associations, {user} needs one (sacctmgr -i add user {user} account=ACCOUNT), or slurm_probe_user names a user that "
        "has one. slurm_probe_account and slurm_probe_qos choose among that user's accounts and QOS"
    )


def _complaint(job: Job, timeout: int, met: t.Container[str]) -> tuple[str, bool]:
    """The fault of a job that has not passed, and whether it is the job's rather than the scripts'."""
    if job.node in met and job.exit_code == f"{NOT_MET}:0":
        return (
            f"{job.node}, job {job.id}: it met another release than the new one, or none (see slurmd's log there)",
            False,
        )
    who = f"{job.node}, partition {job.partition}"
    if job.state == "REFUSED":
        return f"{who}: sbatch refuses the job: {job.reason}", True
    if job.state == "BARRED":
        return f"{who}: the job would wait for ever: {job.reason}", True
    who = f"{who}, job {job.id}"
    if job.state == "GONE":
        return f"{who}: the controller no longer knows the job, so its result is unknown (MinJobAge)", True
    if job.state == "RUNNING":
        return (
            f"{who}: still running after {timeout} seconds (prolog, task prolog, the job's own command or task epilog)",
            True,
        )
    if job.state == "CONFIGURING":
        return (
            f"{who}: still being prepared after {timeout} seconds (PrologSlurmctld, with PrologFlags=Alloc also the prolog)",
            False,
        )
    if job.state == "COMPLETING":
        return f"{who}: still completing after {timeout} seconds (its epilog)", False
    if job.state in _ENDED:
        code = f" with exit code {job.exit_code}" if job.exit_code not in ("", "0:0") else ""
        hint = " (so does Slurm to a job whose prolog fails)" if job.state == "CANCELLED" else ""
        return f"{who}: {job.state}{code}{hint}", False
    if job.restarts:
        return (
            f"{who}: was started and sent back to the queue, as after a prolog that fails; Slurm says {job.reason or job.state}",
            False,
        )
    said = f"{who}: did not start within {timeout} seconds; Slurm says {job.reason or job.state}"
    if job.reason in ("Resources", "Priority", ""):
        return f"{said}: the node is busy, choose another one with slurm_canary", True
    return said, True


def problems(
    jobs: t.Iterable[Job], nodes: t.Mapping[str, Node], timeout: int, user: str, met: t.Container[str] = ()
) -> list[str]:
    """The reasons why the probe has not passed, a sentence each; none if it has."""
    found = []
    blame_job = blame_accounts = False
    for name, node in nodes.items():
        if _ownership.is_out(node):
            found.append(f"{name}: out of service now: {_ownership.describe(node)}")
    for job in jobs:
        if not has_passed(job):
            words, job_itself = _complaint(job, timeout, met)
            found.append(words)
            blame_job = blame_job or job_itself
            blame_accounts = blame_accounts or (job_itself and is_about_accounts(job.reason))
    if blame_accounts:
        found.append(_remedy_for_accounts(user))
    if blame_job:
        found.append(_WHAT_THE_PROBE_IS)
    return found


def strangers_in(reservation: str, jobs: t.Iterable[str], end: str) -> str:
    """The message about jobs of others in our reservation."""
    return (
        f"jobs of others use the reservation {reservation} ({', '.join(jobs)}); it ends by itself at {end} UTC. Only root and the probes' "
        "user can submit jobs to it, and its name belongs to this collection"
    )


def unfinished(completing: t.Iterable[str]) -> str:
    """The message about cancelled jobs that do not end."""
    return (
        f"The cancelled jobs {', '.join(completing)} still wait for a prolog or epilog. If that fails later, Slurm drains their "
        "nodes then"
    )


def reserved(reservations: t.Iterable[t.Mapping[str, str]]) -> set[str]:
    """The nodes of all reservations, also of those that begin later."""
    found: set[str] = set()
    for fields in reservations:
        with contextlib.suppress(_hostlist.HostlistError):
            found.update(_hostlist.expand(fields.get("Nodes", "")))
    return found


def others(reservations: t.Mapping[str, t.Mapping[str, str]], nodes: t.Container[str]) -> list[str]:
    """The active reservations of others that have some of the nodes."""
    found = []
    for name, fields in reservations.items():
        if name == RESERVATION or fields.get("State") != "ACTIVE":
            continue
        try:
            members = _hostlist.expand(fields.get("Nodes", ""))
        except _hostlist.HostlistError:
            # "(null)": of licences or of none yet.
            continue
        if any(member in nodes for member in members):
            found.append(name)
    return found
