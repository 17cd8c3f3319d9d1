# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single commands: is this one right in this hook?"""

from __future__ import annotations

import re
import typing as t

from .model import Hit, hit_at, words
from .program import Call, Word
from .subject import Subject

SLURM_COMMANDS = words(
    """
    sacct sacctmgr salloc sattach sbatch sbcast scancel scontrol scrontab scrun sdiag sgather sinfo sjobexitmod
    sjstat smail sprio squeue sreport srun sshare sstat strigger sview
    """
)

#: scontrol's verbs that only fold or expand a list of names, without asking the controller.
_LOCAL_VERBS = frozenset({"hostname", "hostnames", "hostlist", "hostlistsorted"})


def slurm_command(subject: Subject) -> t.Iterator[Hit]:
    """slurm-command: every Slurm command that runs in a job hook."""
    if not subject.where.is_job:
        return
    for call in subject.program.calls:
        if call.name not in SLURM_COMMANDS or call.context.remote:
            continue
        texts = call.texts
        if set(texts) & {"-V", "--version", "--help", "--usage"}:
            continue
        verb = [text for text in texts if not text.startswith("-")][:2]
        if call.name == "scontrol" and len(verb) == 2 and verb[0].startswith("sh") and verb[1] in _LOCAL_VERBS:
            yield hit_at(
                "slurm-command",
                call,
                f"scontrol {' '.join(verb)} only expands names here; it does not ask the controller",
                "info",
            )
            continue
        yield hit_at("slurm-command", call, f"{_label(call)} runs in {subject.where.name}")


def _label(call: Call) -> str:
    """A command with its verb, as a reader would call it."""
    verb = next((text for text in call.texts[:1] if re.fullmatch(r"[a-z]+", text)), "")
    return f"{call.name} {verb}".strip()


#: Part of every system, or of the shell. Everything else is "found only through PATH".
BASE_COMMANDS = words(
    """
    [ [[ : . alias arch awk base64 basename bash bg blkid break builtin bzip2 cat cd chgrp chmod chown chroot
    cksum clear cmp comm command continue cp cpio cut dash date dd declare df diff dir dirname dmesg du echo
    egrep enable env eval exec exit expand expr export expr factor false fg fgrep file find findmnt flock fmt
    fold free fsck fuser gawk getconf getent getfacl getopt getopts grep groups gunzip gzip hash head hostid
    hostname hostnamectl iconv id ifconfig install ionice ip ipcrm ipcs iptables jobs join journalctl kill
    killall kmod last ldconfig let link ln local locale logger login loginctl logname logout losetup ls lsblk
    lscpu lsmod lsof lspci mapfile mawk md5sum mkdir mkfifo mkfs mknod mkswap mktemp modinfo modprobe more mount
    mountpoint mv nice nl nohup nproc nsenter od passwd paste perl pgrep pidof ping pkill popd pr printenv
    printf prlimit ps pushd pwd python python3 quota read readarray readlink readonly realpath renice return rev
    rm rmdir rmmod rsync runuser sed select seq service set setfacl setpriv setsid sh sha1sum sha256sum
    sha512sum shift shopt shred sleep sort source split ss ssh stat stdbuf strings stty su sudo sum swapoff
    swapon sync sysctl systemctl systemd-cat systemd-notify systemd-run systemd-tmpfiles tac tail tar taskset
    tee test time timeout times touch tr trap true truncate tty type typeset udevadm ulimit umask umount unalias
    uname unexpand uniq unlink unset unshare unxz unzip uptime useradd userdel usermod users vmstat wait wc
    which who whoami xargs xz yes zcat zgrep curl wget scp nft netstat nc route arp ethtool dpkg rpm apt apt-get
    yum dnf nslookup dig host tcpdump crontab at mail sendmail hwclock insmod depmod dnsdomainname domainname
    tput caller bind compgen complete disown fc history logout suspend let coproc function bc
    """
)


