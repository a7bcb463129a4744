/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instruction counts of what is to cost the same for any number of vCPUs, or of
 * entries in the IRTE cache.  Runs under callgrind, and leaves it a dump for each
 * row, "NAME VCPUS ENTRIES CALLS"; host.py builds it, once from ours and once
 * (-DSTOCK) from stock's functions, runs it and makes a table of the dumps.
 *
 * All vCPUs are in x2APIC mode, with the APIC IDs 0, 1, 2...  A row is the mean over
 * vCPUs that lie evenly from the first to the last.
 */
#include <stdio.h>

#include <xen/sched.h>
#include <xen/list.h>
#include "ioreq.h"
#ifndef STOCK
#include <asm/hvm/viommu.h>
#endif

#include <valgrind/callgrind.h>

#define SAMPLES 16U
#define VECTOR 0x40U
#define MSI_ADDR 0xfee00000U
#define SID 0x0018
#define ENTRIES 65536U

unsigned int bench_cpu;
struct vcpu *current;
struct hvm_function_table hvm_funcs;
bool qemu_get_ioreq(unsigned int vcpu);
void qemu_set_up(unsigned int nr);

/* Out of the way of what is measured, but called. */
noinline void vcpu_kick(struct vcpu *v) { asm volatile ( "" :: "r" (v) ); }
noinline void notify_via_xen_event_channel(struct domain *d, int port) { asm volatile ( "" :: "r" (d), "r" (port) ); }
noinline void cpu_raise_softirq_batch_begin(void) { abort(); }
noinline void cpu_raise_softirq_batch_finish(void) { abort(); }

static struct domain dom;
static struct ioreq_server server;
static struct hvm_hw_lapic_regs *regs;

static void expect(bool ok, const char *what)
{
    if ( ok )
        return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static bool take_irr(unsigned int id)
{
    uint32_t *irr = (uint32_t *)&regs[id].data[APIC_IRR + VECTOR / 32 * 16];
    bool set = *irr & (1U << (VECTOR % 32));

    *irr = 0;
    return set;
}

static void add_vcpu_to_server(struct vcpu *v)
{
    ioreq_t *reqs = server.ioreq.va;
#ifdef STOCK
    struct ioreq_vcpu *sv = calloc(1, sizeof(*sv));

    list_add(&sv->list_entry, &server.ioreq_vcpu_list);
#else
    struct ioreq_vcpu *sv = &server.vcpus[v->vcpu_id];
#endif
    sv->vcpu = v;
    sv->ioreq_evtchn = reqs[v->vcpu_id].vp_eport = 100 + v->vcpu_id;
}

static void set_up(unsigned int nr)
{
    unsigned int i;

    memset(&dom, 0, sizeof(dom));
    memset(&server, 0, sizeof(server));
    dom.max_vcpus = nr;
    dom.vcpu = calloc(nr, sizeof(*dom.vcpu));
    dom.ioreq_server.server[0] = &server;
    regs = calloc(nr, sizeof(*regs));
    server.ioreq.va = calloc(nr, sizeof(ioreq_t));
#ifdef STOCK
    INIT_LIST_HEAD(&server.ioreq_vcpu_list);
#else
    server.nr_vcpus = nr;
    server.vcpus = calloc(nr, sizeof(*server.vcpus));
#endif

    for ( i = 0; i < nr; i++ )
    {
        struct vcpu *v = dom.vcpu[i] = calloc(1, sizeof(*v));
        struct vlapic *vlapic = vcpu_vlapic(v);

        v->vcpu_id = i;
        v->domain = &dom;
        if ( i )
            dom.vcpu[i - 1]->next_in_list = v;
        vlapic->regs = &regs[i];
        vlapic->hw.apic_base_msr = APIC_BASE_EXTD;
#ifndef STOCK
        vlapic->hw.x2apic_id = i;
#endif
        vlapic_set_reg(vlapic, APIC_ID, i);
        vlapic_set_reg(vlapic, APIC_LDR, (i >> 4) << 16 | 1U << (i & 15));
        add_vcpu_to_server(v);
    }
    qemu_set_up(nr);
#ifndef STOCK
    vlapic_map_init(&dom);
    expect(dom.arch.hvm.apic_map.map, "no APIC map");
#endif
}

static void tear_down(void)
{
    unsigned int i;

    for ( i = 0; i < dom.max_vcpus; i++ )
        free(dom.vcpu[i]);
    free(dom.vcpu);
    free(regs);
    free(server.ioreq.va);
#ifdef STOCK
    while ( !list_empty(&server.ioreq_vcpu_list) )
    {
        struct ioreq_vcpu *sv = list_entry(server.ioreq_vcpu_list.next, struct ioreq_vcpu, list_entry);

        list_del(&sv->list_entry);
        free(sv);
    }
#else
    free(server.vcpus);
    vlapic_map_destroy(&dom);
#endif
}

/* What is measured: true if it did what it should. */

static bool op_nothing(unsigned int id)
{
    asm volatile ( "" :: "r" (id) );
    return true;
}

static bool op_pending(unsigned int id)
{
    return !vcpu_ioreq_pending(dom.vcpu[id]);
}

static bool op_send(unsigned int id)
{
    ioreq_t req = { .type = IOREQ_TYPE_PIO, .addr = 0x80, .size = 1, .count = 1 }, *p = server.ioreq.va;
    int rc;

    current = dom.vcpu[id];
    rc = ioreq_send(&server, &req, false);
    /* The device model has handled it. */
    p[id].state = STATE_IOREQ_NONE;
    return rc == IOREQ_STATUS_RETRY;
}

static bool op_ipi(unsigned int id)
{
    vlapic_ipi(vcpu_vlapic(dom.vcpu[0]), APIC_DM_FIXED | VECTOR, id);
    return take_irr(id);
}

static bool op_ipi_logical(unsigned int id)
{
    vlapic_ipi(vcpu_vlapic(dom.vcpu[0]), APIC_DM_FIXED | APIC_DEST_MASK | VECTOR, (id >> 4) << 16 | 1U << (id & 15));
    return take_irr(id);
}

static bool op_msi(unsigned int id)
{
    return !hvm_inject_msi(&dom, MSI_ADDR | id << 12, VECTOR) && take_irr(id);
}

static bool op_qemu(unsigned int id)
{
    return qemu_get_ioreq(id);
}

#ifndef STOCK
static bool op_compat(unsigned int id)
{
    return !viommu_inject_msi(&dom, MSI_ADDR | id << 12, VECTOR, SID, 0) && take_irr(id);
}
#else
#define op_compat op_msi
#endif

static void row(const char *name, bool (*op)(unsigned int id), unsigned int nr, unsigned int entries)
{
    /* Compatibility format has 8 bits for an APIC ID. */
    unsigned int i, done = 0, ids = (op == op_msi || op == op_compat) && nr > 256 ? 256 : nr;
    char text[80];

    /* What is done but once, such as resolving a symbol. */
    expect(op(0), name);
    snprintf(text, sizeof(text), "%s %u %u %u", name, nr, entries, SAMPLES);
    CALLGRIND_ZERO_STATS;
    for ( i = 0; i < SAMPLES; i++ )
        done += op((uint64_t)(ids - 1) * i / (SAMPLES - 1));
    CALLGRIND_DUMP_STATS_AT(text);
    expect(done == SAMPLES, name);
}

/* An operation that can't be done twice in a row without something in between. */
#define ONCE(name, nr, entries, statement) do {                               \
        char text_[80];                                                       \
                                                                              \
        snprintf(text_, sizeof(text_), "%s %u %u 1", name, nr, entries);      \
        CALLGRIND_ZERO_STATS;                                                 \
        statement;                                                            \
        CALLGRIND_DUMP_STATS_AT(text_);                                       \
    } while ( 0 )

