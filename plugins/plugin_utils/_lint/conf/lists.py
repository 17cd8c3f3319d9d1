# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Facts of single keys beyond type and release: kept by hand, because no table of Slurm's has them.

Sources: slurm.conf(5), src/common/read_config.c, src/slurmctld/read_config.c; and observed on 22.05, 24.11 and 26.05.
"""

from __future__ import annotations

import re

from ansible_collections.nodecycle.slurm.plugins.module_utils import _restart

from .facts import parts

#: (line, key) to the key of today. Slurm maps the old one without a word.
RENAMED = {
    ("", "acctgatherinfinibandtype"): "AcctGatherInterconnectType",
    ("", "backupaddr"): "SlurmctldHost",
    ("", "backupcontroller"): "SlurmctldHost",
    ("", "controladdr"): "SlurmctldHost",
    ("", "controlmachine"): "SlurmctldHost",
    ("", "cryptotype"): "CredType",
    ("", "jobcontainertype"): "NamespaceType",
    ("", "keepalivetime"): "CommunicationParameters=keepalivetime=",
    ("", "sbcastparameters"): "BcastParameters",
    ("nodename", "procs"): "CPUs",
    ("partitionname", "shared"): "OverSubscribe",
}

#: Since when, where a supported release does not know the new name yet.
RENAMED_SINCE = {("", "jobcontainertype"): "25.11"}

#: Keys that Slurm's table still has and that end every program which reads them.
FATAL_KEYS = {
    "accountingstorageloc": "it has been removed (slurmdbd.conf has StorageLoc)",
    "accountingstorejobcomment": "it has been replaced by AccountingStoreFlags=job_comment",
    "sallocdefaultcommand": "it has been replaced by LaunchParameters=use_interactive_step",
}

#: How the keys of Slurm's other files begin (their tables in the source of 26.05: interfaces/cgroup.c, plugins/namespace/tmpfs/read_jcconf.c,
#: slurmdbd/read_config.c, interfaces/gres.c, plugins/topology, plugins/acct_gather_*, plugins/mpi/pmix, common/oci_config.c).
#: Asked only for keys that no slurm.conf has.
OTHER_FILES = {
    "cgroup.conf": (
        "alloweddevicesfile", "allowedramspace", "allowedswapspace", "cgroup", "constrain", "enablecontrollers", "enableextracontrollers",
        "ignoresystemd", "maxrampercent", "maxswappercent", "memorylimit", "memoryswappiness", "minramspace", "signalchildrenprocesses",
        "systemdtimeout",
    ),
    "job_container.conf": ("autobasepath", "basepath", "clonens", "entirestepinns"),
    "slurmdbd.conf": (
        "allresourcesabsolute", "allownodefacct", "archive", "commitdelay", "dbd", "disablearchivecommands", "disablecoorddbd", "disablerollups",
        "jobpurge", "maxpurgelimit", "maxquerytimerange", "purge", "steppurge", "storage", "trackslurmctlddown",
    ),
    "gres.conf": ("autodetect", "multiplefiles"),
    "topology.conf": ("blockname", "blocksizes", "linkspeed", "ringname", "switchname"),
    "acct_gather.conf": ("energyipmi", "energyxccfake", "infinibandofedport", "interconnectofedport", "profilehdf5", "profileinfluxdb", "sysfsinterfaces"),
    "mpi.conf": ("pmix",),
    "oci.conf": ("containerpath", "createenvfile", "disablecleanup", "disablehooks", "ignorefileconfigjson", "mountspooldir", "runtime"),
}  # fmt: skip

#: Their keys that are too short for a beginning.
OTHER_KEYS = {
    "gres.conf": ("cores", "count", "file", "files", "link", "links", "name", "type"),
    "job_container.conf": ("dirs", "initscript"),
    "slurmdbd.conf": ("debuglevel", "debuglevelsyslog", "defaultqos", "logfile", "pidfile"),
    "oci.conf": ("envexclude", "filedebug", "srunargs", "srunpath", "stdiodebug", "syslogdebug"),
}

#: Key to kind of path. The files of "log" may lie anywhere.
PATHS = {
    "epilog": "program",
    "epilogslurmctld": "program",
    "healthcheckprogram": "program",
    "prolog": "program",
    "prologslurmctld": "program",
    "rebootprogram": "program",
    "resumefailprogram": "program",
    "resumeprogram": "program",
    "resvepilog": "program",
    "resvprolog": "program",
    "slurmctldlogfile": "log",
    "slurmctldpidfile": "log",
    "slurmctldprimaryoffprog": "program",
    "slurmctldprimaryonprog": "program",
    "slurmdlogfile": "log",
    "slurmdpidfile": "log",
    "slurmdspooldir": "directory",
    "slurmschedlogfile": "log",
    "srunepilog": "program",
    "srunprolog": "program",
    "statesavelocation": "directory",
    "suspendprogram": "program",
    "taskepilog": "program",
    "taskprolog": "program",
    "unkillablestepprogram": "program",
}

#: Since when a bare name beside slurm.conf will do.
_RELATIVE_SINCE = {"prolog": "23.11", "epilog": "23.11", "taskprolog": "25.11", "taskepilog": "25.11"}
#: Since 26.05 these may name a PowerAction line.
_POWER_ACTIONS = frozenset({"rebootprogram", "resumefailprogram", "resumeprogram", "suspendprogram"})


def may_be_relative(key: str, path: str, release: str) -> bool:
    """Whether Slurm takes a path without / at its beginning. One with a / in it is never shipped to the nodes."""
    if "/" in path:
        return False
    if key in _POWER_ACTIONS:
        return parts(release) >= (26, 5)
    return key in _RELATIVE_SINCE and parts(release) >= parts(_RELATIVE_SINCE[key])


#: Values that hold a $ for a shell that Slurm does start.
WITH_SHELL = frozenset({"interactivestepoptions", "rebootprogram", "sallocdefaultcommand"})

_SECRETS = frozenset({"accountingstoragepass", "jobcomppass", "defaultstoragepass"})


def is_secret(key: str, value: str) -> bool:
    """Whether a value is a password: a value of the two keys for one that is not a socket's path, or a part of an address."""
    if key in _SECRETS:
        return (
            bool(value)
            and not value.startswith("/")
            and "/munge" not in value
            and value.lower() not in ("none", "(null)")
        )
    return bool(re.search(r"://[^/\s:@]+:[^/\s@]+@", value))


