/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What gen-cpuid.py makes has to be named differently in meson. */
#include <cpuid-autogen-xen.h>
