/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hvmloader's check of the device model's DMAR table (dmar_check.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dmar.h"

#define UNIT   48
#define SCOPE  (UNIT + 16)
#define END    (SCOPE + 8)
#define IOAPIC 7

static uint8_t table[DMAR_MAX_SIZE + 64];

/* One unit, and in it one IO-APIC: ID 0, at 00:1f.6. */
static const uint8_t good[END] = {
    'D', 'M', 'A', 'R', END, 0, 0, 0, 1, 0, 'X', 'e', 'n',
    [36] = 38, 1,
    [UNIT] = 0, 0, END - UNIT, 0, 1, 0, 0, 0, 0, 0, 0xd9, 0xfe,
    [SCOPE] = 3, 8, 0, 0, 0, 0, 0x1f, 6,
};

static uint8_t sum(uint32_t size)
{
    uint8_t s = 0;

    while ( size-- )
        s += table[size];

    return s;
}

static void fill(uint32_t size)
{
    memset(table, 0, sizeof(table));
    memcpy(table, good, sizeof(good));
    table[4] = size;
    table[5] = size >> 8;
}

static const char *adopt(uint32_t size)
{
    table[9] -= sum(size);
    return dmar_adopt(table, size, IOAPIC);
}

static void assert_good(uint32_t size)
{
    static uint8_t before[sizeof(table)];
    const char *why;
    uint32_t i;

    memcpy(before, table, sizeof(table));
    why = adopt(size);
    if ( why )
        fail_msg("refused: %s", why);

    assert_int_equal(sum(size), 0);
    assert_int_equal(table[SCOPE + 4], IOAPIC);
    for ( i = 0; i < sizeof(table); i++ )
        if ( i != 9 && i != SCOPE + 4 && table[i] != before[i] )
            fail_msg("byte %u has changed", i);
}

static void test_good(void **state)
{
    static const uint8_t addresses[][2] = { { 0xd8, 0 }, { 0xd9, 0x10 }, { 0xdf, 0xf0 } };
    unsigned int i;

    (void)state;
    fill(END);
    assert_good(END);

    /* All that the address, the width and the revision may be. */
    for ( i = 0; i < 3; i++ )
    {
        fill(END);
        table[UNIT + 10] = addresses[i][0];
        table[UNIT + 9] = addresses[i][1];
        assert_good(END);
    }
    for ( i = 31; i <= 63; i++ )
    {
        fill(END);
        table[36] = i;
        table[8] = i;
        assert_good(END);
    }

    /* Structures of other kinds, and the shortest that there can be. */
    fill(END + 12);
    table[END] = 2;
    table[END + 2] = 8;
    table[END + 8] = 0x77;
    table[END + 10] = 4;
    assert_good(END + 12);

    /* Another device's scope, with a longer path. */
    fill(END + 10);
    table[UNIT + 2] += 10;
    table[END] = 1;
    table[END + 1] = 10;
    assert_good(END + 10);

    /* Another unit, without a scope. */
    fill(END + 16);
    memcpy(table + END, good + UNIT, 16);
    table[END + 2] = 16;
    assert_good(END + 16);

    /* As large as may be. */
    fill(DMAR_MAX_SIZE);
    table[END] = 1;
    table[END + 2] = (DMAR_MAX_SIZE - END) & 0xff;
    table[END + 3] = (DMAR_MAX_SIZE - END) >> 8;
    assert_good(DMAR_MAX_SIZE);
}

/* The ID is that of the MADT, whatever it was, and the checksum follows. */
static void test_id(void **state)
{
    unsigned int was, id;

    (void)state;
    for ( was = 0; was < 256; was += 5 )
        for ( id = 0; id < 256; id++ )
        {
            fill(END);
            table[SCOPE + 4] = was;
            table[9] -= sum(END);
            assert_null(dmar_adopt(table, END, id));
            assert_int_equal(table[SCOPE + 4], id);
            assert_int_equal(sum(END), 0);
        }
}

static void test_checksum(void **state)
{
    unsigned int i;

    (void)state;
    for ( i = 0; i < END; i++ )
    {
        fill(END);
        table[9] -= sum(END);
        table[i] ^= 0x10;
        assert_non_null(dmar_adopt(table, END, IOAPIC));
    }

    fill(END);
    table[9] = 1 - sum(END);
    assert_string_equal(dmar_adopt(table, END, IOAPIC), "checksum");
}

/* Sizes that aren't those of the table. */
static void test_size(void **state)
{
    uint32_t size;

    (void)state;
    for ( size = 0; size < END; size++ )
    {
        fill(END);
        assert_string_equal(adopt(size), size < UNIT ? "size" : "length");
        fill(size);
        assert_non_null(adopt(size));
    }
    fill(END);
    assert_string_equal(adopt(END + 1), "length");
    fill(DMAR_MAX_SIZE + 1);
    assert_string_equal(adopt(DMAR_MAX_SIZE + 1), "size");
    assert_string_equal(dmar_adopt(table, ~0U, IOAPIC), "size");
}

/* One byte of a good table other than it should be. */
static void test_refused(void **state)
{
    static const struct {
        const char *why;
        unsigned int at;
        uint8_t value;
    } tests[] = {
        { "signature", 0, 'd' },
        { "signature", 3, 'T' },
        { "length", 4, END - 1 },
        { "length", 4, END + 1 },
        { "length", 7, 0x80 },
        { "revision", 8, 0 },
        { "host address width", 36, 0 },
        { "host address width", 36, 30 },
        { "host address width", 36, 64 },
        { "length of a remapping structure", UNIT + 2, 0 },
        { "length of a remapping structure", UNIT + 2, 3 },
        { "length of a remapping structure", UNIT + 2, END - UNIT + 1 },
        { "length of a remapping structure", UNIT + 3, 0xff },
        { "length of a device scope", UNIT + 2, END - UNIT - 1 },
        { "length of a device scope", UNIT + 2, END - UNIT - 3 },
        { "length of a unit's structure", UNIT + 2, 15 },
        { "length of a unit's structure", UNIT + 2, 4 },
        { "address of a unit", UNIT + 8, 1 },
        { "address of a unit", UNIT + 9, 8 },
        { "address of a unit", UNIT + 10, 0xd7 },
        { "address of a unit", UNIT + 10, 0xe0 },
        { "address of a unit", UNIT + 11, 0xff },
        { "address of a unit", UNIT + 11, 0 },
        { "address of a unit", UNIT + 12, 1 },
        { "address of a unit", UNIT + 15, 0x80 },
        { "length of a device scope", SCOPE + 1, 0 },
        { "length of a device scope", SCOPE + 1, 1 },
        { "length of a device scope", SCOPE + 1, 6 },
        { "length of a device scope", SCOPE + 1, 7 },
        { "length of a device scope", SCOPE + 1, 9 },
        { "length of a device scope", SCOPE + 1, 10 },
        { "length of a device scope", SCOPE + 1, 255 },
        { "no IO-APIC", SCOPE, 1 },
        { "no unit", UNIT, 1 },
        { "no unit", UNIT + 1, 1 },
    };
    unsigned int i;
    const char *why;

    (void)state;
    for ( i = 0; i < sizeof(tests) / sizeof(tests[0]); i++ )
    {
        fill(END);
        assert_int_not_equal(table[tests[i].at], tests[i].value);
        table[tests[i].at] = tests[i].value;
        why = adopt(END);
        if ( !why || strcmp(why, tests[i].why) )
            fail_msg("byte %u = %#x: %s, expected %s", tests[i].at,
                     tests[i].value, why ? why : "taken", tests[i].why);
    }

    /* Two of them, in one unit or in two. */
    fill(END + 8);
    table[UNIT + 2] += 8;
    memcpy(table + END, good + SCOPE, 8);
    assert_string_equal(adopt(END + 8), "more than one IO-APIC");
    fill(2 * END - UNIT);
    memcpy(table + END, good + UNIT, END - UNIT);
    assert_string_equal(adopt(2 * END - UNIT), "more than one IO-APIC");

    /* No structure, and half of a scope's head. */
    fill(UNIT);
    assert_string_equal(adopt(UNIT), "no unit");
    fill(SCOPE + 1);
    table[UNIT + 2] = SCOPE + 1 - UNIT;
    assert_string_equal(adopt(SCOPE + 1), "length of a device scope");
    fill(END + 3);
    assert_string_equal(adopt(END + 3), "length of a remapping structure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("dmar", tests, NULL, NULL);
}
