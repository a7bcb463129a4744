/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VT-d unit with interrupt remapping, as the guest's driver sees it, and what raises
 * interrupts that go through it: the IO-APIC, and QEMU's device "edu".  Numbers of
 * sections are of the VT-d specification, revision 3.x.
 */
#ifndef BARE_VTD_H
#define BARE_VTD_H

#include "bare.h"

/* In a loop that waits for what another CPU or the device model does. */
static inline void relax(void)
{
    cpu_pause();
    xen_yield();
}

/* ---- registers (10.4) ---- */
#define VTD_VER         0x00
#define VTD_CAP         0x08
#define VTD_ECAP        0x10
#define VTD_GCMD        0x18
#define VTD_GSTS        0x1c
#define VTD_FSTS        0x34
#define VTD_FECTL       0x38
#define VTD_FEDATA      0x3c
#define VTD_FEADDR      0x40
#define VTD_FEUADDR     0x44
#define VTD_IQH         0x80
#define VTD_IQT         0x88
#define VTD_IQA         0x90
#define VTD_ICS         0x9c
#define VTD_IECTL       0xa0
#define VTD_IEDATA      0xa4
#define VTD_IEADDR      0xa8
#define VTD_IEUADDR     0xac
#define VTD_IRTA        0xb8

#define ECAP_QI         (1ULL << 1)
#define ECAP_IR         (1ULL << 3)
#define ECAP_EIM        (1ULL << 4)

/* GCMD and GSTS have the same places. */
#define GCMD_TE         (1U << 31)
#define GCMD_QIE        (1U << 26)
#define GCMD_IRE        (1U << 25)
#define GCMD_SIRTP      (1U << 24)
#define GCMD_CFI        (1U << 23)

#define FSTS_PFO        (1U << 0)
#define FSTS_PPF        (1U << 1)
#define FSTS_IQE        (1U << 4)
#define FSTS_FRI(v)     ((v) >> 8 & 0xff)

/* FECTL and IECTL */
#define ECTL_IM         (1U << 31)
#define ECTL_IP         (1U << 30)

#define ICS_IWC         1U

#define IRTA_EIME       (1U << 11)

/* ---- interrupt remapping table entries (9.10) ---- */
#define IRTE_P          (1ULL << 0)
#define IRTE_FPD        (1ULL << 1)
#define IRTE_LOGICAL    (1ULL << 2)
#define IRTE_RH         (1ULL << 3)
#define IRTE_LEVEL      (1ULL << 4)
#define IRTE_DLM(n)     ((uint64_t)(n) << 5)
#define DLM_LOWEST      1
#define DLM_SMI         2
#define DLM_NMI         4
#define DLM_INIT        5
#define DLM_EXTINT      7
#define IRTE_POSTED     (1ULL << 15)
#define IRTE_VECTOR(n)  ((uint64_t)(n) << 16)

/* Upper half: source id, how many of its bits count, how it is compared. */
#define IRTE_SID(n)     ((uint64_t)(uint16_t)(n))
#define IRTE_SQ(n)      ((uint64_t)(n) << 16)
#define IRTE_SVT(n)     ((uint64_t)(n) << 18)
#define SVT_SID         1
#define SVT_BUS         2

/* ---- fault reasons (7.2) ---- */
#define FAULT_REQ_RSVD  0x20
#define FAULT_INDEX     0x21
#define FAULT_ABSENT    0x22
#define FAULT_TABLE     0x23
#define FAULT_IRTE_RSVD 0x24
#define FAULT_COMPAT    0x25
#define FAULT_SID       0x26

/* ---- the IO-APIC (ioapic.c); BSP, or whoever takes care that nobody else does ---- */
#define RTE_INDEX15     (1ULL << 11)
#define RTE_REMOTE_IRR  (1ULL << 14)
#define RTE_LEVEL       (1ULL << 15)
#define RTE_MASKED      (1ULL << 16)
#define RTE_REMAPPABLE  (1ULL << 48)

struct ioapic { uint8_t id; uint32_t addr, gsi; unsigned int pins; };
extern struct ioapic ioapic;
/* The first one of the MADT.  False if there's none. */
bool ioapic_init(void);
uint32_t ioapic_reg(unsigned int reg);
uint64_t ioapic_rte(unsigned int pin);
/* The lower half alone; or the upper one first, with the pin masked. */
void ioapic_set_low(unsigned int pin, uint32_t low);
void ioapic_set(unsigned int pin, uint64_t rte);
void ioapic_mask_all(void);
/* An entry in remappable format; add the vector bits and RTE_LEVEL. */
static inline uint64_t rte_remapped(unsigned int index)
{
    return RTE_REMAPPABLE | (uint64_t)(index & 0x7fff) << 49 | (index & 0x8000 ? RTE_INDEX15 : 0);
}

