/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share.
 *
 * A target takes fields off the fuzzer's bytes, hands them to the code under test
 * and to a plain model of it, and compares.  FUZZ_SAW() marks what a run has to
 * come by to be worth anything; see fuzz.c.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct fuzz_in {
    const uint8_t *p;
    size_t left;
};

/* The next bytes (at most 8), little endian.  Zeroes follow the last one. */
static inline uint64_t fuzz_take(struct fuzz_in *in, unsigned int bytes)
{
    uint64_t v = 0;
    unsigned int i;

    for ( i = 0; i < bytes && in->left; i++, in->left-- )
        v |= (uint64_t)*in->p++ << (8 * i);

    return v;
}

#define FUZZ_CHECK(cond, ...) do {                                      \
    if ( !(cond) )                                                      \
    {                                                                   \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond);      \
        fprintf(stderr, __VA_ARGS__);                                   \
        fputc('\n', stderr);                                            \
        abort();                                                        \
    }                                                                   \
} while ( 0 )

struct fuzz_saw {
    const char *what;
    unsigned long count;
};

#define FUZZ_SAW(name) do {                                             \
    static struct fuzz_saw saw_                                         \
        __attribute__((section("fuzz_saw"), used, no_sanitize("address"))) \
        = { name, 0 };                                                  \
    saw_.count++;                                                       \
} while ( 0 )

#endif
