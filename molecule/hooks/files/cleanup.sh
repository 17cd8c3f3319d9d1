#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
echo "epilog cleanup $SLURM_JOB_ID" >>/var/log/hooks
