/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As xen-shim-smp.h, for viommu.c: as much of a domain as it uses, with one page's
 * references, vCPUs and event channels.  The functions are the target's.
 */
#ifndef XEN_SHIM_DOMAIN_H
#define XEN_SHIM_DOMAIN_H

#include "xen-shim-smp.h"

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <public/xen.h>
#include <public/event_channel.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define SWAP(a, b) do { typeof(a) t_ = (a); (a) = (b); (b) = t_; } while ( 0 )
#define ACCESS_ONCE(x) (*(volatile typeof(x) *)&(x))
#define likely(x) (x)
#define unlikely(x) (x)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define cmpxchgptr(p, o, n) __sync_val_compare_and_swap(p, o, n)
#define test_and_set_bool(b) __atomic_exchange_n(&(b), true, __ATOMIC_SEQ_CST)
#define xvzalloc(type) ((type *)shim_zalloc(__alignof__(type), sizeof(type)))

#define nr_cpu_ids 2U
#define smp_processor_id() 1U

struct vlapic {
    unsigned int vcpu_id;
};

struct vcpu {
    struct domain *domain;
    struct vlapic vlapic;
    struct { bool nmi_pending; } arch;
};

struct domain {
    domid_t domain_id;
    bool is_dying, has_vlapic, has_vioapic, has_pirq;
    unsigned int max_vcpus;
    struct vcpu **vcpu;
    struct {
        struct { struct viommu *viommu; spinlock_t irq_lock; } hvm;
    } arch;
};

extern struct vcpu *current;
#define for_each_vcpu(d, v) \
    for ( unsigned int i_ = 0; \
          i_ < (d)->max_vcpus && ((v) = (d)->vcpu[i_]); i_++ )
#define has_vlapic(d) ((d)->has_vlapic)
#define has_vioapic(d) ((d)->has_vioapic)
#define has_pirq(d) ((d)->has_pirq)

/* The P2M. */
typedef enum { p2m_ram_rw, p2m_mmio_dm } p2m_type_t;
#define P2M_ALLOC 1
#define p2m_is_ram(t) ((t) == p2m_ram_rw)

struct page_info {
    unsigned int refs;
    p2m_type_t type;
    void *data;
};

struct page_info *get_page_from_gfn(struct domain *d, unsigned long gfn,
                                    p2m_type_t *t, unsigned int q);
void put_page(struct page_info *page);
#define __map_domain_page(page) ((const void *)(page)->data)
#define unmap_domain_page(p) ((void)(p))

/* Guest handles. */
int copy_to_guest_bytes(void *to, const void *from, size_t size);
#define copy_to_guest_offset(h, offs, from, nr) \
    copy_to_guest_bytes((char *)(h).p + (offs), from, nr)

/* Event channels. */
int alloc_unbound_xen_event_channel(struct domain *d, unsigned int vcpu,
                                    domid_t remote, void *fn);
void free_xen_event_channel(struct domain *d, int port);
void notify_via_xen_event_channel(struct domain *d, int port);

/* Interrupts. */
#define APIC_DEST_NOSHORT 0
#define vcpu_vlapic(v) (&(v)->vlapic)
#define vlapic_vcpu(l) \
    ((struct vcpu *)((char *)(l) - offsetof(struct vcpu, vlapic)))
#define vlapic_enabled(l) ((void)(l), true)
int vlapic_map_lookup(const struct domain *d, uint32_t dest, bool logical,
                      uint16_t *vcpus);
bool vlapic_match_dest(const struct vlapic *l, const struct vlapic *source,
                       int shorthand, uint32_t dest, bool logical);
struct vlapic *vlapic_lowest_prio(struct domain *d, const struct vlapic *source,
                                  int shorthand, uint32_t dest, bool logical);
void vlapic_set_irq(struct vlapic *l, uint8_t vector, uint8_t trig);
void vcpu_kick(struct vcpu *v);
int hvm_inject_msi(struct domain *d, uint64_t addr, uint32_t data);
int hvm_dpci_irte_changed(struct domain *d, unsigned int index,
                          unsigned int mask, unsigned int *next);
/* The IO-APIC's pin 0 is masked. */
#define vioapic_get_mask(d, gsi) 1
#define vlapic_adjust_i8259_target(d) ((void)(d))

#include <asm/hvm/apic-map.h>

#endif
