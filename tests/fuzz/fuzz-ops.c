/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual IOMMU as a whole (xen/arch/x86/hvm/viommu/): device model operations
 * with any arguments, requests in any format, and a guest that writes to its
 * table and to its P2M as it likes.  Against a model by what public/hvm/dm_op.h
 * says of the operations, and vtd-ref.h of requests.  The model keeps the entries
 * that are cached as the guest wrote them, and so knows which are stale.
 */
#include "fuzz.h"
#include "vtd-ref.h"

#include <xen/dm.h>
#include <asm/hvm/viommu.h>

#define MAX_OPS     150U
#define ENTRIES     (1U << 16)
#define PER_PAGE    256U
#define NR_RAM      4U
#define NR_PAGES    (NR_RAM + 1) /* And one that isn't RAM. */
#define NR_GFNS     300U
#define NO_PAGE     0xff

bool shim_no_memory;

static struct ref_entry memory[NR_PAGES][PER_PAGE];
static struct page_info pages[NR_PAGES];
static uint8_t p2m[NR_GFNS];

static struct domain dom;
static struct vcpu vcpus[2], *vcpu_ptrs[2] = { &vcpus[0], &vcpus[1] };
struct vcpu *current = &vcpus[0];

/* What the code under test did to the rest of Xen. */
static struct {
    unsigned int ports, events;
    bool no_port, no_copy;
    int map_answer;
    /* Interrupts since the last look. */
    struct ref_irq irq;
    unsigned int addressed, set, kicked;
    unsigned int msis;
    uint64_t msi_addr;
    uint32_t msi_data;
    unsigned int changes, changed_index, changed_mask;
    unsigned int pauses, next; /* How often that is preempted, and where it goes on. */
} world;

/* What they have to be. */
static struct {
    bool allocated, there, on, eim, cfi, lost, notified;
    uint16_t ioapic_sid;
    unsigned int order, nr_faults, events, nr_used;
    uint64_t table;
    uint8_t page[ENTRIES / PER_PAGE];
    bool cached[ENTRIES], leaf[ENTRIES / 512];
    struct ref_entry entry[ENTRIES];
    unsigned int used[MAX_OPS]; /* Which of these may be cached. */
    struct { uint16_t sid, index; uint8_t reason; bool any_index; } faults[64];
    uint64_t hits, misses, compat, inv_global, inv_index, count[8], nr_lost;
} m;

struct page_info *get_page_from_gfn(struct domain *d, unsigned long gfn,
                                    p2m_type_t *t, unsigned int q)
{
    struct page_info *page;

    FUZZ_CHECK(d == &dom && q == P2M_ALLOC, "gfn %#lx", gfn);
    if ( gfn >= NR_GFNS || p2m[gfn] == NO_PAGE )
        return NULL;

    page = &pages[p2m[gfn]];
    page->refs++;
    *t = page->type;

    return page;
}

void put_page(struct page_info *page)
{
    FUZZ_CHECK(page->refs, "page %zu", page - pages);
    page->refs--;
}

int copy_to_guest_bytes(void *to, const void *from, size_t size)
{
    if ( world.no_copy )
        return size;
    memcpy(to, from, size);
    return 0;
}

int alloc_unbound_xen_event_channel(struct domain *d, unsigned int vcpu,
                                    domid_t remote, void *fn)
{
    FUZZ_CHECK(d == &dom && !vcpu && remote == 7 && !fn, "%u", remote);
    if ( world.no_port )
        return -ENOSPC;
    world.ports++;
    return 5;
}

void free_xen_event_channel(struct domain *d, int port)
{
    FUZZ_CHECK(d == &dom && port == 5 && world.ports, "%d", port);
    world.ports--;
}

void notify_via_xen_event_channel(struct domain *d, int port)
{
    FUZZ_CHECK(d == &dom && port == 5 && world.ports, "%d", port);
    world.events++;
}

static void addressed(uint32_t dest, bool logical)
{
    FUZZ_CHECK(!world.addressed || (world.irq.dest == dest && world.irq.logical == logical),
               "%#x and %#x", dest, world.irq.dest);
    world.irq.dest = dest;
    world.irq.logical = logical;
    world.addressed++;
}

int vlapic_map_lookup(const struct domain *d, uint32_t dest, bool logical,
                      uint16_t *ids)
{
    FUZZ_CHECK(d == &dom, "domain");
    addressed(dest, logical);
    ids[0] = 0;
    ids[1] = 1;
    return world.map_answer;
}

bool vlapic_match_dest(const struct vlapic *l, const struct vlapic *source,
                       int shorthand, uint32_t dest, bool logical)
{
    FUZZ_CHECK(world.map_answer < 0 && l && !source && !shorthand, "search");
    addressed(dest, logical);
    return true;
}

