/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irte.c: interrupt requests and interrupt remapping table entries of VT-d.
 */

#include <xen/types.h>

#include <asm/hvm/viommu-irte.h>

/* Entry, bits 63:0. */
#define IRTE_P          (1ULL << 0)
#define IRTE_FPD        (1ULL << 1)
#define IRTE_DM         (1ULL << 2)
#define IRTE_RH         (1ULL << 3)
#define IRTE_TM         (1ULL << 4)
#define IRTE_DLM(lo)    (((lo) >> 5) & 7)
/* Bits 11:8 are software's.  Bit 15, IM, is for posted interrupts. */
#define IRTE_LO_RSVD    0x00000000ff00f000ULL
#define IRTE_VECTOR(lo) (((lo) >> 16) & 0xff)
#define IRTE_DST(lo)    ((lo) >> 32)
/* Without EIM the destination is in bits 15:8 of its field. */
#define IRTE_DST_RSVD   0xffff00ffU

/* Entry, bits 127:64. */
#define IRTE_SID(hi)    ((hi) & 0xffff)
#define IRTE_SQ(hi)     (((hi) >> 16) & 3)
#define IRTE_SVT(hi)    (((hi) >> 18) & 3)
#define IRTE_HI_RSVD    0xfffffffffff00000ULL

/* The packed form.  Vectors below 8 stand for delivery modes which have none. */
#define PACKED_VALID    (1ULL << 0)
#define PACKED_FPD      (1ULL << 1)
#define PACKED_DM       (1ULL << 2)
#define PACKED_TM       (1ULL << 3)
#define PACKED_LOWEST   (1ULL << 4)
#define PACKED_VERIFY_SHIFT 5
#define PACKED_VECTOR_SHIFT 8
#define PACKED_SID_SHIFT    16
#define PACKED_DST_SHIFT    32

#define FIRST_VECTOR 16

unsigned int viommu_request_index(uint64_t addr, uint32_t data,
                                  unsigned int *index)
{
    /* Handle: address bit 2 is its bit 15, bits 19:5 are the rest. */
    *index = ((addr & 4) << 13) | ((addr >> 5) & 0x7fff);

    if ( addr >> 20 != 0xfee )
        return VIOMMU_FAULT_REQ_RSVD;

    /* Subhandle valid.  Without it the data means nothing here. */
    if ( addr & 8 )
    {
        if ( data >> 16 )
            return VIOMMU_FAULT_REQ_RSVD;

        *index += data;
    }

    return 0;
}

unsigned int viommu_irte_decode(uint64_t lo, uint64_t hi, bool eim,
                                struct viommu_irte *irte)
{
    uint32_t dest = IRTE_DST(lo);
    unsigned int dlm = IRTE_DLM(lo);

    irte->fpd = lo & IRTE_FPD;

    if ( !(lo & IRTE_P) )
        return VIOMMU_FAULT_NOT_PRESENT;

    if ( (lo & IRTE_LO_RSVD) || (hi & IRTE_HI_RSVD) ||
         (!eim && (dest & IRTE_DST_RSVD)) ||
         dlm == 3 || dlm == 6 )
        return VIOMMU_FAULT_IRTE_RSVD;

    switch ( IRTE_SVT(hi) )
    {
    case 0:
        irte->verify = VIOMMU_VERIFY_NONE;
        break;

    case 1:
        irte->verify = VIOMMU_VERIFY_SQ(IRTE_SQ(hi));
        break;

    case 2:
        irte->verify = VIOMMU_VERIFY_BUS;
        break;

    default:
        /* Reserved, and no source is right. */
        return VIOMMU_FAULT_SID;
    }

    irte->sid = IRTE_SID(hi);
    irte->irq.dest = eim ? dest : dest >> 8;
    irte->irq.vector = IRTE_VECTOR(lo);
    irte->irq.dest_mode = lo & IRTE_DM;
    irte->irq.trig_mode = lo & IRTE_TM;
    irte->irq.delivery_mode =
        dlm == VIOMMU_DLM_FIXED && (lo & IRTE_RH) ? VIOMMU_DLM_LOWEST : dlm;

    return 0;
}

bool viommu_irte_verify(const struct viommu_irte *irte, uint16_t sid)
{
    /* Bits of the function number which SQ excludes. */
    static const uint16_t ignore[] = { 0, 4, 6, 7 };

    switch ( irte->verify )
    {
    case VIOMMU_VERIFY_NONE:
        return true;

    case VIOMMU_VERIFY_BUS:
        return (sid >> 8) >= (irte->sid >> 8) &&
               (sid >> 8) <= (irte->sid & 0xff);

    default:
        return !((sid ^ irte->sid) & ~ignore[(irte->verify - 1) & 3]);
    }
}

uint64_t viommu_irte_pack(const struct viommu_irte *irte)
{
    const struct viommu_irq *irq = &irte->irq;
    uint64_t vector = irq->vector;

    switch ( irq->delivery_mode )
    {
    case VIOMMU_DLM_FIXED:
    case VIOMMU_DLM_LOWEST:
        if ( vector < FIRST_VECTOR )
            return 0;
        break;

    default:
        vector = irq->delivery_mode;
        break;
    }

    return PACKED_VALID |
           (irte->fpd ? PACKED_FPD : 0) |
           (irq->dest_mode ? PACKED_DM : 0) |
           (irq->trig_mode ? PACKED_TM : 0) |
           (irq->delivery_mode == VIOMMU_DLM_LOWEST ? PACKED_LOWEST : 0) |
           ((uint64_t)irte->verify << PACKED_VERIFY_SHIFT) |
           (vector << PACKED_VECTOR_SHIFT) |
           ((uint64_t)irte->sid << PACKED_SID_SHIFT) |
           ((uint64_t)irq->dest << PACKED_DST_SHIFT);
}

void viommu_irte_unpack(uint64_t packed, struct viommu_irte *irte)
{
    uint8_t vector = packed >> PACKED_VECTOR_SHIFT;

    irte->fpd = packed & PACKED_FPD;
    irte->verify = (packed >> PACKED_VERIFY_SHIFT) & 7;
    irte->sid = packed >> PACKED_SID_SHIFT;
    irte->irq.dest = packed >> PACKED_DST_SHIFT;
    irte->irq.vector = vector;
    irte->irq.dest_mode = packed & PACKED_DM;
    irte->irq.trig_mode = packed & PACKED_TM;

    if ( vector >= FIRST_VECTOR )
        irte->irq.delivery_mode =
            packed & PACKED_LOWEST ? VIOMMU_DLM_LOWEST : VIOMMU_DLM_FIXED;
    else
        irte->irq.delivery_mode = vector;
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
