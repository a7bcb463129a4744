/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Topology of guests (xen/lib/x86/topology.c): APIC IDs, CPUID leaves, and the
 * way back from leaf 0xb, which is all that Xen has to go by.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <xen-tools/common-macros.h>
#include <asm/x86-vendors.h>
#include <xen/lib/x86/cpu-policy.h>
#include <xen/lib/x86/topology.h>

#define MAX_VCPUS 1024U /* HVM_LIMIT_VCPUS */

static const struct layout {
    const char *name;
    unsigned int vcpus, threads, cores; /* No threads: 2 * vCPU id. */
    unsigned int thread_shift, pkg_shift;
    uint32_t max_id;
    bool contiguous;
} layouts[] = {
    { "1 vCPU",                1, 1,    1, 0,  0,    0, true },
    { "2 threads",             2, 2,    1, 1,  1,    1, true },
    { "128, 2 * id",         128, 0,    0, 1,  8,  254, false },
    { "128 x 1",             128, 1,  128, 0,  7,  127, true },
    { "129, 2 * id",         129, 0,    0, 1,  9,  256, false },
    { "43 x 3",              129, 3,   43, 2,  8,  170, false },
    { "255 x 1",             255, 1,  255, 0,  8,  254, true },
    { "256, 2 * id",         256, 0,    0, 1,  9,  510, false },
    { "257 x 1",             257, 1,  257, 0,  9,  256, true },
    { "72 x 4",              288, 4,   72, 2,  9,  287, true },
    { "288, 2 * id",         288, 0,    0, 1, 10,  574, false },
    { "4 x 36 x 2",          288, 2,   36, 1,  7,  455, false },
    { "2 x 48 x 3",          288, 3,   48, 2,  8,  446, false },
    { "9 x 32 x 1",          288, 1,   32, 0,  5,  287, true },
    { "1024, 2 * id",       1024, 0,    0, 1, 11, 2046, false },
    { "512 x 2",            1024, 2,  512, 1, 10, 1023, true },
    { "256 x 4 x 1",        1024, 1,    4, 0,  2, 1023, true },
    { "4 x 256 threads",    1024, 256,  1, 8,  8, 1023, true },
    { "113 x 3 x 3",        1017, 3,    3, 2,  4, 1802, false },
    { "40 x 5 x 5",         1000, 5,    5, 3,  6, 2532, false },
};
#define NR_LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

static void init(struct x86_topology *t, const struct layout *l)
{
    if ( l->threads )
        assert_int_equal(x86_topo_init_packed(t, l->threads, l->cores), 0);
    else
        assert_int_equal(x86_topo_init_legacy(t, l->vcpus), 0);
}

static void test_ids(void **state)
{
    unsigned int i, v;

    (void)state;

    for ( i = 0; i < NR_LAYOUTS; i++ )
    {
        const struct layout *l = &layouts[i];
        static bool seen[X86_TOPO_MAX_APIC_ID + 1];
        struct x86_topology t;
        uint32_t id = 0, last = 0;

        print_message("# %s\n", l->name);
        init(&t, l);
        assert_int_equal(t.thread_shift, l->thread_shift);
        assert_int_equal(t.pkg_shift, l->pkg_shift);

        memset(seen, 0, sizeof(seen));
        for ( v = 0; v < l->vcpus; v++ )
        {
            id = x86_topo_apic_id(&t, v);
            assert_true(id <= X86_TOPO_MAX_APIC_ID);
            assert_false(seen[id]);
            seen[id] = true;
            assert_true(!v || id > last);
            last = id;

            if ( !l->threads )
                assert_int_equal(id, v * 2);
            if ( l->contiguous )
                assert_int_equal(id, v);

            /* What a guest does: take the ID apart by the shifts. */
            assert_int_equal(id >> t.pkg_shift, v / (t.threads * t.cores));
            assert_int_equal((id >> t.thread_shift) &
                             ((1U << (t.pkg_shift - t.thread_shift)) - 1),
                             v / t.threads % t.cores);
            assert_int_equal(id & ((1U << t.thread_shift) - 1), v % t.threads);
        }
        assert_int_equal(id, l->max_id);
    }
}

