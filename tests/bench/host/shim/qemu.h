/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the measured function of QEMU takes from its headers. */
#ifndef BENCH_SHIM_QEMU_H
#define BENCH_SHIM_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <public/xen.h>
#include <public/event_channel.h>
#include <public/hvm/ioreq.h>

#include "xen-ioreq-map.h"

#define xen_rmb() asm volatile ( "" ::: "memory" )
#define hw_error(...) abort()
#define BUFFER_IO_MAX_DELAY 100
#define QEMU_CLOCK_REALTIME 0
#define qemu_clock_get_ms(c) 0
#define timer_mod(t, ms) abort()

typedef struct { struct { unsigned int max_cpus; } smp; } MachineState;
extern MachineState machine;
#define qdev_get_machine() (&machine)
#define MACHINE(x) (x)

/* One request, of the vCPU whose port is pending. */
typedef struct { evtchn_port_t pending; ioreq_t req; } xenevtchn_handle;
static inline evtchn_port_t qemu_xen_evtchn_pending(xenevtchn_handle *h)
{
    return h->pending;
}
#define qemu_xen_evtchn_unmask(h, port) ((void)0)

typedef struct {
    void *buffered_io_timer;
    evtchn_port_t *ioreq_local_port;
#ifndef STOCK
    XenPortMap ioreq_port_map;
#endif
    evtchn_port_t bufioreq_local_port;
    xenevtchn_handle *xce_handle;
    int send_vcpu;
} XenIOState;
#define cpu_get_ioreq_from_shared_memory(state, vcpu) (&(state)->xce_handle->req)

#endif
