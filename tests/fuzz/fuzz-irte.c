/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests, redirection table entries and remapping table entries of VT-d
 * (xen/arch/x86/hvm/viommu/irte.c) against vtd-ref.h.
 */
#include "fuzz.h"
#include "vtd-ref.h"

#include <asm/hvm/viommu-irte.h>

/* What the first byte makes of the rest, so that more than faults come out. */
#define EIM          0x01
#define PRESENT      0x02
#define NO_RESERVED  0x04
#define SAME_SOURCE  0x08
#define LEGACY_DEST  0x10
#define MSI_ADDRESS  0x20
#define SHORT_DATA   0x40
#define HIGH_ADDRESS 0x80

static void check_irq(const struct viommu_irq *irq, const struct ref_irq *ref,
                      bool vector)
{
    FUZZ_CHECK(irq->dest == ref->dest, "%#x %#x", irq->dest, ref->dest);
    FUZZ_CHECK(irq->delivery_mode == ref->delivery_mode, "%u %u",
               irq->delivery_mode, ref->delivery_mode);
    FUZZ_CHECK(irq->dest_mode == ref->logical, "logical is %d", ref->logical);
    FUZZ_CHECK(irq->trig_mode == ref->level, "level is %d", ref->level);
    FUZZ_CHECK(!vector || irq->vector == ref->vector, "%#x %#x", irq->vector,
               ref->vector);
}

static void check_entry(const struct ref_entry *e, bool eim, uint16_t sid)
{
    struct viommu_irte irte, back;
    struct ref_irq ref;
    unsigned int want = ref_remap_entry(e, eim, sid, &ref), reason;
    uint64_t packed;
    bool has_vector;

    memset(&irte, 0xa5, sizeof(irte));
    reason = viommu_irte_decode(e->q[0], e->q[1], eim, &irte);
    FUZZ_CHECK(irte.fpd == ref_fpd(e), "%016lx", e->q[0]);
    if ( !reason && !viommu_irte_verify(&irte, sid) )
        reason = VIOMMU_FAULT_SID;
    FUZZ_CHECK(reason == want, "%#x %#x", reason, want);

    if ( reason == VIOMMU_FAULT_NOT_PRESENT )
        FUZZ_SAW("entry: not present");
    if ( reason == VIOMMU_FAULT_IRTE_RSVD )
        FUZZ_SAW("entry: reserved");
    if ( reason == VIOMMU_FAULT_SID )
        FUZZ_SAW("entry: source refused");
    if ( reason )
        return;

    FUZZ_SAW("entry: remapped");
    check_irq(&irte.irq, &ref, true);

    /* What goes into the cache comes out of it, as far as anybody can tell. */
    has_vector = ref.delivery_mode <= VIOMMU_DLM_LOWEST;
    packed = viommu_irte_pack(&irte);
    FUZZ_CHECK(!packed == (has_vector && ref.vector < 16), "%016lx", packed);
    if ( !packed )
    {
        FUZZ_SAW("entry: illegal vector");
        return;
    }

    memset(&back, 0x5a, sizeof(back));
    viommu_irte_unpack(packed, &back);
    check_irq(&back.irq, &ref, has_vector);
    FUZZ_CHECK(back.fpd == ref_fpd(e), "%016lx", packed);
    FUZZ_CHECK(viommu_irte_pack(&back) == packed, "%016lx", packed);
}

/* A packed entry refuses and admits whom the entry does. */
static void check_packed_source(const struct ref_entry *e, uint16_t sid)
{
    struct viommu_irte irte;
    uint64_t packed;

    if ( viommu_irte_decode(e->q[0], e->q[1], true, &irte) )
        return;

    packed = viommu_irte_pack(&irte);
    if ( !packed )
        return;

    memset(&irte, 0x5a, sizeof(irte));
    viommu_irte_unpack(packed, &irte);
    FUZZ_CHECK(viommu_irte_verify(&irte, sid) == ref_source_good(e, sid),
               "%016lx %#x", e->q[1], sid);
}

