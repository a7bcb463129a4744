// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ioreq: all CPUs at once have port I/O emulated by QEMU, so that every vCPU's slot in every
 * IOREQ page is in use, and each gets the answer to its own request.
 *
 * After a barrier, ioreq.rounds=2 times, each CPU
 *  - reads the host bridge's IDs at port 0xcfc, in a width and at an offset that differ from its
 *    neighbours' (0xcf8 was set before)
 *  - reads the platform device's magic number at port 0x10 (Xen's machine only)
 *  - writes the address of a request of its own to fw_cfg's DMA port: QEMU then reads the request
 *    from there, and writes a piece of the kernel's image, of a length of this CPU's own, to this
 *    CPU's buffer.  A write that got another slot's data leaves this one's request undone
 *  - eight CPUs of the sample write a value of their own to a DMA page register, and read it back
 *
 * Cannot tell a wrong slot from a wrong answer.  How many were under way at the same time is
 * reported, not judged: it is the hypervisor's scheduler that decides.
 */
#include "bare.h"

#define FW_CFG_SEL      0x510
#define FW_CFG_DATA     0x511
#define FW_CFG_DMA_LOW  0x518
#define KEY_SIGNATURE   0x00
#define KEY_ID          0x01
#define KEY_KERNEL      0x11            /* what -kernel loads: our own image, from load_start on */
#define DMA_ERROR       0x01U
#define DMA_READ        0x02U
#define DMA_SELECT      0x08U

#define MIN_LEN         16U
#define MAX_LEN         272U
#define GUARD           0xc5

extern char load_start[], text_end[];

struct job {
    struct { uint32_t control, length; uint64_t address; } PACKED dma;
    uint32_t value_port;                /* DMA page register of this round, or 0 */
    uint32_t bad;                       /* 1 + kind of the first wrong answer */
    uint32_t want, got;
    uint8_t buffer[MAX_LEN + 16];
};

enum { BAD_CONFIG, BAD_PLATFORM, BAD_FW_CFG, BAD_PAGE };
static const char *const kind[] = {
    [BAD_CONFIG] = "PCI configuration data", [BAD_PLATFORM] = "platform port",
    [BAD_FW_CFG] = "fw_cfg DMA (0: data, else control or length)", [BAD_PAGE] = "DMA page register",
};
static const uint16_t page_ports[] = { 0x81, 0x82, 0x83, 0x87, 0x89, 0x8a, 0x8b, 0x8f };

static struct job *jobs;
static uint32_t bridge;
static bool have_platform, have_dma;
static uint32_t inflight, inflight_max, accesses;

static void bad(struct job *j, unsigned int what, uint32_t want, uint32_t got)
{
    if ( j->bad )
        return;
    j->bad = what + 1;
    j->want = want;
    j->got = got;
}

/* How many CPUs have an access under way. */
static void enter(void)
{
    uint32_t n = atomic_inc(&inflight), max = load(&inflight_max);

    while ( n > max && !__atomic_compare_exchange_n(&inflight_max, &max, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) )
        ;
    atomic_inc(&accesses);
}

static void leave(void)
{
    atomic_dec(&inflight);
}

static void read_config(struct cpu *me, struct job *j)
{
    unsigned int form = me->index % 7, off;
    uint32_t want, got;

    enter();
    if ( form < 4 )
    {
        off = form;
        want = bridge >> (8 * off) & 0xff;
        got = inb(0xcfc + off);
    }
    else if ( form < 6 )
    {
        off = (form - 4) * 2;
        want = bridge >> (8 * off) & 0xffff;
        got = inw(0xcfc + off);
    }
    else
    {
        want = bridge;
        got = inl(0xcfc);
    }
    leave();
    if ( want != got )
        bad(j, BAD_CONFIG, want, got);
}

static void fw_cfg_dma(struct cpu *me, struct job *j)
{
    unsigned int len = MIN_LEN + me->index % (MAX_LEN - MIN_LEN), i;
    uint32_t control;

    memset(j->buffer, GUARD, sizeof(j->buffer));
    j->dma.control = __builtin_bswap32((uint32_t)KEY_KERNEL << 16 | DMA_SELECT | DMA_READ);
    j->dma.length = __builtin_bswap32(len);
    j->dma.address = __builtin_bswap64((uintptr_t)j->buffer);
    barrier();
    enter();
    outl(FW_CFG_DMA_LOW, __builtin_bswap32((uint32_t)(uintptr_t)&j->dma));
    leave();
    control = __builtin_bswap32(*(volatile uint32_t *)&j->dma.control);
    if ( control )
        bad(j, BAD_FW_CFG, 0, control);
    else if ( memcmp(j->buffer, load_start, len) )
        bad(j, BAD_FW_CFG, 0, 0);
    for ( i = len; i < sizeof(j->buffer); i++ )
        if ( j->buffer[i] != GUARD )
        {
            bad(j, BAD_FW_CFG, len, i + 1);
            break;
        }
}

