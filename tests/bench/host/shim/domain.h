/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains and vCPUs, with those members that the measured files use, and what they
 * do with them beside what is measured.
 */
#ifndef BENCH_SHIM_DOMAIN_H
#define BENCH_SHIM_DOMAIN_H

#include <asm/apicdef.h>
#include <asm/hvm/vlapic.h>

#define MAX_NR_IOREQ_SERVERS 8

struct ioreq_server;
struct viommu;

struct vcpu {
    unsigned int vcpu_id;
    struct domain *domain;
    struct vcpu *next_in_list;
    bool is_initialised;
    unsigned long pause_flags;
    struct vcpu_io { ioreq_t req; bool suspended; } io;
    struct {
        bool nmi_pending;
        struct { struct vlapic vlapic; } hvm;
    } arch;
};

struct domain {
    unsigned int max_vcpus;
    bool is_dying;
    struct vcpu **vcpu;
    struct { struct ioreq_server *server[MAX_NR_IOREQ_SERVERS]; } ioreq_server;
    struct {
        struct {
            struct hvm_apic_map {
                spinlock_t lock;
                unsigned int seq, changes, filled;
                struct apic_map *map;
            } apic_map;
            struct viommu *viommu;
            struct { unsigned int round_robin_prev_vcpu; } irq;
        } hvm;
    } arch;
};

#define for_each_vcpu(d, v) \
    for ( (v) = (d)->vcpu ? (d)->vcpu[0] : NULL; (v); (v) = (v)->next_in_list )

extern struct vcpu *current;
#define has_vlapic(d) ((void)(d), true)
#define hvm_domain_irq(d) (&(d)->arch.hvm.irq)

#define _VPF_down 0
#define domain_lock(d) ((void)(d))
#define domain_unlock(d) ((void)(d))
#define vcpu_wake(v) abort()
#define vcpu_pause_nosync(v) abort()
#define tasklet_schedule(t) abort()
#define test_and_clear_bit(nr, addr) (abort(), 0)
#define vcpu_start_shutdown_deferral(v) ((void)(v), true)
#define prepare_wait_on_xen_event_channel(port) smp_mb()
void cpu_raise_softirq_batch_begin(void);
void cpu_raise_softirq_batch_finish(void);

/* As on AMD hardware. */
struct hvm_function_table {
    void (*update_eoi_exit_bitmap)(struct vcpu *v, uint8_t vector, uint8_t trig);
    void (*deliver_posted_intr)(struct vcpu *v, uint8_t vector);
};
extern struct hvm_function_table hvm_funcs;
#define alternative_vcall(f, ...) (f)(__VA_ARGS__)

/* MSIs that stand for a pIRQ aren't measured. */
struct pirq { struct { struct { int emuirq; } hvm; } arch; };
#define IRQ_UNBOUND (-1)
#define IRQ_MSI_EMU (-3)
#define pirq_info(d, pirq) ((struct pirq *)NULL)
#define write_lock(l) ((void)0)
#define write_unlock(l) ((void)0)
#define map_domain_emuirq_pirq(d, pirq, irq) (abort(), 0)
#define send_guest_pirq(d, info) abort()
#define has_pirq(d) ((void)(d), false)

int hvm_inject_msi(struct domain *d, uint64_t addr, uint32_t data);
int vmsi_deliver(struct domain *d, int vector, uint8_t dest, uint8_t dest_mode,
                 uint8_t delivery_mode, uint8_t trig_mode);

#define IOREQ_STATUS_HANDLED   0
#define IOREQ_STATUS_UNHANDLED 1
#define IOREQ_STATUS_RETRY     2
struct ioreq_server;
bool vcpu_ioreq_pending(struct vcpu *v);
int ioreq_send(struct ioreq_server *s, ioreq_t *proto_p, bool buffered);
#define ioreq_send_buffered(s, p) (abort(), 0)

#endif