static void check_request(uint64_t addr, uint32_t data)
{
    unsigned int index, want_index, want = ref_index(addr, data, &want_index);
    unsigned int reason = viommu_request_index(addr, data, &index);
    struct ref_irq ref = ref_compat(addr, data);
    struct viommu_irq irq;

    FUZZ_CHECK(reason == want, "%016lx %#x: %#x %#x", addr, data, reason, want);
    if ( reason )
        FUZZ_SAW("request: reserved");
    else
    {
        FUZZ_CHECK(index == want_index, "%#x %#x", index, want_index);
        if ( index > 0xffff )
            FUZZ_SAW("request: index of 17 bits");
        else
            FUZZ_SAW("request: index");
    }

    viommu_compat_irq(addr, 0, data, &irq);
    check_irq(&irq, &ref, true);

    /* The unit's own events have the rest of the destination above. */
    viommu_compat_irq(addr, addr >> 32, data, &irq);
    ref.dest = (uint32_t)(addr >> 40) * 256 + ref.dest;
    check_irq(&irq, &ref, true);
}

/* 5.1.2.1, and the 82093AA's data sheet for the compatibility format. */
static void check_rte(uint64_t rte)
{
    const struct ref_entry r = { { rte, 0 } };
    uint32_t addr = viommu_rte_addr(rte), data = viommu_rte_data(rte);
    bool remappable = ref_bits(&r, 48, 48);
    struct ref_irq want = {
        .dest = ref_bits(&r, 63, 56),
        .logical = ref_bits(&r, 11, 11),
        .level = ref_bits(&r, 15, 15),
        .delivery_mode = ref_bits(&r, 10, 8),
        .vector = ref_bits(&r, 7, 0),
    };
    struct viommu_irq irq;
    unsigned int index;

    FUZZ_CHECK(!(addr & VIOMMU_MSI_REMAPPABLE) == !remappable, "%016lx", rte);

    if ( !remappable )
    {
        FUZZ_SAW("RTE: compatibility format");
        viommu_compat_irq(addr, 0, data, &irq);
        check_irq(&irq, &want, true);
        return;
    }

    FUZZ_SAW("RTE: remappable format");
    FUZZ_CHECK(!viommu_request_index(addr, data, &index), "%016lx", rte);
    FUZZ_CHECK(index == ref_bits(&r, 11, 11) * 32768 + ref_bits(&r, 63, 49),
               "%016lx %#x", rte, index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };
    unsigned int how = fuzz_take(&in, 1);
    struct ref_entry e;
    uint64_t addr, rte, any;
    struct viommu_irte irte;
    uint32_t data;
    uint16_t sid;

    e.q[0] = fuzz_take(&in, 8);
    e.q[1] = fuzz_take(&in, 8);
    sid = fuzz_take(&in, 2);
    addr = fuzz_take(&in, 8);
    data = fuzz_take(&in, 4);
    rte = fuzz_take(&in, 8);
    any = fuzz_take(&in, 8);

    if ( how & PRESENT )
        e.q[0] |= 1;
    if ( how & NO_RESERVED )
    {
        e.q[0] &= ~0xff00f000UL;
        e.q[1] &= 0xfffff;
    }
    if ( how & LEGACY_DEST )
        e.q[0] &= 0x0000ff00ffffffffUL;
    if ( how & SAME_SOURCE )
        e.q[1] = (e.q[1] & ~0xfff8UL) | (sid & 0xfff8);
    if ( how & MSI_ADDRESS )
        addr = (addr & (how & HIGH_ADDRESS ? ~0xfff00000UL : 0xfffff)) | 0xfee00000;
    if ( how & SHORT_DATA )
        data &= 0xffff;

    check_entry(&e, how & EIM, sid);
    check_packed_source(&e, sid);
    check_packed_source(&e, e.q[1] ^ (any & 0xf));
    check_packed_source(&e, any);
    check_request(addr, data);
    check_rte(rte);

    /* Nothing but that it is defined. */
    viommu_irte_unpack(any, &irte);
    viommu_irte_verify(&irte, sid);
    viommu_irte_pack(&irte);

    return 0;
}