struct vlapic *vlapic_lowest_prio(struct domain *d, const struct vlapic *source,
                                  int shorthand, uint32_t dest, bool logical)
{
    FUZZ_CHECK(d == &dom && !source && !shorthand, "lowest");
    addressed(dest, logical);
    return world.map_answer > 0 ? &vcpus[1].vlapic : NULL;
}

void vlapic_set_irq(struct vlapic *l, uint8_t vector, uint8_t trig)
{
    FUZZ_CHECK(l->vcpu_id < 2 && trig < 2, "%u %u", l->vcpu_id, trig);
    world.irq.vector = vector;
    world.irq.level = trig;
    world.set++;
}

void vcpu_kick(struct vcpu *v)
{
    FUZZ_CHECK(v->arch.nmi_pending, "no NMI");
    world.kicked++;
}

int hvm_inject_msi(struct domain *d, uint64_t addr, uint32_t data)
{
    FUZZ_CHECK(d == &dom, "domain");
    world.msis++;
    world.msi_addr = addr;
    world.msi_data = data;
    return 0;
}

int hvm_dpci_irte_changed(struct domain *d, unsigned int index,
                          unsigned int mask, unsigned int *next)
{
    FUZZ_CHECK(d == &dom, "domain");
    FUZZ_CHECK(!next || *next == world.next, "%u %u", next ? *next : 0, world.next);
    if ( next && world.pauses )
    {
        world.pauses--;
        world.next += 1000;
        *next = world.next;
        return -ERESTART;
    }
    world.next = 0;
    world.changes++;
    world.changed_index = index;
    world.changed_mask = mask;

    return 0;
}

static void ref_fault(unsigned int reason, uint16_t sid, unsigned int index,
                      bool quiet, bool fpd)
{
    if ( quiet )
        return;

    m.count[reason - 0x20]++;
    if ( fpd )
        return;

    if ( m.nr_faults == 64 )
    {
        m.lost = true;
        m.nr_lost++;
        FUZZ_SAW("fault lost");
        return;
    }

    m.faults[m.nr_faults].sid = sid;
    m.faults[m.nr_faults].reason = reason;
    m.faults[m.nr_faults].index = index;
    /* What such a request names is nobody's index. */
    m.faults[m.nr_faults].any_index = reason == 0x20;
    m.nr_faults++;
    if ( !m.notified && !dom.is_dying )
        m.events++;
    m.notified = true;
}

/* Remap a request while remapping is on.  Returns 0, or the fault reason. */
static unsigned int ref_request(uint64_t addr, uint32_t data, uint16_t sid,
                                bool quiet, struct ref_irq *irq)
{
    unsigned int index, reason;
    struct ref_entry e;
    bool hit;

    if ( !(addr & 0x10) )
    {
        /* Blocked in x2APIC mode whatever CFI says. */
        if ( m.eim || !m.cfi )
        {
            ref_fault(0x25, sid, 0, quiet, false);
            FUZZ_SAW("fault 0x25, compatibility format");
            return 0x25;
        }
        *irq = ref_compat(addr, data);
        m.compat += !quiet;
        FUZZ_SAW("compatibility format");
        return 0;
    }

    reason = ref_index(addr, data, &index);
    if ( !reason && index >= 1U << m.order )
        reason = 0x21;
    if ( reason )
    {
        if ( reason == 0x20 )
            FUZZ_SAW("fault 0x20, request");
        else
            FUZZ_SAW("fault 0x21, index");
        ref_fault(reason, sid, index, quiet, false);
        return reason;
    }

    hit = m.cached[index];
    if ( hit )
    {
        m.hits += !quiet;
        e = m.entry[index];
        if ( m.page[index / PER_PAGE] != NO_PAGE &&
             memcmp(&e, &memory[m.page[index / PER_PAGE]][index % PER_PAGE],
                    sizeof(e)) )
            FUZZ_SAW("hit, stale");
        else
            FUZZ_SAW("hit");
    }
    else
    {
        m.misses++;
        m.leaf[index / 512] = true;
        if ( m.page[index / PER_PAGE] == NO_PAGE )
        {
            FUZZ_SAW("fault 0x23, table");
            ref_fault(0x23, sid, index, quiet, false);
            return 0x23;
        }
        e = memory[m.page[index / PER_PAGE]][index % PER_PAGE];
    }

    reason = ref_remap_entry(&e, m.eim, sid, irq);

    /* Kept is what some source could have, unless its vector is an illegal one. */
    if ( !hit && (!reason || (reason == 0x26 && ref_bits(&e, 83, 82) != 3)) &&
         (ref_bits(&e, 7, 5) > 1 || ref_bits(&e, 23, 16) >= 16) )
    {
        m.cached[index] = true;
        m.entry[index] = e;
        m.used[m.nr_used++] = index;
    }

    switch ( reason )
    {
    case 0: FUZZ_SAW("remapped"); break;
    case 0x22: FUZZ_SAW("fault 0x22, not present"); break;
    case 0x24: FUZZ_SAW("fault 0x24, reserved"); break;
    case 0x26: FUZZ_SAW("fault 0x26, source"); break;
    }
    if ( hit && reason && ref_fpd(&e) )
        FUZZ_SAW("hit, fault not to be processed");
    if ( reason )
        ref_fault(reason, sid, index, quiet, ref_fpd(&e));

    return reason;
}

