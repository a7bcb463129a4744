/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The APIC map (xen/arch/x86/hvm/apic-map.c) against a scan of all vCPUs.
 *
 * apic-ref.h says what each vCPU's APIC would.  The map may decline to answer, but
 * where a test says that it has to know, it must; and what it answers must be what
 * the scan finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/hvm/apic-map.h>

#include "apic-ref.h"

#define MAX_VCPUS 1024U

static struct apic apics[MAX_VCPUS];
static unsigned int nr_apics;
static struct apic_map *map;

static void fill(unsigned int nr_ids)
{
    unsigned int i;

    free(map);
    map = malloc(APIC_MAP_SIZE(nr_ids));
    assert_non_null(map);
    memset(map, 0x5a, APIC_MAP_SIZE(nr_ids));
    apic_map_init(map, nr_ids);

    for ( i = 0; i < nr_apics; i++ )
    {
        struct apic_map_vcpu v = {
            .vcpu_id = i,
            .x2apic = apics[i].x2apic,
            .id = apics[i].id,
            .ldr = apics[i].ldr,
        };

        apic_map_add(map, &v);
    }
}

/* Returns whether the map had an answer. */
static bool check(uint32_t dest, bool logical)
{
    uint16_t got[APIC_MAP_MAX_TARGETS];
    unsigned int i, j, want = 0;
    int n = apic_map_lookup(map, dest, logical, got);

    if ( n < 0 )
        return false;

    assert_true(n <= (int)APIC_MAP_MAX_TARGETS);

    for ( i = 0; i < nr_apics; i++ )
    {
        if ( !apic_match(&apics[i], dest, logical) )
            continue;

        want++;
        for ( j = 0; j < (unsigned int)n && got[j] != i; j++ )
            continue;
        if ( j == (unsigned int)n )
            fail_msg("%s dest %#x: vCPU%u is missing",
                     logical ? "logical" : "physical", dest, i);
    }
    if ( want != (unsigned int)n )
        fail_msg("%s dest %#x: %d vCPUs, expected %u",
                 logical ? "logical" : "physical", dest, n, want);

    return true;
}

static void set_x2apic(unsigned int i, uint32_t id)
{
    apics[i] = (struct apic){ true, id, x2apic_ldr(id), 0xffffffffU };
}

static void set_xapic(unsigned int i, uint32_t id)
{
    apics[i] = (struct apic){ false, id & 0xff, 0, 0xffffffffU };
}

/* All in x2APIC mode with good IDs: the map has to know everything. */
static void test_x2apic(void **state)
{
    static const struct {
        const char *name;
        unsigned int vcpus, threads, thread_shift, cores, pkg_shift;
    } tests[] = {
        { "1 vCPU",             1, 1, 0,    1,  0 },
        { "128, 2 * id",      128, 1, 1,  128,  8 },
        { "129, 2 * id",      129, 1, 1,  129,  9 },
        { "255, packed",      255, 1, 0,  255,  8 },
        { "256, packed",      256, 2, 1,  128,  8 },
        { "257, packed",      257, 1, 0,  257,  9 },
        { "288, 72 x 4",      288, 4, 2,   72,  9 },
        { "288, 2 x 48 x 3",  288, 3, 2,   48,  8 },
        { "1024, 2 * id",    1024, 1, 1, 1024, 11 },
        { "1000, 40 x 5 x 5", 1000, 5, 3,   5,  6 },
    };
    unsigned int t, i, dest, max;

    (void)state;

    for ( t = 0; t < sizeof(tests) / sizeof(tests[0]); t++ )
    {
        print_message("# %s\n", tests[t].name);
        nr_apics = tests[t].vcpus;
        for ( i = max = 0; i < nr_apics; i++ )
        {
            max = ((i / tests[t].threads / tests[t].cores)
                   << tests[t].pkg_shift) |
                  (((i / tests[t].threads) % tests[t].cores)
                   << tests[t].thread_shift) | (i % tests[t].threads);
            set_x2apic(i, max);
        }
        fill(max < 256 ? 256 : max + 1);

        for ( dest = 0; dest < 0x2000; dest++ )
            assert_true(check(dest, false));
        assert_true(check(0xfffffffe, false));
        assert_true(check(0x80000000, false));

        for ( dest = 0; dest < 0x200; dest++ )
        {
            for ( i = 0; i < 16; i++ )
                assert_true(check((dest << 16) | (1U << i), true));
            assert_true(check((dest << 16) | 0xffff, true));
            assert_true(check(dest << 16, true));
            assert_true(check((dest << 16) | (rand() & 0xffff), true));
        }
        assert_true(check(0xffff0001, true));
        assert_true(check(0x0fff8000, true));

        /* Broadcasts are for a scan. */
        assert_false(check(0xffffffff, false));
        assert_false(check(0xffffffff, true));
    }
}

