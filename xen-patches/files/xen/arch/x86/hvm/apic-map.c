/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apic-map.c: from interrupt destinations to vCPUs.
 */

#include <xen/bitops.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/types.h>

#include <asm/hvm/apic-map.h>

/* Values of a slot beside vCPU ids. */
#define SLOT_NONE 0xffffU
#define SLOT_MANY 0xfffeU /* More than one vCPU. */

#define X2APIC_BROADCAST 0xffffffffU
#define XAPIC_BROADCAST  0xffU

void apic_map_init(struct apic_map *map, unsigned int nr_ids)
{
    unsigned int i;

    map->nr_ids = nr_ids;
    map->phys_unusable = false;
    map->logical_unusable = false;

    for ( i = 0; i < 2 * nr_ids; i++ )
        map->slots[i] = SLOT_NONE;
}

static void slot_add(uint16_t *slot, unsigned int vcpu_id)
{
    *slot = *slot == SLOT_NONE ? vcpu_id : SLOT_MANY;
}

void apic_map_add(struct apic_map *map, const struct apic_map_vcpu *v)
{
    unsigned int bit, idx;

    if ( v->vcpu_id >= SLOT_MANY || v->id >= map->nr_ids )
        map->phys_unusable = true;
    else
        slot_add(&map->slots[v->id], v->vcpu_id);

    if ( !v->x2apic )
    {
        /* Takes 0xff for a broadcast, and others may have it for their ID. */
        if ( XAPIC_BROADCAST < map->nr_ids )
            map->slots[XAPIC_BROADCAST] = SLOT_MANY;
        else
            map->phys_unusable = true;

        /*
         * xAPIC logical destinations are a mask of 8 bits, which each vCPU
         * takes for a flat or a clustered one as it likes.
         */
        map->logical_unusable = true;

        return;
    }

    /* A restored LDR can be anything, but only one bit makes a logical ID. */
    bit = ffs(v->ldr & 0xffffU);
    idx = (v->ldr >> 16) * 16 + bit - 1;
    if ( v->vcpu_id >= SLOT_MANY || !bit || idx >= map->nr_ids ||
         (v->ldr & 0xffffU) != 1U << (bit - 1) )
        map->logical_unusable = true;
    else
        slot_add(&map->slots[map->nr_ids + idx], v->vcpu_id);
}

int apic_map_lookup(const struct apic_map *map, uint32_t dest, bool logical,
                    uint16_t vcpus[APIC_MAP_MAX_TARGETS])
{
    unsigned int first, mask, slot, nr = map->nr_ids;
    const uint16_t *slots = map->slots;
    int n = 0;

    /* The broadcast ID of x2APIC mode, logical as well as physical. */
    if ( dest == X2APIC_BROADCAST )
        return -1;

    if ( !logical )
    {
        if ( map->phys_unusable )
            return -1;

        /* Every vCPU is in the map, so nobody has this ID. */
        if ( dest >= nr )
            return 0;

        /* The guest chose it. */
        slot = slots[array_index_nospec(dest, nr)];
        if ( slot == SLOT_MANY )
            return -1;
        if ( slot == SLOT_NONE )
            return 0;

        vcpus[0] = slot;

        return 1;
    }

    if ( map->logical_unusable )
        return -1;

    slots += nr;
    first = (dest >> 16) * 16;

    for ( mask = dest & 0xffffU; mask; mask &= mask - 1 )
    {
        unsigned int idx = first + ffs(mask) - 1;

        if ( idx >= nr )
            break;

        slot = slots[array_index_nospec(idx, nr)];
        if ( slot == SLOT_MANY )
            return -1;
        if ( slot != SLOT_NONE )
            vcpus[n++] = slot;
    }

    return n;
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