def command_search_path(subject: Subject) -> t.Iterator[Hit]:
    """command-search-path: the first command of no base system that is called by its bare name, or else of any."""
    if not subject.where.is_job or subject.where.group == "task" or subject.program.is_library:
        return
    if any(a.value is not None or a.kind == "append" for a in subject.program.assignments.get("PATH", ())):
        return
    bare = [
        call
        for call in subject.program.calls
        if call.path
        and "/" not in call.path
        and "$" not in call.path
        and call.name not in subject.program.functions
        and not call.context.remote
        and re.fullmatch(r"[A-Za-z0-9][\w.+-]*", call.name)
        # sudo and su bring a PATH of their own; the text of an eval has no place of its own.
        and call.context.user is None
        and not call.context.in_text
        and not _looked_for(subject, call)
    ]
    bare.sort(key=lambda call: call.line)
    # With a file of functions in use, an unknown name may be one of them.
    sources = bool(subject.program.named("source", "."))
    foreign = next(
        (call for call in bare if call.name not in BASE_COMMANDS and (not sources or call.name in _WELL_KNOWN)), None
    )
    if foreign is not None:
        found_by = (
            "the PATH of our dispatcher"
            if subject.path
            else "nothing but the shell's built-in default, for Slurm sets no PATH"
        )
        yield hit_at(
            "command-search-path",
            foreign,
            f"{foreign.name} is called by its bare name and found through {found_by}",
            "info" if subject.path else "warning",
        )
        return
    base = next((call for call in bare if call.name not in _SHELL_WORDS), None)
    if base is not None and subject.path is None:
        yield hit_at(
            "command-search-path",
            base,
            f"{base.name} is called by its bare name, and Slurm sets no PATH",
            "info",
        )


def _looked_for(subject: Subject, call: Call) -> bool:
    """Whether command -v and the like made sure of the command just before."""
    return any(
        other.name in ("command", "which", "type", "hash")
        and other.sequence < call.sequence
        and other.context.function == call.context.function
        and call.name in other.texts
        for other in subject.program.calls
    )


#: Names that are programs wherever they are met.
_WELL_KNOWN = SLURM_COMMANDS | words(
    """
    aws az beeond dcgmi docker gcloud git jq kubectl lctl lfs mysql nvidia-smi oci openstack podman psql
    rocm-smi singularity apptainer
    """
)

#: Built into the shells: no search at all.
_SHELL_WORDS = words(
    """
    [ : . alias bg break builtin cd command continue declare echo eval exec exit export false fg getopts hash
    jobs kill let local mapfile popd printf pushd pwd read readarray readonly return set shift shopt source test
    times trap true type typeset ulimit umask unalias unset wait
    """
)

_INSTALLERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("apt", "apt-get", "aptitude", "yum", "dnf", "microdnf", "tdnf"),
        words("install update upgrade dist-upgrade groupinstall reinstall localinstall"),
    ),
    "zypper": frozenset({"install", "in", "update", "up", "refresh"}),
    **dict.fromkeys(
        (
            "pip",
            "pip3",
            "pip2",
            "conda",
            "mamba",
            "micromamba",
            "snap",
            "flatpak",
            "gem",
            "npm",
            "cargo",
            "go",
            "apk",
            "brew",
            "spack",
            "uv",
        ),
        frozenset({"install", "add", "upgrade"}),
    ),
    "rpm": words("-i -U -ivh -Uvh -F --install --upgrade"),
    "dpkg": frozenset({"-i", "--install"}),
}


def package_install(subject: Subject) -> t.Iterator[Hit]:
    """package-install: a package manager that installs or updates."""
    if not subject.where.is_job:
        return
    for call in subject.program.calls:
        texts = call.texts
        name = call.name
        if re.fullmatch(r"python[0-9.]*", name) and texts[:2] == ["-m", "pip"]:
            name, texts = "pip", texts[2:]
        verbs = _INSTALLERS.get(name)
        found = next((text for text in texts if text in verbs), None) if verbs else None
        if found is not None:
            yield hit_at("package-install", call, f"{name} {found} runs in {subject.where.name}")


# --------------------------------------------------------------------------------------------------------------- kills

#: Names by which a script calls the job's owner.
_OWNER = re.compile(
    r"SLURM_(JOB_)?(UID|USER)\b|\b(USER|user|UID|uid|LOGNAME|username|USERNAME|job_?user|JOB_?USER|job_?uid|JOB_?UID)\b"
)

#: Asking for other jobs of the user, one way or another.
_ASKS = frozenset({"squeue", "sacct", "scontrol", "loginctl", "sstat"})


