/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Xen's pure files take from its headers, for the host: included ahead of
 * them by -include.  Those headers themselves are empty, in xen-shim/.
 */
#ifndef XEN_SHIM_H
#define XEN_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h> /* ffs() */

/* Out of bounds gives 0 as it does under speculation, so that a test notices. */
#define array_index_nospec(idx, nr) ((idx) < (nr) ? (idx) : 0)

#endif
