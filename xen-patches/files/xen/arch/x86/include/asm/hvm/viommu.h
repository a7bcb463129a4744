/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual IOMMU: interrupt remapping of HVM domains.
 *
 * See arch/x86/hvm/viommu/viommu.c for how it works.
 */
#ifndef __ASM_X86_HVM_VIOMMU_H__
#define __ASM_X86_HVM_VIOMMU_H__

#include <xen/sched.h>

#include <asm/hvm/viommu-cache.h>
#include <asm/hvm/viommu-irte.h>

#include <public/hvm/dm_op.h>

struct dmop_args;

/* Pages of a table with (1 << VIOMMU_MAX_ORDER) entries of 16 bytes. */
#define VIOMMU_TABLE_PAGES ((16U << VIOMMU_MAX_ORDER) >> PAGE_SHIFT)

/* Fault records that are held for who owns the registers. */
#define VIOMMU_MAX_FAULTS 64

struct viommu {
    struct domain *domain;
    /*
     * Of who remaps: VIOMMU_CTRL_* and the order, or 0 if remapping is off.
     * Read once for a request.  Written with op_lock and cache.lock held.
     */
    unsigned int ctrl;
#define VIOMMU_CTRL_ENABLED (1U << 8)
#define VIOMMU_CTRL_EIM     (1U << 9)
#define VIOMMU_CTRL_CFI     (1U << 10)
#define VIOMMU_CTRL_ORDER   0xffU
    uint16_t ioapic_sid;

    struct viommu_cache cache;

    /* Pages of the guest's table, each with a reference.  Under cache.lock. */
    struct page_info *table[VIOMMU_TABLE_PAGES];
    uint64_t misses;

    /* Serialises the functions which change state.  Outermost. */
    spinlock_t op_lock;
    uint32_t type;      /* XEN_DMOP_VIOMMU_TYPE_*, 0: there is no unit. */
    uint64_t table_gpa;
    uint64_t inv_global, inv_index;
    struct page_info *pages[VIOMMU_TABLE_PAGES]; /* To and from table[]. */

    /* Faults.  A leaf lock. */
    spinlock_t fault_lock;
    unsigned int fault_first, nr_faults;
    bool faults_lost, fault_notified;
    evtchn_port_t fault_port;
    uint64_t fault_count[XEN_DMOP_VIOMMU_NR_FAULTS], fault_lost_count;
    struct xen_dm_op_viommu_fault faults[VIOMMU_MAX_FAULTS];
};

/* Whether interrupts of @d may be in need of remapping.  Cheap; takes no lock. */
static inline bool viommu_active(const struct domain *d)
{
    const struct viommu *viommu = ACCESS_ONCE(d->arch.hvm.viommu);

    return viommu && read_atomic(&viommu->ctrl);
}

/*
 * Around viommu_remap() and the delivery of what comes out of it, when
 * viommu_active().  See viommu-cache.h for what may be done in between.
 */
void viommu_enter(const struct domain *d);
void viommu_exit(const struct domain *d);

/*
 * Remap an interrupt request: an MSI in either format, with the source id of
 * who sent it.
 *
 * Returns true with what is to be delivered in *@irq.  On a fault returns
 * false, after recording it unless @quiet, which is for those who just want to
 * know where an interrupt would go.
 */
bool viommu_remap(const struct domain *d, uint64_t addr, uint32_t data,
                  uint16_t sid, bool quiet, struct viommu_irq *irq);

/*
 * viommu_remap() of a request that comes again and again.  While the cache has
 * the entry of @memo, for the same request, *@irq is left as the last call
 * made it. The caller serialises the calls.
 */
bool viommu_remap_again(const struct domain *d, uint64_t addr, uint32_t data,
                        uint16_t sid, struct viommu_memo *memo,
                        struct viommu_irq *irq);

/* viommu_remap() of a redirection table entry of the domain's IO-APIC. */
bool viommu_remap_rte(const struct domain *d, uint64_t rte, bool quiet,
                      struct viommu_irq *irq);

/*
 * Deliver @irq to the vCPUs that it addresses.  SMI, INIT and ExtINT don't
 * exist as messages here, and are dropped.  Returns whether some APIC has it
 * pending now, and so an EOI will come.
 */
bool viommu_deliver(struct domain *d, const struct viommu_irq *irq);

/*
 * Inject an MSI (see XEN_DMOP_viommu_inject_msi), remapped if that is on.
 * Returns 0 also if it faulted, or a negative errno value.
 */
int viommu_inject_msi(struct domain *d, uint64_t addr, uint32_t data,
                      uint16_t sid, unsigned int flags);

/* Handle a device model operation; -EOPNOTSUPP if it isn't one of these. */
int viommu_dm_op(struct domain *d, const struct dmop_args *args,
                 struct xen_dm_op *op, bool *const_op);

/* Take away the domain's unit, if it has one.  For reset and dying domains. */
void viommu_reset(struct domain *d);

/* Free everything.  Nobody may be using the domain any more. */
void viommu_free(struct domain *d);

#endif /* __ASM_X86_HVM_VIOMMU_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
