# shellcheck shell=bash disable=SC2154 # the head sets what looks unset here
# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The body of the dispatchers of the task hooks, which run as the job's user in his own environment. The release puts a head before it
# that sets, each with the prefix __nodecycle_: hook, release, root (of the release), canary (the link to the canary's release, without
# the probe's user id), reservation, and the arrays names, partitions, timeouts, ignores.
# Rules:
# - bash 4.4 suffices, and its POSIX mode.
# - The user's variables reach the scripts unchanged, so every name has the prefix.
# - No functions (FUNCNEST is the user's) and no `<(` (his POSIXLY_CORRECT makes it a syntax error in bash 5.0).
# - The scripts' output is a protocol and goes straight to Slurm.
# - On success the dispatcher starts no process but the scripts.
# - The hook succeeds only at the end of its list.

# In one piece: if bash gives up within, it drops the whole and reaches the end of the file with a failure.
{
    # A user may set SLURM_JOB_RESERVATION here, but only the probe's user has a canary under his number. (Not $EUID: the user may set
    # that, too.)
    if [[ ${SLURM_JOB_RESERVATION-} == "$__nodecycle_reservation" ]]; then
        __nodecycle_one=$__nodecycle_canary.$(/usr/bin/id -u)/$__nodecycle_hook
        if [[ -x $__nodecycle_one && ! $__nodecycle_one -ef $0 ]]; then exec "$__nodecycle_one"; fi
    fi

    for __nodecycle_index in "${!__nodecycle_names[@]}"; do
        # 22.05 names all partitions that the job was sent to.
        __nodecycle_wanted=${__nodecycle_partitions[__nodecycle_index]},
        __nodecycle_runs=''
        if [[ $__nodecycle_wanted == , ]]; then __nodecycle_runs=yes; fi
        while [[ ! $__nodecycle_runs && $__nodecycle_wanted ]]; do
            __nodecycle_one=${__nodecycle_wanted%%,*}
            __nodecycle_wanted=${__nodecycle_wanted#*,}
            if [[ ,${SLURM_JOB_PARTITION-}, == *",$__nodecycle_one,"* ]]; then __nodecycle_runs=yes; fi
        done
        if [[ ! $__nodecycle_runs ]]; then continue; fi

        __nodecycle_name=${__nodecycle_names[__nodecycle_index]}
        __nodecycle_one=$__nodecycle_root/$__nodecycle_hook.d/$__nodecycle_name
        printf -v __nodecycle_begin '%(%s)T' -1
        if ((__nodecycle_timeouts[__nodecycle_index])); then
            # In a process group of its own, so that the limit ends all of it. A process that ignores the first signal stays in the group.
            /usr/bin/timeout --kill-after=5 "${__nodecycle_timeouts[__nodecycle_index]}" "$__nodecycle_one" &
            wait "$!"
            __nodecycle_code=$?
            if ((__nodecycle_code == 124 || __nodecycle_code == 137)); then kill -s KILL -- "-$!" 2>/dev/null; fi
        else
            "$__nodecycle_one"
            __nodecycle_code=$?
        fi
        if ((__nodecycle_code == 0)); then continue; fi

        # The job's user may not write our logs; he tells syslog, and only of failures.
        (
            LC_ALL=C
            printf -v __nodecycle_end '%(%s)T' -1
            printf -v __nodecycle_stamp '%(%Y-%m-%dT%H:%M:%S%z)T' "$__nodecycle_begin"
            # He may have put anything into these.
            __nodecycle_job=${SLURM_JOB_ID-} __nodecycle_user=${SLURM_JOB_USER-${USER-}} __nodecycle_node=${SLURMD_NODENAME-}
            printf -v __nodecycle_line '"job":"%s","user":"%s","node":"%s"' "${__nodecycle_job//[!0-9A-Za-z._@-]/?}" \
                "${__nodecycle_user//[!0-9A-Za-z._@-]/?}" "${__nodecycle_node//[!0-9A-Za-z._@-]/?}"
            printf -v __nodecycle_line '{"time":"%s","hook":"%s","script":"%s","release":"%s",%s,"exit":%d,"ms":%d}' \
                "$__nodecycle_stamp" "$__nodecycle_hook" "$__nodecycle_name" "${__nodecycle_release:0:16}" "$__nodecycle_line" \
                "$__nodecycle_code" "$(((__nodecycle_end - __nodecycle_begin) * 1000))"
            exec /usr/bin/logger -t nodecycle -- "$__nodecycle_line"
        ) >/dev/null 2>&1
        if ((__nodecycle_ignores[__nodecycle_index])); then continue; fi
        printf 'nodecycle: %s: script %s ended with exit code %d\n' "$__nodecycle_hook" "$__nodecycle_name" "$__nodecycle_code" >&2
        exit "$__nodecycle_code"
    done
    exit 0
}
