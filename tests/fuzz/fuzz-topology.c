/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Topology of guests (xen/lib/x86/topology.c): whatever cores and threads are asked
 * for, and whatever leaf 0xb holds, either it is refused or all vCPUs have
 * different IDs, and a guest that takes them apart by CPUID finds what was asked for.
 * Whatever AMD's legacy leaves hold, leaf 0x8000001d has caches of that size.
 */
#include <errno.h>

#include "fuzz.h"

#include <xen-tools/common-macros.h>
#include <asm/x86-vendors.h>
#include <xen/lib/x86/cpu-policy.h>
#include <xen/lib/x86/topology.h>

#define MAX_VCPUS 1024U /* HVM_LIMIT_VCPUS */

/* Smallest power of two that isn't below @n. */
static unsigned int pow2(unsigned int n)
{
    unsigned int p = 1;

    while ( p < n )
        p *= 2;

    return p;
}

static unsigned int at_most(unsigned int limit, unsigned int n)
{
    return n < limit ? n : limit;
}

/* IDs from vCPU 0 on, by counting instead of dividing. */
static void check_ids(const struct x86_topology *t, unsigned int nr_vcpus,
                      bool bounded)
{
    static bool taken[X86_TOPO_MAX_APIC_ID + 1];
    unsigned int v, thread = 0, core = 0, socket = 0;
    unsigned int core_ids = 1U << t->thread_shift, pkg_ids = 1U << t->pkg_shift;
    uint32_t last = 0;

    memset(taken, 0, sizeof(taken));

    for ( v = 0; v < nr_vcpus; v++ )
    {
        uint32_t id = x86_topo_apic_id(t, v), a, b, c;

        FUZZ_CHECK(id / pkg_ids == socket, "vCPU%u: %#x", v, id);
        FUZZ_CHECK(id % pkg_ids / core_ids == core, "vCPU%u: %#x", v, id);
        FUZZ_CHECK(id % core_ids == thread, "vCPU%u: %#x", v, id);
        FUZZ_CHECK(!v || id > last, "vCPU%u: %#x", v, id);
        last = id;

        FUZZ_CHECK(!bounded || id <= X86_TOPO_MAX_APIC_ID, "vCPU%u: %#x", v, id);
        if ( bounded )
        {
            FUZZ_CHECK(!taken[id], "vCPU%u: %#x is taken", v, id);
            taken[id] = true;
        }

        x86_topo_amd_leaf_1e(t, v, id, &a, &b, &c);
        FUZZ_CHECK(a == id && c == socket % 256 && b % 256 == core % 256 &&
                   b / 256 == t->threads - 1, "vCPU%u: %#x %#x %#x", v, a, b, c);

        if ( ++thread == t->threads )
        {
            thread = 0;
            if ( ++core == t->cores )
            {
                core = 0;
                socket++;
            }
        }
    }
}

/* The leaves of @p, which has topology @t, as the vendors' manuals have them. */
static void check_leaves(const struct cpu_policy *p,
                         const struct x86_topology *t, bool amd,
                         const struct cpu_policy *before)
{
    unsigned int nr = t->threads * t->cores, i;
    unsigned int pkg_ids = 1U << t->pkg_shift, core_ids = 1U << t->thread_shift;

    /* Leaf 0xb: shift to the next level, number of threads, type and level. */
    FUZZ_CHECK(p->topo.raw[0].a == t->thread_shift &&
               p->topo.raw[0].b == t->threads && p->topo.raw[0].c == 0x100,
               "leaf 0xb, 0");
    FUZZ_CHECK(p->topo.raw[1].a == t->pkg_shift &&
               p->topo.raw[1].b == nr && p->topo.raw[1].c == 0x201,
               "leaf 0xb, 1");

    /* Leaf 1: EBX[23:16], EDX[28]. */
    FUZZ_CHECK((p->basic.raw[1].d >> 28 & 1) == (nr > 1), "HTT");
    FUZZ_CHECK((p->basic.raw[1].b >> 16 & 0xff) ==
               at_most(255, amd ? nr : pkg_ids), "leaf 1 EBX %#x",
               p->basic.raw[1].b);

    if ( amd )
    {
        /* 0x80000008 ECX: NC and ApicIdSize.  0x80000001 ECX: CmpLegacy, TopoExt. */
        FUZZ_CHECK((p->extd.raw[8].c & 0xff) == at_most(256, nr) - 1, "NC");
        FUZZ_CHECK((p->extd.raw[8].c >> 12 & 0xf) == at_most(15, t->pkg_shift),
                   "ApicIdSize");
        FUZZ_CHECK((p->extd.raw[1].c >> 1 & 1) == (nr > 1), "CmpLegacy");
        FUZZ_CHECK(p->extd.raw[1].c >> 22 & 1, "TopoExt");
    }
    else
        FUZZ_CHECK(!(p->extd.raw[1].c >> 1 & 1), "CmpLegacy");

    /* Leaf 4 EAX[31:26], [25:14], and all else as it was; to the first of no type. */
    for ( i = 0; i < ARRAY_SIZE(p->cache.raw); i++ )
    {
        const struct cpuid_leaf *l = &p->cache.raw[i], *old = &before->cache.raw[i];
        unsigned int level = l->a >> 5 & 7;

        FUZZ_CHECK(l->b == old->b && l->c == old->c && l->d == old->d, "leaf 4");
        if ( !(l->a & 0x1f) )
            break;

        FUZZ_CHECK((l->a & 0x3fff) == (old->a & 0x3fff), "leaf 4 EAX %#x", l->a);
        FUZZ_CHECK((l->a >> 26) + 1 == at_most(64, pkg_ids / core_ids),
                   "leaf 4 EAX %#x", l->a);
        FUZZ_CHECK((l->a >> 14 & 0xfff) + 1 ==
                   at_most(4096, level < 3 ? core_ids : pkg_ids),
                   "leaf 4 EAX %#x", l->a);
        FUZZ_SAW("cache");
    }
}

