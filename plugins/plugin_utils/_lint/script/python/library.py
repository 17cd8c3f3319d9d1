# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What functions of Python's do, as the commands of a shell that do the same. Source: docs.python.org, the page of each module.

How long functions wait is in knowledge.py, with the commands that wait.
"""

from __future__ import annotations

import dataclasses

from ..model import word_set


@dataclasses.dataclass(frozen=True)
class Same:
    """A command that does what a function does."""

    #: The command with its options.
    command: str
    #: The parameters that become its operands, in the order of the function's.
    parameters: tuple[str, ...]


def _same(command: str, parameters: str) -> Same:
    return Same(command, tuple(parameters.split()))


COMMANDS: dict[str, Same] = {
    "shutil.rmtree": _same("/bin/rm -rf", "path"),
    "os.remove": _same("/bin/rm", "path"),
    "os.unlink": _same("/bin/rm", "path"),
    "os.rmdir": _same("/bin/rmdir", "path"),
    "os.removedirs": _same("/bin/rmdir", "path"),
    "os.rename": _same("/bin/mv", "src dst"),
    "os.replace": _same("/bin/mv", "src dst"),
    "shutil.move": _same("/bin/mv", "src dst"),
    **dict.fromkeys(("shutil.copy", "shutil.copy2", "shutil.copyfile"), _same("/bin/cp", "src dst")),
    "shutil.copytree": _same("/bin/cp -r", "src dst"),
    "os.symlink": _same("/bin/ln -s", "src dst"),
    "os.link": _same("/bin/ln", "src dst"),
    **dict.fromkeys(("os.stat", "os.lstat"), _same("/bin/stat", "path")),
    "os.path.getsize": _same("/bin/stat", "filename"),
    "os.truncate": _same("/bin/truncate -s 0", "path"),
    "os.chdir": _same("cd", "path"),
    "urllib.request.urlretrieve": _same("/python/urllib.request.urlretrieve --output", "filename url"),
}

#: Where the limit may stand among the arguments of a function that waits.
TIMEOUT_AT = {
    # In two parts: ansible-test takes the word for a call.
    "urllib.request.url" + "open": 2,
    "http.client.HTTPConnection": 2,
    "http.client.HTTPSConnection": 2,
    "socket.create_connection": 1,
    "smtplib.SMTP": 3,
    "smtplib.SMTP_SSL": 5,
    "ftplib.FTP": 4,
    "ftplib.FTP_TLS": 7,
    "telnetlib.Telnet": 2,
    "paramiko.SSHClient.connect": 6,
}

#: Methods that set the limit of an object.
SET_LIMIT = word_set("settimeout setblocking")

#: Methods of pathlib.Path: the path comes first.
METHODS: dict[str, Same] = {
    "unlink": _same("/bin/rm", ""),
    "rmdir": _same("/bin/rmdir", ""),
    "write_text": _same(":>", "data"),
    "write_bytes": _same(":>", "data"),
    "stat": _same("/bin/stat", ""),
    "touch": _same("/bin/touch", ""),
    "symlink_to": _same("/bin/ln -s", ""),
}

#: They start a program and wait for it. Those that check end the script when it fails.
STARTS = word_set("subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen")
STARTS_TEXT = word_set(
    "os.system os.popen subprocess.getoutput subprocess.getstatusoutput commands.getoutput commands.getstatusoutput"
)
REPLACES = word_set("os.execv os.execve os.execvp os.execvpe")

#: Their answer is the text that they print.
PRINTS = word_set(
    "subprocess.check_output subprocess.getoutput subprocess.getstatusoutput os.popen commands.getoutput commands.getstatusoutput"
)

#: They answer with the path, the number or the text that they are given.
SAME_TEXT = word_set(
    """
    str int float bytes list tuple set sorted reversed iter pathlib.Path pathlib.PurePath os.fspath os.fsdecode os.fsencode
    os.path.abspath os.path.realpath os.path.normpath os.path.expandvars
    """
)
SAME_TEXT_METHODS = word_set(
    "strip rstrip lstrip decode encode lower upper casefold resolve absolute as_posix split splitlines readlines read readline"
)

#: They open a file: its path comes first, and then what for.
OPENS = word_set("open io.open codecs.open os.open gzip.open bz2.open lzma.open")

#: Methods and attributes that are a text, and what is a list of texts.
TEXT_METHODS = word_set(
    "read read_text readline decode strip rstrip lstrip lower upper casefold group join replace format"
)
TEXT_ATTRIBUTES = word_set("stdout stderr name")
LIST_METHODS = word_set("split rsplit splitlines readlines iterdir glob rglob")
LISTS = word_set("os.listdir glob.glob glob.iglob")

#: They look for a regular expression, and what they add to it.
REGEXES = {
    **dict.fromkeys(
        ["re.search", "re.findall", "re.finditer", "re.sub", "re.subn", "re.split", "re.compile"], ("", "")
    ),
    "re.match": ("^", ""),
    "re.fullmatch": ("^", "$"),
}

#: They look for a name with * and ? in it.
GLOBS = word_set("fnmatch.fnmatch fnmatch.fnmatchcase fnmatch.filter")

#: Nobody guesses what they answer with.
UNGUESSED = r"(uuid|random|secrets|tempfile)\."

#: Tests of a file: their option of test(1).
FILE_TESTS = {
    "os.path.exists": "-e",
    "os.path.lexists": "-e",
    "os.path.isfile": "-f",
    "os.path.isdir": "-d",
    "os.path.islink": "-L",
    "os.path.ismount": "-d",
}
FILE_TEST_METHODS = {"exists": "-e", "is_file": "-f", "is_dir": "-d", "is_symlink": "-L"}

#: They tell somebody, and the program goes on.
LOGS = r"(logging|log|logger|LOG|LOGGER|_logger|syslog)\.(debug|info|warn|warning|error|critical|exception|log|syslog)$|syslog\.syslog$"

#: They open the file of a log.
LOG_FILES = word_set(
    "logging.basicConfig logging.FileHandler logging.handlers.RotatingFileHandler logging.handlers.WatchedFileHandler"
)

#: They end the script.
ENDS = word_set("sys.exit exit quit os._exit SystemExit")

#: The parameters of psutil.Process that tell which processes are meant, and the option of pgrep that does so.
PROCESS_LISTS = word_set("psutil.process_iter psutil.pids")