/* Drop entries, and look at the pages anew which have them. */
static void ref_drop(unsigned int index, unsigned int mask)
{
    unsigned int i, first = index >> mask << mask, last = first + (1U << mask) - 1;
    unsigned int table_last = (1U << m.order) - 1;

    for ( i = 0; i < m.nr_used; i++ )
        if ( m.used[i] >= first && m.used[i] <= last )
            m.cached[m.used[i]] = false;

    for ( i = 0; i < ENTRIES / PER_PAGE; i++ )
    {
        uint64_t gfn = m.table / 4096 + i;

        if ( i < first / PER_PAGE || i > last / PER_PAGE )
            continue;
        m.page[i] = NO_PAGE;
        if ( m.on && i <= table_last / PER_PAGE && gfn < NR_GFNS &&
             p2m[gfn] < NR_RAM )
            m.page[i] = p2m[gfn];
    }
}

static void check_changed(unsigned int index, unsigned int mask)
{
    FUZZ_CHECK(world.changes == 1, "%u", world.changes);
    FUZZ_CHECK(world.changed_mask == mask &&
               world.changed_index >> mask == index >> mask, "%#x/%u",
               world.changed_index, world.changed_mask);
}

/* All that was delivered since world was reset, and no more. */
static void check_delivered(const struct ref_irq *irq)
{
    unsigned int nr = world.map_answer < 0 ? 2 : world.map_answer;
    unsigned int nmis = vcpus[0].arch.nmi_pending + vcpus[1].arch.nmi_pending;

    vcpus[0].arch.nmi_pending = vcpus[1].arch.nmi_pending = false;

    if ( irq && irq->delivery_mode == 1 )
        nr = world.map_answer > 0;

    if ( !irq || (irq->delivery_mode > 1 && irq->delivery_mode != 4) )
    {
        FUZZ_CHECK(!world.addressed && !world.set && !nmis, "%#x", world.irq.dest);
        return;
    }

    FUZZ_CHECK(world.addressed && world.irq.dest == irq->dest &&
               world.irq.logical == irq->logical, "%#x", irq->dest);
    if ( irq->delivery_mode == 4 )
    {
        FUZZ_CHECK(nmis == nr && world.kicked == nr && !world.set, "%u", nmis);
        FUZZ_SAW("NMI");
        return;
    }
    FUZZ_CHECK(!nmis && world.set == nr, "%u %u", world.set, nr);
    FUZZ_CHECK(!nr || (world.irq.vector == irq->vector &&
                       world.irq.level == irq->level), "%#x", irq->vector);
}

static void world_reset(void)
{
    memset(&world.irq, 0, sizeof(world.irq));
    world.addressed = world.set = world.kicked = world.msis = world.changes = 0;
}

static int do_op(struct xen_dm_op *op, const struct dmop_args *args)
{
    struct xen_dm_op before = *op;
    bool const_op = true;
    int rc;

    world_reset();
    for ( ;; )
    {
        rc = viommu_dm_op(&dom, args, op, &const_op);
        /* What is written has to be copied back. */
        FUZZ_CHECK(!const_op || !memcmp(op, &before, sizeof(before)), "op %u", op->op);
        if ( rc != -ERESTART )
            break;
        before = *op;
        const_op = true;
        FUZZ_SAW("preempted");
    }

    return rc;
}

static int ref_create(const struct xen_dm_op_viommu_create *c)
{
    if ( c->pad || c->pad2 || c->type != 1 || !dom.has_vlapic ||
         !dom.has_vioapic || !dom.max_vcpus || !dom.vcpu[0] )
        return -EINVAL;
    if ( !m.allocated && shim_no_memory )
        return -ENOMEM;
    m.allocated = true;
    if ( dom.is_dying )
        return -ESRCH;
    if ( m.there )
        return -EEXIST;
    if ( world.no_port )
        return -ENOSPC;

    m.there = true;
    m.ioapic_sid = c->ioapic_sid;
    m.nr_faults = 0;
    m.lost = m.notified = false;

    return 0;
}