/* Leaf 0x8000001d in topology @t, of any caches: by the APM's tables. */
static void check_caches(struct fuzz_in *in, const struct x86_topology *t)
{
    static const unsigned int l2_l3[] = {
        0, 1, 2, 3, 4, 6, 8, 0, 16, 16, 32, 48, 64, 96, 128, 0
    };
    unsigned int how = fuzz_take(in, 1), i, nr = 0, beyond;
    struct cpu_policy p;
    uint32_t reg[4], a, b, c, d;

    memset(&p, how & 1 ? 0xff : 0, sizeof(p));
    for ( i = 0; i < 4; i++ )
    {
        reg[i] = fuzz_take(in, 4);
        if ( how & (2U << i) ) /* Lines as they are. */
            reg[i] = (reg[i] & (i < 2 ? 0xffff0000 : 0xfffff000)) | 0x140;
    }
    if ( how >= 0xe0 ) /* Lines of a byte, direct mapped. */
        reg[3] = (reg[3] & 0xfffc0000) | 0x1101;
    p.extd.raw[5].c = reg[0];
    p.extd.raw[5].d = reg[1];
    p.extd.raw[6].c = reg[2];
    p.extd.raw[6].d = reg[3];

    for ( i = 0; i < 4; i++ )
    {
        unsigned int level = i < 2 ? 1 : i, type = i < 2 ? i + 1 : 3;
        uint64_t bytes = i < 2 ? (reg[i] >> 24) * 1024ULL :
                         i < 3 ? (reg[i] >> 16) * 1024ULL :
                                 (reg[i] >> 18) * 512ULL * 1024;
        unsigned int per_tag = reg[i] >> 8 & (i < 2 ? 255 : 15);
        unsigned int line = reg[i] & 255, way = line * (per_tag ? per_tag : 1);
        unsigned int code = i < 2 ? reg[i] >> 16 & 255 : reg[i] >> 12 & 15;
        unsigned int ways = i < 2 ? code : l2_l3[code], set;
        bool full = code == (i < 2 ? 255 : 15);
        uint64_t size;

        if ( full )
            ways = !line || bytes / way > 1024 ? 1024 : bytes / way;
        set = way * ways;
        if ( !set || bytes < set )
        {
            FUZZ_SAW("no cache");
            continue;
        }

        x86_topo_amd_leaf_1d(t, &p, nr++, &a, &b, &c, &d);
        FUZZ_CHECK((a & 31) == type && (a >> 5 & 7) == level && (a >> 8 & 1) &&
                   (a >> 9 & 1) == full && !(a & 0xfc003c00),
                   "cache %u of %#x: EAX %#x", i, reg[i], a);
        FUZZ_CHECK((a >> 14 & 0xfff) + 1 ==
                   at_most(4096, 1U << (i < 3 ? t->thread_shift : t->pkg_shift)),
                   "cache %u of %#x: EAX %#x", i, reg[i], a);
        FUZZ_CHECK((b & 0xfff) + 1 == line && (b >> 22) + 1 == ways &&
                   ((b & 0xfff) + 1) * ((b >> 12 & 0x3ff) + 1) == way,
                   "cache %u of %#x: EBX %#x", i, reg[i], b);
        FUZZ_CHECK(d == (i == 3), "cache %u of %#x: EDX %#x", i, reg[i], d);

        /* Whole sets, as many as there are. */
        size = (c + 1ULL) * set;
        if ( c == ~0U )
        {
            FUZZ_CHECK(size <= bytes, "cache %u of %#x", i, reg[i]);
            FUZZ_SAW("cache of too many sets");
        }
        else
            FUZZ_CHECK(size <= bytes && bytes - size < set,
                       "cache %u of %#x: ECX %#x", i, reg[i], c);
        if ( size == bytes )
            FUZZ_SAW("cache with nothing lost");
        if ( full )
            FUZZ_SAW("cache, fully associative");
        if ( i == 3 && t->pkg_shift > 12 )
            FUZZ_SAW("cache shared by too many");
    }

    beyond = fuzz_take(in, how & 1 ? 1 : 4);
    if ( beyond < nr || !(how & 2) )
        beyond = nr;
    x86_topo_amd_leaf_1d(t, &p, beyond, &a, &b, &c, &d);
    FUZZ_CHECK(!(a | b | c | d), "subleaf %u of %u", beyond, nr);
    if ( nr == 4 )
        FUZZ_SAW("all caches");
}

