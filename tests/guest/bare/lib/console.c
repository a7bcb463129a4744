// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Output: the ring of Xen's PV console, which costs no exit a character and which
 * xenconsoled logs; the debug port where there's no such ring.
 */
#include "bare.h"

#include <xen/xen.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>

bool console_ring;
uint32_t console_dropped;

static volatile struct xencons_interface *ring;
static uint32_t port;
static uint32_t lock;

void console_init(void)
{
    uint64_t pfn, evtchn;

    if ( !xen_hvm_param(HVM_PARAM_CONSOLE_PFN, &pfn) || !xen_hvm_param(HVM_PARAM_CONSOLE_EVTCHN, &evtchn) ||
         !pfn || !evtchn || pfn >> 20 )
        return;
    ring = (void *)(uintptr_t)(pfn << 12);
    port = evtchn;
    console_ring = true;
}

static bool wait_space(uint64_t us, uint32_t used)
{
    uint64_t end = rdtsc() + us_to_tsc(us);

    if ( ring->out_prod - ring->out_cons <= used )
        return true;
    xen_evtchn_send(port);
    while ( ring->out_prod - ring->out_cons > used )
    {
        if ( rdtsc() > end )
            return false;
        xen_yield();
        cpu_pause();
    }
    return true;
}

void console_write(const char *s, size_t n)
{
    bool irqs = irq_save();
    unsigned long spins = 0;

    /* Only a panic meets the lock held; better mixed lines than none. */
    while ( __atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) && spins++ < 1000000 )
        cpu_pause();

    if ( !ring )
        while ( n-- )
            outb(DEBUG_PORT, *s++);
    else
    {
        while ( n )
        {
            uint32_t prod = ring->out_prod;

            if ( !wait_space(console_dropped ? 0 : 30 * 1000000UL, sizeof(ring->out) - 1) )
            {
                console_dropped += n;
                break;
            }
            ring->out[MASK_XENCONS_IDX(prod, ring->out)] = *s++;
            barrier();
            ring->out_prod = prod + 1;
            n--;
        }
        xen_evtchn_send(port);
    }
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    irq_restore(irqs);
}

void console_flush(void)
{
    if ( ring )
        wait_space(10 * 1000000UL, 0);
}

void kprintf(const char *fmt, ...)
{
    static char buf[1024];              /* the BSP's; panic() has its own */
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if ( n >= sizeof(buf) )
    {
        n = sizeof(buf) - 1;
        buf[n - 1] = '\n';
    }
    console_write(buf, n);
}
