/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each vCPU's APIC would say to a destination, by the rules that Xen's
 * vlapic_match_dest() has: the plain search that the APIC map stands in for.
 */
#ifndef APIC_REF_H
#define APIC_REF_H

#include <stdbool.h>
#include <stdint.h>

struct apic {
    bool x2apic;
    uint32_t id; /* The register's ID field, 8 bits in xAPIC mode. */
    uint32_t ldr, dfr;
};

static inline uint32_t x2apic_ldr(uint32_t id)
{
    return ((id >> 4) << 16) | (1U << (id & 15));
}

static inline bool apic_match(const struct apic *a, uint32_t dest, bool logical)
{
    uint32_t ldr;

    if ( !logical )
        return dest == (a->x2apic ? 0xffffffffU : 0xffU) || dest == a->id;

    if ( a->x2apic )
        return (a->ldr >> 16) == (dest >> 16) && (a->ldr & dest & 0xffff);

    ldr = a->ldr >> 24;
    dest &= 0xff;
    if ( a->dfr == 0xffffffffU )
        return ldr & dest;

    return (ldr >> 4) == (dest >> 4) && (ldr & dest & 0xf);
}

#endif