static void ref_destroy(void)
{
    m.there = m.on = m.eim = m.cfi = false;
    m.order = 0;
    m.table = 0;
    memset(m.leaf, 0, sizeof(m.leaf));
    ref_drop(0, 16);
}

static void op_create(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_create };
    struct xen_dm_op_viommu_create *c = &op.u.viommu_create;
    unsigned int how = fuzz_take(in, 1);
    int want, rc;

    c->type = how & 1 ? fuzz_take(in, 4) : 1;
    c->pad = how & 2 ? fuzz_take(in, 2) : 0;
    c->pad2 = how & 4 ? fuzz_take(in, 4) : 0;
    c->ioapic_sid = fuzz_take(in, 2);
    c->fault_port = how;
    dom.has_vlapic = (how & 0x18) != 0x18;
    dom.has_vioapic = (how & 0x28) != 0x28;
    shim_no_memory = (how & 0xc0) == 0xc0;
    world.no_port = (how & 0xc0) == 0x80;

    want = ref_create(c);
    rc = do_op(&op, NULL);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( !rc )
    {
        FUZZ_CHECK(c->fault_port == 5, "%u", c->fault_port);
        FUZZ_SAW("create");
    }
    shim_no_memory = world.no_port = false;
}

static void op_destroy(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_destroy };
    unsigned int how;
    int want, rc;

    how = fuzz_take(in, 1);
    op.u.viommu_destroy.pad = how % 4 == 1;
    world.pauses = how >> 2 & 3;
    rc = do_op(&op, NULL);
    want = !m.there || dom.is_dying ? -ENODEV : op.u.viommu_destroy.pad ? -EINVAL : 0;
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( rc )
        return;
    ref_destroy();
    check_changed(0, 16);
    FUZZ_SAW("destroy");
}

static void op_set_state(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_set_state };
    struct xen_dm_op_viommu_set_state *s = &op.u.viommu_set_state;
    unsigned int how = fuzz_take(in, 1);
    int want = 0, rc;

    /* Each of the arguments is a wild one now and then. */
    s->flags = how >> 4 == 1 ? fuzz_take(in, 4) : (how & 7) | !(how & 8);
    s->order = how >> 4 == 2 ? fuzz_take(in, 4) : fuzz_take(in, 1) % 18;
    s->table = fuzz_take(in, how >> 4 == 3 ? 8 : 1);
    if ( how >> 4 != 4 )
        s->table <<= 12;
    s->pad = how >> 4 == 5;
    world.pauses = how >> 4 == 6 ? 1 + (how & 3) : 0;

    if ( !m.there || dom.is_dying )
        want = -ENODEV;
    else if ( s->pad || s->flags > 7 ||
              (s->flags & 1 && (s->order < 1 || s->order > 16 || s->table % 4096)) )
        want = -EINVAL;

    rc = do_op(&op, NULL);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( rc )
    {
        FUZZ_SAW("state refused");
        return;
    }

    m.on = s->flags & 1;
    m.cfi = m.on && s->flags & 4;
    m.eim = m.on && s->flags & 2;
    m.order = m.on ? s->order : 0;
    m.table = m.on ? s->table : 0;
    ref_drop(0, 16);
    check_changed(0, 16);
    if ( m.on )
        FUZZ_SAW("remapping on");
    else
        FUZZ_SAW("remapping off");
}

static void op_invalidate(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_invalidate };
    struct xen_dm_op_viommu_invalidate *i = &op.u.viommu_invalidate;
    unsigned int how = fuzz_take(in, 1);
    bool global;
    int want = 0, rc;

    i->flags = how & 1 ? fuzz_take(in, 4) : how >> 1 & 1;
    i->index = fuzz_take(in, how & 4 ? 2 : 1);
    i->mask = how & 8 ? fuzz_take(in, 2) : (how >> 4) + (how & 4) / 4;
    i->pad = how == 0x39;
    world.pauses = how >> 4 == 5 ? 2 : 0;

    if ( !m.there || dom.is_dying )
        want = -ENODEV;
    else if ( i->pad || i->flags > 1 || i->mask > 16 )
        want = -EINVAL;

    rc = do_op(&op, NULL);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( rc )
        return;

    global = i->flags & 1;
    if ( global )
        m.inv_global++;
    else
        m.inv_index++;
    if ( !m.on )
        return;

    ref_drop(i->index, global ? 16 : i->mask);
    /* Beyond the table nothing changes, and nobody need be told. */
    if ( global || (unsigned int)i->index >> i->mask << i->mask < 1U << m.order )
        check_changed(i->index, global ? 16 : i->mask);
    if ( global )
        FUZZ_SAW("invalidation, global");
    else
        FUZZ_SAW("invalidation, by index");
}