/* A request of the toolstack's. */
static void check_request(struct fuzz_in *in)
{
    unsigned int how = fuzz_take(in, 1);
    unsigned int threads = fuzz_take(in, how & 1 ? 4 : how & 2 ? 2 : 1);
    unsigned int cores = fuzz_take(in, how & 1 ? 4 : 2), i;
    bool amd = how & 4, legacy = how & 8;
    struct x86_topology t, back;
    struct cpu_policy p, before;
    int rc;

    if ( how & 16 )
        cores %= 80;
    if ( legacy )
        threads = 1;
    rc = legacy ? x86_topo_init_legacy(&t, cores)
                : x86_topo_init_packed(&t, threads, cores);

    if ( !threads || !cores || threads > 256 || cores > 1024 )
    {
        FUZZ_CHECK(rc == -ERANGE, "%u x %u: %d", threads, cores, rc);
        FUZZ_SAW("request refused");
        return;
    }

    /* No leaf has room for that many, nor has a guest. */
    if ( threads * cores > 0xffff )
    {
        FUZZ_CHECK(!rc || rc == -ERANGE, "%u x %u: %d", threads, cores, rc);
        return;
    }

    FUZZ_CHECK(!rc, "%u x %u: %d", threads, cores, rc);
    FUZZ_CHECK(t.threads == threads && t.cores == cores, "%u x %u", threads, cores);
    /* No bit more than is needed, but for the sibling that isn't there. */
    FUZZ_CHECK(1U << t.thread_shift == (legacy ? 2 : pow2(threads)), "threads");
    FUZZ_CHECK(1U << t.pkg_shift == (1U << t.thread_shift) * pow2(cores), "cores");
    if ( legacy )
        for ( i = 0; i < cores; i++ )
            FUZZ_CHECK(x86_topo_apic_id(&t, i) == 2 * i, "vCPU%u", i);

    /* A topology of more than a guest can have needn't keep to the bound. */
    check_ids(&t, MAX_VCPUS, !legacy && threads * cores <= MAX_VCPUS);

    memset(&p, 0, sizeof(p));
    for ( i = 0; i < ARRAY_SIZE(p.cache.raw) && !amd; i++ )
    {
        p.cache.raw[i].a = fuzz_take(in, 4);
        p.cache.raw[i].b = fuzz_take(in, 1);
    }
    p.x86_vendor = amd ? how & 32 ? X86_VENDOR_HYGON : X86_VENDOR_AMD
                       : X86_VENDOR_INTEL;
    p.basic.max_leaf = 0xd;
    p.topo.raw[0].d = p.basic.raw[1].b = p.basic.raw[1].d = how;
    p.extd.raw[1].c = p.extd.raw[8].c = how;
    before = p;

    x86_topo_to_policy(&t, &p);
    check_leaves(&p, &t, amd, &before);

    if ( threads * cores <= MAX_VCPUS )
    {
        FUZZ_CHECK(!x86_topo_from_policy(&back, &p, NULL), "%u x %u", threads, cores);
        FUZZ_CHECK(!memcmp(&t, &back, sizeof(t)), "%u x %u", threads, cores);
        FUZZ_CHECK(x86_topo_policy_apic_id(&p, how) == x86_topo_apic_id(&t, how),
                   "vCPU%u", how);
        if ( amd )
            FUZZ_SAW("request, AMD");
        else
            FUZZ_SAW("request, Intel");
        if ( legacy )
            FUZZ_SAW("request, 2 * id");
    }
    else
        FUZZ_SAW("request beyond a guest");

    check_caches(in, &t);
}

