# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which changes of slurm.conf C(scontrol reconfigure) does not apply: these wait for a restart of the daemons."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _releases

#: slurm.conf(5) of 22.05: "A restart of slurmctld is required for changes to this parameter to take effect".
_TO_23_02 = frozenset(
    {
        "accountingstorageenforce",
        "corespecplugin",
        "credtype",
        "grestypes",
        "jobcontainertype",
        "maxjobcount",
        "maxnodecount",
        "nodename",
        "plugindir",
        "powerplugin",
        "proctracktype",
        "schedulertype",
        "selecttype",
        "selecttypeparameters",
        "slurmctldhost",
        "statesavelocation",
        "switchtype",
    }
)
#: Of these the first setting only (seen on 22.05.8).
_FIRST_TO_23_02 = frozenset({"prologslurmctld", "epilogslurmctld"})
#: Words with the same effect.
_WORDS_TO_23_02 = {"schedulerparameters": ("no_backup_scheduling",), "slurmctldparameters": ("enable_configless",)}

#: slurm.conf(5) since 23.11: "Changes to TCP listening settings will require a daemon restart"; AuthType says the same of itself.
_ALWAYS = frozenset({"authtype", "slurmctldport", "slurmdport"})
_WORDS = {"communicationparameters": ("noinaddrany", "noctldinaddrany", "enableipv6", "disableipv4")}

#: Of which 22.05's controller ends when it is told to reconfigure ("MaxNodeCount has changed ... must be restarted"; 22.05.8).
_DEADLY_TO_23_02 = frozenset({"nodename", "maxnodecount"})


def _is_renewed(release: str) -> bool:
    parsed = _releases.parse(release)
    return parsed is None or _releases.RECONFIGURE_RENEWS.holds(parsed)


def needs_restart(key: str, before: str, after: str, release: str) -> bool:
    """Whether the change of a key (in lower case; empty stands for unset) is applied by a restart only."""

    def differ(words: t.Iterable[str]) -> bool:
        return any((word in before.lower()) != (word in after.lower()) for word in words)

    if key in _ALWAYS or differ(_WORDS.get(key, ())):
        return True
    if _is_renewed(release):
        return False
    return key in _TO_23_02 or (key in _FIRST_TO_23_02 and not before) or differ(_WORDS_TO_23_02.get(key, ()))


def is_deadly(key: str, release: str) -> bool:
    """Whether the controller of this release ends when it is told to reconfigure after a change of the key (in lower case)."""
    return key in _DEADLY_TO_23_02 and not _is_renewed(release)
