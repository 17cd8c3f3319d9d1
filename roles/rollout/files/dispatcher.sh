# shellcheck shell=bash disable=SC2154 # the head sets what looks unset here
# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The body of the dispatchers that run as root or SlurmUser; the task hooks have another one (task_dispatcher.sh). The release puts a
# head before it that sets: hook, kind (job or init), release, digest, root (of the release), canary (this hook in the canary's
# release), reservation (the canary's), state, run, log, and the arrays names, partitions, timeouts, ignores; for init scripts also the
# arrays policies, digests, retries, delays.
# Rules:
# - bash 4.4 suffices.
# - No Slurm command, ever.
# - A fault of the bookkeeping (full disk, missing directory) changes neither the hook's output nor its exit code.
# - On success the dispatcher starts no program but the scripts.
# - The hook succeeds only at the end of its list.

# Only the probe's jobs run the canary.
if [[ ${SLURM_JOB_RESERVATION-} == "$reservation" && -x $canary && ! $canary -ef $0 ]]; then exec "$canary"; fi

# Slurm gives no PATH.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The present script: its process, the pipe that it prints into, its last 4,000 bytes without NUL, and so on.
script='' pipe='' into='' name='' introduction='' last='' noted='' killed='' timed_out='' code=0 us=0 ticks=0

# --- clocks

