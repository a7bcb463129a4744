/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an IOREQ server's pages are sized and numbered.
 *
 * Plain arithmetic on the public ABI, so that it can be built and tested on
 * the host as well: whoever includes it outside of Xen provides PAGE_SIZE.
 */
#ifndef XEN__IOREQ_PAGES_H
#define XEN__IOREQ_PAGES_H

#ifdef __XEN__
#include <xen/page-size.h>
#include <xen/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#include <public/hvm/ioreq.h>
#include <public/memory.h>

/* A device model relies on this many, 128, on each page. */
#define IOREQS_PER_PAGE ((unsigned int)(PAGE_SIZE / sizeof(ioreq_t)))

/*
 * Pages that hold the ioreq_t of nr_vcpus vCPUs, one after the other in order
 * of vCPU ID.  Any nr_vcpus is fine.
 */
static inline unsigned int ioreq_nr_pages(unsigned int nr_vcpus)
{
    return nr_vcpus / IOREQS_PER_PAGE + !!(nr_vcpus % IOREQS_PER_PAGE);
}

/*
 * Is frame, as in XENMEM_acquire_resource, one of a server's nr_pages pages of
 * synchronous requests?  If so, *idx says which, from 0.  Otherwise (that is
 * the frame of buffered requests, or none at all) *idx isn't written.
 */
static inline bool ioreq_frame_to_page(unsigned int frame,
                                       unsigned int nr_pages,
                                       unsigned int *idx)
{
    unsigned int first = XENMEM_resource_ioreq_server_frame_ioreq(0);

    if ( frame < first || frame - first >= nr_pages )
        return false;

    *idx = frame - first;

    return true;
}

#endif /* XEN__IOREQ_PAGES_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