static void work(struct cpu *me, void *arg)
{
    struct job *j = &jobs[me->index];

    read_config(me, j);
    if ( have_platform )
    {
        uint16_t v;

        enter();
        v = inw(0x10);
        leave();
        if ( v != 0x49d2 )
            bad(j, BAD_PLATFORM, 0x49d2, v);
    }
    if ( have_dma )
        fw_cfg_dma(me, j);
    if ( j->value_port )
    {
        uint8_t value = me->index * 7 + (uintptr_t)arg * 31 + 1, got;

        enter();
        outb(j->value_port, value);
        leave();
        enter();
        got = inb(j->value_port);
        leave();
        if ( got != value )
            bad(j, BAD_PAGE, value, got);
    }
}

static uint32_t fw_cfg_get(unsigned int key)
{
    uint32_t v = 0;
    unsigned int i;

    outw(FW_CFG_SEL, key);
    for ( i = 0; i < 4; i++ )
        v |= (uint32_t)inb(FW_CFG_DATA) << (8 * i);
    return v;
}

static void run(void)
{
    struct cpu *sample[16];
    unsigned int i, k, r, n, rounds = param_num("ioreq.rounds", 2), pages = 0, lost = 0;
    uint64_t t0;

    jobs = mem_alloc(acpi.cpus * sizeof(*jobs), 64);
    if ( !jobs )
    {
        check_error("no memory left: give the guest more");
        return;
    }
    bridge = pci_read(0, 0);
    if ( bridge == 0 || bridge == 0xffffffffU )
    {
        check_skip("no PCI host bridge, so no QEMU, behind ports 0xcf8 and 0xcfc");
        return;
    }
    have_platform = xen_cpuid_base && inw(0x10) == 0x49d2;
    have_dma = fw_cfg_get(KEY_SIGNATURE) == 0x554d4551 && (fw_cfg_get(KEY_ID) & 2) &&
               text_end - load_start >= (long)MAX_LEN;
    /* Which of the page registers keep what is written. */
    for ( i = 0; i < ARRAY_SIZE(page_ports); i++ )
    {
        outb(page_ports[i], 0xa5 ^ i);
        pages += inb(page_ports[i]) == (0xa5 ^ i);
    }
    pages = pages == ARRAY_SIZE(page_ports) ? pages : 0;
    pci_read(0, 0);                     /* leaves 0xcf8 at the bridge's IDs */

    n = smp_sample(sample, ARRAY_SIZE(sample));
    t0 = rdtsc();
    for ( r = 0; r < rounds && !lost; r++ )
    {
        for ( i = 0; i < acpi.cpus; i++ )
            jobs[i].value_port = 0;
        for ( k = 0; k < pages && k < n; k++ )
            jobs[sample[(r * pages + k) % n]->index].value_port = page_ports[k];
        lost = smp_all_at_once(work, (void *)(uintptr_t)r);
    }
    if ( lost )
        check_fail("%u CPUs did not come back from their I/O", lost);
    for ( i = 0; i < cpu_count; i++ )
    {
        const struct job *j = &jobs[cpus[i]->index];

        if ( j->bad )
            check_fail("CPU %u, ID %u: %s: got 0x%x, expected 0x%x", cpus[i]->index, cpus[i]->id, kind[j->bad - 1],
                       j->got, j->want);
    }
    report_add("ioreq", "{\"accesses\":%u,\"inflight_max\":%u,\"platform\":%d,\"fw_cfg\":%d,\"pages\":%u,\"us\":%lu}",
               accesses, inflight_max, have_platform, have_dma, pages, tsc_to_us(rdtsc() - t0));
    check_note("%u accesses in %u rounds, up to %u CPUs at once%s", accesses, rounds, inflight_max,
               have_dma ? "" : " (no fw_cfg DMA)");
}

const struct check check_ioreq = { "ioreq", "port I/O of all CPUs at once", .needs_aps = true, .run = run };