/* Any topology within the limits stays below the bound for IDs. */
static void test_bound(void **state)
{
    unsigned int threads, cores;

    (void)state;

    for ( threads = 1; threads <= X86_TOPO_MAX_THREADS; threads++ )
        for ( cores = 1; threads * cores <= MAX_VCPUS; cores++ )
        {
            struct x86_topology t, back;
            struct cpu_policy p = { .basic.max_leaf = 0xd };

            assert_int_equal(x86_topo_init_packed(&t, threads, cores), 0);
            assert_true(x86_topo_apic_id(&t, MAX_VCPUS - 1) <=
                        X86_TOPO_MAX_APIC_ID);

            x86_topo_to_policy(&t, &p);
            assert_int_equal(x86_topo_from_policy(&back, &p, NULL), 0);
            assert_memory_equal(&t, &back, sizeof(t));
        }
}

static void test_range(void **state)
{
    struct x86_topology t;

    (void)state;

    assert_int_equal(x86_topo_init_packed(&t, 0, 1), -ERANGE);
    assert_int_equal(x86_topo_init_packed(&t, 1, 0), -ERANGE);
    assert_int_equal(x86_topo_init_packed(&t, 257, 1), -ERANGE);
    assert_int_equal(x86_topo_init_packed(&t, 1, 1025), -ERANGE);
    assert_int_equal(x86_topo_init_packed(&t, ~0U, ~0U), -ERANGE);
    assert_int_equal(x86_topo_init_legacy(&t, 0), -ERANGE);
    assert_int_equal(x86_topo_init_legacy(&t, 1025), -ERANGE);
}

/* L1d, L1i, L2, L3 as a host might have them. */
static void set_caches(struct cpu_policy *p)
{
    static const uint8_t levels[] = { 1, 1, 2, 3 };
    unsigned int i;

    for ( i = 0; i < 4; i++ )
    {
        p->cache.subleaf[i].type = i == 0 ? 1 : i == 1 ? 2 : 3;
        p->cache.subleaf[i].level = levels[i];
        p->cache.subleaf[i].ways = 7;
    }
}

static void test_policy(void **state)
{
    unsigned int i, v, c;

    (void)state;

    for ( i = 0; i < 2 * NR_LAYOUTS; i++ )
    {
        const struct layout *l = &layouts[i / 2];
        bool amd = i & 1;
        struct x86_topology t, back;
        struct cpu_policy p = {
            .basic.max_leaf = 0xd,
            .extd.max_leaf = 0x8000001e,
            .x86_vendor = amd ? X86_VENDOR_AMD : X86_VENDOR_INTEL,
        };
        unsigned int nr;

        print_message("# %s, %s\n", l->name, amd ? "AMD" : "Intel");

        /* An empty leaf: as ever. */
        assert_int_equal(x86_topo_from_policy(&back, &p, NULL), -ENOENT);
        for ( v = 0; v < MAX_VCPUS; v++ )
            assert_int_equal(x86_topo_policy_apic_id(&p, v), v * 2);

        if ( !amd )
            set_caches(&p);

        init(&t, l);
        x86_topo_to_policy(&t, &p);
        nr = t.threads * t.cores;

        /* There and back. */
        assert_int_equal(x86_topo_from_policy(&back, &p, NULL), 0);
        assert_memory_equal(&t, &back, sizeof(t));
        for ( v = 0; v < l->vcpus; v++ )
            assert_int_equal(x86_topo_policy_apic_id(&p, v),
                             x86_topo_apic_id(&t, v));

        /* Leaf 0xb, by SDM: each level's shift is the next one's position. */
        assert_int_equal(p.topo.raw[0].a, t.thread_shift);
        assert_int_equal(p.topo.raw[0].b, t.threads);
        assert_int_equal(p.topo.raw[0].c, 0x100);
        assert_int_equal(p.topo.raw[1].a, t.pkg_shift);
        assert_int_equal(p.topo.raw[1].b, nr);
        assert_int_equal(p.topo.raw[1].c, 0x201);

        /* Leaf 1. */
        assert_int_equal(p.basic.htt, nr > 1);

        if ( amd )
        {
            assert_int_equal(p.basic.lppp, nr > 255 ? 255 : nr);
            assert_int_equal(p.extd.nc, nr > 256 ? 255 : nr - 1);
            assert_int_equal(p.extd.apic_id_size, t.pkg_shift);
            assert_int_equal(p.extd.cmp_legacy, nr > 1);
            assert_true(p.extd.topoext);

            for ( v = 0; v < l->vcpus; v++ )
            {
                uint32_t id = x86_topo_apic_id(&t, v), eax, ebx, ecx;

                x86_topo_amd_leaf_1e(&t, v, id, &eax, &ebx, &ecx);
                assert_int_equal(eax, id);
                assert_int_equal((ebx >> 8) + 1, t.threads);
                assert_int_equal(ebx & 0xff, (v / t.threads % t.cores) & 0xff);
                assert_int_equal(ecx, v / nr);
            }
        }
        else
        {
            unsigned int pkg_ids = 1U << t.pkg_shift;
            unsigned int core_ids = pkg_ids >> t.thread_shift;

            assert_int_equal(p.basic.lppp, pkg_ids > 255 ? 255 : pkg_ids);
            assert_false(p.extd.cmp_legacy);
            assert_false(p.extd.topoext);
            assert_int_equal(p.extd.raw[8].c, 0);

            for ( c = 0; c < 4; c++ )
            {
                const struct cpuid_cache_leaf *cl = &p.cache.subleaf[c];

                assert_int_equal(cl->cores_per_package,
                                 core_ids > 64 ? 63 : core_ids - 1);
                assert_int_equal(cl->threads_per_cache,
                                 c < 3 ? (1U << t.thread_shift) - 1
                                       : pkg_ids - 1);
                assert_int_equal(cl->ways, 7);
            }
            assert_int_equal(p.cache.raw[4].a, 0);
        }
    }
}

