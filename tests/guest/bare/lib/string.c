// SPDX-License-Identifier: GPL-2.0-or-later
/* Strings, and printf into a buffer. */
#include "bare.h"

void *memcpy(void *to, const void *from, size_t n)
{
    void *d = to;

    asm volatile ( "rep movsb" : "+D" (d), "+S" (from), "+c" (n) :: "memory" );
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *d = to;

    asm volatile ( "rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory" );
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;

    for ( ; n; n--, p++, q++ )
        if ( *p != *q )
            return *p < *q ? -1 : 1;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while ( s[n] )
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    for ( ; *a && *a == *b; a++, b++ )
        ;
    return (uint8_t)*a - (uint8_t)*b;
}

static void put(char *out, size_t size, size_t *n, char c)
{
    if ( *n + 1 < size )
        out[*n] = c;
    (*n)++;
}

size_t vsnprintf(char *out, size_t size, const char *fmt, va_list ap)
{
    size_t n = 0;

    for ( ; *fmt; fmt++ )
    {
        char digits[24], pad = ' ';
        const char *s;
        unsigned int width = 0, longs = 0, base = 10;
        size_t len;
        unsigned long v;
        bool minus = false;

        if ( *fmt != '%' )
        {
            put(out, size, &n, *fmt);
            continue;
        }
        fmt++;
        if ( *fmt == '0' )
            pad = *fmt++;
        for ( ; *fmt >= '0' && *fmt <= '9'; fmt++ )
            width = width * 10 + *fmt - '0';
        for ( ; *fmt == 'l' || *fmt == 'z'; fmt++ )
            longs++;
        switch ( *fmt )
        {
        case 's':
            s = va_arg(ap, const char *);
            if ( !s )
                s = "(null)";
            len = strlen(s);
            break;
        case 'c':
            digits[0] = va_arg(ap, int);
            s = digits;
            len = 1;
            break;
        case 'd': case 'u': case 'x': case 'p':
            if ( *fmt == 'p' )
                longs = 1;
            if ( *fmt == 'x' || *fmt == 'p' )
                base = 16;
            if ( *fmt == 'd' )
            {
                long sv = longs ? va_arg(ap, long) : va_arg(ap, int);

                minus = sv < 0;
                v = minus ? -(unsigned long)sv : (unsigned long)sv;
            }
            else
                v = longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int);
            len = 0;
            do {
                digits[sizeof(digits) - ++len] = "0123456789abcdef"[v % base];
                v /= base;
            } while ( v );
            if ( minus )
                digits[sizeof(digits) - ++len] = '-';
            s = digits + sizeof(digits) - len;
            break;
        case '\0':
            fmt--;
            continue;
        default:
            put(out, size, &n, *fmt);
            continue;
        }
        for ( ; width > len; width-- )
            put(out, size, &n, pad);
        while ( len-- )
            put(out, size, &n, *s++);
    }
    if ( size )
        out[n < size ? n : size - 1] = '\0';
    return n;
}

size_t snprintf(char *out, size_t size, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = vsnprintf(out, size, fmt, ap);
    va_end(ap);
    return n;
}
