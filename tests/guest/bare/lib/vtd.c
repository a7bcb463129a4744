// SPDX-License-Identifier: GPL-2.0-or-later
/* A driver for one VT-d unit's interrupt remapping: where it is, its commands, its queue. */
#include "vtd.h"

struct vtd vtd;

static bool ready;
static uint64_t *usual_table;

static uint16_t get16(const uint8_t *p) { return p[0] | p[1] << 8; }

static void parse_drhd(const uint8_t *p)
{
    const uint8_t *s, *end = p + get16(p + 2);

    vtd.drhds++;
    if ( vtd.drhd )
        return;
    vtd.drhd = p;
    memcpy(&vtd.base, p + 8, 8);
    for ( s = p + 16; s + 6 <= end && s[1] >= 6 && s + s[1] <= end; s += s[1] )
        if ( s[0] == 3 && s[1] >= 8 && !vtd.have_ioapic_scope )
        {
            vtd.have_ioapic_scope = true;
            vtd.ioapic_scope_id = s[4];
            vtd.ioapic_sid = s[5] << 8 | s[6] << 3 | s[7];
        }
}

static const char *find(void)
{
    const uint8_t *p, *end;
    unsigned int i;

    for ( i = 0; i < acpi.tables; i++ )
        if ( !memcmp(acpi.table[i]->sig, "DMAR", 4) )
            vtd.dmar = acpi.table[i];
    if ( !vtd.dmar )
        return "there's no DMAR table";
    if ( vtd.dmar->length < 48 )
        return "the DMAR table is shorter than its fixed part";
    p = (uint8_t *)vtd.dmar + 48;
    end = (uint8_t *)vtd.dmar + vtd.dmar->length;
    for ( ; p < end; p += get16(p + 2) )
    {
        if ( end - p < 4 || get16(p + 2) < 4 || get16(p + 2) > end - p )
            return "the DMAR table has a structure that doesn't fit";
        if ( get16(p) == 0 && get16(p + 2) >= 16 )
            parse_drhd(p);
    }
    if ( !vtd.drhd )
        return "the DMAR table has no unit";
    if ( !vtd.base || vtd.base >> 32 || (vtd.base & 0xfff) )
        return "the DMAR table's unit isn't on a page below 4 GiB";
    vtd.cap = vtd_read64(VTD_CAP);
    vtd.ecap = vtd_read64(VTD_ECAP);
    if ( !~vtd.cap || !~vtd.ecap || !vtd_read(VTD_VER) )
        return "there are no registers where the DMAR table says";
    vtd.frcd = (vtd.cap >> 24 & 0x3ff) * 16;
    vtd.frcds = (vtd.cap >> 40 & 0xff) + 1;
    if ( !(vtd.ecap & ECAP_IR) || !(vtd.ecap & ECAP_QI) )
        return "the unit doesn't remap interrupts";
    if ( !ioapic_init() )
        return "there's no IO-APIC";
    if ( !vtd.have_ioapic_scope )
        return "the DMAR table has no scope for the IO-APIC";
    /* The queue's size changes: the largest that is used. */
    vtd.queue = mem_alloc(512 * 16, 8192);
    usual_table = mem_alloc(VTD_ENTRIES * 16, 4096);
    if ( !vtd.queue || !usual_table )
        return "not enough memory";
    vtd.table = usual_table;
    return NULL;
}

void vtd_init(void)
{
    if ( ready )
        return;
    ready = true;
    vtd.missing = find();
    if ( !vtd.missing )
        edu_init();
}

uint64_t vtd_patience(void)
{
    return wait_us < 10000000 ? wait_us : 10000000;
}

static bool poll(bool (*done)(uint64_t arg), uint64_t arg)
{
    uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

    while ( !done(arg) )
    {
        if ( rdtsc() > end )
            return done(arg);
        relax();
    }
    return true;
}

static bool status_is(uint64_t arg)
{
    return (vtd_read(VTD_GSTS) & (uint32_t)arg) == arg >> 32;
}

bool vtd_command(uint32_t bit, bool on)
{
    /* What isn't meant is given as it is; one-shot commands aren't repeated. */
    uint32_t now = vtd_read(VTD_GSTS) & (GCMD_TE | 1U << 28 | GCMD_QIE | GCMD_IRE | GCMD_CFI);

    vtd_write(VTD_GCMD, on ? now | bit : now & ~bit);
    return poll(status_is, bit | (on ? (uint64_t)bit << 32 : 0));
}

bool vtd_set_table(uint64_t base, unsigned int order, bool eime)
{
    vtd_write64(VTD_IRTA, base | (eime ? IRTA_EIME : 0) | (order - 1));
    vtd.eime = eime;
    /* 6.6: the cache is software's to invalidate. */
    return vtd_command(GCMD_SIRTP, true) && (!(vtd_read(VTD_GSTS) & GCMD_QIE) || vtd_invalidate_all());
}

bool vtd_queue_on(unsigned int qs)
{
    vtd.queue_size = 256U << qs;
    vtd.tail = 0;
    vtd_write64(VTD_IQT, 0);
    vtd_write64(VTD_IQA, (uintptr_t)vtd.queue | qs);
    return vtd_command(GCMD_QIE, true);
}

bool vtd_queue_off(void)
{
    if ( !(vtd_read(VTD_GSTS) & GCMD_QIE) )
        return true;
    /* 6.5.2: the last descriptor must be a wait, and all must be done. */
    vtd_queue_put_wait(INV_WAIT_SW);
    return vtd_queue_sync() && vtd_command(GCMD_QIE, false);
}

void vtd_queue_put(uint64_t lo, uint64_t hi)
{
    vtd.queue[vtd.tail * 2] = lo;
    vtd.queue[vtd.tail * 2 + 1] = hi;
    vtd.tail = (vtd.tail + 1) % vtd.queue_size;
}

void vtd_queue_put_wait(uint64_t flags)
{
    vtd_queue_put(INV_WAIT | flags | (uint64_t)++vtd.inv_sent << 32, (uintptr_t)&vtd.inv_done);
}

void vtd_queue_go(void)
{
    barrier();
    vtd_write64(VTD_IQT, vtd.tail * 16);
}

static bool inv_is(uint64_t arg)
{
    return vtd.inv_done == arg;
}

bool vtd_queue_sync(void)
{
    vtd_queue_go();
    return poll(inv_is, vtd.inv_sent);
}

bool vtd_invalidate(unsigned int index, unsigned int mask)
{
    vtd_queue_put(INV_IEC(index, mask), 0);
    vtd_queue_put_wait(INV_WAIT_SW);
    return vtd_queue_sync();
}

bool vtd_invalidate_all(void)
{
    vtd_queue_put(INV_IEC_ALL, 0);
    vtd_queue_put_wait(INV_WAIT_SW);
    return vtd_queue_sync();
}

uint64_t irte_dest(uint32_t id)
{
    return vtd.eime ? (uint64_t)id << 32 : (uint64_t)(id & 0xff) << 40;
}

void vtd_set(unsigned int index, uint64_t lo, uint64_t hi)
{
    volatile uint64_t *e = vtd.table + index * 2;

    e[0] = 0;
    e[1] = hi;
    e[0] = lo;
    if ( !vtd_invalidate(index, 0) )
        check_fail("the invalidation of entry %u isn't completed", index);
}