/* Leaf 0x80000005 and 0x80000006 of an EPYC 7003, but for L3's own size. */
#define L1_32K_8WAY  0x20080140U
#define L2_512K_8WAY 0x02006140U
#define L3_32M_16WAY 0x01008140U

static void get_1d(const struct x86_topology *t, const struct cpu_policy *p,
                   unsigned int subleaf, struct cpuid_leaf *l)
{
    memset(l, 0x5a, sizeof(*l));
    x86_topo_amd_leaf_1d(t, p, subleaf, &l->a, &l->b, &l->c, &l->d);
}

/* Caches as legacy leaves have them, and as leaf 0x8000001d does: one thread, one core. */
static void test_caches(void **state)
{
    static const struct {
        const char *name;
        uint32_t l1d, l1i, l2, l3;
        struct cpuid_leaf l[4]; /* To the first of no type. */
    } tests[] = {
        { "EPYC", L1_32K_8WAY, L1_32K_8WAY, L2_512K_8WAY, L3_32M_16WAY,
          { { 0x121, 0x01c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x01c0003f, 0x3ff, 0 }, { 0x163, 0x03c0003f, 0x7fff, 1 } } },
        /* 192 MB, and "see leaf 0x8000001d" for the ways. */
        { "EPYC 7003's L3", L1_32K_8WAY, L1_32K_8WAY, L2_512K_8WAY, 0x06009140,
          { { 0x121, 0x01c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x01c0003f, 0x3ff, 0 }, { 0x163, 0x03c0003f, 0x2ffff, 1 } } },
        { "sets not a power of two: 48K 12-way, 96M", 0x300c0140, L1_32K_8WAY,
          0x04008140, 0x03008140,
          { { 0x121, 0x02c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x03c0003f, 0x3ff, 0 }, { 0x163, 0x03c0003f, 0x17fff, 1 } } },
        { "no L3", L1_32K_8WAY, L1_32K_8WAY, L2_512K_8WAY, 0,
          { { 0x121, 0x01c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x01c0003f, 0x3ff, 0 } } },
        { "L3 disabled", L1_32K_8WAY, L1_32K_8WAY, L2_512K_8WAY, 0x01000140,
          { { 0x121, 0x01c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x01c0003f, 0x3ff, 0 } } },
        { "reserved number of ways", L1_32K_8WAY, L1_32K_8WAY, 0x02007140, 0x01007140,
          { { 0x121, 0x01c0003f, 0x3f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 } } },
        { "L1 instructions and L3 only", 0, L1_32K_8WAY, 0, L3_32M_16WAY,
          { { 0x122, 0x01c0003f, 0x3f, 0 }, { 0x163, 0x03c0003f, 0x7fff, 1 } } },
        { "L2 only", 0, 0, L2_512K_8WAY, 0, { { 0x143, 0x01c0003f, 0x3ff, 0 } } },
        { "direct mapped", 0x20010140, 0x20010140, 0x02001140, 0x01001140,
          { { 0x121, 0x3f, 0x1ff, 0 }, { 0x122, 0x3f, 0x1ff, 0 },
            { 0x143, 0x3f, 0x1fff, 0 }, { 0x163, 0x3f, 0x7ffff, 1 } } },
        { "fully associative", 0x20ff0140, 0x01ff0140, 0x0040f140, 0x0004f1ff,
          { { 0x321, 0x7fc0003f, 0, 0 }, { 0x322, 0x03c0003f, 0, 0 },
            { 0x343, 0xffc0003f, 0, 0 }, { 0x363, 0xffc000fe, 1, 1 } } },
        /* 8192 lines are too many for the field of ways: the size holds. */
        { "fully associative, 512K", 0, 0, 0x0200f140, 0,
          { { 0x343, 0xffc0003f, 7, 0 } } },
        { "2 lines a tag, and none", 0x20080240, 0x20080040, 0x02006240, 0x01008f40,
          { { 0x121, 0x01c0103f, 0x1f, 0 }, { 0x122, 0x01c0003f, 0x3f, 0 },
            { 0x143, 0x01c0103f, 0x1ff, 0 }, { 0x163, 0x03c0e03f, 0x887, 1 } } },
        { "ways: 2, 3, 4, 6", 0x20020140, 0x20030140, 0x02004140, 0x01005140,
          { { 0x121, 0x0040003f, 0xff, 0 }, { 0x122, 0x0080003f, 0xa9, 0 },
            { 0x143, 0x00c0003f, 0x7ff, 0 }, { 0x163, 0x0140003f, 0x15554, 1 } } },
        { "ways: 254, 1, 2, 3", 0x20fe0140, 0x20010140, 0x02002140, 0x01003140,
          { { 0x121, 0x3f40003f, 1, 0 }, { 0x122, 0x3f, 0x1ff, 0 },
            { 0x143, 0x0040003f, 0xfff, 0 }, { 0x163, 0x0080003f, 0x2aaa9, 1 } } },
        { "ways: 32, 48", 0, 0, 0x0200a140, 0x0100b140,
          { { 0x143, 0x07c0003f, 0xff, 0 }, { 0x163, 0x0bc0003f, 0x2aa9, 1 } } },
        { "ways: 64, 96", 0, 0, 0x0200c140, 0x0100d140,
          { { 0x143, 0x0fc0003f, 0x7f, 0 }, { 0x163, 0x17c0003f, 0x1554, 1 } } },
        { "ways: 128, 128", 0, 0, 0x0200e140, 0x0100e140,
          { { 0x143, 0x1fc0003f, 0x3f, 0 }, { 0x163, 0x1fc0003f, 0xfff, 1 } } },
        { "nothing", 0, 0, 0, 0, { { 0 } } },
        { "no size", 0x00080140, 0x00080140, 0x00006140, 0x00038140, { { 0 } } },
        { "no lines", 0x20080100, 0x20080100, 0x02006100, 0x01008100, { { 0 } } },
        { "no ways", 0x20000140, 0x20000140, 0x02000140, 0x01000140, { { 0 } } },
        { "neither size nor lines, fully associative", 0x20ff0100, 0x00ff0140,
          0x0000f140, 0x0100f100, { { 0 } } },
        { "less than a line of each way", 0x01110140, 0x01fe01ff, 0x00018140, 0,
          { { 0x143, 0x03c0003f, 0, 0 } } },
        { "all ones", ~0U, ~0U, ~0U, ~0U,
          { { 0x321, 0x00cfe0fe, 0, 0 }, { 0x322, 0x00cfe0fe, 0, 0 },
            { 0x343, 0xffc0e0fe, 16, 0 }, { 0x363, 0xffc0e0fe, 2191, 1 } } },
        { "more sets than the field has bits for", 0, 0, 0xffff1101, 0xfffc1101,
          { { 0x143, 0, 0x3fffbff, 0 }, { 0x163, 0, ~0U, 1 } } },
    };
    struct x86_topology t;
    unsigned int i, j;

    (void)state;

    assert_int_equal(x86_topo_init_packed(&t, 1, 1), 0);

    for ( i = 0; i < sizeof(tests) / sizeof(tests[0]); i++ )
    {
        static const unsigned int beyond[] = { 4, 5, 31, 0x7fffffff, ~0U };
        struct cpu_policy p = {
            /* The other registers are of TLBs. */
            .extd.raw[5] = { ~0U, ~0U, tests[i].l1d, tests[i].l1i },
            .extd.raw[6] = { ~0U, ~0U, tests[i].l2, tests[i].l3 },
            /* The host's: of no interest. */
            .extd.raw[0x1d] = { ~0U, ~0U, ~0U, ~0U },
        };
        struct cpuid_leaf l;

        print_message("# %s\n", tests[i].name);
        for ( j = 0; j < 4; j++ )
        {
            get_1d(&t, &p, j, &l);
            assert_int_equal(l.a, tests[i].l[j].a);
            assert_int_equal(l.b, tests[i].l[j].b);
            assert_int_equal(l.c, tests[i].l[j].c);
            assert_int_equal(l.d, tests[i].l[j].d);
        }
        for ( j = 0; j < sizeof(beyond) / sizeof(beyond[0]); j++ )
        {
            get_1d(&t, &p, beyond[j], &l);
            assert_int_equal(l.a | l.b | l.c | l.d, 0);
        }
    }
}