def kill_processes(subject: Subject) -> t.Iterator[Hit]:
    """kill-user-processes and kill-unscoped: who dies beside the job?"""
    if not subject.where.is_job:
        return
    for call in subject.program.calls:
        if call.context.remote:
            continue
        if call.name in ("pkill", "killall", "skill", "slay"):
            if _probes(call):
                continue
            target = _user_option(call)
            if target is not None:
                yield _user_kill(subject, call, target)
            elif call.name == "pkill" and call.has_option(
                "-P", "-g", "-s", "-t", "--parent", "--pgroup", "--session", "--terminal", "--ns", "--cgroup"
            ):
                continue
            elif (
                call.context.user in (None, "root") and call.arguments and subject.where.group in ("node", "controller")
            ):
                yield hit_at(
                    "kill-unscoped",
                    call,
                    f"{call.name} kills by name, in every job on the node",
                    "info",
                )
        elif call.name == "loginctl" and call.texts[:1] in (["terminate-user"], ["kill-user"]):
            yield _user_kill(subject, call, " ".join(call.texts[1:]))
        elif call.name == "fuser" and call.has_option("-k", "--kill"):
            asked = _asked_before(subject, call)
            yield hit_at(
                "kill-unscoped",
                call,
                "fuser -k kills whoever uses the file, also other jobs",
                "info" if asked else None,
            )
        elif call.name == "kill" and not _probes(call):
            yield from _kill(subject, call)


def _probes(call: Call) -> bool:
    """kill -0 and pkill -0 only ask."""
    return call.texts[:1] in (["-0"], ["-l"], ["-L"]) or call.texts[:2] == ["-s", "0"]


def _user_option(call: Call) -> str | None:
    """Whose processes pkill, killall or skill selects, when that is all they select by."""
    texts = call.texts
    target = None
    names = []
    position = 0
    while position < len(texts):
        text = texts[position]
        match = re.match(r"--(?:user|uid|euid)(?:=(.*))?$", text) or re.match(r"-[A-Za-z0-9]*[uU](.*)$", text)
        if match and not text.startswith("--signal"):
            if match[1]:
                target = match[1]
            else:
                position += 1
                target = texts[position] if position < len(texts) else ""
        elif text in ("-s", "--signal", "-g", "-P", "-t", "-y", "-o"):
            position += 1
        elif not text.startswith("-"):
            names.append(text)
        position += 1
    # A pattern narrows it down to one program of the user's: pkill -u x ssh-agent.
    return target if target is not None and not [name for name in names if name not in (".", ".*")] else None


def _user_kill(subject: Subject, call: Call, target: str) -> Hit:
    message = f"{call.name} kills every process of {target or 'a user'}"
    if _asked_before(subject, call):
        return hit_at(
            "kill-user-processes",
            call,
            message + "; the script looks for other jobs first, make sure that it stops when that look fails",
            "info",
        )
    return hit_at("kill-user-processes", call, message + ", also in his other jobs on this node")


def _asked_before(subject: Subject, call: Call) -> bool:
    """Whether something before it finds out about other jobs of the user."""
    for other in subject.program.calls:
        if other.sequence >= call.sequence and other.context.function == call.context.function:
            continue
        if other.name in _ASKS and other is not call and other.texts[:1] not in (["terminate-user"], ["kill-user"]):
            return True
        if any(re.search(r"cgroup|uid_|slurmstepd|user_jobs|jobs_of", text) for text in (other.name, *other.texts)):
            return True
    return False


def _kill(subject: Subject, call: Call) -> t.Iterator[Hit]:
    texts = call.texts
    if texts and texts[-1] == "-1" and len(texts) > 1:
        yield hit_at("kill-unscoped", call, "kill -1 signals every process that there is", "error")
        return
    sources = [source for word in call.arguments for source in _pid_sources(subject, word, call)]
    if "xargs" in call.via and call.context.pipeline is not None:
        number = call.context.pipeline[0]
        sources += [
            c
            for c in subject.program.calls
            if c.context.pipeline and c.context.pipeline[0] == number and c.sequence < call.sequence
        ]
    names = {source.name for source in sources}
    if "nvidia-smi" in names or "fuser" in names or "lsof" in names or "rocm-smi" in names:
        if not any(_narrows(source) for source in sources):
            yield hit_at(
                "kill-unscoped",
                call,
                f"kills every process that {sorted(names & {'nvidia-smi', 'fuser', 'lsof', 'rocm-smi'})[0]} lists, also those of other jobs",
            )
    elif "ps" in names or "pgrep" in names:
        lists = [source for source in sources if source.name in ("ps", "pgrep")]
        by_user = any(source.has_option("-u", "-U", "--user", "--uid") for source in lists) or any(
            _OWNER.search(" ".join(s.texts)) for s in sources if s.name in ("awk", "grep", "egrep")
        )
        narrowed = any(_narrows(source) for source in sources) or any(
            source.name == "pgrep" and any(not text.startswith("-") and "$" not in text for text in source.texts)
            for source in lists
        )
        if by_user and not narrowed:
            yield _user_kill(subject, call, "the user")