/* ---- edu (edu.c): raises its INTx or MSI when told to, and writes memory ---- */
struct edu {
    unsigned int bdf;                   /* its source id, too */
    volatile uint8_t *reg;
    unsigned int msi;                   /* capability's offset */
    int pin;                            /* of the IO-APIC, or -1: edu_find_pin() */
    bool msi_on;
    uint64_t addr;                      /* in the capability */
    uint32_t data;
    uint32_t *buffer;                   /* for DMA */
};
extern struct edu edu[2];
extern unsigned int edus;
void edu_init(void);
/* Has the device send this message.  Its write is over when this returns. */
void edu_msi(struct edu *e, uint64_t addr, uint32_t data);
/* The same message as before; any CPU. */
void edu_msi_again(struct edu *e);
/* A write to a register that has no effect, as long as MSIs are on. */
void edu_nothing(struct edu *e);
/* INTx; any CPU, once edu_intx_mode() was called. */
void edu_intx_mode(struct edu *e);
void edu_intx(struct edu *e, bool high);
/* A write of 32 bits by DMA, which may also be a message with more data than an MSI capability holds. */
bool edu_dma(struct edu *e, uint64_t addr, uint32_t data);
/* True if DMA doesn't work, or only to the first 256 MiB (its default): then messages would go to RAM. */
bool edu_dma_short(struct edu *e);

/* ---- a network card that the guest was given (e1000e.c): sends messages by MSI-X when told to ---- */
#define E1000E_ENTRIES  5U
struct e1000e {
    unsigned int bdf;                   /* its source id, too */
    struct msix msix;
};
extern struct e1000e e1000e;
/* False if there is none. */
bool e1000e_init(void);
/* By the first entry of the table, which is set by that. */
void e1000e_msi(uint64_t addr, uint32_t data);
void e1000e_msi_again(void);
/* By any entry, as it is; any CPU. */
void e1000e_interrupt(unsigned int n);
/*
 * Waits until the next message isn't held back: the card leaves 128 us between two of an entry, and QEMU's
 * sends one more after them.
 */
void e1000e_settle(void);
/* Resets the card, which then holds nothing back; any CPU.  What is pending by the table stays so. */
void e1000e_quiet(void);
/* A write to a register that has no effect. */
void e1000e_nothing(void);

/* ---- a USB controller that the guest was given (xhci.c): sends messages by MSI or MSI-X when told to ---- */
struct xhci {
    unsigned int bdf;                   /* its source id, too */
    unsigned int msi;                   /* capability's offset, or 0 */
    unsigned int max_order;             /* vectors that it can have, as a power of 2 */
    struct msix msix;                   /* without MSI */
};
extern struct xhci xhci;
/* False if there is none. */
bool xhci_init(void);
/* Switches MSI on with 1 << order vectors. */
void xhci_msi(uint64_t addr, uint32_t data, unsigned int order);
/* Another message, with MSI as it is. */
void xhci_msi_change(uint64_t addr, uint32_t data);
void xhci_msi_off(void);
/* Has interrupter n send its message; its vector is n modulo the vectors that are on. */
void xhci_interrupt(unsigned int n);

/* ---- the unit (vtd.c) ---- */
struct vtd {
    const char *missing;                /* why there's no unit that checks can use, or NULL */
    struct acpi_header *dmar;
    const uint8_t *drhd;
    unsigned int drhds;
    uint64_t base, cap, ecap;
    bool have_ioapic_scope;
    uint8_t ioapic_scope_id;
    uint16_t ioapic_sid;                /* as the DMAR table says */
    unsigned int frcd, frcds;           /* offset and number of fault recording registers */
    bool eime;                          /* of the current table */
    uint64_t *table;                    /* the usual one, two words an entry */
    uint64_t *queue;
    unsigned int queue_size, tail;      /* in descriptors of 16 bytes */
    uint32_t inv_sent;
    volatile uint32_t inv_done;         /* what the last wait descriptor wrote */
};
extern struct vtd vtd;
#define VTD_ORDER       8               /* of the usual table: 256 entries */
#define VTD_ENTRIES     (1U << VTD_ORDER)

