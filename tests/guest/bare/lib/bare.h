/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library that checks are written against.  Times are in microseconds unless a
 * name says tsc (cycles of this CPU's time stamp counter).  Unless said otherwise,
 * functions are for the BSP, which runs every check and hands work to the APs.
 */
#ifndef BARE_H
#define BARE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)    __attribute__((format(printf, f, a)))
#define PACKED          __attribute__((packed))
#define NORETURN        __attribute__((noreturn))

/* The table of CPUs is allocated at run time; this only bounds what firmware may ask for. */
#define MAX_CPUS        4096U
#define STACK_SIZE      8192U
#define STACK_MARK      0x57acc0de57acc0deULL   /* at an AP stack's low end */

/* ---- instructions ---- */
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    asm volatile ( "inb %1, %0" : "=a" (v) : "Nd" (port) : "memory" );
    return v;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    asm volatile ( "inw %1, %0" : "=a" (v) : "Nd" (port) : "memory" );
    return v;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    asm volatile ( "inl %1, %0" : "=a" (v) : "Nd" (port) : "memory" );
    return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
    asm volatile ( "outb %0, %1" :: "a" (v), "Nd" (port) : "memory" );
}

static inline void outw(uint16_t port, uint16_t v)
{
    asm volatile ( "outw %0, %1" :: "a" (v), "Nd" (port) : "memory" );
}

static inline void outl(uint16_t port, uint32_t v)
{
    asm volatile ( "outl %0, %1" :: "a" (v), "Nd" (port) : "memory" );
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    asm volatile ( "rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr) );
    return lo | ((uint64_t)hi << 32);
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    asm volatile ( "wrmsr" :: "c" (msr), "a" ((uint32_t)v), "d" ((uint32_t)(v >> 32)) : "memory" );
}

struct regs4 { uint32_t a, b, c, d; };

static inline struct regs4 cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct regs4 r;
    asm volatile ( "cpuid" : "=a" (r.a), "=b" (r.b), "=c" (r.c), "=d" (r.d) : "0" (leaf), "2" (subleaf) );
    return r;
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    asm volatile ( "lfence; rdtsc" : "=a" (lo), "=d" (hi) :: "memory" );
    return lo | ((uint64_t)hi << 32);
}

static inline void barrier(void)    { asm volatile ( "" ::: "memory" ); }
static inline void cpu_pause(void)  { asm volatile ( "pause" ::: "memory" ); }
static inline void irq_off(void)    { asm volatile ( "cli" ::: "memory" ); }
static inline void irq_on(void)     { asm volatile ( "sti" ::: "memory" ); }
/* Sleeps until an interrupt; none is lost between the two instructions. */
static inline void irq_on_halt(void) { asm volatile ( "sti; hlt" ::: "memory" ); }

static inline bool irq_save(void)
{
    uint64_t flags;
    asm volatile ( "pushfq; popq %0; cli" : "=r" (flags) :: "memory" );
    return flags & 0x200;
}

static inline void irq_restore(bool on)
{
    if ( on )
        irq_on();
}

#define atomic_inc(p)   (__atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST))
#define atomic_dec(p)   (__atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST))
#define load(p)         (__atomic_load_n((p), __ATOMIC_SEQ_CST))
#define store(p, v)     (__atomic_store_n((p), (v), __ATOMIC_SEQ_CST))

/* ---- strings (string.c) ---- */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
/* Formats %c %s %d %u %x %p with 0, width and l; always terminates; returns the length without cut. */
size_t vsnprintf(char *out, size_t size, const char *fmt, va_list ap);
size_t snprintf(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);

/* ---- memory (mem.c) ---- */
struct mem_range { uint64_t base, size; uint32_t type; };
extern struct mem_range mem_map[64];
extern unsigned int mem_ranges;
/* Reads what multiboot hands over.  Returns NULL, or what is wrong. */
const char *mem_init(uint32_t magic, uint32_t info);
/* Zeroed memory, never freed; NULL if there's not enough. */
void *mem_alloc(size_t size, size_t align);
size_t mem_left(void);
bool mem_is_ram(uint64_t base, uint64_t size);

/* ---- parameters (param.c): "name=value" words of the command line ---- */
void param_init(const char *line);
/* Value of the parameter, or NULL.  Marks it as known. */
const char *param(const char *name);
unsigned long param_num(const char *name, unsigned long def);
/* True if the comma-separated list has the word. */
bool list_has(const char *list, const char *word);
/* Next parameter that nothing asked for, or NULL. */
const char *param_unknown(void);

