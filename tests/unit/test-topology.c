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
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