static void op_get_faults(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_get_faults };
    struct xen_dm_op_viommu_get_faults *g = &op.u.viommu_get_faults;
    struct dmop_args args = { .nr_bufs = 2 };
    struct xen_dm_op_viommu_fault *f = NULL;
    unsigned int how = fuzz_take(in, 1), i, nr, room;
    int want = 0, rc;
    bool all;

    g->nr = (how & 7) == 1 ? fuzz_take(in, 4) : fuzz_take(in, 1) % 80;
    g->flags = (how & 7) == 6;
    args.buf[1].size = (how & 0x1c) == 0x18 ? fuzz_take(in, 8)
                                            : (uint64_t)g->nr * sizeof(*f);
    if ( (how & 0x60) == 0x60 )
        args.nr_bufs = how >> 7;
    /* As large as it is said to be, as far as anything can be written. */
    room = args.buf[1].size < 64 * sizeof(*f) ? args.buf[1].size : 64 * sizeof(*f);
    args.buf[1].h.p = f = malloc(room);
    world.no_copy = (how & 0x90) == 0x90;

    nr = g->nr < m.nr_faults ? g->nr : m.nr_faults;
    all = nr < g->nr;
    if ( !m.there || dom.is_dying )
        want = -ENODEV;
    else if ( g->flags || !g->nr || args.nr_bufs != 2 ||
              args.buf[1].size / sizeof(*f) < g->nr )
        want = -EINVAL;
    else if ( nr && world.no_copy )
        want = -EFAULT;

    rc = do_op(&op, &args);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);

    if ( rc == -EFAULT )
    {
        FUZZ_SAW("faults kept after -EFAULT");
        if ( all )
            m.notified = false;
    }
    if ( !rc )
    {
        FUZZ_CHECK(g->nr == nr, "%u %u", g->nr, nr);
        FUZZ_CHECK(g->flags == (all && m.lost), "%u", g->flags);
        for ( i = 0; i < nr; i++ )
            FUZZ_CHECK(f[i].sid == m.faults[i].sid && f[i].reason == m.faults[i].reason &&
                       !f[i].pad[0] && !f[i].pad[1] && !f[i].pad[2] &&
                       (m.faults[i].any_index || f[i].index == m.faults[i].index),
                       "%u: %#x %#x %#x", i, f[i].sid, f[i].reason, f[i].index);
        memmove(m.faults, m.faults + nr, (m.nr_faults - nr) * sizeof(m.faults[0]));
        m.nr_faults -= nr;
        if ( g->flags )
            FUZZ_SAW("faults fetched, some lost");
        if ( all )
            m.lost = m.notified = false;
        if ( nr )
            FUZZ_SAW("faults fetched");
    }

    world.no_copy = false;
    free(f);
}

static void op_get_info(void)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_get_info };
    struct xen_dm_op_viommu_get_info *i = &op.u.viommu_get_info;
    unsigned int n, j, cached = 0;
    int want = !m.there || dom.is_dying ? -ENODEV : 0, rc;

    memset(i, 0x5a, sizeof(*i));
    rc = do_op(&op, NULL);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( rc )
        return;

    for ( n = 0; n < m.nr_used; n++ )
    {
        for ( j = 0; m.used[j] != m.used[n]; j++ )
            continue;
        cached += j == n && m.cached[m.used[n]];
    }

    FUZZ_CHECK(i->type == 1 && !i->pad && i->ioapic_sid == m.ioapic_sid, "type");
    FUZZ_CHECK(i->flags == m.on + 2U * m.eim + 4U * m.cfi, "%#x", i->flags);
    FUZZ_CHECK(i->order == m.order && i->table == m.table, "%u", i->order);
    FUZZ_CHECK(i->hits == m.hits && i->misses == m.misses && i->compat == m.compat,
               "%lu %lu, %lu %lu, %lu %lu", i->hits, m.hits, i->misses, m.misses,
               i->compat, m.compat);
    FUZZ_CHECK(i->inv_global == m.inv_global && i->inv_index == m.inv_index, "inv");
    FUZZ_CHECK(!memcmp(i->faults, m.count, sizeof(m.count)), "faults");
    FUZZ_CHECK(i->faults_lost == m.nr_lost, "%lu", i->faults_lost);
    FUZZ_CHECK(i->cached == cached, "%u %u", i->cached, cached);
    /* Leaves of 512 entries of 8 bytes, and no more than viommu.c says. */
    for ( n = j = 0; n < ENTRIES / 512; n++ )
        j += m.leaf[n];
    FUZZ_CHECK(i->memory == sizeof(struct viommu) + 2 * 64 + j * 4096 &&
               sizeof(struct viommu) < 8192, "%u", i->memory);
}

