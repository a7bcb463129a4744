/* SPDX-License-Identifier: LGPL-2.1-only */
/* APIC IDs of the vCPUs, see apic_id.h. */

#include "apic_id.h"

#include <xen/xen.h>
#include <xen/hvm/hvm_info_table.h>

#define CPUID1_ECX_X2APIC (1U << 21)

static uint32_t apic_ids[HVM_LIMIT_VCPUS];

bool apic_id_x2apic_capable(const struct apic_id_cpuid *c)
{
    return c->ecx1 & CPUID1_ECX_X2APIC;
}

uint32_t apic_id_from_cpuid(const struct apic_id_cpuid *c)
{
    uint32_t id8 = c->ebx1 >> 24;

    /*
     * Not looking at EBX, which is zero if no topology is described: Xen sets
     * the ID of a guest that has x2APIC in any case.
     */
    if ( apic_id_x2apic_capable(c) && c->max_leaf >= 0xb &&
         (c->edxb & 0xff) == id8 )
        return c->edxb;

    return id8;
}

void apic_id_set(unsigned int vcpu, uint32_t apic_id)
{
    apic_ids[vcpu] = apic_id;
}

uint32_t apic_id_get(unsigned int vcpu)
{
    return apic_ids[vcpu];
}

uint32_t apic_ids_max(unsigned int nr_vcpus)
{
    uint32_t max = 0;
    unsigned int i;

    for ( i = 0; i < nr_vcpus; i++ )
        if ( apic_ids[i] > max )
            max = apic_ids[i];

    return max;
}

bool apic_ids_need_x2apic(unsigned int nr_vcpus)
{
    return apic_ids_max(nr_vcpus) >= XAPIC_ID_LIMIT;
}

unsigned int apic_ids_nr_xapic(unsigned int nr_vcpus)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < nr_vcpus; i++ )
        if ( apic_ids[i] < XAPIC_ID_LIMIT )
            nr++;

    return nr;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
