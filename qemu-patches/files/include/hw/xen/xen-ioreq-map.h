/*
 * Sizes and look-ups for the IOREQ pages that Xen shares with a device model
 *
 * Plain arithmetic without QEMU, GLib or Xen headers, so that it can be built
 * and tested by itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XEN_IOREQ_MAP_H
#define HW_XEN_IOREQ_MAP_H

/* Xen's ABI: 32 bytes per vCPU in frames of 4 KiB, one vCPU after the other */
#define XEN_IOREQS_PER_FRAME 128u

/* Number of frames that hold the requests of @nr_vcpus vCPUs */
static inline unsigned int xen_ioreq_nr_frames(unsigned int nr_vcpus)
{
    return nr_vcpus / XEN_IOREQS_PER_FRAME +
           !!(nr_vcpus % XEN_IOREQS_PER_FRAME);
}

/*
 * Which vCPU an event channel belongs to, as an array that covers the range of
 * ports that are in use.  The kernel numbers ports from the bottom, and those
 * of one device model are bound in one go, hence there are few gaps.
 *
 * @first: the lowest port
 * @nr: number of elements in @vcpu
 * @vcpu: vCPU by port - @first, or -1
 */
typedef struct XenPortMap {
    uint32_t first;
    uint32_t nr;
    int32_t *vcpu;
} XenPortMap;

/*
 * Set @map's range to cover @nr ports, at least one, where @port[i] is that of
 * vCPU i.  The caller then allocates @map->vcpu, with @map->nr elements.
 */
static inline void xen_port_map_set_range(XenPortMap *map,
                                          const uint32_t *port,
                                          unsigned int nr)
{
    uint32_t low = port[0], high = port[0];
    unsigned int i;

    for (i = 1; i < nr; i++) {
        if (port[i] < low) {
            low = port[i];
        }
        if (port[i] > high) {
            high = port[i];
        }
    }

    map->first = low;
    map->nr = high - low + 1;
}

/* Fill @map->vcpu.  Arguments are those of xen_port_map_set_range(). */
static inline void xen_port_map_fill(XenPortMap *map, const uint32_t *port,
                                     unsigned int nr)
{
    unsigned int i;

    for (i = 0; i < map->nr; i++) {
        map->vcpu[i] = -1;
    }
    for (i = 0; i < nr; i++) {
        map->vcpu[port[i] - map->first] = i;
    }
}

/* Return the vCPU of @port, any number at all, or -1 if there is none */
static inline int xen_port_map_lookup(const XenPortMap *map, uint32_t port)
{
    uint32_t i = port - map->first;

    return i < map->nr ? map->vcpu[i] : -1;
}

#endif /* HW_XEN_IOREQ_MAP_H */
