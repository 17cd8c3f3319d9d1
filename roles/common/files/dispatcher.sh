# shellcheck shell=bash disable=SC2154 # the head sets what looks unset here
# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The body of every dispatcher. The release puts a head before it that sets: hook, kind (job, task or init),
# release, digest, root (of the release), canary (this hook in the release on trial), reservation (the trial's), state, run, log,
# and the arrays names, partitions, timeouts, ignores.
# Rules: bash 4.4 suffices; no Slurm command, ever; a fault of the bookkeeping (full disk, missing
# directory) never fails the hook; on the way of a success no process is started beside the script itself
# (but for timeout, and one rm for its output).

# A release on trial is met by the probe's jobs and by nobody else's.
if [[ ${SLURM_JOB_RESERVATION-} == "$reservation" && -x $canary && ! $canary -ef $0 ]]; then exec "$canary"; fi

# The task hooks run as the job's user in his own environment; the others get none from Slurm, so no PATH.
if [[ $kind != task ]]; then
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
fi

now_us() {
    if [[ ${EPOCHREALTIME-} ]]; then
        us=${EPOCHREALTIME/[.,]/}
    else
        us=$(/bin/date +%s%6N)
    fi
}

json() {
    # Byte by byte: in another locale an invalid character would come through unseen.
    local text=$1 LC_ALL=C
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    quoted=${text//[[:cntrl:]]/?}
}

# The same for what comes out of the environment: a job's user may have put anything there.
ascii() {
    local LC_ALL=C
    json "${1//[! -~]/?}"
}

# The beginning of a line of JSON about the script that starts now.
introduce() {
    local stamp job user
    now_us
    begin=$us
    printf -v stamp '%(%Y-%m-%dT%H:%M:%S%z)T' "$((begin / 1000000))"
    ascii "${SLURM_JOB_ID-}"
    job=$quoted
    ascii "${SLURM_JOB_USER-${USER-}}"
    user=$quoted
    ascii "${SLURMD_NODENAME-${HOSTNAME-}}"
    printf -v introduction '{"time":"%s","hook":"%s","script":"%s","release":"%s","job":"%s","user":"%s","node":"%s"' \
        "$stamp" "$hook" "$name" "${release:0:16}" "$job" "$user" "$quoted"
    # Slurm's SIGKILL leaves no time for anything, and then this is who was killed: what goes at the end is still there.
    if [[ $running ]]; then { printf '%s}\n' "$introduction" >"$running"; } 2>/dev/null; fi
}

# The whole line, when it has ended.
record() {
    printf -v line '%s,"exit":%d,"ms":%d' "$introduction" "$code" "$(((us - begin) / 1000))"
    if [[ $kind == task ]]; then
        # The job's user may not write our logs; he tells syslog, and only of failures.
        if ((code)); then /usr/bin/logger -t nodecycle -- "$line}" 2>/dev/null; fi
    else
        { printf '%s}\n' "$line" >>"$log"; } 2>/dev/null
    fi
}

# What rollback and repair turn into a useful drain reason; read by nobody on the way of a job. The list of all failures since the
# boot comes first and is in memory: it names the jobs that Slurm now holds, also when a disk is full or Slurm's SIGKILL is near.
record_failure() {
    local output='' last=() place
    { printf '%s,"cause":"%s"}\n' "$line" "$1" >>"$run/failures"; } 2>/dev/null
    if [[ $capture && -s $capture ]]; then
        # iconv: JSON is UTF-8, and what a script says need not be, least of all when its beginning is cut off.
        mapfile -t last < <(tail -n 20 -- "$capture" | tail -c 4000 | tr -d '\000' | iconv -c -f UTF-8 -t UTF-8 2>/dev/null)
        printf -v output '%s\n' "${last[@]}"
    fi
    json "$output"
    for place in "$state" "$run"; do
        { printf '%s,"cause":"%s","output":"%s"}\n' "$line" "$1" "$quoted" >"$place/failure.new" &&
            mv -f -- "$place/failure.new" "$place/failure.json"; } 2>/dev/null && return
    done
}

# What the script printed, byte by byte. The usual few lines without a process: read fails where it meets the end of the file,
# so it succeeds where there is more, or a NUL byte, which no variable can hold.
pass_on() {
    local text=''
    # Nobody may listen any more; that is no failure of the hook.
    trap '' PIPE
    if IFS= read -r -d '' -n 4096 text <"$capture"; then cat -- "$capture"; else printf '%s' "$text"; fi 2>/dev/null
    trap - PIPE
}

run() {
    local index=$1
    name=${names[index]}
    local command=("$root/$hook.d/$name") limit=${timeouts[index]}
    # In the foreground: so that it stays in the process group that Slurm kills.
    if ((limit)); then
        command=(/usr/bin/timeout --foreground --kill-after=5 "$limit" "${command[@]}")
    fi
    introduce
    if [[ $capture ]]; then
        "${command[@]}" >"$capture" 2>&1 </dev/null
    else
        "${command[@]}"
    fi
    code=$?
    now_us
    record
    if [[ $capture && -s $capture ]]; then pass_on; fi
    if ((code == 0 || ignores[index])); then return 0; fi
    if [[ $kind != task ]]; then
        if ((limit && (code == 124 || code == 137))); then record_failure timeout; else record_failure exit; fi
    fi
    printf 'nodecycle: %s: script %s ended with exit code %d\n' "$hook" "$name" "$code" >&2
    return "$code"
}

capture='' running=''
if [[ $kind != task ]]; then
    # In memory: a full disk must not fail a script that prints a line.
    capture=$run/output.$$
    running=$run/running.$$
    # Slurm's own limit kills the whole group: leave word of it in the moment that is left.
    trap 'code=143; now_us; record; record_failure killed; exit 143' TERM
    trap 'rm -f -- "$running" ${capture:+"$capture"}' EXIT
    { : >"$capture"; } 2>/dev/null || capture=''
fi
if [[ $kind == init ]]; then
    rm -f -- "$run.ok"
fi

for index in "${!names[@]}"; do
    wanted=${partitions[index]}
    if [[ $wanted && ",$wanted," != *",${SLURM_JOB_PARTITION-},"* ]]; then continue; fi
    run "$index" || exit
done

if [[ $kind == init ]]; then
    # No bookkeeping: without it the daemon that waits for this hook does not start.
    # shellcheck disable=SC2174 # /run is there
    mkdir -p -m 0755 "${run%/*}" && printf '%s\n' "$digest" >"$run.ok" || exit
fi
exit 0
