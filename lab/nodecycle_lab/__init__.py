# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a Slurm cluster in containers, its commands (lab/lab) and its demonstration (lab/demo). See docs/lab.md."""
