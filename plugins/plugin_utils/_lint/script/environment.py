# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The environment of a script when Slurm (or systemd) starts it: variables, user, search path, meaning of stdout and status.

Facts: slurm.conf(5), prolog_epilog.html and the source of Slurm 22.05 to 26.05 (prep_script_slurmd.c,
prep_script_slurmctld.c; run_script_health_check in slurmd.c), checked against the environment seen in 22.05.8, 24.11.5 and 26.05.5.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS, Hook

#: Slurm's HealthCheckProgram. slurmd starts it on each node, at its own start and every HealthCheckInterval.
HEALTH = "worker_health"

#: The hooks that the linter knows: those that this collection places scripts for, and HEALTH.
KNOWN_HOOKS: dict[str, Hook] = {**HOOKS, HEALTH: Hook(HEALTH, "worker", "root", "HealthCheckProgram")}

#: Seconds after which slurmd kills HealthCheckProgram. Fixed before 26.05, the default of HealthCheckTimeout since.
HEALTH_TIMEOUT = 60

#: The oldest release that the collection supports.
OLDEST = "22.05"


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable that Slurm sets in a hook."""

    name: str
    #: The first release that sets it.
    since: str = OLDEST
    #: The first release that sets it no more.
    until: str | None = None
    #: Set only when the job asked for something; empty otherwise.
    optional: bool = False

    def known_to(self, version: str | None) -> bool:
        """Whether a release sets it; without a release, whether any supported one does."""
        if version is None:
            return True
        return self.since <= version and (self.until is None or version < self.until)


def _all(names: str, **attributes: t.Any) -> list[Variable]:
    return [Variable(name, **attributes) for name in names.split()]


def _table(*groups: list[Variable]) -> dict[str, Variable]:
    return {variable.name: variable for group in groups for variable in group}


_SHELL = _all("PWD SHLVL _")

_JOB = [
    *_SHELL,
    *_all(
        "SLURM_CLUSTER_NAME SLURM_JOB_ID SLURM_JOBID SLURM_JOB_UID SLURM_JOB_GID SLURM_JOB_USER SLURM_JOB_WORK_DIR "
        "SLURM_SCRIPT_CONTEXT SLURM_JOB_CPUS_PER_NODE SLURM_JOB_NUM_NODES SLURM_JOB_PARTITION "
        "SLURM_JOB_RESTART_COUNT SLURM_JOB_STDIN SLURM_JOB_STDOUT"
    ),
    *_all(
        "SLURM_JOB_ACCOUNT SLURM_JOB_COMMENT SLURM_JOB_CONSTRAINTS SLURM_JOB_NTASKS SLURM_JOB_RESERVATION "
        "SLURM_JOB_STDERR SLURM_HET_JOB_ID SLURM_HET_JOB_OFFSET SLURM_PACK_JOB_ID",
        optional=True,
    ),
    *_all("SLURM_JOB_LICENSES SLURM_JOB_EXTRA", since="23.02", optional=True),
    *_all("SLURM_JOB_SLUID", since="25.11"),
    *_all("SLURM_JOB_SELINUX_CONTEXT", since="25.11", optional=True),
    *_all("SLURM_JOB_EXCLUSIVE", since="26.05"),
]

_EXIT = _all("SLURM_JOB_EXIT_CODE SLURM_JOB_EXIT_CODE2 SLURM_JOB_DERIVED_EC")

_NODE = [
    *_JOB,
    *_all("SLURMD_NODENAME SLURM_CONF SLURM_NODELIST SLURM_UID"),
    *_all("SLURM_JOB_NODELIST SLURM_JOB_START_TIME SLURM_JOB_END_TIME SLURM_JOB_OVERSUBSCRIBE", since="23.02"),
    *_all("SLURM_JOB_CORE_SPEC_COUNT SLURM_JOB_CORE_SPEC_TYPE", since="23.02"),
    *_all("SLURM_NODE_ALIASES", until="23.11", optional=True),
    *_all("SLURM_JOB_QOS", since="26.05"),
    *_all(
        "SLURM_JOB_GPUS CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK "
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE SLURM_JOB_SHARDS",
        optional=True,
    ),
]

_CONTROLLER = [
    *_JOB,
    *_all("SLURM_JOB_NAME SLURM_JOB_GROUP SLURM_JOB_NODELIST SLURM_JOB_ACCOUNT"),
    *_all(
        "SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX "
        "SLURM_ARRAY_TASK_STEP SLURM_WCKEY",
        optional=True,
    ),
    *_all("SLURM_JOB_START_TIME SLURM_JOB_END_TIME SLURM_JOB_OVERSUBSCRIBE", since="24.11"),
    *_all("SLURM_JOB_QOS", since="25.11"),
]

# The user's environment, with what srun and sbatch add to it. Any other name may be there too.
_TASK = [
    *_SHELL,
    *_all(
        "PATH HOME USER SHELL LOGNAME HOSTNAME TMPDIR "
        "SLURMD_NODENAME SLURM_CLUSTER_NAME SLURM_CONF SLURM_CPUS_ON_NODE SLURM_DISTRIBUTION SLURM_GTIDS SLURM_JOBID "
        "SLURM_JOB_CPUS_PER_NODE SLURM_JOB_GID SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_NODELIST SLURM_JOB_NUM_NODES "
        "SLURM_JOB_PARTITION SLURM_JOB_UID SLURM_JOB_USER SLURM_LAUNCH_NODE_IPADDR SLURM_LOCALID SLURM_NNODES "
        "SLURM_NODEID SLURM_NODELIST SLURM_NPROCS SLURM_NTASKS SLURM_PRIO_PROCESS SLURM_PROCID SLURM_SCRIPT_CONTEXT "
        "SLURM_SRUN_COMM_HOST SLURM_SRUN_COMM_PORT SLURM_STEPID SLURM_STEP_ID SLURM_STEP_LAUNCHER_PORT "
        "SLURM_STEP_NODELIST SLURM_STEP_NUM_NODES SLURM_STEP_NUM_TASKS SLURM_STEP_TASKS_PER_NODE SLURM_SUBMIT_DIR "
        "SLURM_SUBMIT_HOST SLURM_TASKS_PER_NODE SLURM_TASK_PID SLURM_TOPOLOGY_ADDR SLURM_TOPOLOGY_ADDR_PATTERN "
        "SLURM_UMASK SLURM_RLIMIT_AS SLURM_RLIMIT_CORE SLURM_RLIMIT_CPU SLURM_RLIMIT_DATA SLURM_RLIMIT_FSIZE "
        "SLURM_RLIMIT_MEMLOCK SLURM_RLIMIT_NOFILE SLURM_RLIMIT_NPROC SLURM_RLIMIT_RSS SLURM_RLIMIT_STACK "
        "SLURM_CPU_BIND SLURM_CPU_BIND_LIST SLURM_CPU_BIND_TYPE SLURM_CPU_BIND_VERBOSE SLURM_EXPORT_ENV "
        "SLURM_WORKING_CLUSTER SLURM_PTY_PORT SLURM_PTY_WIN_COL SLURM_PTY_WIN_ROW"
    ),
    *_all("SLURM_JOB_END_TIME SLURM_JOB_START_TIME SLURM_JOB_GROUP SLURMD_DEBUG SLURM_OOM_KILL_STEP", since="23.02"),
    *_all("SLURM_JOB_EXCLUSIVE SLURM_JOB_OVERSUBSCRIBE SLURM_JOB_SLUID", since="25.11"),
    *_all(
        "SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MAX SLURM_ARRAY_TASK_MIN "
        "SLURM_ARRAY_TASK_STEP SLURM_NODE_ALIASES SLURM_JOB_ACCOUNT SLURM_JOB_QOS SLURM_JOB_RESERVATION "
        "SLURM_JOB_GPUS SLURM_STEP_GPUS SLURM_GPUS SLURM_GPUS_ON_NODE SLURM_GPUS_PER_NODE SLURM_GPUS_PER_TASK "
        "SLURM_GPUS_PER_SOCKET SLURM_GPU_BIND SLURM_GPU_FREQ CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL "
        "ZE_AFFINITY_MASK SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE SLURM_MEM_BIND SLURM_MEM_BIND_LIST "
        "SLURM_MEM_BIND_PREFER SLURM_MEM_BIND_TYPE SLURM_MEM_BIND_VERBOSE SLURM_CPUS_PER_TASK SLURM_CPUS_PER_GPU "
        "SLURM_NTASKS_PER_CORE SLURM_NTASKS_PER_NODE SLURM_NTASKS_PER_SOCKET SLURM_NTASKS_PER_GPU SLURM_THREADS_PER_CORE "
        "SLURM_TRES_PER_TASK SLURM_HET_SIZE SLURM_HET_JOB_ID SLURM_JOB_DEPENDENCY SLURM_PROFILE SLURM_RESTART_COUNT "
        "SLURM_HINT SLURM_NETWORK SLURM_OVERCOMMIT SLURM_CONTAINER SLURM_CONTAINER_ID SLURM_PARTITION SLURM_ACCOUNT "
        "SLURM_TIMELIMIT SLURM_UNBUFFEREDIO SLURM_JOB_LICENSES SLURM_SHARDS_ON_NODE SLURM_EXCLUSIVE "
        "SLURM_CPU_FREQ_REQ SLURM_DEBUG SLURM_MPI_TYPE SLURM_WCKEY SLURM_CLUSTERS SLURM_EXIT_ERROR",
        optional=True,
    ),
]

# slurmctld may send its own view of the node along; only then the last one is there.
_HEALTH = [*_SHELL, *_all("SLURMD_NODENAME"), *_all("SLURM_NODE_IS_HEALTHY", since="26.05", optional=True)]

#: The variables of each hook that Slurm starts.
VARIABLES: dict[str, dict[str, Variable]] = {
    "worker_prolog": _table(_NODE),
    "worker_epilog": _table(_NODE, _EXIT),
    "controller_prolog": _table(_CONTROLLER),
    "controller_epilog": _table(_CONTROLLER, _EXIT),
    "task_prolog": _table(_TASK),
    "task_epilog": _table(_TASK),
    HEALTH: _table(_HEALTH),
}

#: Names that any login session has, and none of Slurm's daemons gives to a script.
SESSION_VARIABLES = frozenset({"HOME", "USER", "LOGNAME", "MAIL", "SHELL", "TERM", "DISPLAY", "TMPDIR", "LANG"})

#: Where a job's owner decides what stands in it.
USER_TEXT = frozenset(
    {
        "SLURM_JOB_NAME",
        "SLURM_JOB_COMMENT",
        "SLURM_JOB_WORK_DIR",
        "SLURM_JOB_STDIN",
        "SLURM_JOB_STDOUT",
        "SLURM_JOB_STDERR",
        "SLURM_JOB_EXTRA",
        "SLURM_SUBMIT_DIR",
        "SLURM_WCKEY",
    }
)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """A hook as its scripts see it."""

    hook: Hook
    variables: dict[str, Variable]

    @property
    def name(self) -> str:
        """The hook's name."""
        return self.hook.name

    @property
    def group(self) -> str:
        """The kind of hook: V(init), V(health), V(node), V(controller) or V(task)."""
        if self.hook.is_init:
            return "init"
        if self.name == HEALTH:
            return "health"
        if self.hook.user == "job":
            return "task"
        return "controller" if self.hook.host == "controller" else "node"

    @property
    def is_init(self) -> bool:
        """Whether the host only starts: no job runs on it, and systemd gives the environment."""
        return self.hook.is_init

    @property
    def is_health(self) -> bool:
        """Whether it looks after the node, whatever jobs are there: Slurm ignores its exit code, so it drains by itself."""
        return self.group == "health"

    @property
    def occasion(self) -> str:
        """What the script runs once for, as a message says it."""
        return "run" if self.is_init or self.is_health else "job"

    @property
    def is_placed(self) -> bool:
        """Whether this collection places its scripts, and starts them with its dispatcher."""
        return self.name in HOOKS

    @property
    def is_privileged(self) -> bool:
        """Whether it runs as root or SlurmUser, so that a user who can steer it gains something."""
        return self.hook.user != "job"

    def absent(self, name: str, version: str | None) -> bool:
        """Whether a name is one of Slurm's (or a session's) that this hook does not have."""
        if self.is_init or (name in self.variables and self.variables[name].known_to(version)):
            return False
        if name.startswith(("SLURM_", "SLURMD_")):
            return True
        return self.group != "task" and name in SESSION_VARIABLES


def surroundings(hook: str) -> Surroundings:
    """The facts of a hook; an unknown name is a KeyError."""
    return Surroundings(KNOWN_HOOKS[hook], VARIABLES.get(hook, {}))
