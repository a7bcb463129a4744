/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt requests and interrupt remapping table entries (IRTEs), as the
 * VT-d specification, rev. 3.0, has them in 5.1.2 and 9.10.  Nothing here
 * needs a domain, takes a lock or allocates.
 */
#ifndef __ASM_X86_HVM_VIOMMU_IRTE_H__
#define __ASM_X86_HVM_VIOMMU_IRTE_H__

#include <xen/types.h>

/* Fault reasons, 7.2.1. */
#define VIOMMU_FAULT_REQ_RSVD    0x20 /* Reserved field of the request set. */
#define VIOMMU_FAULT_INDEX       0x21 /* Index beyond the table. */
#define VIOMMU_FAULT_NOT_PRESENT 0x22
#define VIOMMU_FAULT_TABLE       0x23 /* The table can't be read. */
#define VIOMMU_FAULT_IRTE_RSVD   0x24 /* Reserved field of the entry set. */
#define VIOMMU_FAULT_COMPAT      0x25 /* Compatibility format is blocked. */
#define VIOMMU_FAULT_SID         0x26 /* Source id isn't what the entry says. */

/* Delivery modes, as in an MSI. */
#define VIOMMU_DLM_FIXED  0
#define VIOMMU_DLM_LOWEST 1
#define VIOMMU_DLM_SMI    2
#define VIOMMU_DLM_NMI    4
#define VIOMMU_DLM_INIT   5
#define VIOMMU_DLM_EXTINT 7

/* What comes out of remapping. */
struct viommu_irq {
    uint32_t dest;          /* All 32 bits of an x2APIC destination. */
    uint8_t vector;
    uint8_t delivery_mode;  /* VIOMMU_DLM_* */
    bool dest_mode;         /* Logical. */
    bool trig_mode;         /* Level. */
};

/* A decoded entry. */
struct viommu_irte {
    struct viommu_irq irq;
    uint16_t sid;
    uint8_t verify;         /* How sid is compared: VIOMMU_VERIFY_* */
#define VIOMMU_VERIFY_NONE  0
#define VIOMMU_VERIFY_SQ(n) (1 + (n)) /* Less some bits, n being 0 to 3. */
#define VIOMMU_VERIFY_BUS   5 /* Bus in a range. */
    bool fpd;               /* Fault processing disabled. */
};

/* The entry that a request was remapped by, if that was cached.  All 0 is none. */
struct viommu_memo {
    uint64_t packed;
    unsigned int index;
};

/* Bit 4 of an MSI's address: remappable format. */
#define VIOMMU_MSI_REMAPPABLE 0x10U

/*
 * The message that an IO-APIC sends for the redirection table entry @rte, in
 * either format: address bits 19:4 are the entry's bits 63:48.
 */
static inline uint32_t viommu_rte_addr(uint64_t rte)
{
    return 0xfee00000U | ((uint32_t)(rte >> 48) << 4) |
           (((uint32_t)rte >> 9) & 4);
}

static inline uint32_t viommu_rte_data(uint64_t rte)
{
    return rte & 0x87ff;
}

/*
 * What an MSI in compatibility format asks for.  @addr_hi has bits 31:8 of the
 * destination at their place: 0 for all but the unit's own events.
 */
static inline void viommu_compat_irq(uint32_t addr, uint32_t addr_hi,
                                     uint32_t data, struct viommu_irq *irq)
{
    irq->dest = (addr_hi & 0xffffff00U) | ((addr >> 12) & 0xff);
    irq->vector = data;
    irq->delivery_mode = (data >> 8) & 7;
    irq->dest_mode = addr & 4;
    irq->trig_mode = data & 0x8000;
}

/*
 * Find the index that an MSI in remappable format names (5.1.2.2, 5.1.3).  It
 * can have 17 bits.  Returns 0, or VIOMMU_FAULT_REQ_RSVD.
 */
unsigned int viommu_request_index(uint64_t addr, uint32_t data,
                                  unsigned int *index);

/*
 * Decode an entry: bits 63:0 in @lo, 127:64 in @hi; with @eim destinations
 * have 32 bits (IRTA_REG.EIME).  Returns 0, with *@irte filled in, or the
 * fault reason, with ->fpd valid.
 *
 * Entries of posted interrupts count as having a reserved bit set, as the unit
 * doesn't announce them.  A redirection hint turns fixed into lowest priority
 * delivery.
 */
unsigned int viommu_irte_decode(uint64_t lo, uint64_t hi, bool eim,
                                struct viommu_irte *irte);

/* Whether the entry may be used by a request of source @sid (9.10, SVT). */
bool viommu_irte_verify(const struct viommu_irte *irte, uint16_t sid);

/*
 * An entry in one word, which is read and written atomically.  0 is none.
 * What makes no difference to anybody isn't kept, and 0 is returned for a
 * fixed interrupt whose vector is an illegal one.
 */
uint64_t viommu_irte_pack(const struct viommu_irte *irte);
void viommu_irte_unpack(uint64_t packed, struct viommu_irte *irte);

#endif /* __ASM_X86_HVM_VIOMMU_IRTE_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