#ifndef STOCK
static uint64_t *irt;
static unsigned int first_entry, last_entry;

static uint32_t remappable(unsigned int index)
{
    return MSI_ADDR | VIOMMU_MSI_REMAPPABLE | (index & 0x7fff) << 5 | (index >> 15) << 2;
}

/* The entry that stands for a vCPU, when all are in use and when one is. */
static unsigned int entry_of(unsigned int id)
{
    return first_entry + id * 61 % (last_entry - first_entry + 1);
}

static void set_irte(unsigned int index, unsigned int dest)
{
    irt[index * 2] = 1 | VECTOR << 16 | (uint64_t)dest << 32;
    irt[index * 2 + 1] = 1U << 18 | SID;
}

static bool op_remap(unsigned int id)
{
    struct viommu_irq irq;
    bool rc;

    viommu_enter(&dom);
    rc = viommu_remap(&dom, remappable(entry_of(id)), 0, SID, false, &irq);
    viommu_exit(&dom);
    return rc && irq.vector == VECTOR;
}

static struct viommu_memo memos[1024];
static struct viommu_irq irqs[1024];

/* As a passed through device's interrupt, which comes again and again. */
static bool op_remap_again(unsigned int id)
{
    bool rc;

    viommu_enter(&dom);
    rc = viommu_remap_again(&dom, remappable(entry_of(id)), 0, SID, &memos[id], &irqs[id]);
    viommu_exit(&dom);
    return rc && irqs[id].vector == VECTOR;
}

static bool op_remap_nothing(unsigned int id)
{
    asm volatile ( "" :: "r" (remappable(entry_of(id))) );
    return true;
}

static bool op_lookup(unsigned int id)
{
    return viommu_cache_lookup(&dom.arch.hvm.viommu->cache, entry_of(id));
}