#: Key to the values (lower case) that the manual advises against, and why.
INSECURE = {
    "slurmuser": (frozenset({"root", "0"}), "slurmctld should not run as root"),
    "authtype": (frozenset({"auth/none", "none"}), "anybody can be anybody"),
    "credtype": (frozenset({"cred/none", "none"}), "anybody can start jobs as anybody"),
}

#: Keys that must not change under running daemons, and the effect.
DANGEROUS = {
    "accountingstoragetype": "jobs that run are not accounted to their end",
    "authtype": "nodes, controller and commands no longer believe each other until all daemons are stopped and started",
    "clustername": "slurmctld ends at its next start, because its saved state has the other name",
    "controlmachine": "nodes and commands look for the controller elsewhere",
    "credtype": "running jobs can start no further steps",
    "firstjobid": "job ids that are in use may come again",
    "jobcontainertype": "running jobs lose their containers",
    "namespacetype": "running jobs lose their namespaces",
    "plugindir": "each program loads other plugins at its next start",
    "proctracktype": "processes of running jobs are no longer found",
    "selecttype": "running jobs may be killed (their saved resources do not fit)",
    "slurmctldhost": "nodes and commands look for the controller elsewhere",
    "slurmctldport": "commands and nodes no longer reach the controller until everything is restarted",
    "slurmdport": "the controller no longer reaches the nodes until everything is restarted",
    "slurmdspooldir": "slurmd no longer finds its running jobs",
    "slurmduser": "slurmd cannot start jobs of other users unless it is root",
    "slurmuser": "slurmctld can no longer read its state, and no daemon believes it",
    "statesavelocation": "slurmctld starts without its jobs: all are lost",
    "switchtype": "running jobs can start no further steps",
}

#: Those of DANGEROUS that are refused outright.
FORBIDDEN = frozenset(
    {
        "authtype",
        "clustername",
        "controlmachine",
        "slurmctldhost",
        "slurmctldport",
        "slurmdport",
        "slurmduser",
        "slurmuser",
        "statesavelocation",
    }
)


def needs_restart(key: str, value: str, release: str) -> bool:
    """Whether only a restart of the daemons applies a key. Not the keys of DANGEROUS, which says more about them."""
    return key not in DANGEROUS and _restart.needs_restart(key, "", value, release)


def is_lua(key: str, value: str) -> bool:
    """Whether a value asks for a Lua script beside slurm.conf."""
    return key in ("jobsubmitplugins", "clifilterplugins", "jobcomptype", "burstbuffertype") and bool(
        re.search(r"(^|[/,])lua(,|$)", value)
    )


#: Keys of which Slurm takes "none" for no plugin, also where it has no plugin of that name.
_NONE_IS_NONE = frozenset(
    {
        "accountingstoragetype",
        "acctgatherenergytype",
        "acctgatherfilesystemtype",
        "acctgatherinterconnecttype",
        "acctgatherprofiletype",
        "burstbuffertype",
        "clifilterplugins",
        "corespecplugin",
        "extsensorstype",
        "jobacctgathertype",
        "jobcomptype",
        "jobcontainertype",
        "mcsplugin",
        "mpidefault",
        "namespacetype",
        "powerplugin",
        "preempttype",
        "prioritysitefactorplugin",
        "switchtype",
        "taskplugin",
        "topologyplugin",
    }
)


def is_no_plugin(key: str, name: str) -> bool:
    """Whether a name asks for no plugin at all, or for one that is built into another."""
    if name == "none":
        return key in _NONE_IS_NONE
    if key == "mpidefault":
        return name == "openmpi" or name.startswith("pmix")
    return key == "topologyplugin" and name in ("default", "flat")


#: Characters that Slurm replaces in a name before it looks for the plugin.
PLUGIN_ALIASES = {("acct_gather_energy", "rsmi"): "gpu", ("acct_gather_interconnect", "infiniband"): "interconnect"}

#: Plugins of releases before 2.0 that old examples still name.
FORGOTTEN_PLUGINS = frozenset({("jobcomp", "slurmdbd"), ("crypto", "openssl")})

#: Kinds of which sites build their own: no finding for a name that Slurm does not come with.
OPEN_KINDS = frozenset({"job_submit", "cli_filter", "prep", "site_factor", "burst_buffer", "node_features"})
