# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration, `make demo`: a definition applied to the lab, jobs sent through its hooks, and the work of each hook shown.

The report tells only facts that are read from the hosts. What should have run and did not makes the exit code 1.
"""