static bool op_inject(unsigned int id)
{
    unsigned int index = entry_of(id);

    return !viommu_inject_msi(&dom, remappable(index), 0, SID, 0) && take_irr(irt[index * 2] >> 32);
}

static bool op_inject_nothing(unsigned int id)
{
    unsigned int index = entry_of(id);

    asm volatile ( "" :: "r" (remappable(index)), "r" (irt[index * 2] >> 32) );
    return true;
}

static void drop(unsigned int index, unsigned int mask)
{
    struct viommu_cache *c = &dom.arch.hvm.viommu->cache;

    spin_lock(&c->lock);
    viommu_cache_drop(c, index, mask);
    spin_unlock(&c->lock);
}

static void fill(unsigned int first, unsigned int last)
{
    unsigned int i;
    struct viommu_irq irq;

    drop(0, VIOMMU_MAX_ORDER);
    first_entry = first;
    last_entry = last;
    for ( i = first; i <= last; i++ )
    {
        viommu_enter(&dom);
        expect(viommu_remap(&dom, remappable(i), 0, SID, false, &irq), "an entry faults");
        viommu_exit(&dom);
    }
    expect(dom.arch.hvm.viommu->cache.nr_cached == last - first + 1, "entries aren't cached");
}

static void remapping(unsigned int nr)
{
    static const unsigned int entries[] = { 1, ENTRIES };
    static struct page_info pages[VIOMMU_TABLE_PAGES];
    struct viommu *viommu = calloc(1, sizeof(*viommu));
    struct viommu_cache *c = &viommu->cache;
    unsigned int i, e;

    irt = aligned_alloc_zero(PAGE_SIZE, ENTRIES * 16);
    for ( i = 0; i < ENTRIES; i++ )
        set_irte(i, i % nr);
    for ( i = 0; i < VIOMMU_TABLE_PAGES; i++ )
    {
        pages[i].va = (char *)irt + i * PAGE_SIZE;
        viommu->table[i] = &pages[i];
    }
    viommu->domain = &dom;
    viommu->type = XEN_DMOP_VIOMMU_TYPE_VTD;
    viommu->ctrl = VIOMMU_CTRL_ENABLED | VIOMMU_CTRL_EIM | VIOMMU_MAX_ORDER;
    /* As many CPUs in the host as the guest has. */
    expect(!viommu_cache_init(c, nr), "no cache");
    dom.arch.hvm.viommu = viommu;

    for ( e = 0; e < ARRAY_SIZE(entries); e++ )
    {
        unsigned int n = entries[e], one = n == 1 ? 12345 : 0;

        fill(one, one + n - 1);
        row("remap-nothing", op_remap_nothing, nr, n);
        row("inject-nothing", op_inject_nothing, nr, n);
        row("cache-lookup", op_lookup, nr, n);
        row("remap-hit", op_remap, nr, n);
        memset(memos, 0, sizeof(memos));
        for ( i = 0; i < nr; i++ )
            expect(op_remap_again(i), "a bound MSI faults");
        row("remap-again", op_remap_again, nr, n);
        row("inject-remapped", op_inject, nr, n);

        /* Of n entries one; with its leaf still there. */
        drop(one, 0);
        ONCE("remap-miss", nr, n, (void)op_remap(0));
        ONCE("cache-drop-index", nr, n, drop(one, 0));
        fill(one, one + n - 1);
        ONCE("cache-drop-global", nr, n, drop(0, VIOMMU_MAX_ORDER));
        ONCE("cache-sync", nr, n, viommu_cache_sync(c));
    }

    /* Compatibility format while remapping is on. */
    viommu->ctrl = VIOMMU_CTRL_ENABLED | VIOMMU_CTRL_CFI | VIOMMU_MAX_ORDER;
    row("inject-compat", op_compat, nr, 0);
    viommu->ctrl = 0;
    row("inject-off", op_compat, nr, 0);

    viommu_cache_free(c, true);
    dom.arch.hvm.viommu = NULL;
    free(viommu);
    free(irt);
}
#endif

int main(void)
{
    static const unsigned int sizes[] = { 1, 64, 128, 288, 1024 };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(sizes); i++ )
    {
        unsigned int nr = sizes[i];

        set_up(nr);
        row("nothing", op_nothing, nr, 0);
        ONCE("nothing-once", nr, 0, (void)0);
        row("ioreq-pending", op_pending, nr, 0);
        row("ioreq-send", op_send, nr, 0);
        row("ipi", op_ipi, nr, 0);
        row("ipi-logical", op_ipi_logical, nr, 0);
        row("msi", op_msi, nr, 0);
        row("qemu-port", op_qemu, nr, 0);
#ifndef STOCK
        ONCE("map-update", nr, 0, vlapic_map_update(&dom));
        remapping(nr);
#endif
        tear_down();
    }
    return 0;
}