static unsigned int count_order(unsigned int n)
{
    unsigned int order = 0;

    while ( 1U << order < n )
        order++;

    return order;
}

/* Who shares a cache, by the APM and by what Linux makes of it. */
static void test_sharing(void **state)
{
    static const struct {
        unsigned int vcpus, threads, cores; /* No threads: 2 * vCPU id. */
        uint32_t core, socket; /* EAX[25:14] */
    } tests[] = {
        {    1,   1,    1,   0,    0 },
        {  288,   4,   72,   3,  511 },
        {  288,   2,   36,   1,  127 },
        { 1024,   2,  128,   1,  255 },
        {  108,   3,   36,   3,  255 },
        {  288,   0,    0,   1, 1023 },
        { 1024,   0,    0,   1, 2047 },
        { 1024, 256,    1, 255,  255 },
        { 1024,   1, 1024,   0, 1023 },
        /* More than a guest has, up to the field's limit and over it. */
        { 4096,   4, 1024,   3, 4095 },
        { 4096,   8, 1024,   7, 4095 },
        { 4096, 255,  257, 255, 4095 },
    };
    struct cpu_policy p = {
        .extd.raw[5] = { .c = L1_32K_8WAY, .d = L1_32K_8WAY },
        .extd.raw[6] = { .c = L2_512K_8WAY, .d = L3_32M_16WAY },
    };
    struct x86_topology t;
    struct cpuid_leaf l;
    unsigned int i, j, v;

    (void)state;

    for ( i = 0; i < sizeof(tests) / sizeof(tests[0]); i++ )
    {
        static const uint32_t low[] = { 0x121, 0x122, 0x143, 0x163 };

        if ( tests[i].threads )
            assert_int_equal(x86_topo_init_packed(&t, tests[i].threads,
                                                  tests[i].cores), 0);
        else
            assert_int_equal(x86_topo_init_legacy(&t, tests[i].vcpus), 0);

        for ( j = 0; j < 4; j++ )
        {
            get_1d(&t, &p, j, &l);
            assert_int_equal(l.a, low[j] | (j < 3 ? tests[i].core
                                                  : tests[i].socket) << 14);
        }
    }

    for ( i = 0; i < NR_LAYOUTS; i++ )
    {
        print_message("# %s\n", layouts[i].name);
        init(&t, &layouts[i]);

        for ( j = 0; j < 4; j++ )
        {
            unsigned int n, of; /* IDs of one cache; threads */

            get_1d(&t, &p, j, &l);
            n = (l.a >> 14 & 0xfff) + 1;
            of = j < 3 ? t.threads : t.threads * t.cores;

            /* IDs grow, so that it's enough to compare neighbours. */
            for ( v = 1; v < layouts[i].vcpus; v++ )
            {
                uint32_t prev = x86_topo_apic_id(&t, v - 1);
                uint32_t id = x86_topo_apic_id(&t, v);
                bool same = v / of == (v - 1) / of;

                assert_int_equal(id >> count_order(n) == prev >> count_order(n),
                                 same);
                assert_int_equal(id - id % n == prev - prev % n, same);
            }
        }
    }
}

