/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The APIC map (xen/arch/x86/hvm/apic-map.c) against a search through all vCPUs
 * (tests/unit/apic-ref.h): what it answers is right and in order, and it answers
 * whenever nothing about the vCPUs speaks against it.
 */
#include "fuzz.h"

#include <asm/hvm/apic-map.h>

#include "apic-ref.h"

#define MAX_VCPUS 48U

static struct apic apics[MAX_VCPUS];
static unsigned int nr_apics, nr_ids;

/* Slot in the map of a logical ID, or -1 if it is none. */
static long logical_id(const struct apic *a)
{
    unsigned int bit;

    for ( bit = 0; bit < 16; bit++ )
        if ( (a->ldr & 0xffff) == 1U << bit )
            return (a->ldr >> 16) * 16L + bit;

    return -1;
}

/* Whether a search is needed, by what the header says of the map. */
static bool may_decline(uint32_t dest, bool logical)
{
    unsigned int i, j;

    if ( dest == 0xffffffff )
        return true;

    for ( i = 0; i < nr_apics; i++ )
    {
        const struct apic *a = &apics[i];
        long id = logical ? logical_id(a) : (long)a->id;

        /* Doesn't fit. */
        if ( id < 0 || id >= nr_ids )
            return true;
        /* xAPICs have a broadcast of their own, and logical IDs as they like. */
        if ( !a->x2apic && (logical || dest == 0xff || nr_ids <= 0xff) )
            return true;
        /* One of several with that ID. */
        for ( j = 0; apic_match(a, dest, logical) && j < i; j++ )
            if ( id == (logical ? logical_id(&apics[j]) : (long)apics[j].id) )
                return true;
    }

    return false;
}

static void check(const struct apic_map *map, uint32_t dest, bool logical)
{
    uint16_t got[APIC_MAP_MAX_TARGETS];
    unsigned int i, want = 0;
    int n = apic_map_lookup(map, dest, logical, got), j;

    if ( n < 0 )
    {
        FUZZ_CHECK(may_decline(dest, logical), "%d dest %#x", logical, dest);
        FUZZ_SAW("declined");
        return;
    }

    FUZZ_CHECK(n <= (int)APIC_MAP_MAX_TARGETS, "%d", n);
    for ( i = 0; i < nr_apics; i++ )
    {
        if ( !apic_match(&apics[i], dest, logical) )
            continue;
        want++;
        for ( j = 0; j < n && got[j] != i; j++ )
            continue;
        FUZZ_CHECK(j < n, "%d dest %#x: vCPU%u is missing", logical, dest, i);
    }
    FUZZ_CHECK(want == (unsigned int)n, "%d dest %#x: %u %d", logical, dest, want, n);
    for ( j = 1; j < n; j++ )
        FUZZ_CHECK(logical_id(&apics[got[j - 1]]) < logical_id(&apics[got[j]]),
                   "dest %#x: order", dest);

    if ( !n )
        FUZZ_SAW("nobody");
    else if ( !logical )
        FUZZ_SAW("physical ID");
    else if ( n == 1 )
        FUZZ_SAW("logical ID");
    else
        FUZZ_SAW("several of a cluster");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };
    unsigned int i, how, nr_checks;
    struct apic_map *map;

    /* 256 is what Xen has at least; the map itself takes any number. */
    nr_ids = fuzz_take(&in, 1);
    nr_ids = nr_ids & 0x80 ? 256 + 8 * (nr_ids & 0x7f) : 1 + 4 * nr_ids;
    nr_apics = fuzz_take(&in, 1) % (MAX_VCPUS + 1);

    map = malloc(APIC_MAP_SIZE(nr_ids));
    memset(map, 0x5a, APIC_MAP_SIZE(nr_ids));
    apic_map_init(map, nr_ids);

    how = fuzz_take(&in, 1);
    for ( i = 0; i < nr_apics; i++ )
    {
        struct apic *a = &apics[i];
        /* Most have to be ordinary ones, or the map would decline everything. */
        unsigned int odd = how & (1 << (i % 8)) ? fuzz_take(&in, 1) : 0;

        a->x2apic = !(odd & 1);
        a->id = odd & 2 ? fuzz_take(&in, odd & 4 ? 4 : 1) : i * (1 + (how >> 7));
        a->ldr = x2apic_ldr(a->id);
        if ( odd & 8 )
            a->ldr = fuzz_take(&in, 4);
        if ( odd & 32 ) /* A good one of any cluster. */
            a->ldr = fuzz_take(&in, 2) << 16 | 1U << (odd >> 4);
        a->dfr = odd & 16 ? 0x0fffffff : 0xffffffff;
        if ( !a->x2apic )
            a->id &= 0xff;

        apic_map_add(map, &(struct apic_map_vcpu){
            .vcpu_id = i, .x2apic = a->x2apic, .id = a->id, .ldr = a->ldr });
    }

    for ( nr_checks = 0; in.left && nr_checks < 100; nr_checks++ )
    {
        unsigned int kind = fuzz_take(&in, 1), v = fuzz_take(&in, 2);

        switch ( kind & 3 )
        {
        case 0:
            check(map, v & 0xfff, false);
            break;
        case 1: /* Some of a cluster, where the vCPUs are. */
            check(map, (kind >> 6) << 16 | v, true);
            break;
        case 2: /* One of a cluster. */
            check(map, (kind >> 2) << 16 | 1U << (v & 15), true);
            break;
        default:
            check(map, v << 16 | fuzz_take(&in, 2), kind & 4);
            break;
        }
    }

    for ( i = 0; i < nr_apics; i++ )
        check(map, apics[i].id, false);
    check(map, 0xff, false);
    check(map, 0xffffffff, false);
    check(map, 0xffffffff, true);

    free(map);

    return 0;
}
