/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libacpi's tables for guests of many sizes: each structure that names a
 * processor, checksums, the choice of the DSDT, and for guests that stock Xen
 * can have, that not a byte differs from its libacpi.  Both are libraries made
 * by libacpi-gen.sh.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libacpi-shim.h"

#define MAX_VCPUS 1024
#define MEM_LEN   (1u << 20)
#define PHYS_BASE 0xfc001000u
#define F_IOAPIC  (1u << 8)
#define F_HPET    (1u << 3)
#define F_WAET    (1u << 9)
#define F_S3      (1u << 5)
#define F_RTC     (1u << 14) /* Else the FADT must be of ACPI 5 */

struct lib {
    int (*build)(const struct shim_in *, struct shim_out *);
    uint32_t max_vcpus;
};
static struct lib patched, stock;
static uint8_t mem[2][MEM_LEN];
static struct shim_out out[2];
static uint32_t ids[MAX_VCPUS];
static uint8_t online[MAX_VCPUS / 8];

static void load(struct lib *lib, const char *which)
{
    char path[4096];
    void *h;
    uint32_t (*max)(void);

    snprintf(path, sizeof(path), "%s/%s/libacpi.so", getenv("LIBACPI_DIR"), which);
    h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!h)
        fail_msg("%s", dlerror());
    *(void **)&lib->build = dlsym(h, "shim_build");
    *(void **)&max = dlsym(h, "shim_max_vcpus");
    assert_non_null(lib->build);
    lib->max_vcpus = max();
}

static uint32_t rd(const void *p, unsigned int len)
{
    uint32_t v = 0;
    memcpy(&v, p, len);
    return v;
}

static const uint8_t *at(uint32_t phys)
{
    assert_in_range(phys, PHYS_BASE, PHYS_BASE + MEM_LEN - 1);
    return mem[0] + (phys - PHYS_BASE);
}

static uint8_t sum(const uint8_t *p, uint32_t len)
{
    uint8_t s = 0;
    while (len--)
        s += *p++;
    return s;
}

/* The table of this signature by the XSDT, having seen all tables' checksums. */
static const uint8_t *table(const char *sig)
{
    const uint8_t *xsdt = at(rd(out[0].rsdp + 24, 4)), *rsdt = at(rd(out[0].rsdp + 16, 4)), *found = NULL;
    uint32_t i, n = (rd(xsdt + 4, 4) - 36) / 8;

    assert_int_equal(sum(out[0].rsdp, 20), 0);
    assert_int_equal(sum(out[0].rsdp, 36), 0);
    assert_memory_equal(xsdt, "XSDT", 4);
    assert_int_equal(sum(xsdt, rd(xsdt + 4, 4)), 0);
    assert_int_equal(sum(rsdt, rd(rsdt + 4, 4)), 0);
    assert_int_equal((rd(rsdt + 4, 4) - 36) / 4, n);
    for (i = 0; i < n; i++) {
        const uint8_t *t = at(rd(xsdt + 36 + 8 * i, 4));
        assert_int_equal(sum(t, rd(t + 4, 4)), 0);
        if (i)
            assert_ptr_equal(t, at(rd(rsdt + 36 + 4 * i, 4)));
        if (!memcmp(t, sig, 4))
            found = t;
        if (!memcmp(t, "FACP", 4)) {
            const uint8_t *d = at(rd(t + 40, 4));
            assert_memory_equal(d, "DSDT", 4);
            assert_int_equal(sum(d, rd(d + 4, 4)), 0);
            if (!memcmp(sig, "DSDT", 4))
                found = d;
        }
    }
    return found;
}

enum map { DOUBLE, PACKED, SPARSE, HIGH, REVERSED, NR_MAPS };

static struct shim_in input(uint32_t n, enum map map)
{
    uint32_t i;

    memset(mem[0], 0, MEM_LEN);
    memset(mem[1], 0, MEM_LEN);
    memset(online, 0, sizeof(online));
    for (i = 0; i < n; i++) {
        ids[i] = map == DOUBLE ? 2 * i :
                 map == PACKED ? i :
                 map == SPARSE ? (i / 15) << 5 | (i % 15 / 5) << 3 | i % 5 :
                 map == HIGH ? 0x10000 + i : 2 * (n - 1 - i);
        if (!i || i % 3)
            online[i / 8] |= 1u << (i % 8);
    }
    return (struct shim_in){
        .nr_vcpus = n, .table_flags = F_RTC | F_IOAPIC | F_HPET | F_WAET | F_S3, .nr_vnodes = 2,
        .ioapic_id = 1, .apic_ids = ids, .online = online,
        .phys_base = PHYS_BASE, .mem = mem[0], .mem_len = MEM_LEN,
    };
}

static bool wide(uint32_t cpu)
{
    return cpu > 254 || ids[cpu] > 254;
}

