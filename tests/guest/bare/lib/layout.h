/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What assembly and C agree on. */
#ifndef BARE_LAYOUT_H
#define BARE_LAYOUT_H

#define SEL_CODE32  0x08
#define SEL_DATA    0x10
#define SEL_CODE64  0x18

#define TRAMPOLINE  0x8000      /* page-aligned, below 1 MiB */
#define DEBUG_PORT  0xe9        /* Xen's log, or QEMU's -debugcon */

#define CPU_STACK   8           /* offset of struct cpu's stack */

#endif