/* ---- console (console.c) ---- */
extern bool console_ring;               /* Xen's PV console, else the debug port */
extern uint32_t console_dropped;        /* bytes that nobody read in time */
void console_init(void);
void kprintf(const char *fmt, ...) PRINTF(1, 2);
void console_write(const char *s, size_t n);
/* Waits, bounded, until what was written has been read. */
void console_flush(void);

/* ---- Xen (xen.c) ---- */
extern uint32_t xen_cpuid_base;         /* 0: no Xen here */
extern uint32_t xen_version;
void xen_init(void);
bool xen_hvm_param(uint32_t index, uint64_t *value);
void xen_evtchn_send(uint32_t port);
/* Lets another vCPU run: any CPU, does nothing without Xen. */
void xen_yield(void);
void xen_shutdown(unsigned int reason);
/* A page of RAM: away, and there again, with other content. */
bool xen_page_give_back(uint64_t address);
bool xen_page_take(uint64_t address);
/*
 * Does Xen have RAM there, whatever the memory map calls it?  Anything else is the device model's.
 * 1, 0, or what Xen said: -XEN_EACCES where Flask's policy is enforced, as the example's is.
 */
long xen_page_is_ram(uint64_t address);

/* The virtual NUMA nodes that the toolstack chose. */
struct xen_numa_range { uint64_t base, size; uint32_t node; };
struct xen_numa {
    unsigned int nodes, ranges, vcpus;  /* no nodes: the guest has no such topology */
    uint32_t *vcpu_node;                /* by the vCPU's number */
    uint32_t *distance;                 /* nodes * nodes */
    struct xen_numa_range *range;
};
/* Returns NULL, or what is wrong. */
const char *xen_numa_get(struct xen_numa *n);

/* ---- time (time.c) ---- */
extern uint32_t tsc_khz;
extern const char *tsc_source;
void time_init(void);
static inline uint64_t us_to_tsc(uint64_t us)   { return us * tsc_khz / 1000; }
static inline uint64_t tsc_to_us(uint64_t tsc)  { return tsc * 1000 / tsc_khz; }