/* Every structure of the MADT and SRAT, and the slots. */
static void check_cpus(const struct shim_in *in, bool slots)
{
    const uint8_t *madt = table("APIC"), *srat = table("SRAT"), *p, *end, *slot = NULL;
    uint32_t cpu = 0, nr_ioapic = 0, nr_mem = 0, slots_addr = rd(out[0].info + 40, 4);

    assert_int_equal(rd(out[0].info + 2, 2), in->nr_vcpus);
    if (slots)
        slot = at(slots_addr);
    else
        assert_int_equal(slots_addr, 0);

    assert_non_null(madt);
    assert_ptr_equal(at(rd(out[0].info + 12, 4)), madt + 9);
    end = madt + rd(madt + 4, 4);
    for (p = madt + 44; p < end; p += p[1]) {
        uint32_t flags_off;

        assert_true(p[1] >= 2 && p + p[1] <= end);
        if (p[0] == 1) {
            nr_ioapic++;
            assert_int_equal(cpu, 0);
            continue;
        }
        if (p[0] == 2)
            continue;
        assert_true(cpu < in->nr_vcpus);
        if (!cpu)
            assert_ptr_equal(at(rd(out[0].info + 16, 4)), p);
        if (wide(cpu)) {
            assert_int_equal(p[0], 9);
            assert_int_equal(p[1], 16);
            assert_int_equal(rd(p + 2, 2), 0);
            assert_int_equal(rd(p + 4, 4), ids[cpu]);
            assert_int_equal(rd(p + 12, 4), cpu);
            flags_off = 8;
        } else {
            assert_int_equal(p[0], 0);
            assert_int_equal(p[1], 8);
            assert_int_equal(p[2], cpu);
            assert_int_equal(p[3], ids[cpu]);
            flags_off = 4;
        }
        assert_int_equal(rd(p + flags_off, 4), online[cpu / 8] >> (cpu % 8) & 1);
        if (slot) {
            assert_ptr_equal(at(rd(slot, 4)), p);
            assert_int_equal(slot[4], p[1]);
            assert_int_equal(slot[5], flags_off);
            assert_int_equal(slot[6], p[flags_off]);
            assert_int_equal(slot[7], 0);
            slot += 8;
        }
        cpu++;
    }
    assert_ptr_equal(p, end);
    assert_int_equal(cpu, in->nr_vcpus);
    assert_int_equal(nr_ioapic, 1);

    assert_non_null(srat);
    end = srat + rd(srat + 4, 4);
    for (cpu = 0, p = srat + 48; p < end; p += p[1]) {
        assert_true(p[1] >= 2 && p + p[1] <= end);
        if (p[0] == 1) {
            assert_int_equal(p[1], 40);
            nr_mem++;
            continue;
        }
        assert_true(cpu < in->nr_vcpus);
        if (wide(cpu)) {
            assert_int_equal(p[0], 2);
            assert_int_equal(p[1], 24);
            assert_int_equal(rd(p + 4, 4), cpu % 2);
            assert_int_equal(rd(p + 8, 4), ids[cpu]);
            assert_int_equal(rd(p + 12, 4), 1);
        } else {
            assert_int_equal(p[0], 0);
            assert_int_equal(p[1], 16);
            assert_int_equal(p[2], cpu % 2);
            assert_int_equal(p[3], ids[cpu]);
            assert_int_equal(rd(p + 4, 4), 1);
        }
        cpu++;
    }
    assert_int_equal(cpu, in->nr_vcpus);
    assert_int_equal(nr_mem, 2);
}

static const uint32_t sizes[] = { 1, 2, 15, 16, 64, 127, 128, 129, 254, 255, 256, 257, 288, 511, 1024 };
#define FOR_SIZES(n) \
    for (size_t i_ = 0; i_ < sizeof(sizes) / 4; i_++) \
        for (uint32_t n = sizes[i_]; n && n <= patched.max_vcpus; n = 0)

static void test_structures(void **state)
{
    (void)state;
    FOR_SIZES(n)
        for (int map = 0; map < NR_MAPS; map++) {
            struct shim_in in = input(n, map);
            bool many = n > 128;

            for (uint32_t i = 0; i < n; i++)
                many = many || wide(i);
            assert_int_equal(patched.build(&in, &out[0]), 0);
            check_cpus(&in, many);
        }
}