def _narrows(source: Call) -> bool:
    """Whether a filter asks for this job, a cgroup, a parent or a user."""
    text = " ".join(source.texts)
    return bool(re.search(r"SLURM_JOB_?ID|cgroup|job_?id|JOB_?ID", text)) or source.has_option(
        "--ppid", "-g", "-P", "-s"
    )


def _pid_sources(subject: Subject, word: Word, at: Call, depth: int = 3) -> list[Call]:
    """The commands whose output became the numbers that kill is given."""
    found: list[Call] = []
    for piece in word.pieces:
        found.extend(piece.commands)
        if piece.kind == "variable" and depth:
            for assignment in subject.program.values(piece.text, at):
                if assignment.value is not None:
                    found.extend(_pid_sources(subject, assignment.value, at, depth - 1))
                for item in assignment.items:
                    found.extend(_pid_sources(subject, item, at, depth - 1))
                if assignment.kind == "read" and assignment.context.pipeline is not None:
                    number = assignment.context.pipeline[0]
                    found.extend(
                        c
                        for c in subject.program.calls
                        if c.context.pipeline and c.context.pipeline[0] == number and c.sequence < assignment.sequence
                    )
                for redirect in assignment.context.redirects:
                    for inner in redirect.target.pieces:
                        found.extend(inner.commands)
    return found


# ------------------------------------------------------------------------------------------- programs made of strings


def eval_text(subject: Subject) -> t.Iterator[Hit]:
    """eval-text: eval, or sh -c, of something that is not fixed."""
    for call in subject.program.calls:
        if call.name == "eval" and call.arguments:
            if any(
                piece.kind in ("variable", "command") for word in call.arguments for piece in word.pieces
            ) and not _only_arguments(call):
                yield hit_at("eval-text", call, f"eval runs {_short(' '.join(call.texts))}")
        elif call.name in ("sh", "bash", "dash", "ksh", "zsh"):
            for position, word in enumerate(call.arguments[:-1]):
                text = word.literal or ""
                if re.fullmatch(r"-[A-Za-z]*c", text):
                    program = call.arguments[position + 1]
                    if len(program.pieces) == 1 and program.pieces[0].kind == "variable" and not _is_argument(program):
                        known = subject.program.resolve(program, call)
                        if known.literal is None:
                            yield hit_at("eval-text", call, f"{call.name} -c runs {_short(program.shown)}")
                    break


def _only_arguments(call: Call) -> bool:
    return all(_is_argument(word) for word in call.arguments)


def _is_argument(word: Word) -> bool:
    return len(word.pieces) == 1 and word.pieces[0].kind == "variable" and word.pieces[0].text in ("@", "*")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


_FETCHERS = frozenset({"curl", "wget", "aria2c"})
_INTERPRETERS = words("sh bash dash ksh zsh python python3 perl ruby node source .")

#: Programs that carry out what a file says, wherever it stands among their arguments.
_RUNNERS = words("ansible-playbook chef-client chef-solo cinc-client puppet make dpkg rpm")


def download_and_run(subject: Subject) -> t.Iterator[Hit]:
    """download-and-run: what curl or wget brought is executed."""
    calls = subject.program.calls
    fetched: dict[str, Call] = {}
    stages: dict[int, Call] = {}
    for call in calls:
        if call.name in _FETCHERS:
            if call.context.pipeline is not None:
                stages[call.context.pipeline[0]] = call
            for target in _fetch_targets(subject, call):
                fetched[target] = call
        elif call.name in _INTERPRETERS:
            if (
                call.context.pipeline is not None
                and call.context.pipeline[0] in stages
                and not [w for w in call.arguments if not w.shown.startswith("-")]
            ):
                source = stages[call.context.pipeline[0]]
                yield hit_at(
                    "download-and-run",
                    source,
                    f"the output of {source.name} goes straight into {call.name}",
                )
            for word in call.arguments:
                source_call = next((c for piece in word.pieces for c in piece.commands if c.name in _FETCHERS), None)
                if source_call is not None:
                    yield hit_at(
                        "download-and-run",
                        source_call,
                        f"{call.name} runs what {source_call.name} brings",
                    )
        elif call.name == "eval":
            fetcher = next(
                (c for word in call.arguments for piece in word.pieces for c in piece.commands if c.name in _FETCHERS),
                None,
            )
            if fetcher is not None:
                yield hit_at(
                    "download-and-run",
                    fetcher,
                    f"eval runs what {fetcher.name} brings",
                )
    if not fetched:
        return
    verified = {call.name for call in calls} & words(
        "sha256sum sha512sum md5sum gpg gpgv cosign sha1sum minisign openssl"
    )
    if verified:
        return
    reported: set[int] = set()
    for call in calls:
        for target in _executed_files(subject, call):
            source = fetched.get(target) or next((c for f, c in fetched.items() if _same_file(f, target)), None)
            if source is not None and source is not call and source.sequence not in reported:
                reported.add(source.sequence)
                yield hit_at(
                    "download-and-run",
                    source,
                    f"the file that {source.name} brings is executed later ({call.name or call.path}, line {call.line})",
                )


