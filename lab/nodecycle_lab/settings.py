# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of everything in the lab, and what the user chooses of them."""

from __future__ import annotations

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "lab"
INVENTORY = ROOT / "lab" / "inventory.yml"

#: The Debian that has this Slurm.
SUITES = {"22.05": "bookworm", "24.11": "trixie", "26.05": "forky"}
#: The suite that is not released yet.
TESTING = "forky"
VERSION = os.environ.get("LAB_SLURM_VERSION") or "24.11"
NAME = os.environ.get("LAB_NAME") or "nodecycle"
ENGINES = ("podman", "docker")
#: The program that runs the containers.
ENGINE = os.environ.get("LAB_ENGINE") or "podman"
#: The ansible-playbook to run, if not that of the checkout's environment.
ANSIBLE = os.environ.get("LAB_ANSIBLE")
REPOSITORY = os.environ.get("LAB_REPOSITORY") or "localhost/nodecycle-lab"

HOSTS = ("controller", "login", "worker1", "worker2", "worker3")
WORKERS = tuple(host for host in HOSTS if host.startswith("worker"))
#: Ordinary users on every host, with a home that all hosts share.
USERS = {"alice": 2001, "bob": 2002}

#: Marks the containers, network and volume of one lab, so that `down` finds them and nothing else; its value is LAB_NAME.
LABEL = "nodecycle.lab"
#: Marks the images, which all labs of a machine share.
IMAGE_LABEL = "nodecycle.lab.image"
#: On an image: the digest of its sources. On a container: the digest of the saved cluster that `reset` goes back to.
DIGEST_LABEL = "nodecycle.lab.digest"