static inline uint32_t vtd_read(unsigned int reg)
{
    return *(volatile uint32_t *)(uintptr_t)(vtd.base + reg);
}

static inline void vtd_write(unsigned int reg, uint32_t v)
{
    *(volatile uint32_t *)(uintptr_t)(vtd.base + reg) = v;
}

static inline uint64_t vtd_read64(unsigned int reg)
{
    return *(volatile uint64_t *)(uintptr_t)(vtd.base + reg);
}

static inline void vtd_write64(unsigned int reg, uint64_t v)
{
    *(volatile uint64_t *)(uintptr_t)(vtd.base + reg) = v;
}

/* Finds the unit, once.  vtd.missing says what came of it. */
void vtd_init(void);
/* The longest wait for one thing, in microseconds. */
uint64_t vtd_patience(void);
/* Switches a bit of GCMD, or gives one-shot command; false if GSTS doesn't follow. */
bool vtd_command(uint32_t bit, bool on);
/* Sets the table, EIME as it fits the APICs' mode or as told, and drops what is cached. */
bool vtd_set_table(uint64_t base, unsigned int order, bool eime);
/* Queued invalidation, with 256 << qs descriptors. */
bool vtd_queue_on(unsigned int qs);
bool vtd_queue_off(void);
void vtd_queue_put(uint64_t lo, uint64_t hi);
void vtd_queue_go(void);
#define INV_IEC_ALL             4ULL
#define INV_IEC(index, mask)    (4ULL | 1U << 4 | (uint64_t)(mask) << 27 | (uint64_t)(index) << 32)
#define INV_WAIT                5ULL
#define INV_WAIT_IF             (1ULL << 4)
#define INV_WAIT_SW             (1ULL << 5)
/* Adds a wait descriptor that writes vtd.inv_done; any CPU may then compare that with vtd.inv_sent. */
void vtd_queue_put_wait(uint64_t flags);
/* Gives the queue to the unit, and waits for the wait descriptor that it ends with. */
bool vtd_queue_sync(void);
bool vtd_invalidate(unsigned int index, unsigned int mask);
bool vtd_invalidate_all(void);

/* A fixed interrupt to one CPU.  Without EIME the destination is at another place. */
uint64_t irte_dest(uint32_t id);
static inline uint64_t irte_fixed(uint32_t id, unsigned int vector)
{
    return IRTE_P | irte_dest(id) | IRTE_VECTOR(vector);
}
/* Changes an entry, and invalidates it. */
void vtd_set(unsigned int index, uint64_t lo, uint64_t hi);
/* Address of a message in remappable format. */
static inline uint32_t msi_addr(unsigned int handle, bool subhandle)
{
    return 0xfee00010U | (handle & 0x7fff) << 5 | (handle & 0x8000 ? 4 : 0) | (subhandle ? 8 : 0);
}

/* ---- for checks (vtd-check.c) ---- */
/*
 * Finds out whether the check can be done, else it is skipped: with a unit, and that many
 * edu devices.  Then the unit is made ready: the usual table, empty, remapping on, faults
 * cleared, events masked, all pins masked.
 */
bool vtd_begin(unsigned int need_edus);
/* Compares what came with what was expected, on all CPUs, and turns the unit off. */
void vtd_end(void);
/* Before the interrupt is raised. */
void vtd_expect(struct cpu *c, unsigned int vector);
/* Waits for all that was expected.  The message is made only if something is missing. */
bool vtd_arrived(const char *fmt, ...) PRINTF(1, 2);
/* Nothing is in flight any more when this returns. */
bool vtd_settle(void);
/* Takes the oldest fault record out of the unit; false if none comes within that time. */
struct vtd_fault { uint16_t sid, index; uint8_t reason; uint64_t lo, hi; };
bool vtd_fault_take(struct vtd_fault *f, uint64_t us);
/* Takes it, and complains if it isn't that one.  index -1: any. */
void vtd_fault_expect(const char *what, uint16_t sid, int index, unsigned int reason);
/* Complains if faults are recorded that nobody took. */
void vtd_fault_none(const char *what);
/* Programs the fault event or the invalidation event, and lets it come. */
void vtd_event(unsigned int ectl, const struct cpu *c, unsigned int vector);
/* CPUs that a 32-bit (or, without EIME, 8-bit) destination can name; at most max. */
unsigned int vtd_targets(struct cpu **out, unsigned int max);
/* Tries where the device's INTx goes.  False, with an error, if nowhere. */
bool edu_find_pin(struct edu *e);

#endif