def _same_file(fetched: str, executed: str) -> bool:
    """Whether a path that ends in a variable or pattern can be the other one: the directory is what is known."""
    folder, _slash, name = fetched.rpartition("/")
    other, _slash, other_name = executed.rpartition("/")
    return bool(folder) and folder == other and (name.startswith("${") or "*" in other_name)


def _fetch_targets(subject: Subject, call: Call) -> t.Iterator[str]:
    for redirect in call.context.redirects:
        if redirect.operator in (">", ">>", ">|") and redirect.fd in ("", "1"):
            yield subject.program.resolve(redirect.target, call).shown
    words = call.arguments
    for position, word in enumerate(words[:-1]):
        text = word.shown
        if (
            text in ("--output", "--output-document")
            or (re.fullmatch(r"-[A-Za-z]*o", text) and call.name == "curl")
            or (re.fullmatch(r"-[A-Za-z]*O", text) and call.name == "wget")
        ):
            target = subject.program.resolve(words[position + 1], call).shown
            if target not in ("-", "/dev/null"):
                yield target
    if (call.name == "wget" and not call.has_option("-O", "--output-document")) or (
        call.name == "curl" and call.has_option("-O", "--remote-name")
    ):
        for word in words:
            text = subject.program.resolve(word, call).shown
            if "://" in text:
                yield text.rsplit("/", 1)[-1]


def _executed_files(subject: Subject, call: Call) -> t.Iterator[str]:
    """Files that a command executes or makes executable."""
    words = [subject.program.resolve(word, call) for word in call.words]
    if "/" in words[0].shown:
        yield words[0].shown
        yield words[0].shown.removeprefix("./")
    if call.name in _INTERPRETERS:
        file = next((word.shown for word in words[1:] if not word.shown.startswith("-")), None)
        if file:
            yield file
            yield file.removeprefix("./")
    if call.name in _RUNNERS:
        for word in words[1:]:
            if not word.shown.startswith("-"):
                yield word.shown
                yield word.shown.removeprefix("./")
    if (
        call.name == "chmod"
        and len(words) > 2
        and re.search(
            r"\+[rwX]*x|^0?[0-7]*[1357]", words[1].shown if not words[1].shown.startswith("-") else words[2].shown
        )
    ):
        for word in words[2:]:
            yield word.shown
            yield word.shown.removeprefix("./")


# -------------------------------------------------------------------------------------------------------- permissions


def world_writable(subject: Subject) -> t.Iterator[Hit]:
    """world-writable: chmod, mkdir -m, install -m and umask that let everybody write."""
    for call in subject.program.calls:
        texts = call.texts
        if call.name == "chmod":
            operands = [text for text in texts if not re.fullmatch(r"-[A-Za-z]*[RvcfHLP][A-Za-z]*|--[a-z].*", text)]
            recursive = call.has_option("-R", "--recursive")
            if operands and _opens(operands[0], recursive):
                yield hit_at(
                    "world-writable",
                    call,
                    f"chmod {'-R ' if recursive else ''}{operands[0]} lets every user write",
                )
        elif call.name in ("mkdir", "install"):
            for position, text in enumerate(texts):
                mode = None
                if text in ("-m", "--mode") and position + 1 < len(texts):
                    mode = texts[position + 1]
                elif text.startswith("--mode="):
                    mode = text[7:]
                elif re.fullmatch(r"-[a-z]*m[0-7]{3,4}", text):
                    mode = text[text.index("m") + 1 :]
                elif re.fullmatch(r"-[a-z]+m", text) and position + 1 < len(texts):
                    mode = texts[position + 1]
                if mode and _opens(mode, False):
                    yield hit_at("world-writable", call, f"{call.name} with mode {mode} lets every user write")
        elif call.name == "umask" and texts and re.fullmatch(r"0*[0-7]?[0-7]?[0145]", texts[0]):
            yield hit_at(
                "world-writable",
                call,
                f"umask {texts[0]}: what is created from here on, every user may write to",
            )