/* Some entries at either end of a page. */
static unsigned int few(unsigned int v)
{
    return (v & 3) | (v & 4 ? PER_PAGE - 4 : 0);
}

static void take_msi(struct fuzz_in *in, unsigned int how, uint64_t *addr,
                     uint32_t *data, uint16_t *sid)
{
    unsigned int index;

    *sid = how & 1 ? fuzz_take(in, 2) : 0;
    if ( (how & 0xe) == 2 )
    {
        *addr = fuzz_take(in, 8);
        *data = fuzz_take(in, 4);
        return;
    }

    /* Few different entries, so that the cache is of use. */
    index = fuzz_take(in, 1);
    index = few(index) | (index >> 7) << 8 | ((how & 6) == 6 ? fuzz_take(in, 2) : 0);
    *addr = 0xfee00000U | (index & 0x7fff) << 5 | (index >> 13 & 4) | 0x10;
    *data = fuzz_take(in, 1);
    if ( how & 8 )
    {
        *addr |= 8;
        *data &= 3;
    }
    if ( (how & 0x30) == 0x30 )
        *addr &= ~0x10UL;
}

/* Messages that passed through devices have, and what was made of them. */
static struct {
    uint64_t addr;
    uint32_t data;
    uint16_t sid;
    struct viommu_memo memo;
    struct viommu_irq irq;
} bound[2];

static void op_inject_msi(struct fuzz_in *in)
{
    struct xen_dm_op op = { .op = XEN_DMOP_viommu_inject_msi };
    struct xen_dm_op_viommu_inject_msi *i = &op.u.viommu_inject_msi;
    unsigned int how = fuzz_take(in, 1);
    struct ref_irq irq;
    uint64_t addr;
    uint32_t data;
    int want = 0, rc;

    take_msi(in, how, &addr, &data, &i->sid);
    i->addr = addr;
    i->data = data;
    i->flags = (how & 0xc0) == 0xc0 ? fuzz_take(in, 2) % 4 : 0;

    if ( !m.there )
        want = -ENODEV;
    else if ( i->flags > 1 )
        want = -EINVAL;

    rc = do_op(&op, NULL);
    FUZZ_CHECK(rc == want, "%d %d", rc, want);
    if ( rc )
    {
        check_delivered(NULL);
        FUZZ_CHECK(!world.msis, "injected");
        return;
    }

    if ( i->flags )
    {
        irq = ref_compat(addr, data);
        irq.dest += (uint32_t)(addr >> 40) * 256;
        check_delivered(&irq);
        FUZZ_CHECK(!world.msis, "injected");
        FUZZ_SAW("the unit's own event");
        return;
    }

    /* With vector 0 in that format it is the pIRQ of an event channel. */
    if ( !(addr & 0x10) && (!m.on || (dom.has_pirq && !(data & 0xff))) )
    {
        FUZZ_CHECK(world.msis == 1 && world.msi_addr == addr && world.msi_data == data,
                   "%u", world.msis);
        check_delivered(NULL);
        FUZZ_SAW("MSI, not remapped");
        return;
    }

    FUZZ_CHECK(!world.msis, "injected");
    if ( !m.on )
    {
        /* Nobody remaps it, but a pIRQ it never is. */
        m.compat++;
        irq = ref_compat(addr, data);
        check_delivered(&irq);
        FUZZ_SAW("MSI of the other format, not remapped");
        return;
    }

    check_delivered(ref_request(addr, data, i->sid, false, &irq) ? NULL : &irq);
}

static void bind(struct fuzz_in *in, unsigned int nr)
{
    typeof(bound[0]) *b = &bound[nr];

    take_msi(in, fuzz_take(in, 1), &b->addr, &b->data, &b->sid);
    b->memo = (struct viommu_memo){};
}

/* What came out of a request, against what @want and @ref say. */
static void check_request(bool ok, const struct viommu_irq *irq, unsigned int want,
                          const struct ref_irq *ref)
{
    FUZZ_CHECK(ok == !want, "%#x", want);
    if ( !ok )
        return;

    FUZZ_CHECK(irq->dest == ref->dest && irq->dest_mode == ref->logical &&
               irq->trig_mode == ref->level && irq->delivery_mode == ref->delivery_mode,
               "%#x %#x", irq->dest, ref->dest);
    /* Other delivery modes have no vector. */
    FUZZ_CHECK(irq->delivery_mode > 1 || irq->vector == ref->vector, "%#x %#x",
               irq->vector, ref->vector);
}

