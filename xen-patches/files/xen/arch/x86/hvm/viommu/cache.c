/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cache.c: the IRTE cache.
 */

#include <xen/errno.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/xvmalloc.h>

#include <asm/atomic.h>
#include <asm/hvm/viommu-cache.h>
#include <asm/processor.h>
#include <asm/system.h>

int viommu_cache_init(struct viommu_cache *c, unsigned int nr_cpus)
{
    spin_lock_init(&c->lock);

    c->cpus = xvzalloc_array(struct viommu_cache_cpu, nr_cpus);
    if ( !c->cpus )
        return -ENOMEM;

    c->nr_cpus = nr_cpus;

    return 0;
}

void viommu_cache_free(struct viommu_cache *c, bool cpus)
{
    unsigned int i;

    for ( i = 0; i < VIOMMU_NR_LEAVES; i++ )
        XVFREE(c->leaf[i]);

    c->nr_leaves = 0;
    c->nr_cached = 0;

    if ( cpus )
    {
        XVFREE(c->cpus);
        c->nr_cpus = 0;
    }
}

void viommu_cache_enter(struct viommu_cache *c, unsigned int cpu)
{
    unsigned int *seq = &c->cpus[cpu].seq;

    ASSERT(!(*seq & 1));

    write_atomic(seq, *seq + 1);
    /* What is read from now on isn't older than that. */
    smp_mb();
}

void viommu_cache_exit(struct viommu_cache *c, unsigned int cpu)
{
    unsigned int *seq = &c->cpus[cpu].seq;

    ASSERT(*seq & 1);

    /*
     * What was read and delivered here comes before.  x86 doesn't put stores
     * before earlier loads or stores.
     */
    smp_wmb();
    write_atomic(seq, *seq + 1);
}

uint64_t viommu_cache_lookup(const struct viommu_cache *c, unsigned int index)
{
    unsigned int i = array_index_nospec(index >> VIOMMU_LEAF_ORDER,
                                        VIOMMU_NR_LEAVES);
    uint64_t *leaf = read_atomic(&c->leaf[i]);

    if ( !leaf )
        return 0;

    return read_atomic(&leaf[index & (VIOMMU_LEAF_ENTRIES - 1)]);
}

void viommu_cache_prepare(struct viommu_cache *c, unsigned int index)
{
    uint64_t **slot = &c->leaf[index >> VIOMMU_LEAF_ORDER];
    uint64_t *leaf;

    if ( read_atomic(slot) )
        return;

    leaf = xvzalloc_array(uint64_t, VIOMMU_LEAF_ENTRIES);
    if ( !leaf )
        return;

    spin_lock(&c->lock);

    if ( !*slot )
    {
        smp_wmb();
        write_atomic(slot, leaf);
        c->nr_leaves++;
        leaf = NULL;
    }

    spin_unlock(&c->lock);

    xvfree(leaf);
}

void viommu_cache_store(struct viommu_cache *c, unsigned int index,
                        uint64_t packed)
{
    uint64_t *leaf = c->leaf[index >> VIOMMU_LEAF_ORDER];

    ASSERT(spin_is_locked(&c->lock));

    if ( !leaf || !packed )
        return;

    leaf += index & (VIOMMU_LEAF_ENTRIES - 1);
    if ( !*leaf )
        c->nr_cached++;
    write_atomic(leaf, packed);
}

void viommu_cache_drop(struct viommu_cache *c, unsigned int index,
                       unsigned int mask)
{
    unsigned int first = (index >> mask) << mask;
    unsigned int end = first + (1U << mask);

    ASSERT(spin_is_locked(&c->lock));

    while ( first < end && c->nr_cached )
    {
        unsigned int next = min((first | (VIOMMU_LEAF_ENTRIES - 1)) + 1, end);
        uint64_t *leaf = c->leaf[first >> VIOMMU_LEAF_ORDER];

        for ( ; leaf && first < next; first++ )
        {
            uint64_t *entry = &leaf[first & (VIOMMU_LEAF_ENTRIES - 1)];

            if ( !*entry )
                continue;

            write_atomic(entry, 0UL);
            c->nr_cached--;
        }

        first = next;
    }
}

void viommu_cache_sync(const struct viommu_cache *c)
{
    unsigned int cpu;

    /* Sections which begin after this see that the entries were dropped. */
    smp_mb();

    for ( cpu = 0; cpu < c->nr_cpus; cpu++ )
    {
        const unsigned int *p = &c->cpus[cpu].seq;
        unsigned int seq = read_atomic(p);

        if ( seq & 1 )
            while ( read_atomic(p) == seq )
                cpu_relax();
    }

    smp_mb();
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