/* 72 cores of 4 threads, and what may be wrong with it. */
static void test_refused(void **state)
{
    static const struct {
        const char *name;
        unsigned int subleaf;
        struct cpuid_leaf l[2];
    } tests[] = {
        { "reserved, 0 EAX", 0, { { 0x22, 4, 0x100, 0 }, { 9, 288, 0x201, 0 } } },
        { "reserved, 0 EBX", 0, { { 2, 0x10004, 0x100, 0 }, { 9, 288, 0x201, 0 } } },
        { "reserved, 1 ECX", 1, { { 2, 4, 0x100, 0 }, { 9, 288, 0x10201, 0 } } },
        { "level",           1, { { 2, 4, 0x100, 0 }, { 9, 288, 0x200, 0 } } },
        { "no SMT level",    0, { { 0, 0, 0, 0 }, { 9, 288, 0x201, 0 } } },
        { "wrong types",     0, { { 2, 4, 0x200, 0 }, { 9, 288, 0x101, 0 } } },
        { "no core level",   1, { { 2, 4, 0x100, 0 }, { 0, 0, 0x001, 0 } } },
        { "no threads",      0, { { 2, 0, 0x100, 0 }, { 9, 288, 0x201, 0 } } },
        { "many threads",    0, { { 9, 257, 0x100, 0 }, { 9, 257, 0x201, 0 } } },
        { "no cores",        1, { { 2, 4, 0x100, 0 }, { 9, 3, 0x201, 0 } } },
        { "many cores",      1, { { 0, 1, 0x100, 0 }, { 11, 1025, 0x201, 0 } } },
        { "no division",     1, { { 2, 4, 0x100, 0 }, { 9, 290, 0x201, 0 } } },
        { "thread shift",    0, { { 1, 4, 0x100, 0 }, { 9, 288, 0x201, 0 } } },
        { "core shift",      1, { { 2, 4, 0x100, 0 }, { 8, 288, 0x201, 0 } } },
        { "shifts crossed",  1, { { 9, 4, 0x100, 0 }, { 2, 288, 0x201, 0 } } },
        { "large shift",     1, { { 2, 4, 0x100, 0 }, { 31, 288, 0x201, 0 } } },
    };
    unsigned int i;

    (void)state;

    for ( i = 0; i < sizeof(tests) / sizeof(tests[0]); i++ )
    {
        struct x86_topology t, before;
        struct cpu_policy p = { .basic.max_leaf = 0xd };
        unsigned int subleaf = 99;

        print_message("# %s\n", tests[i].name);
        memcpy(p.topo.raw, tests[i].l, sizeof(p.topo.raw));
        memset(&t, 0x5a, sizeof(t));
        before = t;
        assert_int_equal(x86_topo_from_policy(&t, &p, &subleaf), -EINVAL);
        assert_int_equal(subleaf, tests[i].subleaf);
        assert_memory_equal(&t, &before, sizeof(t));
        assert_int_equal(x86_topo_policy_apic_id(&p, 7), 14);
    }
}

