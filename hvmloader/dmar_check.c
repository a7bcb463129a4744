/* SPDX-License-Identifier: LGPL-2.1-only */
/* Checks of a DMAR table, see dmar.h. */

#include <stdbool.h>
#include <stddef.h>

#include "dmar.h"

/* ACPI table header, and what a DMAR table has after it. */
#define HDR_LENGTH      4
#define HDR_REVISION    8
#define HDR_CHECKSUM    9
#define DMAR_WIDTH      36
#define DMAR_STRUCTURES 48

/* Remapping structures. */
#define TYPE_DRHD       0
#define DRHD_BASE       8
#define DRHD_SCOPES     16

/* Device scopes. */
#define SCOPE_IOAPIC    3
#define SCOPE_ID        4
#define SCOPE_PATH      6

/*
 * Where a unit's registers can be: in the part of the address space which is
 * reserved for chipsets, above the HPET and the TPM, and below the LAPICs.
 */
#define REGISTERS_FIRST 0xfed80000U
#define REGISTERS_END   0xfee00000U

static uint16_t get16(const uint8_t *p)
{
    return p[0] | (p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | ((uint32_t)get16(p + 2) << 16);
}

/* Check a DRHD's scopes.  Returns what is wrong, and the IO-APIC in *ioapic. */
static const char *check_scopes(uint8_t *p, uint32_t size, uint8_t **ioapic)
{
    while ( size )
    {
        uint32_t len = size >= 2 ? p[1] : 0;

        if ( len < SCOPE_PATH + 2 || len > size || (len & 1) )
            return "length of a device scope";

        if ( p[0] == SCOPE_IOAPIC )
        {
            if ( *ioapic )
                return "more than one IO-APIC";
            *ioapic = p;
        }

        p += len;
        size -= len;
    }

    return NULL;
}

const char *dmar_adopt(void *table, uint32_t size, uint8_t ioapic_id)
{
    static const uint8_t signature[4] = { 'D', 'M', 'A', 'R' };
    uint8_t *t = table, *ioapic = NULL, sum = 0;
    bool unit = false;
    uint32_t i;

    if ( size < DMAR_STRUCTURES || size > DMAR_MAX_SIZE )
        return "size";

    for ( i = 0; i < sizeof(signature); i++ )
        if ( t[i] != signature[i] )
            return "signature";

    if ( get32(&t[HDR_LENGTH]) != size )
        return "length";

    if ( !t[HDR_REVISION] )
        return "revision";

    for ( i = 0; i < size; i++ )
        sum += t[i];
    if ( sum )
        return "checksum";

    /* One less than the width. */
    if ( t[DMAR_WIDTH] < 31 || t[DMAR_WIDTH] > 63 )
        return "host address width";

    for ( i = DMAR_STRUCTURES; i < size; )
    {
        uint32_t len = size - i >= 4 ? get16(&t[i + 2]) : 0;

        if ( len < 4 || len > size - i )
            return "length of a remapping structure";

        if ( get16(&t[i]) == TYPE_DRHD )
        {
            const char *why;
            uint32_t base;

            if ( len < DRHD_SCOPES )
                return "length of a unit's structure";

            base = get32(&t[i + DRHD_BASE]);
            if ( get32(&t[i + DRHD_BASE + 4]) || (base & 0xfff) ||
                 base < REGISTERS_FIRST || base >= REGISTERS_END )
                return "address of a unit";

            why = check_scopes(&t[i + DRHD_SCOPES], len - DRHD_SCOPES, &ioapic);
            if ( why )
                return why;

            unit = true;
        }

        i += len;
    }

    if ( !unit )
        return "no unit";
    if ( !ioapic )
        return "no IO-APIC";

    t[HDR_CHECKSUM] += ioapic[SCOPE_ID] - ioapic_id;
    ioapic[SCOPE_ID] = ioapic_id;

    return NULL;
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
