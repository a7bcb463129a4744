/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Map of a domain's APICs: from the destination of an interrupt to the vCPUs
 * that it addresses, at a cost which doesn't grow with their number.
 *
 * Here is what can be said without vCPUs at hand: filling a map and looking up
 * destinations.  Nothing takes a lock or allocates; see vlapic-map.c for that.
 * A look-up in a map that somebody is filling returns nonsense, but vCPU ids
 * that were in the map at some time, and at most APIC_MAP_MAX_TARGETS of them.
 */
#ifndef __ASM_X86_HVM_APIC_MAP_H__
#define __ASM_X86_HVM_APIC_MAP_H__

#include <xen/types.h>

/* Most vCPUs that a look-up can name: all of one x2APIC cluster. */
#define APIC_MAP_MAX_TARGETS 16U

/* The lowest number of IDs that a map can be for: all of the xAPIC's. */
#define APIC_MAP_MIN_IDS 256U

struct apic_map {
    unsigned int nr_ids;      /* Elements in each half of slots[]. */
    bool phys_unusable;       /* Physical destinations need a scan. */
    bool logical_unusable;    /* Logical destinations need a scan. */
    /*
     * vCPU id, or one of the values in apic-map.c.  First half: by APIC ID.
     * Second half: by x2APIC logical ID, cluster number * 16 + bit number.
     */
    uint16_t slots[];
};

/* Size in bytes of a map for IDs below @nr_ids. */
#define APIC_MAP_SIZE(nr_ids) \
    (offsetof(struct apic_map, slots) + 2 * sizeof(uint16_t) * (nr_ids))

/* What a map has to know of one vCPU. */
struct apic_map_vcpu {
    unsigned int vcpu_id; /* Less than 0xfff0. */
    bool x2apic;          /* Is in x2APIC mode. */
    uint32_t id;          /* APIC ID: 8 bits unless in x2APIC mode. */
    uint32_t ldr;         /* LDR, of interest in x2APIC mode. */
};

/* Make @map, of APIC_MAP_SIZE(@nr_ids) bytes, an empty one. */
void apic_map_init(struct apic_map *map, unsigned int nr_ids);

/*
 * Add a vCPU.  One that doesn't fit makes the map less useful, not wrong: what
 * it can't tell for sure any more takes a scan.
 */
void apic_map_add(struct apic_map *map, const struct apic_map_vcpu *v);

/*
 * Find the vCPUs that @dest addresses without a shorthand: by physical mode
 * (Intel SDM vol. 3, 11.6.2.1, all 32 bits of x2APIC mode), or by @logical
 * mode (11.12.10.2).
 *
 * Returns how many there are, with their ids stored to @vcpus, by increasing
 * APIC ID; or -1 if the map doesn't know, and the caller has to ask each vCPU.
 */
int apic_map_lookup(const struct apic_map *map, uint32_t dest, bool logical,
                    uint16_t vcpus[APIC_MAP_MAX_TARGETS]);

#endif /* __ASM_X86_HVM_APIC_MAP_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