/* Whatever the bits: an error, or IDs that are different and grow. */
static void test_random(void **state)
{
    unsigned int round, i, good = 0;

    (void)state;
    srand(72);

    for ( round = 0; round < 2000000; round++ )
    {
        struct cpu_policy p = { .basic.max_leaf = 0xd };
        struct x86_topology t;
        uint32_t last = 0;

        for ( i = 0; i < 2; i++ )
        {
            p.topo.raw[i].a = rand() & (round & 1 ? 0xf : 0x3f);
            p.topo.raw[i].b = rand() & (i ? 0x7ff : 0x1ff);
            p.topo.raw[i].c = rand() % 16 ? (i + 1) << 8 | i : rand() & 0x3ffff;
            p.topo.raw[i].d = rand();
        }
        if ( round & 2 )
            p.topo.raw[1].b = p.topo.raw[0].b * (rand() & 0x3f);

        if ( x86_topo_from_policy(&t, &p, NULL) )
            continue;

        good++;
        assert_true(t.threads && t.cores);
        assert_true(t.pkg_shift >= t.thread_shift && t.pkg_shift <= 12);
        for ( i = 1; i < MAX_VCPUS; i += 1 + (rand() & 15) )
        {
            uint32_t id = x86_topo_apic_id(&t, i);

            assert_true(id > last);
            assert_true(id > x86_topo_apic_id(&t, i - 1));
            last = id;
        }
    }

    assert_true(good > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_caches),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
