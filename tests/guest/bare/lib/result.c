// SPDX-License-Identifier: GPL-2.0-or-later
/* Results: a line a check, and the report.  The format is in README.md. */
#include "bare.h"

#define MAX_DETAILS 12

unsigned int results[4];

static const char *const word[] = { [PASS] = "pass", [SKIP] = "skip", [ERROR] = "error", [FAIL] = "fail" };
static const char *name;
static enum status worst;
static unsigned int details;
static char text[256];
static char extra[2048];
static size_t extra_len;

void result_begin(const char *n)
{
    name = n;
    worst = PASS;
    details = 0;
    text[0] = '\0';
}

static void take(enum status s, const char *fmt, va_list ap)
{
    char buf[256];

    vsnprintf(buf, sizeof(buf), fmt, ap);
    if ( s > worst || (s == PASS && worst == PASS) )
    {
        worst = s;
        memcpy(text, buf, sizeof(text));
    }
    if ( s >= ERROR && details++ < MAX_DETAILS )
        kprintf("# %s: %s: %s\n", name, word[s], buf);
}

#define TAKER(fn, status)                       \
    void fn(const char *fmt, ...)               \
    {                                           \
        va_list ap;                             \
                                                \
        va_start(ap, fmt);                      \
        take(status, fmt, ap);                  \
        va_end(ap);                             \
    }

TAKER(check_fail, FAIL)
TAKER(check_error, ERROR)
TAKER(check_skip, SKIP)
TAKER(check_note, PASS)

void result_end(void)
{
    results[worst]++;
    if ( details > 1 )
        kprintf("@check %s %s %s (and %u more)\n", name, word[worst], text, details - 1);
    else
        kprintf(text[0] ? "@check %s %s %s\n" : "@check %s %s\n", name, word[worst], text);
}

void report_add(const char *key, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof(extra) - extra_len, n;

    n = snprintf(extra + extra_len, room, ",\"%s\":", key);
    if ( n < room )
    {
        va_start(ap, fmt);
        n += vsnprintf(extra + extra_len + n, room - n, fmt, ap);
        va_end(ap);
    }
    /* All of it or nothing: half a member would spoil the whole object. */
    if ( n < room )
        extra_len += n;
    else
        extra[extra_len] = '\0';
}

void report_print(void)
{
    static char buf[4096], ids[1024];
    const char *result = results[FAIL] ? "fail" : results[ERROR] ? "error" : results[PASS] ? "pass" : "skip";
    struct topology t;
    uint64_t first = 0, last = 0, first8 = 0, last8 = 0;
    uint32_t max_id = 0;
    unsigned int i, n = 0, k = 0;
    size_t len = 0;

    smp_id_ranges(ids, sizeof(ids));
    topology_get(&t);
    for ( i = 0; i < cpu_count; i++ )
    {
        if ( cpus[i]->id > max_id )
            max_id = cpus[i]->id;
        n += cpus[i] != bsp && cpus[i]->online;
    }
    for ( i = 0; i < cpu_count; i++ )
    {
        uint64_t tsc = cpus[i]->bringup_tsc;

        if ( cpus[i] == bsp || !cpus[i]->online )
            continue;
        if ( !k )
            first = tsc;
        last = tsc;
        first8 += k < 8 ? tsc : 0;
        last8 += k + 8 >= n ? tsc : 0;
        k++;
    }
    k = n < 8 ? n : 8;

#define ADD(...) (len += snprintf(buf + len, sizeof(buf) - len, __VA_ARGS__))
    ADD("@report {\"guest\":\"bare\",\"format\":1,\"result\":\"%s\",\"xen\":\"", result);
    if ( xen_cpuid_base )
        ADD("%u.%u", xen_version >> 16, xen_version & 0xffff);
    ADD("\",\"vcpus_present\":%u,\"vcpus_enabled\":%u,\"vcpus_online\":%u", cpu_count, cpus_enabled, cpus_online);
    ADD(",\"apic_mode\":\"%s\",\"apic_mode_used\":\"%s\",\"x2apic_at_handover\":%u",
        bsp->apic_base & APIC_BASE_X2 ? "x2apic" : "xapic", apic_x2 ? "x2apic" : "xapic", cpus_x2_handover);
    ADD(",\"apic_ids\":\"%s\",\"max_apic_id\":%u", ids, max_id);
    ADD(",\"topology\":{\"source\":\"%s\",\"threads_per_core\":%u,\"cores_per_socket\":%u,\"sockets\":%u}",
        t.source, t.threads_per_core, t.cores_per_socket, t.sockets);
    ADD(",\"checks_passed\":%u,\"checks_failed\":%u,\"checks_skipped\":%u,\"checks_error\":%u",
        results[PASS], results[FAIL], results[SKIP], results[ERROR]);
    ADD(",\"tsc_khz\":%u,\"run_us\":%lu,\"boot_us\":%lu", tsc_khz, tsc_to_us(rdtsc() - bsp->bringup_tsc),
        tsc_to_us(bringup_total_tsc));
    ADD(",\"bringup_tsc\":{\"total\":%lu,\"first\":%lu,\"last\":%lu,\"first8_mean\":%lu,\"last8_mean\":%lu}",
        bringup_total_tsc, first, last, k ? first8 / k : 0, k ? last8 / k : 0);
    ADD("%s,\"console_dropped\":%u}\n", extra, console_dropped);
#undef ADD
    if ( len >= sizeof(buf) )
        kprintf("@check report error the report's buffer is too small\n");
    else
        console_write(buf, len);
}

void panic(const char *fmt, ...)
{
    static char buf[320];
    va_list ap;
    size_t n;

    irq_off();
    n = snprintf(buf, sizeof(buf), "@check panic error ");
    va_start(ap, fmt);
    n += vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
    va_end(ap);
    if ( n > sizeof(buf) - 2 )
        n = sizeof(buf) - 2;
    buf[n++] = '\n';
    console_write(buf, n);
    power_off(true);
}
