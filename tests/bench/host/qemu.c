/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's way from an event channel to the request of a vCPU. */
#include "qemu.h"
#include "qemu-functions.c"

MachineState machine;

static xenevtchn_handle handle;
static XenIOState state = { .xce_handle = &handle };

void qemu_set_up(unsigned int nr);
bool qemu_get_ioreq(unsigned int vcpu);

void qemu_set_up(unsigned int nr)
{
    unsigned int i;

    machine.smp.max_cpus = nr;
    state.ioreq_local_port = realloc(state.ioreq_local_port, nr * sizeof(*state.ioreq_local_port));
    for ( i = 0; i < nr; i++ )
        state.ioreq_local_port[i] = 30 + i;
    state.bufioreq_local_port = 30 + nr;
#ifndef STOCK
    xen_port_map_set_range(&state.ioreq_port_map, state.ioreq_local_port, nr);
    free(state.ioreq_port_map.vcpu);
    state.ioreq_port_map.vcpu = malloc(state.ioreq_port_map.nr * sizeof(int32_t));
    xen_port_map_fill(&state.ioreq_port_map, state.ioreq_local_port, nr);
#endif
}

bool qemu_get_ioreq(unsigned int vcpu)
{
    handle.pending = 30 + vcpu;
    return cpu_get_ioreq(&state) && state.send_vcpu == (int)vcpu;
}
