/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IRTE cache (xen/arch/x86/hvm/viommu/cache.c) against an array: what is looked
 * up is what was stored last and not dropped since, and the counters are right.
 * Threads are the business of tests/unit/test-viommu-cache.c.
 */
#include "fuzz.h"

#include <asm/hvm/viommu-cache.h>

#define ENTRIES (1U << VIOMMU_MAX_ORDER)
#define CPUS 3U
#define MAX_OPS 200U

bool shim_no_memory;

static uint64_t model[ENTRIES];
static bool model_leaf[ENTRIES / VIOMMU_LEAF_ENTRIES];
/* The elements of model[] which may be other than 0. */
static unsigned int used[MAX_OPS], nr_used;

static void model_drop(unsigned int index, unsigned int mask)
{
    unsigned int i, ignored = (1U << mask) - 1;

    for ( i = 0; i < nr_used; i++ )
        if ( (used[i] | ignored) == (index | ignored) )
            model[used[i]] = 0;
}

static void compare(const struct viommu_cache *c)
{
    unsigned int i, j, nr = 0, leaves = 0;

    for ( i = 0; i < nr_used; i++ )
    {
        uint64_t got = viommu_cache_lookup(c, used[i]);

        FUZZ_CHECK(got == model[used[i]], "entry %#x is %#lx, not %#lx",
                   used[i], got, model[used[i]]);
        for ( j = 0; j < i && used[j] != used[i]; j++ )
            continue;
        nr += j == i && got;
    }
    for ( i = 0; i < ENTRIES / VIOMMU_LEAF_ENTRIES; i++ )
        leaves += model_leaf[i];

    FUZZ_CHECK(c->nr_cached == nr, "%u %u", c->nr_cached, nr);
    FUZZ_CHECK(c->nr_leaves == leaves, "%u %u", c->nr_leaves, leaves);
}

/*
 * Few different ones, so that they meet; some at the edges of leaves.  Bits 15:9
 * are one of 4 leaves, the first and the last among them.
 */
static unsigned int take_index(struct fuzz_in *in)
{
    static const uint16_t leaves[] = { 0, 1, 0x40, 0x7f };
    unsigned int v = fuzz_take(in, 2);

    return v & 0x8000 ? leaves[(v >> 9) & 3] << 9 | (v & 0x1ff)
                      : v << 1 | (v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };
    struct viommu_cache cache;
    bool in_section[CPUS] = {};
    unsigned int op, cpu, index, mask, i, sections = 0, ops = 0;
    uint64_t v;

    memset(&cache, 0, sizeof(cache));
    shim_no_memory = !fuzz_take(&in, 1);
    if ( viommu_cache_init(&cache, CPUS) )
    {
        FUZZ_CHECK(shim_no_memory, "refused");
        FUZZ_SAW("no memory for a cache");
        return 0;
    }
    FUZZ_CHECK(!shim_no_memory, "made of nothing");

    for ( ; in.left && ops < MAX_OPS; ops++ )
    {
        op = fuzz_take(&in, 1);
        index = take_index(&in);

        switch ( op & 7 )
        {
        case 0: case 1: case 2: /* A miss, as viommu.c has it. */
            shim_no_memory = op >> 3 == 1;
            v = op >> 3 == 2 ? 0 : fuzz_take(&in, op & 0x80 ? 1 : 8);
            if ( !v )
                FUZZ_SAW("store of what isn't kept");
            viommu_cache_prepare(&cache, index);
            if ( !shim_no_memory )
                model_leaf[index / VIOMMU_LEAF_ENTRIES] = true;
            spin_lock(&cache.lock);
            viommu_cache_store(&cache, index, v);
            spin_unlock(&cache.lock);
            used[nr_used++] = index;
            if ( !model_leaf[index / VIOMMU_LEAF_ENTRIES] )
                FUZZ_SAW("no memory for a leaf");
            else if ( v )
            {
                if ( model[index] )
                    FUZZ_SAW("entry replaced");
                model[index] = v;
            }
            break;

        case 3: /* By index and mask. */
        case 4: /* All. */
            mask = op & 4 ? VIOMMU_MAX_ORDER : (op >> 3) % (VIOMMU_MAX_ORDER + 1);
            if ( model[index] )
                FUZZ_SAW("drop of a cached entry");
            spin_lock(&cache.lock);
            viommu_cache_drop(&cache, index, mask);
            spin_unlock(&cache.lock);
            if ( !sections )
                viommu_cache_sync(&cache);
            model_drop(index, mask);
            break;

        case 5: /* The unit is taken away, and comes back: seldom. */
            if ( op >> 3 != 3 )
                break;
            viommu_cache_free(&cache, false);
            model_drop(0, VIOMMU_MAX_ORDER);
            memset(model_leaf, 0, sizeof(model_leaf));
            FUZZ_SAW("leaves freed");
            break;

        case 6: /* A section begins or ends. */
            cpu = (op >> 3) % CPUS;
            if ( in_section[cpu] )
                viommu_cache_exit(&cache, cpu);
            else
                viommu_cache_enter(&cache, cpu);
            in_section[cpu] = !in_section[cpu];
            sections += in_section[cpu] ? 1 : -1;
            for ( i = 0; i < CPUS; i++ )
                FUZZ_CHECK((cache.cpus[i].seq & 1) == in_section[i], "CPU %u", i);
            break;

        default: /* A look-up, also of what was never stored. */
            v = viommu_cache_lookup(&cache, index);
            FUZZ_CHECK(v == model[index], "entry %#x is %#lx, not %#lx", index,
                       v, model[index]);
            if ( v )
                FUZZ_SAW("hit");
            break;
        }

        compare(&cache);
    }

    viommu_cache_free(&cache, true);
    FUZZ_CHECK(!cache.cpus && !cache.nr_cpus && !cache.nr_leaves, "not free");
    model_drop(0, VIOMMU_MAX_ORDER);
    memset(model_leaf, 0, sizeof(model_leaf));
    nr_used = 0;

    return 0;
}
