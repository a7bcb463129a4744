/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that hvmloader's pure files want of it. */
#define HVM_LIMIT_VCPUS 1024