/* A leaf 0xb that can be anything, as it comes with a hypercall. */
static void check_leaf(struct fuzz_in *in)
{
    unsigned int how = fuzz_take(in, 1), i, v, bad = 99, pkg;
    struct cpu_policy p = { .basic.max_leaf = 0xd };
    struct x86_topology t, untouched;
    struct cpuid_leaf *l = p.topo.raw;
    bool empty, good;
    int rc;

    for ( i = 0; i < 2; i++ )
    {
        l[i].a = fuzz_take(in, how & 1 ? 4 : 1);
        l[i].b = fuzz_take(in, how & 1 ? 4 : 2);
        l[i].c = how & 2 ? fuzz_take(in, 4) : (i + 1) * 256 + i;
        l[i].d = how;
        if ( how & 4 )
            l[i].a %= 16;
    }
    if ( how & 16 )
        l[0].b = how & 64 ? 254 + l[0].b % 4 : l[0].b % 17;
    if ( how & 8 ) /* Whole cores. */
        l[1].b = l[0].b * (l[1].b % (how & 32 ? 1030 : 40));
    if ( how & 16 ) /* Shifts which suffice, or nearly so. */
    {
        for ( i = 0; 1U << i < l[0].b; )
            i++;
        l[0].a = i + l[0].a % 4 - 1;
        for ( ; 1UL << i < l[1].b; )
            i++;
        l[1].a = i + l[1].a % 4 - 1;
    }
    i = fuzz_take(in, 2);
    if ( i < 0x8000 && i % 256 < 192 ) /* One bit flipped. */
        (&l[i & 1].a)[(i % 256) / 64] ^= 1U << (i >> 1 & 31);
    if ( how == 0xff )
        memset(l, 0, sizeof(p.topo.raw));

    memset(&t, 0x5a, sizeof(t));
    untouched = t;
    v = fuzz_take(in, 2) % MAX_VCPUS;
    rc = x86_topo_from_policy(&t, &p, &bad);

    empty = !(l[0].a | l[0].b | l[0].c | l[1].a | l[1].b | l[1].c);
    /*
     * SDM: shifts have 5 bits, numbers 16; level 0 is of threads, level 1 of cores.
     * Each level's IDs have room for what it holds, and all for a guest's sockets.
     */
    pkg = l[1].a;
    good = l[0].a < 32 && pkg < 32 && l[0].b < 65536 && l[1].b < 65536 &&
           l[0].c == 0x100 && l[1].c == 0x201 &&
           l[0].b && l[0].b <= 256 && l[1].b && l[1].b % l[0].b == 0 &&
           l[1].b / l[0].b <= 1024 &&
           1UL << l[0].a >= l[0].b && l[0].a <= pkg &&
           1UL << (pkg - l[0].a) >= l[1].b / l[0].b && pkg <= 12;

    if ( empty )
    {
        FUZZ_CHECK(rc == -ENOENT, "%d", rc);
        FUZZ_SAW("leaf is empty");
    }
    else if ( !good )
    {
        FUZZ_CHECK(rc == -EINVAL && bad < 2, "%d %u", rc, bad);
        FUZZ_SAW("leaf refused");
    }

    if ( empty || !good )
    {
        FUZZ_CHECK(!memcmp(&t, &untouched, sizeof(t)), "written to");
        FUZZ_CHECK(x86_topo_policy_apic_id(&p, v) == v * 2, "vCPU%u", v);
        return;
    }

    FUZZ_CHECK(!rc, "%d %u", rc, bad);
    FUZZ_CHECK(t.threads == l[0].b && t.cores == l[1].b / l[0].b &&
               t.thread_shift == l[0].a && t.pkg_shift == pkg, "fields");
    FUZZ_SAW("leaf taken");
    check_ids(&t, MAX_VCPUS, false);
    FUZZ_CHECK(x86_topo_policy_apic_id(&p, v) == x86_topo_apic_id(&t, v),
               "vCPU%u", v);
    check_caches(in, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };

    if ( fuzz_take(&in, 1) & 1 )
        check_request(&in);
    else
        check_leaf(&in);

    return 0;
}
