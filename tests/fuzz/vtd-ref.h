/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt remapping once more, written from the text and the figures of the VT-d
 * specification (rev. 3.0: 5.1.2 to 5.1.5, 7.2.1, 9.10) and not from Xen's code:
 * slow, and with one bit range after the other as the specification lists them.
 */
#ifndef VTD_REF_H
#define VTD_REF_H

#include <stdbool.h>
#include <stdint.h>

struct ref_irq {
    uint32_t dest;
    unsigned int vector, delivery_mode;
    bool logical, level;
};

struct ref_entry {
    uint64_t q[2];
};

static inline uint64_t ref_bits(const struct ref_entry *e, unsigned int high,
                                unsigned int low)
{
    uint64_t v = 0;
    unsigned int bit;

    for ( bit = high + 1; bit-- > low; )
        v = v * 2 + (e->q[bit / 64] >> (bit % 64)) % 2;

    return v;
}

/* A message's fields that are the interrupt itself, in compatibility format. */
static inline struct ref_irq ref_compat(uint64_t addr, uint32_t data)
{
    struct ref_entry m = { { addr, data } };

    return (struct ref_irq){
        .dest = ref_bits(&m, 19, 12),
        .logical = ref_bits(&m, 2, 2),
        .level = ref_bits(&m, 64 + 15, 64 + 15),
        .delivery_mode = ref_bits(&m, 64 + 10, 64 + 8),
        .vector = ref_bits(&m, 64 + 7, 64),
    };
}

/* 5.1.3: handle and subhandle of a message in remappable format. */
static inline unsigned int ref_index(uint64_t addr, uint32_t data,
                                     unsigned int *index)
{
    struct ref_entry m = { { addr, data } };
    bool subhandle = ref_bits(&m, 3, 3);

    *index = ref_bits(&m, 2, 2) * 32768 + ref_bits(&m, 19, 5);

    if ( ref_bits(&m, 63, 20) != 0xfee )
        return 0x20;

    if ( !subhandle )
        return 0;

    if ( ref_bits(&m, 64 + 31, 64 + 16) )
        return 0x20;

    *index += ref_bits(&m, 64 + 15, 64);

    return 0;
}

/* 9.10, fields SVT, SQ and SID. */
static inline bool ref_source_good(const struct ref_entry *e, uint16_t sid)
{
    struct ref_entry r = { { sid, 0 } };
    uint64_t bus = ref_bits(&r, 15, 8);

    switch ( ref_bits(e, 83, 82) )
    {
    case 0: /* None is verified. */
        return true;

    case 1: /* By SQ. */
        if ( ref_bits(e, 79, 67) != ref_bits(&r, 15, 3) )
            return false;

        switch ( ref_bits(e, 81, 80) )
        {
        case 0: /* All bits. */
            return ref_bits(e, 66, 64) == ref_bits(&r, 2, 0);
        case 1: /* All but the third of the function number. */
            return ref_bits(e, 65, 64) == ref_bits(&r, 1, 0);
        case 2: /* All but the second and third. */
            return ref_bits(e, 64, 64) == ref_bits(&r, 0, 0);
        default: /* All but the function number. */
            return true;
        }

    case 2: /* From the start bus to the end bus. */
        return ref_bits(e, 79, 72) <= bus && bus <= ref_bits(e, 71, 64);

    default: /* Reserved. */
        return false;
    }
}

/*
 * Remap a request of @sid by @e.  Returns the fault reason, or 0 with @irq filled
 * in.  The unit has no posted interrupts, so their bit is a reserved one.
 */
static inline unsigned int ref_remap_entry(const struct ref_entry *e, bool eim,
                                           uint16_t sid, struct ref_irq *irq)
{
    unsigned int mode = ref_bits(e, 7, 5);

    if ( !ref_bits(e, 0, 0) )
        return 0x22;

    if ( ref_bits(e, 14, 12) || ref_bits(e, 15, 15) || ref_bits(e, 31, 24) ||
         ref_bits(e, 127, 84) || mode == 3 || mode == 6 )
        return 0x24;

    if ( !eim && (ref_bits(e, 39, 32) || ref_bits(e, 63, 48)) )
        return 0x24;

    if ( !ref_source_good(e, sid) )
        return 0x26;

    *irq = (struct ref_irq){
        .dest = eim ? ref_bits(e, 63, 32) : ref_bits(e, 47, 40),
        .logical = ref_bits(e, 2, 2),
        .level = ref_bits(e, 4, 4),
        .vector = ref_bits(e, 23, 16),
        /* A redirection hint leaves it to the chipset to choose one. */
        .delivery_mode = mode == 0 && ref_bits(e, 3, 3) ? 1 : mode,
    };

    return 0;
}

/* Whether faults by this entry are kept from the guest. */
static inline bool ref_fpd(const struct ref_entry *e)
{
    return ref_bits(e, 1, 1);
}

#endif
