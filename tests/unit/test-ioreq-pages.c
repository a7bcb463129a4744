// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizing and numbering of an IOREQ server's pages, on Xen's side
 * (xen/ioreq-pages.h) and on QEMU's (hw/xen/xen-ioreq-map.h): each by itself,
 * and both agree.  Also QEMU's look-up of a vCPU by event channel, against the
 * scan that it replaces.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE_SIZE 4096L
#include <xen/ioreq-pages.h>

#include <hw/xen/xen-ioreq-map.h>

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

static const struct {
    unsigned int vcpus, pages;
} sizes[] = {
    { 0, 0 },
    { 1, 1 },
    { 127, 1 },
    { 128, 1 },
    { 129, 2 },
    { 255, 2 },
    { 256, 2 },
    { 257, 3 },
    { 288, 3 },
    { 1024, 8 },
    { 1025, 9 },
    { UINT_MAX - 127, UINT_MAX / 128 },
    { UINT_MAX, UINT_MAX / 128 + 1 },
};

static void test_abi(void **state)
{
    (void)state;
    assert_int_equal(sizeof(ioreq_t), 32);
    assert_int_equal(offsetof(shared_iopage_t, vcpu_ioreq[128]), PAGE_SIZE);
    assert_int_equal(IOREQS_PER_PAGE, 128);
    assert_int_equal(XEN_IOREQS_PER_FRAME, 128);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_int_equal(ioreq_nr_pages(sizes[i].vcpus), sizes[i].pages);
        assert_int_equal(xen_ioreq_nr_frames(sizes[i].vcpus), sizes[i].pages);
    }
}

/* The last vCPU's slot is on the last page, and no page is for nothing. */
static void test_sizes_fit(void **state)
{
    (void)state;
    for (unsigned int n = 1; n <= 4096; n++) {
        unsigned int pages = ioreq_nr_pages(n);
        size_t last = offsetof(shared_iopage_t, vcpu_ioreq[n - 1]);

        assert_true(last + sizeof(ioreq_t) <= (size_t)pages * PAGE_SIZE);
        assert_int_equal(last / PAGE_SIZE, pages - 1);
        assert_int_equal(xen_ioreq_nr_frames(n), pages);
    }
}

static void test_frames(void **state)
{
    static const unsigned int beyond[] = {
        100, 0x7fffffff, 0x80000000, UINT_MAX - 1, UINT_MAX,
    };

    (void)state;
    assert_int_equal(XENMEM_resource_ioreq_server_frame_bufioreq, 0);

    for (unsigned int nr = 0; nr <= 9; nr++) {
        unsigned int idx = 12345;

        /* The frame of buffered requests isn't one of the pages. */
        assert_false(ioreq_frame_to_page(0, nr, &idx));

        for (unsigned int n = 0; n < nr; n++) {
            assert_true(ioreq_frame_to_page(
                XENMEM_resource_ioreq_server_frame_ioreq(n), nr, &idx));
            assert_int_equal(idx, n);
        }

        idx = 12345;
        for (unsigned int n = nr; n < 20; n++)
            assert_false(ioreq_frame_to_page(
                XENMEM_resource_ioreq_server_frame_ioreq(n), nr, &idx));
        for (size_t i = 0; i < ARRAY_SIZE(beyond); i++)
            assert_false(ioreq_frame_to_page(beyond[i], nr, &idx));
        assert_int_equal(idx, 12345);
    }
}

static int scan(const uint32_t *port, unsigned int nr, uint32_t wanted)
{
    for (unsigned int i = 0; i < nr; i++)
        if (port[i] == wanted)
            return i;
    return -1;
}

/* All ports around the range, and the ends of the number space. */
static void check_ports(const uint32_t *port, unsigned int nr)
{
    XenPortMap map;

    xen_port_map_set_range(&map, port, nr);
    assert_true(map.nr >= nr);
    map.vcpu = malloc(map.nr * sizeof(*map.vcpu));
    assert_non_null(map.vcpu);
    xen_port_map_fill(&map, port, nr);

    for (int64_t p = (int64_t)map.first - 100;
         p < (int64_t)map.first + map.nr + 100; p++)
        assert_int_equal(xen_port_map_lookup(&map, (uint32_t)p),
                         scan(port, nr, (uint32_t)p));

    for (unsigned int i = 0; i < 4; i++) {
        assert_int_equal(xen_port_map_lookup(&map, i), scan(port, nr, i));
        assert_int_equal(xen_port_map_lookup(&map, UINT32_MAX - i),
                         scan(port, nr, UINT32_MAX - i));
        assert_int_equal(xen_port_map_lookup(&map, 0x80000000u - i),
                         scan(port, nr, 0x80000000u - i));
    }

    free(map.vcpu);
}

static void test_ports(void **state)
{
    static const uint32_t one[] = { 1 }, none[] = { 0 },
        far[] = { 131071, 1 }, top[] = { UINT32_MAX, UINT32_MAX - 2 },
        mixed[] = { 40, 17, 99, 18, 41 };
    uint32_t up[1024], down[1024];

    (void)state;
    for (unsigned int i = 0; i < ARRAY_SIZE(up); i++) {
        up[i] = 57 + i;
        down[i] = 5000 - 3 * i;
    }

    check_ports(one, ARRAY_SIZE(one));
    check_ports(none, ARRAY_SIZE(none));
    check_ports(far, ARRAY_SIZE(far));
    check_ports(top, ARRAY_SIZE(top));
    check_ports(mixed, ARRAY_SIZE(mixed));
    check_ports(up, ARRAY_SIZE(up));
    check_ports(down, ARRAY_SIZE(down));
}

static void test_ports_random(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned int round = 0; round < 200; round++) {
        uint32_t port[64], next = round * 7;
        unsigned int nr = 1 + round % ARRAY_SIZE(port);

        for (unsigned int i = 0; i < nr; i++) {
            seed = seed * 1664525 + 1013904223;
            next += 1 + (seed >> 29);
            port[i] = next;
        }
        /* Any order of vCPUs will do. */
        for (unsigned int i = nr - 1; i; i--) {
            uint32_t tmp = port[i];
            unsigned int j;

            seed = seed * 1664525 + 1013904223;
            j = (seed >> 8) % (i + 1);
            port[i] = port[j];
            port[j] = tmp;
        }
        check_ports(port, nr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abi),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_fit),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_ports_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
