/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and table entries of VT-d (xen/arch/x86/hvm/viommu/irte.c).
 *
 * What a bit means is written down here once more, from the VT-d specification's
 * tables, and each bit of an entry is set by itself.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/hvm/viommu-irte.h>

#define P   1ULL
#define FPD 2ULL
#define DM  4ULL
#define RH  8ULL
#define TM  0x10ULL
#define VEC(v) ((uint64_t)(v) << 16)
#define DLM(m) ((uint64_t)(m) << 5)
#define DST(d) ((uint64_t)(d) << 32)
#define SID(s) ((uint64_t)(s))
#define SQ(q)  ((uint64_t)(q) << 16)
#define SVT(t) ((uint64_t)(t) << 18)

static unsigned int decode(uint64_t lo, uint64_t hi, bool eim, struct viommu_irte *irte)
{
    memset(irte, 0xa5, sizeof(*irte));
    return viommu_irte_decode(lo, hi, eim, irte);
}

static void test_fields(void **state)
{
    struct viommu_irte i;

    (void)state;
    assert_int_equal(decode(P | FPD | DM | TM | DLM(1) | VEC(0xab) | DST(0x12345678),
                            SID(0xbeef) | SQ(2) | SVT(1), true, &i), 0);
    assert_int_equal(i.irq.dest, 0x12345678);
    assert_int_equal(i.irq.vector, 0xab);
    assert_int_equal(i.irq.delivery_mode, VIOMMU_DLM_LOWEST);
    assert_true(i.irq.dest_mode);
    assert_true(i.irq.trig_mode);
    assert_true(i.fpd);
    assert_int_equal(i.sid, 0xbeef);
    assert_int_equal(i.verify, VIOMMU_VERIFY_SQ(2));

    assert_int_equal(decode(P | VEC(0x20) | DST(0xfe00), 0, false, &i), 0);
    assert_int_equal(i.irq.dest, 0xfe);
    assert_false(i.irq.dest_mode);
    assert_false(i.irq.trig_mode);
    assert_false(i.fpd);
    assert_int_equal(i.verify, VIOMMU_VERIFY_NONE);
}

/* Every bit of an entry: which of them are reserved, and with which mode. */
static void test_bits(void **state)
{
    unsigned int bit, eim;

    (void)state;
    for ( eim = 0; eim < 2; eim++ )
        for ( bit = 0; bit < 128; bit++ )
        {
            uint64_t lo = P | VEC(0x31), hi = 0;
            struct viommu_irte i;
            unsigned int reason, want = 0;

            if ( bit < 64 )
                lo |= 1ULL << bit;
            else
                hi |= 1ULL << (bit - 64);

            if ( (bit >= 12 && bit <= 15) || (bit >= 24 && bit <= 31) || bit >= 84 )
                want = VIOMMU_FAULT_IRTE_RSVD;
            else if ( !eim && bit >= 32 && bit < 64 && !(bit >= 40 && bit < 48) )
                want = VIOMMU_FAULT_IRTE_RSVD;

            reason = decode(lo, hi, eim, &i);
            if ( reason != want )
                fail_msg("bit %u, EIM %u: reason %#x, expected %#x", bit, eim, reason, want);
            if ( reason )
                continue;

            if ( bit == 3 )
                assert_int_equal(i.irq.delivery_mode, VIOMMU_DLM_LOWEST);
            else if ( bit >= 5 && bit <= 7 )
                assert_int_equal(i.irq.delivery_mode, 1U << (bit - 5));
            else
                assert_int_equal(i.irq.delivery_mode, VIOMMU_DLM_FIXED);
            assert_int_equal(i.irq.vector, bit >= 16 && bit < 24 ? 0x31 | 1 << (bit - 16) : 0x31);
            assert_int_equal(i.irq.dest, bit >= 32 && bit < 64 ? 1U << (bit - (eim ? 32 : 40)) : 0);
            assert_int_equal(i.irq.dest_mode, bit == 2);
            assert_int_equal(i.irq.trig_mode, bit == 4);
            assert_int_equal(i.fpd, bit == 1);
            assert_int_equal(i.sid, bit >= 64 && bit < 80 ? 1 << (bit - 64) : 0);
            /* SQ means nothing without SVT. */
            assert_int_equal(i.verify, bit == 82 ? VIOMMU_VERIFY_SQ(0) :
                                       bit == 83 ? VIOMMU_VERIFY_BUS : VIOMMU_VERIFY_NONE);
        }
}