/* The IO-APIC, and passed through devices: they ask themselves. */
static void request(struct fuzz_in *in)
{
    unsigned int how = fuzz_take(in, 1);
    bool quiet = how & 0x40, ok;
    struct viommu_irq irq;
    struct ref_irq ref;
    unsigned int want;
    uint64_t addr, rte;
    uint32_t data;
    uint16_t sid;

    if ( !viommu_active(&dom) )
    {
        FUZZ_CHECK(!m.on, "inactive");
        return;
    }
    FUZZ_CHECK(m.on, "active");

    world_reset();
    viommu_enter(&dom);
    if ( how & 0x80 )
    {
        struct ref_entry r = { { fuzz_take(in, 8), 0 } };

        if ( how & 4 )
            r.q[0] = (r.q[0] & 0x000e0000000087ff) | 1UL << 48;
        rte = r.q[0];
        ok = viommu_remap_rte(&dom, rte, quiet, &irq);
        addr = 0xfee00000U | ref_bits(&r, 63, 48) << 4 | ref_bits(&r, 11, 11) << 2;
        data = ref_bits(&r, 15, 15) << 15 | ref_bits(&r, 10, 0);
        sid = m.ioapic_sid;
        FUZZ_SAW("RTE");
    }
    else
    {
        take_msi(in, how, &addr, &data, &sid);
        ok = viommu_remap(&dom, addr, data, sid, quiet, &irq);
        FUZZ_SAW("MSI of a device");
    }
    viommu_exit(&dom);

    want = ref_request(addr, data, sid, quiet, &ref);
    check_request(ok, &irq, want, &ref);
}

/* A passed through device's message, which it sends again and again. */
static void bound_request(unsigned int nr)
{
    typeof(bound[0]) *b = &bound[nr];
    struct ref_irq ref;
    uint64_t packed;
    unsigned int want;
    bool ok;

    if ( !b->addr || !viommu_active(&dom) )
        return;

    world_reset();
    packed = b->memo.packed;
    viommu_enter(&dom);
    ok = viommu_remap_again(&dom, b->addr, b->data, b->sid, &b->memo, &b->irq);
    viommu_exit(&dom);

    want = ref_request(b->addr, b->data, b->sid, false, &ref);
    check_request(ok, &b->irq, want, &ref);
    if ( packed && packed == b->memo.packed )
        FUZZ_SAW("bound MSI, again by the same entry");
    else if ( packed )
        FUZZ_SAW("bound MSI, no longer by the same entry");
    else if ( b->memo.packed )
        FUZZ_SAW("bound MSI, for the first time on a hit");
}

static void write_entry(struct fuzz_in *in)
{
    unsigned int how = fuzz_take(in, 1), v = fuzz_take(in, 1);
    struct ref_entry *e = &memory[v >> 6][(how & 0x83) == 0x83 ? fuzz_take(in, 1) : few(v)];

    e->q[0] = fuzz_take(in, 8);
    e->q[1] = how & 0x40 ? fuzz_take(in, 3) : 0;
    if ( !(how & 3) )
    {
        e->q[1] |= fuzz_take(in, 5) << 24;
        return;
    }

    /* A good one, more or less. */
    e->q[0] = (e->q[0] & ~0xff00f000UL) | 1;
    e->q[1] &= 0xfffff;
    if ( !(how & 4) )
        e->q[0] |= 0x800000;
    if ( !(how & 8) )
        e->q[0] &= 0x0000ff00ffffffff;
    if ( !(how & 0x10) )
        e->q[0] &= ~0xe0UL;
    /* With a source that is verified, and who fails has it kept from the guest. */
    if ( how & 0x40 )
        e->q[1] = (e->q[1] & 0x3ffff) | (v & 8 ? 1UL : 2UL) << 18;
    if ( !(how & 0x20) )
        e->q[0] &= ~2UL;
    else
        e->q[0] |= 2;
}

static void set_up(void)
{
    unsigned int i;

    memset(&world, 0, sizeof(world));
    ref_drop(0, 16); /* All of cached[] that isn't false. */
    memset(&m, 0, offsetof(typeof(m), page));
    m.hits = m.misses = m.compat = m.inv_global = m.inv_index = m.nr_lost = 0;
    memset(m.count, 0, sizeof(m.count));
    memset(m.leaf, 0, sizeof(m.leaf));
    memset(m.page, NO_PAGE, sizeof(m.page));
    memset(memory, 0, sizeof(memory));
    memset(bound, 0, sizeof(bound));

    for ( i = 0; i < NR_PAGES; i++ )
        pages[i] = (struct page_info){
            .type = i < NR_RAM ? p2m_ram_rw : p2m_mmio_dm, .data = memory[i] };
    /* A hole now and then, and something that isn't RAM. */
    for ( i = 0; i < NR_GFNS; i++ )
        p2m[i] = i % 13 == 12 ? NO_PAGE : i % 13 == 11 ? NR_RAM : i % NR_RAM;

    for ( i = 0; i < 2; i++ )
        vcpus[i] = (struct vcpu){ .domain = &dom, .vlapic.vcpu_id = i };
    dom = (struct domain){
        .domain_id = 7, .has_vlapic = true, .has_vioapic = true,
        .max_vcpus = 2, .vcpu = vcpu_ptrs };
}

