/* SPDX-License-Identifier: GPL-2.0-only */
#include "private.h"

#include <xen/lib/x86/cpu-policy.h>
#include <xen/lib/x86/topology.h>

/* Values of leaf 0xb ECX[15:8]. */
#define TOPO_TYPE_SMT  1U
#define TOPO_TYPE_CORE 2U

/* Values of leaf 0x8000001d EAX[4:0]. */
#define CACHE_TYPE_DATA    1U
#define CACHE_TYPE_INST    2U
#define CACHE_TYPE_UNIFIED 3U

/* Fully associative, as leaf 0x80000005 encodes it. */
#define WAYS_FULL 0xffU

/*
 * Ways of L2 and L3 caches by the 4 bits that leaf 0x80000006 has for them: the
 * lowest number that a value stands for (AMD64 APM vol. 3, table E-4), or none.
 *
 * 9 means that leaf 0x8000001d has better values for all fields, and is what
 * processors since Zen 2 have for L3.  Theirs are several caches of 16 ways
 * each; the size is that of all together, which suits one of a whole socket.
 */
static const uint8_t l2_l3_ways[16] = {
    [1] = 1, [2] = 2, [3] = 3, [4] = 4, [5] = 6, [6] = 8, [8] = 16, [9] = 16,
    [10] = 32, [11] = 48, [12] = 64, [13] = 96, [14] = 128, [15] = WAYS_FULL,
};

/* Bits needed to number @n things. */
static unsigned int order_of(unsigned int n)
{
    unsigned int order = 0;

    while ( (1U << order) < n )
        order++;

    return order;
}

int x86_topo_init_packed(struct x86_topology *t, unsigned int threads,
                         unsigned int cores)
{
    if ( !threads || threads > X86_TOPO_MAX_THREADS ||
         !cores || cores > X86_TOPO_MAX_CORES ||
         threads * cores > 0xffff /* Leaf 0xb EBX has 16 bits for them. */ )
        return -ERANGE;

    t->threads      = threads;
    t->cores        = cores;
    t->thread_shift = order_of(threads);
    t->pkg_shift    = t->thread_shift + order_of(cores);

    return 0;
}

int x86_topo_init_legacy(struct x86_topology *t, unsigned int nr_vcpus)
{
    int rc = x86_topo_init_packed(t, 1, nr_vcpus);

    if ( rc )
        return rc;

    /* A sibling thread that isn't there. */
    t->thread_shift++;
    t->pkg_shift++;

    return 0;
}

uint32_t x86_topo_apic_id(const struct x86_topology *t, unsigned int vcpu_id)
{
    unsigned int thread = vcpu_id % t->threads;
    unsigned int core   = (vcpu_id / t->threads) % t->cores;
    unsigned int socket = vcpu_id / (t->threads * t->cores);

    return (socket << t->pkg_shift) | (core << t->thread_shift) | thread;
}

int x86_topo_from_policy(struct x86_topology *t, const struct cpu_policy *p,
                         unsigned int *err_subleaf)
{
    const struct cpuid_topo_leaf *smt = &p->topo.subleaf[0];
    const struct cpuid_topo_leaf *core = &p->topo.subleaf[1];
    struct x86_topology n;
    unsigned int i, bad = 0;

    BUILD_BUG_ON(ARRAY_SIZE(p->topo.raw) != 2);

    /* EDX is each vCPU's own ID, and of no interest here. */
    for ( i = 0; i < ARRAY_SIZE(p->topo.raw); i++ )
        if ( p->topo.raw[i].a || p->topo.raw[i].b || p->topo.raw[i].c )
            break;
    if ( i == ARRAY_SIZE(p->topo.raw) )
        return -ENOENT;

    for ( bad = 0; bad < ARRAY_SIZE(p->topo.raw); bad++ )
        if ( (p->topo.raw[bad].a & ~0x1fU) || (p->topo.raw[bad].b >> 16) ||
             (p->topo.raw[bad].c >> 16) || p->topo.subleaf[bad].level != bad )
            goto err;

    bad = 0;
    n.threads = smt->nr_logical;
    n.thread_shift = smt->id_shift;
    if ( smt->type != TOPO_TYPE_SMT || !n.threads ||
         n.threads > X86_TOPO_MAX_THREADS ||
         n.thread_shift < order_of(n.threads) )
        goto err;

    bad = 1;
    n.cores = core->nr_logical / n.threads;
    n.pkg_shift = core->id_shift;
    if ( core->type != TOPO_TYPE_CORE || !n.cores ||
         n.cores > X86_TOPO_MAX_CORES || core->nr_logical % n.threads ||
         n.pkg_shift < n.thread_shift + order_of(n.cores) ||
         /* Enough for any layout within bounds, and keeps the sums small. */
         n.pkg_shift > order_of(X86_TOPO_MAX_APIC_ID + 1) )
        goto err;

    *t = n;

    return 0;

 err:
    if ( err_subleaf )
        *err_subleaf = bad;

    return -EINVAL;
}

