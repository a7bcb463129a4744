/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hvmloader's apic_id.c: IDs by CPUID, and whether x2APIC mode is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "apic_id.h"

#define X2APIC (1u << 21)

static uint32_t id(uint32_t max_leaf, uint32_t id8, uint32_t ecx1, uint32_t edxb)
{
    struct apic_id_cpuid c = { max_leaf, id8 << 24 | 0x00100800, ecx1, edxb };

    return apic_id_from_cpuid(&c);
}

static void test_from_cpuid(void **state)
{
    (void)state;
    /* With x2APIC, leaf 0xb has it all. */
    assert_int_equal(id(0xd, 0, X2APIC, 0x100), 0x100);
    assert_int_equal(id(0xb, 0xfe, X2APIC, 0x7fe), 0x7fe);
    assert_int_equal(id(0xd, 0, X2APIC, 0), 0);
    assert_int_equal(id(0xd, 0x34, X2APIC, 0x12345634), 0x12345634);
    /* Without, or without such a leaf, 8 bits. */
    assert_int_equal(id(0xd, 0, 0, 0x100), 0);
    assert_int_equal(id(0xa, 6, X2APIC, 0), 6);
    assert_int_equal(id(1, 255, 0, 0), 255);
    /* A leaf 0xb that is about something else. */
    assert_int_equal(id(0xd, 6, X2APIC, 0), 6);
    assert_int_equal(id(0xd, 6, X2APIC, 0x107), 6);
}

static void fill(unsigned int nr, unsigned int factor, unsigned int add)
{
    for (unsigned int i = 0; i < nr; i++)
        apic_id_set(i, factor * i + add);
}

static void test_mode(void **state)
{
    static const struct { unsigned int nr, factor, add; bool x2apic; } cases[] = {
        { 1, 2, 0, false }, { 64, 2, 0, false }, { 127, 2, 0, false }, { 128, 2, 0, false }, /* 254 */
        { 129, 2, 0, true }, { 255, 1, 0, false }, { 256, 1, 0, true }, { 257, 1, 0, true },
        { 288, 1, 0, true }, { 1024, 2, 0, true }, { 1, 1, 254, false }, { 1, 1, 255, true }, { 2, 0x80000000, 0, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned int nr = cases[i].nr, fit = 0;

        fill(nr, cases[i].factor, cases[i].add);
        for (unsigned int v = 0; v < nr; v++) {
            assert_int_equal(apic_id_get(v), cases[i].factor * v + cases[i].add);
            fit += apic_id_get(v) < 255;
        }
        assert_int_equal(apic_ids_need_x2apic(nr), cases[i].x2apic);
        assert_int_equal(apic_ids_max(nr), cases[i].factor * (nr - 1) + cases[i].add);
        assert_int_equal(apic_ids_nr_xapic(nr), fit);
    }
    /* Not by what is beyond the vCPUs that there are. */
    fill(1024, 2, 0);
    assert_false(apic_ids_need_x2apic(128));
    /* The largest needn't be the last. */
    apic_id_set(0, 300);
    assert_true(apic_ids_need_x2apic(2));
    assert_int_equal(apic_ids_nr_xapic(2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_cpuid),
        cmocka_unit_test(test_mode),
    };
    return cmocka_run_group_tests_name("apic-id", tests, NULL, NULL);
}
