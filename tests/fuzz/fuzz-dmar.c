/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmloader's check of the device model's DMAR table (dmar_check.c): it takes a
 * table if and only if one that is written down here from chapter 8 of the VT-d
 * specification does, and changes nothing in it but the IO-APIC's ID.
 */
#include "fuzz.h"

#include "dmar.h"

/* What the first byte says is put right, so that deeper checks are reached. */
#define FIX_HEADER    0x01
#define FIX_CHECKSUM  0x02
#define FIX_LENGTHS   0x04 /* A structure that is too long ends with the table. */
#define FIX_UNIT      0x08 /* A unit with a device scope comes first, */
#define FIX_IOAPIC    0x10 /* which is of an IO-APIC, */
#define FIX_SECOND    0x20 /* and once more. */
#define FIX_NUMBERS   0x40 /* Revision, width, types. */

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
    return bytes ? p[0] + (get(p + 1, bytes - 1) << 8) : 0;
}

static uint8_t sum_of(const uint8_t *p, size_t size)
{
    uint8_t sum = 0;

    while ( size-- )
        sum += *p++;

    return sum;
}

/* A DRHD's scopes at @p up to @end.  Counts IO-APICs, and notes where one is. */
static bool good_scopes(const uint8_t *p, const uint8_t *end,
                        unsigned int *ioapics, const uint8_t **ioapic)
{
    while ( p != end )
    {
        if ( end - p < 8 || p[1] < 8 || p[1] > end - p || p[1] % 2 )
            return false;

        /* Type, length, 2 reserved, enumeration ID, start bus, path. */
        if ( p[0] == 3 )
        {
            ++*ioapics;
            *ioapic = p + 4;
        }
        p += p[1];
    }

    return true;
}

static bool good(const uint8_t *t, size_t size, const uint8_t **ioapic)
{
    unsigned int units = 0, ioapics = 0;
    const uint8_t *p = t + 48, *end = t + size;

    if ( size < 48 || size > DMAR_MAX_SIZE || memcmp(t, "DMAR", 4) ||
         get(t + 4, 4) != size || t[8] == 0 || sum_of(t, size) ||
         t[36] + 1 < 32 || t[36] + 1 > 64 )
        return false;

    for ( ; p != end; p += get(p + 2, 2) )
    {
        if ( end - p < 4 || get(p + 2, 2) < 4 || (long)get(p + 2, 2) > end - p )
            return false;
        if ( get(p, 2) != 0 )
            continue;

        /* DRHD: flags, size, segment, and the address of one page or more. */
        if ( get(p + 2, 2) < 16 || get(p + 8, 8) % 4096 ||
             get(p + 8, 8) < 0xfed80000 || get(p + 8, 8) > 0xfedff000 ||
             !good_scopes(p + 16, p + get(p + 2, 2), &ioapics, ioapic) )
            return false;
        units++;
    }

    return units && ioapics == 1;
}

static void fix(uint8_t *t, size_t size, unsigned int how, unsigned int edge)
{
    static const uint8_t addresses[8][5] = {
        { 0, 0, 0xd9, 0xfe, 0 }, { 0, 0, 0xd8, 0xfe, 0 }, { 0, 0xf0, 0xd7, 0xfe, 0 },
        { 0, 0xf0, 0xdf, 0xfe, 0 }, { 0, 0, 0xe0, 0xfe, 0 }, { 0, 8, 0xd9, 0xfe, 0 },
        { 0, 0, 0xd9, 0xfe, 1 }, { 0, 0, 0xd9, 0xfe, 0 },
    };
    /* Right ones, and just wrong ones. */
    static const int8_t length[4] = { 0, 0, -1, 1 };
    static const uint8_t width[8] = { 38, 31, 30, 63, 64, 38, 38, 38 };
    uint8_t unit[24] = {
        0, 0, 24, 0, [16] = 1, 8, 0, 0, 2, 0xff, 0, 0,
    };
    size_t i, len;

    if ( how & FIX_IOAPIC )
        unit[16] = 3;
    if ( edge >> 4 == 1 ) /* A device scope without a path. */
        unit[2] -= 2, unit[17] -= 2;
    memcpy(unit + 8, addresses[edge & 7], 5);

    if ( (how & FIX_HEADER) && size >= 9 )
    {
        memcpy(t, "DMAR", 4);
        for ( i = 0; i < 4; i++ )
            t[4 + i] = (size + length[edge >> 4 & 3]) >> (8 * i);
    }
    if ( (how & FIX_NUMBERS) && size > 36 )
    {
        t[8] |= 1;
        t[36] = width[edge >> 3 & 7];
    }
    if ( (how & FIX_UNIT) && size >= 72 )
        memcpy(t + 48, unit, unit[2]);
    if ( (how & FIX_SECOND) && size >= 96 )
        memcpy(t + 48 + unit[2], unit, unit[2]);
    for ( i = 48; (how & FIX_LENGTHS) && i + 4 <= size; i += len )
    {
        len = get(t + i + 2, 2) % 64;
        if ( len < 4 )
            len = 4;
        if ( len > size - i || size - i - len < 4 )
            len = size - i;
        t[i + 2] = len;
        t[i + 3] = len >> 8;
        if ( how & FIX_NUMBERS ) /* And of one of the kinds that there are. */
        {
            t[i] %= 8;
            t[i + 1] = 0;
        }
    }
    if ( (how & FIX_CHECKSUM) && size > 9 )
        t[9] -= sum_of(t, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };
    unsigned int how = fuzz_take(&in, 1), edge = fuzz_take(&in, 1);
    unsigned int id = fuzz_take(&in, 1);
    const uint8_t *ioapic = NULL;
    uint8_t *table, *before;
    const char *why;
    bool want;
    size_t i;

    /* Just as large, so that nothing beyond it is touched unnoticed. */
    size = in.left;
    table = malloc(size);
    before = malloc(size);
    memcpy(table, in.p, size);
    fix(table, size, how, edge);
    memcpy(before, table, size);

    want = good(before, size, &ioapic);
    why = dmar_adopt(table, size, id);
    FUZZ_CHECK(!why == want, "%s", why ? why : "taken");

    if ( !why )
    {
        FUZZ_SAW("taken");
        FUZZ_CHECK(!sum_of(table, size), "checksum");
        for ( i = 0; i < size; i++ )
        {
            if ( before + i == ioapic )
                FUZZ_CHECK(table[i] == id, "ID %u, not %u", table[i], id);
            else
                FUZZ_CHECK(i == 9 || table[i] == before[i], "byte %zu", i);
        }
    }
    else
    {
        FUZZ_CHECK(*why, "no reason");
        /* All that dmar_check.c has to say. */
#define REFUSED(s) if ( !strcmp(why, s) ) FUZZ_SAW("refused: " s)
        REFUSED("size");
        REFUSED("signature");
        REFUSED("length");
        REFUSED("revision");
        REFUSED("checksum");
        REFUSED("host address width");
        REFUSED("length of a remapping structure");
        REFUSED("length of a unit's structure");
        REFUSED("address of a unit");
        REFUSED("length of a device scope");
        REFUSED("more than one IO-APIC");
        REFUSED("no unit");
        REFUSED("no IO-APIC");
    }

    free(before);
    free(table);

    return 0;
}