void x86_topo_to_policy(const struct x86_topology *t, struct cpu_policy *p)
{
    unsigned int i, nr = t->threads * t->cores;
    unsigned int core_ids = 1U << (t->pkg_shift - t->thread_shift);
    unsigned int pkg_ids = 1U << t->pkg_shift;
    bool amd = p->x86_vendor & (X86_VENDOR_AMD | X86_VENDOR_HYGON);

    memset(p->topo.raw, 0, sizeof(p->topo.raw));
    p->topo.subleaf[0] = (struct cpuid_topo_leaf){
        .id_shift   = t->thread_shift,
        .nr_logical = t->threads,
        .level      = 0,
        .type       = TOPO_TYPE_SMT,
    };
    p->topo.subleaf[1] = (struct cpuid_topo_leaf){
        .id_shift   = t->pkg_shift,
        .nr_logical = nr,
        .level      = 1,
        .type       = TOPO_TYPE_CORE,
    };

    p->basic.htt = nr > 1;

    if ( amd )
    {
        /*
         * Leaf 1 counts the threads that there are, and so does 0x80000008 NC
         * (less one).  The number of bits goes to ApicIdSize.
         */
        p->basic.lppp = min(nr, 255U);
        p->extd.cmp_legacy = nr > 1;
        p->extd.nc = min(nr, 256U) - 1;
        p->extd.apic_id_size = min(t->pkg_shift, 15U);
        /*
         * Software without knowledge of 0x8000001e takes a socket's threads
         * for cores, and gets IDs out of leaf 1.
         */
        p->extd.topoext = true;
    }
    else
    {
        /* Leaf 1 holds the IDs that are set aside, in use or not. */
        p->basic.lppp = min(pkg_ids, 255U);
        p->extd.cmp_legacy = false;
    }

    /* Structured caches: all zeroes on AMD.  L1 and L2 belong to a core. */
    for ( i = 0; i < ARRAY_SIZE(p->cache.raw) && p->cache.subleaf[i].type; i++ )
    {
        struct cpuid_cache_leaf *c = &p->cache.subleaf[i];
        unsigned int sharing = c->level >= 3 ? pkg_ids : 1U << t->thread_shift;

        c->cores_per_package = min(core_ids, 64U) - 1;
        c->threads_per_cache = min(sharing, 4096U) - 1;
    }
}

uint32_t x86_topo_policy_apic_id(const struct cpu_policy *p,
                                 unsigned int vcpu_id)
{
    struct x86_topology t;

    if ( x86_topo_from_policy(&t, p, NULL) )
        return vcpu_id * 2;

    return x86_topo_apic_id(&t, vcpu_id);
}

void x86_topo_amd_leaf_1e(const struct x86_topology *t, unsigned int vcpu_id,
                          uint32_t apic_id, uint32_t *eax, uint32_t *ebx,
                          uint32_t *ecx)
{
    unsigned int core = (vcpu_id / t->threads) % t->cores;
    unsigned int socket = vcpu_id / (t->threads * t->cores);

    *eax = apic_id;
    *ebx = ((t->threads - 1) << 8) | (uint8_t)core;
    *ecx = (uint8_t)socket; /* One node a socket. */
}

void x86_topo_amd_leaf_1d(const struct x86_topology *t,
                          const struct cpu_policy *p, unsigned int subleaf,
                          uint32_t *eax, uint32_t *ebx, uint32_t *ecx,
                          uint32_t *edx)
{
    const struct {
        uint32_t reg; /* Of the legacy leaf. */
        uint8_t level, type;
    } caches[] = {
        { p->extd.raw[5].c, 1, CACHE_TYPE_DATA },
        { p->extd.raw[5].d, 1, CACHE_TYPE_INST },
        { p->extd.raw[6].c, 2, CACHE_TYPE_UNIFIED },
        { p->extd.raw[6].d, 3, CACHE_TYPE_UNIFIED },
    };
    unsigned int i, nr = 0;

    *eax = *ebx = *ecx = *edx = 0;

    for ( i = 0; i < ARRAY_SIZE(caches); i++ )
    {
        uint32_t reg = caches[i].reg;
        unsigned int level = caches[i].level;
        unsigned int line = reg & 0xff, partitions, ways, kb, shift;
        uint64_t lines = 0, sets = 0;
        bool full;

        if ( level == 1 )
        {
            partitions = (reg >> 8) & 0xff;
            ways = (reg >> 16) & 0xff;
            kb = reg >> 24;
        }
        else
        {
            partitions = (reg >> 8) & 0xf;
            ways = l2_l3_ways[(reg >> 12) & 0xf];
            kb = level == 2 ? reg >> 16 : (reg >> 18) * 512;
        }

        /* The toolstack's values, which nothing has checked. */
        partitions = max(partitions, 1U);
        if ( line )
            lines = (uint64_t)kb * 1024 / (line * partitions);

        /* EBX has 10 bits for ways.  Better several sets than a wrong size. */
        full = ways == WAYS_FULL;
        if ( full )
            ways = min_t(uint64_t, lines, 1024);
        if ( ways )
            sets = lines / ways;

        if ( !sets )
            continue; /* No such cache. */
        if ( nr++ != subleaf )
            continue;

        /* EAX has 12 bits for the count. */
        shift = min(level < 3 ? t->thread_shift : t->pkg_shift, 12U);

        *eax = (((1U << shift) - 1) << 14) | ((uint32_t)full << 9) |
               (1U << 8) /* Self-initialising. */ |
               (level << 5) | caches[i].type;
        *ebx = ((ways - 1) << 22) | ((partitions - 1) << 12) | (line - 1);
        *ecx = min_t(uint64_t, sets - 1, UINT32_MAX);
        *edx = level >= 3; /* WBINVD needn't act on other cores' L1 and L2. */
        break;
    }
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