/* Which of several faults is the one that is reported. */
static void test_faults(void **state)
{
    struct viommu_irte i;

    (void)state;
    assert_int_equal(decode(0, 0, true, &i), VIOMMU_FAULT_NOT_PRESENT);
    assert_false(i.fpd);
    assert_int_equal(decode(FPD | 1ULL << 12, ~0ULL, true, &i), VIOMMU_FAULT_NOT_PRESENT);
    assert_true(i.fpd);
    assert_int_equal(decode(P | FPD | 1ULL << 15, SVT(3), true, &i), VIOMMU_FAULT_IRTE_RSVD);
    assert_true(i.fpd);
    assert_int_equal(decode(P | DLM(3), 0, true, &i), VIOMMU_FAULT_IRTE_RSVD);
    assert_int_equal(decode(P | DLM(6), 0, true, &i), VIOMMU_FAULT_IRTE_RSVD);
    assert_int_equal(decode(P | FPD, SVT(3), true, &i), VIOMMU_FAULT_SID);
    assert_true(i.fpd);
}

static void test_delivery_modes(void **state)
{
    static const struct { unsigned int dlm, rh, mode; } t[] = {
        { 0, 0, VIOMMU_DLM_FIXED }, { 0, 1, VIOMMU_DLM_LOWEST },
        { 1, 0, VIOMMU_DLM_LOWEST }, { 1, 1, VIOMMU_DLM_LOWEST },
        { 2, 0, VIOMMU_DLM_SMI }, { 4, 0, VIOMMU_DLM_NMI },
        { 4, 1, VIOMMU_DLM_NMI }, { 5, 0, VIOMMU_DLM_INIT },
        { 7, 0, VIOMMU_DLM_EXTINT },
    };
    struct viommu_irte i;
    unsigned int n;

    (void)state;
    for ( n = 0; n < sizeof(t) / sizeof(t[0]); n++ )
    {
        assert_int_equal(decode(P | VEC(0x40) | DLM(t[n].dlm) | (t[n].rh ? RH : 0), 0, true, &i), 0);
        assert_int_equal(i.irq.delivery_mode, t[n].mode);
    }
}

static void test_verify(void **state)
{
    static const uint16_t mask[] = { 0xffff, 0xfffb, 0xfff9, 0xfff8 };
    unsigned int sq, sid;
    struct viommu_irte i;

    (void)state;
    for ( sq = 0; sq < 4; sq++ )
    {
        assert_int_equal(decode(P, SID(0x1234) | SQ(sq) | SVT(1), true, &i), 0);
        for ( sid = 0; sid < 0x10000; sid++ )
            if ( viommu_irte_verify(&i, sid) != ((sid & mask[sq]) == (0x1234 & mask[sq])) )
                fail_msg("SQ %u, SID %#x", sq, sid);
    }

    assert_int_equal(decode(P, SID(0x0509) | SVT(2), true, &i), 0);
    for ( sid = 0; sid < 0x10000; sid++ )
        if ( viommu_irte_verify(&i, sid) != (sid >> 8 >= 5 && sid >> 8 <= 9) )
            fail_msg("bus range, SID %#x", sid);

    assert_int_equal(decode(P, SID(0x0509), true, &i), 0);
    assert_true(viommu_irte_verify(&i, 0));
    assert_true(viommu_irte_verify(&i, 0xffff));
}

