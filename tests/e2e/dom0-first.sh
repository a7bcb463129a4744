#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For dom0, before the guest: the highest weight that credit2 knows, for a guest with hundreds of busy vCPUs.

xl sched-credit2 -d Domain-0 -w 65535
