/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack reaches Xen's by a symbolic link. */
#include <asm/x86-vendors.h>