static void test_request(void **state)
{
    unsigned int index;

    (void)state;
    assert_int_equal(viommu_request_index(0xfee00010, 0, &index), 0);
    assert_int_equal(index, 0);
    /* Handle bits 14:0 are address bits 19:5, bit 15 is address bit 2. */
    assert_int_equal(viommu_request_index(0xfee00010 | 0x7fffU << 5, 0xffffffff, &index), 0);
    assert_int_equal(index, 0x7fff);
    assert_int_equal(viommu_request_index(0xfee00014, 0, &index), 0);
    assert_int_equal(index, 0x8000);
    /* With a subhandle, which doesn't wrap. */
    assert_int_equal(viommu_request_index(0xfee0001c | 0x7fffU << 5, 3, &index), 0);
    assert_int_equal(index, 0x10002);
    assert_int_equal(viommu_request_index(0xfee00018, 0x1ffff, &index), VIOMMU_FAULT_REQ_RSVD);
    assert_int_equal(viommu_request_index(0x1fee00010ULL, 0, &index), VIOMMU_FAULT_REQ_RSVD);
    assert_int_equal(viommu_request_index(0xfed00010, 0, &index), VIOMMU_FAULT_REQ_RSVD);
}

static void test_rte(void **state)
{
    struct viommu_irq q;
    uint64_t rte;
    unsigned int index;

    (void)state;
    /* Compatibility: destination in 63:56, DM bit 11, trigger mode 15. */
    rte = 0xab00000000000000ULL | 1 << 15 | 1 << 11 | 1 << 8 | 0x55;
    assert_int_equal(viommu_rte_addr(rte), 0xfeeab004);
    assert_int_equal(viommu_rte_data(rte), 0x8155);
    viommu_compat_irq(viommu_rte_addr(rte), 0, viommu_rte_data(rte), &q);
    assert_int_equal(q.dest, 0xab);
    assert_int_equal(q.vector, 0x55);
    assert_int_equal(q.delivery_mode, VIOMMU_DLM_LOWEST);
    assert_true(q.dest_mode);
    assert_true(q.trig_mode);

    /* Remappable: bit 48; index 14:0 in 63:49, index 15 in bit 11. */
    rte = 0x1234ULL << 49 | 1ULL << 48 | 1 << 11 | 1 << 15 | 0x17;
    assert_true(viommu_rte_addr(rte) & VIOMMU_MSI_REMAPPABLE);
    assert_int_equal(viommu_request_index(viommu_rte_addr(rte), viommu_rte_data(rte), &index), 0);
    assert_int_equal(index, 0x9234);

    /* Mask, status and reserved bits aren't in the message. */
    assert_int_equal(viommu_rte_addr(0x0000ffff00000000ULL) & VIOMMU_MSI_REMAPPABLE, 0);
    assert_int_equal(viommu_rte_data(0x17000), 0);

    /* The unit's own events have all of the destination. */
    viommu_compat_irq(0xfee34000, 0x12, 0x41, &q);
    assert_int_equal(q.dest, 0x34);
    viommu_compat_irq(0xfee34000, 0x1200, 0x41, &q);
    assert_int_equal(q.dest, 0x1234);
}

/* Packing keeps all that there is to an entry, for each that can be decoded. */
static void test_pack(void **state)
{
    uint64_t seed = 88172645463325252ULL;
    unsigned int n, packed = 0;

    (void)state;
    for ( n = 0; n < 2000000; n++ )
    {
        struct viommu_irte a, b;
        uint64_t lo, hi, p;

        seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
        lo = (seed & ~0xff00f000ULL) | P;
        seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
        hi = seed & 0xfffff;

        memset(&a, 0, sizeof(a));
        if ( viommu_irte_decode(lo, hi, true, &a) )
            continue;

        p = viommu_irte_pack(&a);
        if ( !p )
        {
            assert_true(a.irq.delivery_mode <= VIOMMU_DLM_LOWEST && a.irq.vector < 16);
            continue;
        }

        memset(&b, 0, sizeof(b));
        viommu_irte_unpack(p, &b);
        if ( a.irq.delivery_mode > VIOMMU_DLM_LOWEST )
            a.irq.vector = b.irq.vector; /* Means nothing. */
        if ( memcmp(&a, &b, sizeof(a)) )
            fail_msg("%016" PRIx64 " %016" PRIx64 " is not the same when unpacked", hi, lo);
        packed++;
    }

    assert_true(packed > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_delivery_modes),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_rte),
        cmocka_unit_test(test_pack),
    };

    return cmocka_run_group_tests_name("viommu-irte", tests, NULL, NULL);
}