/* Nothing to distinguish what hvmloader makes for a guest that stock can have. */
static void test_same_as_stock(void **state)
{
    static const uint32_t flags[] = { F_RTC, F_RTC | F_IOAPIC, F_RTC | F_IOAPIC | F_HPET | F_WAET | F_S3 };

    (void)state;
    for (uint32_t n = 1; n <= 128; n++)
        for (int dsdt = SHIM_QEMU_XEN; dsdt <= SHIM_PVH; dsdt++)
            for (int f = 0; f < 3; f++)
                for (int map = DOUBLE; map <= PACKED; map++) {
                    struct shim_in in = input(n, map);

                    in.dsdt = dsdt;
                    in.table_flags = flags[f];
                    in.nr_vnodes = n % 3;
                    assert_int_equal(patched.build(&in, &out[0]), 0);
                    in.mem = mem[1];
                    assert_int_equal(stock.build(&in, &out[1]), 0);
                    assert_int_equal(out[0].mem_used, out[1].mem_used);
                    assert_memory_equal(mem[0], mem[1], out[0].mem_used);
                    assert_memory_equal(out[0].info, out[1].info, sizeof(out[0].info));
                    assert_memory_equal(out[0].rsdp, out[1].rsdp, sizeof(out[0].rsdp));
                }
}

/* The large DSDT is used where it is needed, and where there is one. */
static void test_dsdt_choice(void **state)
{
    uint32_t small, large;
    struct shim_in in = input(128, DOUBLE);

    (void)state;
    if (patched.max_vcpus <= 128)
        skip();
    assert_int_equal(patched.build(&in, &out[0]), 0);
    small = rd(table("DSDT") + 4, 4);
    in = input(129, PACKED);
    assert_int_equal(patched.build(&in, &out[0]), 0);
    large = rd(table("DSDT") + 4, 4);
    assert_true(large > small);

    in = input(1, DOUBLE);
    ids[0] = 255;
    assert_int_equal(patched.build(&in, &out[0]), 0);
    assert_int_equal(rd(table("DSDT") + 4, 4), large);
    ids[0] = 254;
    memset(mem[0], 0, MEM_LEN);
    assert_int_equal(patched.build(&in, &out[0]), 0);
    assert_int_equal(rd(table("DSDT") + 4, 4), small);

    for (int dsdt = SHIM_TRADITIONAL; dsdt <= SHIM_PVH; dsdt++) {
        uint32_t len;

        in = input(128, DOUBLE);
        in.dsdt = dsdt;
        assert_int_equal(patched.build(&in, &out[0]), 0);
        len = rd(table("DSDT") + 4, 4);
        in = input(288, DOUBLE);
        in.dsdt = dsdt;
        assert_int_equal(patched.build(&in, &out[0]), 0);
        assert_int_equal(rd(table("DSDT") + 4, 4), len);
        check_cpus(&in, false);
    }
}

/* What CSET in dsdt_manycpu.asl does leaves a MADT whose checksum is right. */
static void test_flags_by_slot(void **state)
{
    struct shim_in in = input(patched.max_vcpus < 288 ? 128 : 288, HIGH);
    const uint8_t *madt;

    (void)state;
    assert_int_equal(patched.build(&in, &out[0]), 0);
    madt = table("APIC");
    for (uint32_t i = 0; i < in.nr_vcpus; i++) {
        const uint8_t *slot = at(rd(out[0].info + 40, 4) + 8 * i);
        uint8_t *flags = (uint8_t *)at(rd(slot, 4) + slot[5]);

        *flags ^= 1;
        *(uint8_t *)at(rd(out[0].info + 12, 4)) += *flags & 1 ? -1 : 1;
        ((uint8_t *)slot)[6] ^= 1;
        online[i / 8] ^= 1u << (i % 8);
        assert_int_equal(sum(madt, rd(madt + 4, 4)), 0);
    }
    check_cpus(&in, true);
}

/* No allocation is taken for granted (SRAT and SLIT may be left out). */
static void test_out_of_memory(void **state)
{
    unsigned int failed = 0;

    (void)state;
    for (uint32_t at_nr = 1; at_nr < 40; at_nr++) {
        struct shim_in in = input(patched.max_vcpus < 288 ? 128 : 288, DOUBLE);

        in.fail_at = at_nr;
        failed += patched.build(&in, &out[0]) != 0;
    }
    assert_in_range(failed, 8, 30);

    /* All of it has room in what hvmloader has for ACPI. */
    {
        struct shim_in in = input(patched.max_vcpus, HIGH);
        assert_int_equal(patched.build(&in, &out[0]), 0);
        assert_true(out[0].mem_used < 0xff000);
    }
}

/* libacpi changes its FADT template when it is first used: get that over with. */
static int setup(void **state)
{
    struct shim_in in = input(1, DOUBLE);

    (void)state;
    load(&patched, "patched");
    load(&stock, "stock");
    assert_int_equal(patched.build(&in, &out[0]), 0);
    assert_int_equal(stock.build(&in, &out[1]), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_same_as_stock),
        cmocka_unit_test(test_dsdt_choice),
        cmocka_unit_test(test_flags_by_slot),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("libacpi", tests, setup, NULL);
}