now_us() {
    if ((BASH_VERSINFO[0] >= 5)); then
        us=${EPOCHREALTIME//[!0-9]/}
    else
        us=$(/bin/date +%s%6N)
    fi
}

# Hundredths of a second since the boot. Nobody sets this clock; the other one may jump while a host starts.
uptime_ticks() {
    read -r ticks _ </proc/uptime
    ticks=$((10#${ticks/./}))
}

# --- records

json() {
    # Byte by byte: in another locale an invalid character would come through unseen.
    local text=$1 LC_ALL=C
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    quoted=${text//[[:cntrl:]]/?}
}

# The same for values of the environment, which a job's user may set to anything.
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
    last=''
    # The note of an earlier, slow script would be out of date.
    if [[ $noted ]]; then note; fi
}

# Slurm's SIGKILL leaves no time for a record. So a slow script gets a note while it runs, with its last output.
note() {
    noted=yes
    { printf '%s}\n' "$introduction" >"$run/running.$$" && printf '%s' "$last" >"$run/output.$$"; } 2>/dev/null
}

# The whole line, when the script has ended. If the log cannot be written, the line stays in memory until the next boot.
record() {
    printf -v line '%s,"exit":%d,"ms":%d' "$introduction" "$code" "$(((us - begin) / 1000))"
    if ! { printf '%s}\n' "$line" >>"$log"; } 2>/dev/null; then
        { printf '%s}\n' "$line" >>"$run/log"; } 2>/dev/null
        shorten "$run/log"
    fi
}

# All failures since the boot, in memory. This comes first: it names the jobs that Slurm now holds, even if a disk is full or Slurm's
# SIGKILL is near.
list_failure() {
    { printf '%s,"cause":"%s"}\n' "$line" "$1" >>"$run/failures"; } 2>/dev/null
}

# An undo and explain.yml turn this into a useful drain reason. No job reads it.
keep_failure() {
    local output='' lines=() place
    if [[ $last ]]; then
        # iconv: JSON is UTF-8, but a script's output need not be, and its beginning may be cut off. By way of UTF-16, because glibc
        # accepts numbers in UTF-8 that are not characters.
        mapfile -t lines < <({
            printf '%s' "$last" | tail -n 20 | iconv -c -f UTF-8 -t UTF-16LE | iconv -c -f UTF-16LE -t UTF-8
        } 2>/dev/null)
        printf -v output '%s\n' "${lines[@]}"
    fi
    json "$output"
    for place in "$state" "$run"; do
        { printf '%s,"cause":"%s","output":"%s"}\n' "$line" "$1" "$quoted" >"$place/failure.$$" &&
            mv -f -- "$place/failure.$$" "$place/failure.json"; } 2>/dev/null && break
    done
    shorten "$run/failures"
}

# A list in memory must not grow for ever: of 2 MiB the newer half stays.
shorten() {
    local list=$1 size
    {
        size=$(stat -c %s -- "$list") && ((size > 2097152)) || return 0
        (
            flock -n 9 && size=$(stat -c %s -- "$list") && ((size > 2097152)) || exit 0
            exec 8<"$list"
            tail -c 1048576 <&8 | tail -n +2 >"$list.new" && mv -f -- "$list.new" "$list" || exit
            # A dispatcher that had opened the list before still writes into the old one.
            sleep 0.1
            cat <&8 >>"$list"
        ) 9>>"$run/lock"
    } 2>/dev/null
}

# --- the script's output

# bash makes a pipe only for a process. This process does nothing; only its pipe is used.
make_pipe() {
    local both
    exec {both}<> <(:)
    exec {pipe}<"/dev/fd/$both"
    exec {both}>&-
}

# The script prints into a pipe: a full disk cannot disturb it, and a process that it leaves running delays nobody. Each byte comes
# through in its order.
listen() {
    local chunk status most=512 closed='' over='' deadline=0 pause=5 seconds tries LC_ALL=C
    if ((BASH_VERSINFO[0] < 5)); then most=1 pause=1; fi
    if ((limit)); then
        uptime_ticks
        deadline=$((ticks + limit * 100))
    fi
    while :; do
        printf -v seconds '%d.%02d' "$((pause / 100))" "$((pause % 100))"
        if [[ ! $closed ]]; then
            read_some
            status=$?
            pass_on
        elif ((limit)); then
            sleep "$seconds"
        else
            # Interrupted by Slurm's signal, it waits again.
            wait "$script"
        fi
        if [[ $closed ]] || ((status > 128)); then
            if ended; then
                if [[ $closed || ! $chunk || $over ]]; then break; fi
                # It was read in the middle of a line. One more reading finds the rest, so that one process prints both: journald shows what
                # two processes print as two lines.
                over=yes
            else
                note
                # Waits never longer than the script has run already, and at most a second.
                pause=$((pause < 50 ? pause * 2 : 100))
            fi
        elif ((status == 0)); then
            # There was more. After the end of the script one more reading finds the rest.
            if [[ $over ]]; then break; fi
            if ended; then over=yes; fi
        else
            # No process has the pipe any more. Usually the script ends a moment later; otherwise it writes elsewhere.
            closed=yes
            for ((tries = 0; tries < 50; tries++)); do
                if ended; then break 2; fi
            done
            note
        fi
        if ((limit)); then
            uptime_ticks
            if ((ticks >= deadline)); then
                if ended; then break; fi
                timed_out=yes limit=0
                stop
            elif ((pause > deadline - ticks)); then
                pause=$((deadline - ticks > 5 ? deadline - ticks : 5))
            fi
        fi
    done
    if [[ ! $closed ]]; then
        # A process that the script has left running still has the pipe. It must not die of a closed one.
        pass_on_all
        setsid cat <&"$pipe" >/dev/null 2>&1 &
        exec {pipe}<&-
        pipe=''
    fi
}

# Wait for something to read, for so many seconds at most.
read_some() {
    chunk=''
    if ((BASH_VERSINFO[0] >= 5)); then
        IFS= read -r -d '' -n "$most" -t "$seconds" -u "$pipe" chunk
    elif read -r -t 0 -u "$pipe"; then
        IFS= read -r -d '' -n "$most" -u "$pipe" chunk
    else
        # Before bash 5 a reading whose time is up forgets what it has read.
        sleep "$seconds"
        return 142
    fi
}

# Pass on the last reading. If it is shorter than asked for, the pipe has ended, or a NUL byte followed, which no variable can hold.
pass_on() {
    if [[ $chunk ]]; then
        { printf '%s' "$chunk"; } 2>/dev/null
        last+=$chunk
        if ((${#last} > 4000)); then last=${last: -4000}; fi
    fi
    if ((status == 0)); then
        if ((${#chunk} < most)); then { printf '\0'; } 2>/dev/null; fi
        pass_on_all
    fi
}

# Pass on the present content of the pipe, up to 4 MiB, without waiting for more. bash reads a pipe byte by byte, which is too slow.
pass_on_all() {
    local more
    if ! read -r -t 0 -u "$pipe"; then return; fi
    {
        more=$(
            exec 4>&1
            # The reader may be gone; that is not a failure of the hook.
            trap '' PIPE
            # The dot keeps the last newlines.
            dd if="/dev/fd/$pipe" iflag=nonblock bs=64k count=64 | tee >(tail -c 4000 | tr -d '\000' >&4 && printf . >&4) >&3
        )
    } 3>&1 2>/dev/null
    last+=${more%.}
    if ((${#last} > 4000)); then last=${last: -4000}; fi
}

# --- the script's processes

# Whether the script itself has ended: it is no longer a living child of this process.
ended() {
    local text=''
    { IFS= read -r -d '' text <"/proc/$script/stat"; } 2>/dev/null
    [[ ${text##*) } != [!XZ]" $$ "* ]]
}

# End the script and all that it has started: SIGTERM first, SIGKILL after five seconds. None of it may run beside the next script.
stop() {
    local -A known=()
    local found=() begun signal=TERM killed='' pause=0.1
    uptime_ticks
    begun=$ticks
    # No signal ends a process that hangs in the kernel. On a busy host one look takes seconds, so KILL may be due late.
    until [[ $killed ]] && ((ticks - begun >= 700)); do
        find_descendants
        if ((${#found[@]} == 0)); then return; fi
        if [[ $signal ]]; then kill -s "$signal" "${found[@]}" 2>/dev/null; fi
        if [[ $signal == KILL ]]; then killed=yes; fi
        sleep "$pause"
        signal='' pause=0.3
        uptime_ticks
        if ((ticks - begun >= 500)); then signal=KILL; fi
    done
}

# Find the living processes that the script has started: its children and theirs, and those that an earlier call has seen. In Slurm's
# hooks also the whole process group of the hook, which Slurm ends as a whole, too. All are in stop's array.
find_descendants() {
    local file text fields pid changed=yes
    local -A parent=() group=() begun=()
    for file in /proc/[0-9]*/stat; do
        text=''
        { IFS= read -r -d '' text <"$file"; } 2>/dev/null
        # The name, in parentheses, may hold anything; after it: state, parent, process group, ..., time of the start.
        # shellcheck disable=SC2206 # numbers and a letter
        fields=(${text##*) })
        pid=${text%% *}
        if ((${#fields[@]} < 20 || pid == $$)) || [[ ${fields[0]} == [XZ] ]]; then continue; fi
        parent[$pid]=${fields[1]} group[$pid]=${fields[2]} begun[$pid]=${fields[19]}
    done
    for pid in "${!known[@]}"; do
        if [[ ${begun[$pid]-} != "${known[$pid]}" ]]; then unset "known[$pid]"; fi
    done
    while [[ $changed ]]; do
        changed=''
        for pid in "${!parent[@]}"; do
            if [[ ! ${known[$pid]-} ]] &&
                [[ $pid == "$script" || ${known[${parent[$pid]}]-} || ($kind == job && ${group[$pid]} == "$$") ]]; then
                known[$pid]=${begun[$pid]} changed=yes
            fi
        done
    done
    found=("${!known[@]}")
}

# --- the hook

# One start of a script. Sets its exit code, and for a failure its cause.
attempt() {
    local index=$1 limit=${timeouts[$1]}
    name=${names[index]} timed_out='' cause=exit
    introduce
    if [[ ! $pipe ]]; then make_pipe; fi
    exec {into}>"/dev/fd/$pipe"
    (
        # bash lets a background process ignore them.
        trap - INT QUIT
        # slurm_script_path is for the scripts alone: the dispatcher's tools are the system's, whatever those directories hold.
        PATH=$script_path:$PATH
        exec "$root/$hook.d/$name"
    ) >&"$into" 2>&1 </dev/null {pipe}<&- {into}>&- &
    script=$!
    exec {into}>&-
    listen
    wait "$script"
    code=$?
    if [[ $killed ]]; then
        keep_failure killed
        exit 143
    fi
    # The code of timeout(1).
    if [[ $timed_out ]]; then code=124 cause=timeout; fi
    now_us
    record
    introduction=''
}

run() {
    local index=$1 left=${retries[$1]-0} cause
    while :; do
        attempt "$index"
        if ((code == 0)); then
            if [[ ${policies[index]-boot} != boot ]]; then mark_success "$index"; fi
            return 0
        fi
        if ((left-- <= 0)); then break; fi
        printf 'nodecycle: %s: script %s ended with exit code %d; it is tried again in %d seconds\n' "$hook" "$name" "$code" \
            "${delays[index]}" >&2
        # A signal ends this wait at once.
        sleep "${delays[index]}" &
        wait "$!"
        # The limit of all scripts: there is no further attempt.
        if [[ $killed ]]; then
            kill "$!" 2>/dev/null
            break
        fi
    done
    if ((ignores[index])); then return 0; fi
    list_failure "$cause"
    keep_failure "$cause"
    printf 'nodecycle: %s: script %s ended with exit code %d\n' "$hook" "$name" "$code" >&2
    return "$code"
}

# Whether an init script is due: one that has succeeded on this host may be done, for good or until its text changes.
is_due() {
    local succeeded=''
    if [[ ${policies[$1]-boot} == boot ]]; then return 0; fi
    { read -r succeeded <"$state/succeeded/${names[$1]#*-}"; } 2>/dev/null
    [[ ! $succeeded || (${policies[$1]} == change && $succeeded != "${digests[$1]}") ]]
}

# Without this mark the script runs again at the next boot.
mark_success() {
    local mark=$state/succeeded/${names[$1]#*-}
    {
        { [[ -d ${mark%/*} ]] || mkdir -m 0700 "${mark%/*}"; } &&
            printf '%s\n' "${digests[$1]}" >"$mark.$$" && mv -f -- "$mark.$$" "$mark"
    } 2>/dev/null || printf 'nodecycle: %s: cannot write %s, so script %s will run again\n' "$hook" "$mark" "$name" >&2
}

# Whether a script for certain partitions is for this job. Some versions of Slurm name all partitions of the submission.
is_for_partition() {
    local wanted=$1, one
    if [[ $wanted == , ]]; then return 0; fi
    while [[ $wanted ]]; do
        one=${wanted%%,*}
        wanted=${wanted#*,}
        if [[ ,${SLURM_JOB_PARTITION-}, == *",$one,"* ]]; then return 0; fi
    done
    return 1
}

# Slurm's own limit ends the whole group: record it in the moment that is left. The script's output follows at its end.
# shellcheck disable=SC2329 # by the trap
on_term() {
    # systemd sends SIGTERM again to new processes, and the record of the failure must be completed.
    trap '' TERM
    if [[ $killed ]]; then return; fi
    killed=yes code=143
    if [[ ! $introduction ]]; then return; fi
    now_us
    record
    list_failure killed
}

trap on_term TERM
# The reader may be gone; that is not a failure of the hook, nor of a script.
trap : PIPE
trap 'if [[ $noted ]]; then rm -f -- "$run/running.$$" "$run/output.$$"; fi' EXIT

# In one piece: if bash gives up within, it drops the whole and reaches the end of the file with a failure.
{
    if [[ $kind == init ]]; then
        rm -f -- "$run.ok"
    fi
    for index in "${!names[@]}"; do
        if [[ $killed ]]; then exit 143; fi
        if is_for_partition "${partitions[index]}" && is_due "$index"; then run "$index" || exit; fi
    done
    if [[ $killed ]]; then exit 143; fi
    if [[ $kind == init ]]; then
        # Not bookkeeping: without this file the daemon that waits for this hook does not start.
        # shellcheck disable=SC2174 # /run is there
        mkdir -p -m 0755 "${run%/*}" && printf '%s\n' "$digest" >"$run.ok" || exit
    fi
    exit 0
}