/* All in xAPIC mode, by default IDs: those over 255 have aliases. */
static void test_xapic(void **state)
{
    unsigned int i, dest;

    (void)state;

    for ( nr_apics = 1; nr_apics <= 300; nr_apics++ )
    {
        for ( i = 0; i < nr_apics; i++ )
            set_xapic(i, i * 2);
        fill(nr_apics > 128 ? nr_apics * 2 - 1 : 256);

        for ( dest = 0; dest < 256; dest++ )
        {
            /* An even ID is known unless some other vCPU has it too. */
            bool alias = !(dest & 1) && dest / 2 + 128 < nr_apics;

            assert_int_equal(check(dest, false), !alias && dest != 255);
        }
        assert_false(check(1, true));
        assert_true(check(256, false));
        assert_true(check(0x10000, false));
    }
}

/* While APs are being switched to x2APIC mode, there are both. */
static void test_mixed(void **state)
{
    unsigned int i, dest;

    (void)state;

    nr_apics = 288;
    for ( i = 0; i < nr_apics; i++ )
        set_xapic(i, i);

    for ( i = 0; i < nr_apics; i++ )
    {
        set_x2apic(i, i);
        fill(288);
        for ( dest = 0; dest < 300; dest++ )
            check(dest, false);

        /* The last vCPU's 0x11f is 0x1f to others until it is switched. */
        assert_int_equal(check(0x1f, false), i == 287);
        assert_int_equal(check(0x11f, false), true);
        assert_int_equal(check(0xff, false), i == 287);
        assert_int_equal(check(0x10001, true), i == 287);
    }
}

/* What doesn't fit must not be answered wrongly, nor written out of bounds. */
static void test_bogus(void **state)
{
    static const struct apic bogus[] = {
        { true, 0x100, 1, 0 },          /* ID out of bounds. */
        { true, 0xffffffff, 1, 0 },
        { true, 5, 0, 0 },              /* No logical ID. */
        { true, 5, 0x00000003, 0 },     /* Two of them. */
        { true, 5, 0xffff8000, 0 },     /* Out of bounds. */
        { true, 5, 0x00100001, 0 },     /* Just so. */
        { true, 5, 0x000f8000, 0 },     /* Just not: two vCPUs' at most. */
        { true, 1, 0x00000002, 0 },     /* vCPU1's ID. */
    };
    unsigned int t, i, dest;

    (void)state;

    for ( t = 0; t < sizeof(bogus) / sizeof(bogus[0]); t++ )
    {
        nr_apics = 3;
        for ( i = 0; i < 2; i++ )
            set_x2apic(i, i);
        apics[2] = bogus[t];
        fill(256);

        for ( dest = 0; dest < 0x300; dest++ )
        {
            check(dest, false);
            check(dest, true);
            check(dest << 12, true);
        }
        check(0xffffffff, false);
        check(0xffff8000, true);

        assert_int_equal(check(0, false), t > 1);
    }

    /* A vCPU id that can't be stored. */
    {
        struct apic_map_vcpu v = { 0xffff, true, 7, x2apic_ldr(7) };

        nr_apics = 0;
        fill(256);
        apic_map_add(map, &v);
        assert_false(check(7, false));
        assert_false(check(0x80, true));
    }
}

static void test_random(void **state)
{
    unsigned int round, i, answered = 0;

    (void)state;
    srand(288);

    for ( round = 0; round < 3000; round++ )
    {
        unsigned int nr_ids = rand() % 4 ? 600 : 256 + rand() % 256;
        unsigned int xapic = rand() % 4 ? 0 : rand() % 100;
        unsigned int wild = rand() % 4 ? 0 : rand() % 10;

        nr_apics = 1 + rand() % 300;
        for ( i = 0; i < nr_apics; i++ )
        {
            uint32_t id = rand() % 3 ? i : (unsigned int)rand() % 600;

            if ( (unsigned int)rand() % 100 < xapic )
            {
                set_xapic(i, id);
                apics[i].ldr = (uint32_t)rand() << 24;
                apics[i].dfr = rand() & 1 ? 0xffffffffU : 0x0fffffffU;
            }
            else
                set_x2apic(i, id);

            if ( (unsigned int)rand() % 100 < wild )
                apics[i].ldr = (uint32_t)rand() << (rand() & 15);
        }
        fill(nr_ids);

        for ( i = 0; i < 200; i++ )
        {
            uint32_t dest = rand() % 650;

            answered += check(dest, false);
            answered += check(((dest >> 4) << 16) | (1U << (dest & 15)), true);
            answered += check(((dest >> 4) << 16) | (rand() & 0xffff), true);
            answered += check((uint32_t)rand() << (rand() & 15), rand() & 1);
        }
    }

    /* Not by answering nothing. */
    print_message("# %u answers\n", answered);
    assert_true(answered > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x2apic),
        cmocka_unit_test(test_xapic),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_bogus),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