/* ---- ACPI (acpi.c) ---- */
struct acpi_header {
    char sig[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} PACKED;

struct madt_cpu { uint32_t uid, id, flags; uint8_t type; };
#define MADT_LAPIC          0
#define MADT_X2APIC         9
#define MADT_ENABLED        1U
#define MADT_ONLINE_CAPABLE 2U

struct srat_cpu { uint32_t id, domain, flags; uint8_t type; };
struct srat_mem { uint64_t base, size; uint32_t domain, flags; };
#define SRAT_LAPIC          0
#define SRAT_MEMORY         1
#define SRAT_X2APIC         2
#define SRAT_ENABLED        1U

struct acpi {
    const char *error;                  /* why there's nothing else here, or NULL */
    uint64_t rsdp;
    struct acpi_header *table[64];      /* as listed by the XSDT or RSDT, then the DSDT */
    unsigned int tables;
    struct acpi_header *root, *madt, *srat, *slit, *fadt, *dsdt;
    struct madt_cpu *cpu;               /* in the MADT's order */
    unsigned int cpus, ioapics;
    struct srat_cpu *srat_cpu;
    struct srat_mem *srat_mem;
    unsigned int srat_cpus, srat_mems, srat_others; /* the last: structures of any other kind */
    uint32_t lapic_base, pm1a_cnt, pm_timer;
    const char *madt_error, *srat_error; /* structure that can't be parsed */
};
extern struct acpi acpi;
void acpi_init(void);
uint8_t acpi_sum(const void *p, size_t n);
/* Proximity domains that have CPUs; 0 without an SRAT. */
unsigned int acpi_nodes(void);
/* Powers off as ACPI says (a machine without Xen); returns if that had no effect. */
void acpi_poweroff(void);

/* ---- interrupts (idt.c) ---- */
#define VEC_NMI         2
#define VEC_PIC         0x20            /* 16 of them, masked */
#define VEC_TEST        0x40            /* up to VEC_TEST_END are for checks */
#define VEC_TEST_END    0xe0
#define VEC_TIMER       0xef
#define VEC_WAKE        0xf0
#define VEC_SPURIOUS    0xff

struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
void idt_init(void);
void idt_load(void);                    /* any CPU */
/* Called by name from start.S. */
void isr(struct frame *f);
/* Called on the CPU that got one of the test vectors, or an NMI, after it was counted and
 * (not for an NMI) acknowledged.  NULL: only counted. */
extern void (*irq_hook)(unsigned int vector);
extern bool irq_hook_first;             /* call it before the acknowledgement */
extern uint32_t irq_unexpected;         /* interrupts of vectors that nobody uses */
extern uint32_t irq_unexpected_vector;

/* ---- local APIC (apic.c): any CPU ---- */
#define APIC_ID         0x20
#define APIC_VERSION    0x30
#define APIC_TPR        0x80
#define APIC_EOI        0xb0
#define APIC_LDR        0xd0
#define APIC_DFR        0xe0
#define APIC_SVR        0xf0
#define APIC_ESR        0x280
#define APIC_ICR        0x300
#define APIC_ICR2       0x310
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_NOW  0x390
#define APIC_TIMER_DIV  0x3e0
#define APIC_SELF_IPI   0x3f0

#define ICR_FIXED       0x0000
#define ICR_NMI         0x0400
#define ICR_INIT        0x0500
#define ICR_STARTUP     0x0600
#define ICR_LOGICAL     0x0800
#define ICR_ASSERT      0x4000
#define ICR_SELF        0x40000
#define ICR_ALL         0x80000
#define ICR_OTHERS      0xc0000

#define MSR_APIC_BASE   0x1b
#define APIC_BASE_X2    0x400U
#define APIC_BASE_ON    0x800U

extern bool apic_x2;                    /* the mode that all CPUs use */
extern bool apic_timer_works;
uint32_t apic_read(unsigned int reg);
void apic_write(unsigned int reg, uint32_t v);
/* Sends an IPI.  False if the mode can't name the destination, or the ICR stays busy. */
bool apic_icr(uint32_t dest, uint32_t low);
void apic_eoi(void);
/* Own ID as the register has it, whatever mode this CPU is in. */
uint32_t apic_hw_id(void);
/* Puts this CPU's APIC into the common mode and enables it. */
void apic_enable(void);
/* BSP: takes the mode from the hand-over, or x2APIC if asked for and possible. */
void apic_init(bool want_x2);
void apic_timer_calibrate(void);
/* One-shot interrupt on this CPU. */
void apic_timer_arm(uint64_t us);

/* ---- CPUs (smp.c) ---- */
struct cpu {
    struct cpu *self;
    void *stack;                        /* CPU_STACK; its upper end */
    uint32_t index;                     /* in cpus[]: the MADT's order, which is the vCPU's number */
    uint32_t uid, id, flags;            /* as the MADT says */
    uint32_t online, sends_failed;
    bool lost;                          /* didn't finish what it was given */
    uint64_t apic_base;                 /* at hand-over */
    uint32_t hw_id;                     /* in the mode at hand-over */
    uint64_t bringup_tsc;               /* on the BSP's clock: INIT to running C */
    uint8_t *stack_low;
    void (*volatile fn)(struct cpu *me, void *arg);
    void *volatile arg;
    volatile bool sync;
    uint32_t rx[256];                   /* interrupts got, by vector */
    uint32_t want[256];                 /* for checks: interrupts that should have come */
    void *data;                         /* for checks */
};
extern struct cpu **cpus, **cpus_by_id; /* by index; by rising APIC ID */
extern unsigned int cpu_count, cpus_online, cpus_enabled, cpus_x2_handover;
extern struct cpu *bsp;
extern const char *smp_error;           /* why there's only the BSP, or NULL */
extern uint32_t smp_strangers, smp_stranger_id, smp_rekicks;
extern uint64_t wait_us;                /* parameter timeout=, for one wait */
extern uint64_t bringup_total_tsc;

/* This CPU. */
static inline struct cpu *this_cpu(void)
{
    struct cpu *c;
    asm volatile ( "mov %%gs:0, %0" : "=r" (c) );
    return c;
}
void smp_init(void);
/* Starts each enabled AP, one by one; does so once. */
void smp_start(void);
/* Called by name from start.S. */
struct cpu *ap_find(void);
void ap_main(struct cpu *me) NORETURN;
/* Work for an AP, begun by smp_kick().  The AP runs fn(its cpu, arg). */
void smp_post(struct cpu *c, void (*fn)(struct cpu *me, void *arg), void *arg);
void smp_kick(void);
/* Waits for all that was posted.  Returns how many didn't finish: these are lost. */
unsigned int smp_wait(void);
/* Runs fn on all online CPUs, the BSP too.  Returns how many didn't finish. */
unsigned int smp_all(void (*fn)(struct cpu *me, void *arg), void *arg);
/* The same, all let go at once after the last one has arrived. */
unsigned int smp_all_at_once(void (*fn)(struct cpu *me, void *arg), void *arg);
/* Any CPU: gets the BSP out of its wait, to look at its condition again. */
void smp_wake_bsp(void);
/* BSP sleeps until the counter is 0 (true), or the time is over (false). */
bool wait_zero(const uint32_t *counter, uint64_t us);
/* An AP's wait in its work: one sleep, ended by any interrupt; call with interrupts off, in a
 * loop that looks at the condition.  Leaves interrupts off. */
void ap_sleep(void);
/* CPUs at the borders of index and APIC ID, then evenly spread, in order of index; at most max. */
unsigned int smp_sample(struct cpu **out, unsigned int max);
struct cpu *smp_by_id(uint32_t id);
/* Sorted APIC IDs of the CPUs that are listed, as "0-7,16-30/2". */
void smp_id_ranges(char *out, size_t size);

/* ---- topology (topology.c) ---- */
struct topology {
    const char *source;
    unsigned int threads_per_core, cores_per_socket, sockets;
    unsigned int shift_core, shift_socket;      /* of the APIC ID */
};
void topology_get(struct topology *t);
bool leaf_b_valid(void);

/* ---- PCI (pci.c): configuration mechanism 1, bus 0 ---- */
uint32_t pci_read(unsigned int bdf, unsigned int reg);
void pci_write(unsigned int bdf, unsigned int reg, uint32_t v);
/* First function with that vendor and device (device << 16 | vendor), or -1. */
int pci_find(uint32_t id);
/* The same for one more than the first. */
int pci_find_nth(uint32_t id, unsigned int n);
/* Offset of the first capability of that kind, or 0. */
#define PCI_CAP_MSI     0x05
#define PCI_CAP_MSIX    0x11
unsigned int pci_cap(unsigned int bdf, unsigned int kind);
/* Address of a memory BAR below 4 GiB, or 0. */
uint32_t pci_mem_bar(unsigned int bdf, unsigned int bar);

/* ---- a device's table of messages (msix.c) ---- */
struct msix {
    unsigned int bdf, cap, entries;
    volatile uint32_t *table;
    volatile const uint32_t *pending;
};
/* Switches MSI-X on with all entries masked.  False if the device has none. */
bool msix_init(struct msix *m, unsigned int bdf);
void msix_off(const struct msix *m);
void msix_mask(const struct msix *m, unsigned int n, bool masked);
/* The function's mask, which leaves those of the entries as they are. */
void msix_mask_all(const struct msix *m, bool masked);
/* Address and data; what they are good for while the entry isn't masked is left open by PCI. */
void msix_message(const struct msix *m, unsigned int n, uint64_t addr, uint32_t data);
/* The same, masked meanwhile. */
void msix_set(const struct msix *m, unsigned int n, uint64_t addr, uint32_t data);
/* The device has something to say that is masked; any CPU. */
bool msix_pending(const struct msix *m, unsigned int n);

/* ---- results (result.c) ---- */
enum status { PASS, SKIP, ERROR, FAIL };        /* the worst one counts */

struct check {
    const char *name, *about;
    bool needs_aps;
    bool optional;                              /* only when named in checks= */
    void (*run)(void);
};
extern const struct check *const check_table[];
extern const unsigned int check_table_size;

void result_begin(const char *name);
void result_end(void);
/* ERROR: the test itself can't do its work; FAIL: what it tests is wrong. */
void check_fail(const char *fmt, ...) PRINTF(1, 2);
void check_error(const char *fmt, ...) PRINTF(1, 2);
void check_skip(const char *fmt, ...) PRINTF(1, 2);
/* Text of the line if the check passes. */
void check_note(const char *fmt, ...) PRINTF(1, 2);
/* A member of the report's JSON object: fmt makes the value, in JSON. */
void report_add(const char *key, const char *fmt, ...) PRINTF(2, 3);
extern unsigned int results[4];
void report_print(void);
void panic(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/* Only on the BSP, at the end; tries what the machine has. */
void power_off(bool crash) NORETURN;

void bare_main(uint32_t magic, uint32_t info);

#endif