def _opens(mode: str, recursive: bool) -> bool:
    """Whether a mode gives everybody write access; the sticky bit makes a directory bearable."""
    if re.fullmatch(r"[0-7]{3,5}", mode):
        value = int(mode, 8)
        return bool(value & 0o002) and (recursive or not value & 0o1000)
    return (
        any(
            re.match(r"[ug]*[oa][uoga]*[+=][rxXst]*w", clause) or re.match(r"\+[rxXst]*w", clause)
            for clause in mode.split(",")
        )
        and "+t" not in mode
    )


# ------------------------------------------------------------------------------------------------------------ secrets

_SECRET_NAME = re.compile(
    r"(?i)(^|_)(pass(word|wd|phrase)?|secret|token|api_?key|access_?key|private_?key|credentials?)($|_)"
)
_URL_SECRET = re.compile(r"[a-z][a-z0-9+]*://[^\s/:@'\"$]+:([^\s/@'\"]+)@")
_KEY_MATERIAL = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abpr]-[0-9A-Za-z-]{20,}|hooks\.slack\.com/services/T\w+/B\w+/\w+"
)
_PLACEHOLDER = re.compile(
    r"(?i)^(x+|\*+|\.+|changeme|change_me|todo|none|null|true|false|yes|no|[<{\[(%].*|.*\.(pem|key|txt|json|conf)|[0-9]|your.*|example.*|/.*|~.*)$"
)


def secret_in_clear(subject: Subject) -> t.Iterator[Hit]:
    """secret-in-clear: passwords in assignments, URLs and options; key material anywhere."""
    seen: set[int] = set()
    for name, assignments in subject.program.assignments.items():
        for assignment in assignments:
            text = assignment.value.literal if assignment.value is not None else None
            if text is None:
                continue
            if _SECRET_NAME.search(name) and not re.search(
                r"(?i)(file|path|dir|url|name|type|ttl|length|cmd|host|_id|expir\w*|header)$", name
            ):
                if len(text) >= 4 and " " not in text and not _PLACEHOLDER.match(text) and assignment.line not in seen:
                    seen.add(assignment.line)
                    yield hit_at("secret-in-clear", assignment, f"{name} is given a fixed value")
            match = _URL_SECRET.search(text)
            if match and not _PLACEHOLDER.match(match[1]) and assignment.line not in seen:
                seen.add(assignment.line)
                yield hit_at("secret-in-clear", assignment, f"{name} holds a URL with a password")
    for call in subject.program.calls:
        for position, word in enumerate(call.arguments):
            text = "".join(piece.text for piece in word.pieces if piece.kind in ("text", "glob"))
            fixed = word.literal
            match = _URL_SECRET.search(fixed or "")
            found = None
            if match and not _PLACEHOLDER.match(match[1]):
                found = "a URL with a password"
            elif (
                call.name == "curl"
                and fixed in ("-u", "--user")
                and position + 1 < len(call.arguments)
                and re.fullmatch(r"[^:$]+:[^:$]{3,}", call.arguments[position + 1].literal or "")
            ):
                found = "a user with a password"
            elif call.name in ("mysql", "mysqldump", "mariadb", "ldapsearch", "sshpass") and re.fullmatch(
                r"(-p\S{3,}|--password=\S{3,})", fixed or ""
            ):
                found = "a password"
            elif re.search(r"(?i)authorization: *(bearer|basic) +[A-Za-z0-9+/_.=-]{16,}", text):
                found = "an Authorization header with its value"
            if found and call.line not in seen:
                seen.add(call.line)
                yield hit_at("secret-in-clear", call, f"{call.name} is given {found}")
    for number, line in enumerate(subject.program.source.decode("utf-8", "replace").splitlines(), 1):
        if _KEY_MATERIAL.search(line) and number not in seen:
            yield Hit("secret-in-clear", number, 1, "a key stands here")


CHECKS: tuple[t.Callable[[Subject], t.Iterator[Hit]], ...] = (
    slurm_command,
    command_search_path,
    package_install,
    kill_processes,
    eval_text,
    download_and_run,
    world_writable,
    secret_in_clear,
)