/* Have remapping on, as most else needs it. */
static void begin(unsigned int v)
{
    struct fuzz_in in = { (const uint8_t[]){ 0, 0x10, 0 }, 3 };

    op_create(&in);
    in = (struct fuzz_in){ (const uint8_t[]){ v >> 2 & 6, 10 + (v >> 4) % 7, 0 }, 3 };
    op_set_state(&in);
}

static void reset(void)
{
    bool there = m.there;

    world_reset();
    viommu_reset(&dom);
    if ( there )
        check_changed(0, 16);
    ref_destroy();
    FUZZ_SAW("reset");
}

/* References to the guest's pages are those of the table. */
static void check_refs(void)
{
    unsigned int refs[256] = {}, i;

    for ( i = 0; i < ENTRIES / PER_PAGE; i++ )
        refs[m.page[i]]++;
    for ( i = 0; i < NR_PAGES; i++ )
        FUZZ_CHECK(pages[i].refs == refs[i], "page %u: %u %u", i, pages[i].refs, refs[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_in in = { bytes, size };
    unsigned int i, v, ops = 0;
    struct xen_dm_op op;

    set_up();
    v = fuzz_take(&in, 1);
    dom.has_pirq = v & 1;
    if ( v & 6 )
        begin(v);

    for ( ; in.left && ops < MAX_OPS; ops++ )
    {
        v = fuzz_take(&in, 1);
        world.map_answer = (int)(v >> 4 & 3) - 1;

        switch ( v & 15 )
        {
        case 0: case 1:
            write_entry(&in);
            break;
        case 2: case 3:
            op_inject_msi(&in);
            break;
        case 4: /* A storm of them. */
            for ( i = v >> 4; i--; )
            {
                struct fuzz_in same = in;

                op_inject_msi(&same);
            }
            op_inject_msi(&in);
            break;
        case 5: case 6:
            request(&in);
            break;
        case 7: /* New, or the same for some more times. */
            if ( v & 0x80 )
                bind(&in, v >> 4 & 1);
            for ( i = 0; i < 3; i++ )
                bound_request(v >> 4 & 1);
            if ( v & 0x40 )
            {
                write_entry(&in);
                op_invalidate(&in);
                bound_request(v >> 4 & 1);
            }
            break;
        case 8:
            op_invalidate(&in);
            break;
        case 9:
            op_set_state(&in);
            break;
        case 10: /* The guest moves a page. */
            i = fuzz_take(&in, 1);
            p2m[i] = v >> 4 < NR_PAGES ? v >> 4 : NO_PAGE;
            break;
        case 11:
            op_get_faults(&in);
            break;
        case 12:
            op_get_info();
            break;
        case 13:
            op_create(&in);
            break;
        case 14: /* Seldom. */
            if ( fuzz_take(&in, 1) & 7 )
                break;
            if ( v >> 4 == 0xe )
                dom.is_dying = true;
            else if ( v >> 4 & 1 )
                reset();
            else
                op_destroy(&in);
            if ( v & 0x80 )
                begin(v);
            break;
        default: /* Any number and bytes, of which nothing but these is known. */
            memset(&op, 0, sizeof(op));
            op.op = fuzz_take(&in, 1);
            if ( op.op == XEN_DMOP_viommu_get_caps )
            {
                FUZZ_CHECK(!do_op(&op, NULL), "caps");
                FUZZ_CHECK(op.u.viommu_get_caps.types == 2 &&
                           op.u.viommu_get_caps.flags == 1 &&
                           op.u.viommu_get_caps.max_order == 16 &&
                           op.u.viommu_get_caps.max_faults == 64, "caps");
            }
            else if ( op.op < 24 || op.op > 31 )
                FUZZ_CHECK(do_op(&op, NULL) == -EOPNOTSUPP, "op %u", op.op);
            break;
        }

        check_refs();
        FUZZ_CHECK(world.ports == m.there, "%u", world.ports);
        FUZZ_CHECK(world.events == m.events, "%u %u", world.events, m.events);
    }
    op_get_info();
    in = (struct fuzz_in){ (const uint8_t[]){ 0, 65 }, 2 };
    op_get_faults(&in);

    /* Nothing may be left. */
    dom.is_dying = true;
    viommu_reset(&dom);
    viommu_free(&dom);
    FUZZ_CHECK(!dom.arch.hvm.viommu && !world.ports, "%u", world.ports);
    ref_destroy();
    check_refs();

    return 0;
}
