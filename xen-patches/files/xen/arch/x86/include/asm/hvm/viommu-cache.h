/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IRTE cache: from the index of an interrupt remapping table entry to what
 * viommu_irte_pack() made of it.
 *
 * Readers.  Whoever remaps an interrupt does so, and delivers it, between
 * viommu_cache_enter() and viommu_cache_exit(), a section.  A hit in there is
 * two loads: no lock, nothing written that another CPU writes too.  In a
 * section only leaf locks may be taken, and none that is held around
 * viommu_cache_sync().  Sections don't nest, and nothing in them may run
 * softirqs.
 *
 * Writers.  lock is held around reading the guest's table and storing what was
 * read, on a miss, and around dropping entries.  So an entry that is stored
 * after it was dropped was also read after that.  viommu_cache_sync(), without
 * the lock, then waits for the sections that may have seen what was dropped.
 *
 * Memory.  A leaf of 4 kB for 512 entries is allocated when the first of them
 * is asked for: 512 kB for a full table.  A struct viommu_cache_cpu (128
 * bytes) for each CPU of the host comes on top.  Leaves stay until
 * viommu_cache_free().
 */
#ifndef __ASM_X86_HVM_VIOMMU_CACHE_H__
#define __ASM_X86_HVM_VIOMMU_CACHE_H__

#include <xen/cache.h>
#include <xen/spinlock.h>
#include <xen/types.h>

#define VIOMMU_MAX_ORDER    16
#define VIOMMU_LEAF_ORDER   9
#define VIOMMU_LEAF_ENTRIES (1U << VIOMMU_LEAF_ORDER)
#define VIOMMU_NR_LEAVES    (1U << (VIOMMU_MAX_ORDER - VIOMMU_LEAF_ORDER))

/* Written by its CPU only. */
struct viommu_cache_cpu {
    unsigned int seq;   /* Odd in a section. */
    uint64_t hits;
    uint64_t compat;
} __cacheline_aligned;

struct viommu_cache {
    uint64_t *leaf[VIOMMU_NR_LEAVES];
    struct viommu_cache_cpu *cpus;
    unsigned int nr_cpus;

    spinlock_t lock;
    /* The rest under lock. */
    unsigned int nr_leaves;
    unsigned int nr_cached;
};

/* 0, or -ENOMEM.  For CPUs 0 to @nr_cpus - 1. */
int viommu_cache_init(struct viommu_cache *c, unsigned int nr_cpus);

/*
 * Free the leaves; with @cpus all else too.  The caller made sure that there
 * are no readers (that may use entries, or any at all).
 */
void viommu_cache_free(struct viommu_cache *c, bool cpus);

/* Begin and end a section on CPU @cpu, which the caller runs on. */
void viommu_cache_enter(struct viommu_cache *c, unsigned int cpu);
void viommu_cache_exit(struct viommu_cache *c, unsigned int cpu);

/*
 * In a section: the packed entry @index, less than (1 << VIOMMU_MAX_ORDER), or
 * 0 if it isn't cached.
 */
uint64_t viommu_cache_lookup(const struct viommu_cache *c, unsigned int index);

/* See that there is a leaf for @index.  Called without the lock. */
void viommu_cache_prepare(struct viommu_cache *c, unsigned int index);

/* With the lock held: store @packed, if there is a leaf for it. */
void viommu_cache_store(struct viommu_cache *c, unsigned int index,
                        uint64_t packed);

/*
 * With the lock held: drop the entries whose index is @index when the @mask
 * lowest bits are ignored; all of them if @mask is VIOMMU_MAX_ORDER.
 */
void viommu_cache_drop(struct viommu_cache *c, unsigned int index,
                       unsigned int mask);

/* Wait until all sections that there are now have ended. */
void viommu_cache_sync(const struct viommu_cache *c);

#endif /* __ASM_X86_HVM_VIOMMU_CACHE_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
