/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk's first sector, which loads the guest by the BIOS and starts it as a multiboot
 * loader would: without the device model's -kernel, and what comes to a guest with it.
 *
 * The disk: this sector; CMDLINE_SECTORS with the command line, which ends in a zero
 * byte; the kernel as it is to lie in memory, which begins with its multiboot header;
 * as much behind it as is read at once.  The kernel gets a command line and a memory
 * map.  What goes wrong is said on the debug port, which is Xen's log.
 */
#include "layout.h"

#define CMDLINE_SECTORS 2
#define AT_ONCE         64              /* sectors: int 15h moves at most 64 KiB */

/* Memory below 1 MiB, of which the BIOS leaves us what is above its own 0x500. */
#define BOOT            0x7c00
#define INFO            0x8000          /* multiboot information */
#define CMDLINE         0x9000
#define MMAP            0xa000
#define BUFFER          0x10000

#define MB_MAGIC        0x1badb002
#define MB_LOADED       0x2badb002
#define INFO_FLAGS      0x44            /* command line, memory map */

        .code16
        .text
        .globl  boot
boot:
        ljmp    $0, $1f                 /* whatever the BIOS has in CS */
1:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $BOOT, %sp
        sti
        cld
        mov     %dl, drive

        call    read                    /* the command line: packet has this request */
        movw    $AT_ONCE, count
        movl    $(BUFFER >> 4) << 16, buffer
        movl    $1 + CMDLINE_SECTORS, sector
        call    read
        mov     $BUFFER >> 4, %ax
        mov     %ax, %fs
        cmpl    $MB_MAGIC, %fs:0
        mov     $no_kernel, %bp
        jne     fail
        mov     %fs:16, %eax            /* load_start */
        mov     %eax, to
        mov     %fs:20, %eax            /* load_end */
        mov     %eax, end
        mov     %fs:28, %eax            /* start */
        mov     %eax, entry

        /* By turns: what is in the buffer to where it belongs, and more into the buffer. */
2:      mov     to, %eax
        mov     %eax, gdt_to + 2        /* base: 24 bits in the descriptor's middle, 8 at its end */
        movb    $0x93, gdt_to + 5
        shr     $24, %eax
        mov     %al, gdt_to + 7
        mov     $move_gdt, %si
        mov     $AT_ONCE * 512 / 2, %cx
        mov     $0x87, %ah
        int     $0x15
        mov     $no_memory, %bp
        jc      fail
        mov     to, %eax
        add     $AT_ONCE * 512, %eax
        mov     %eax, to
        cmp     end, %eax
        jae     3f
        addl    $AT_ONCE, sector
        call    read
        jmp     2b

        /* The memory map: entries of 20 bytes, each with its size before it. */
3:      mov     $MMAP + 4, %di
        xor     %ebx, %ebx
4:      mov     $0xe820, %eax
        mov     $0x534d4150, %edx       /* "SMAP" */
        mov     $20, %ecx
        int     $0x15
        jc      5f
        movl    $20, -4(%di)
        add     $24, %di
        test    %ebx, %ebx
        jnz     4b
5:      sub     $MMAP + 4, %di
        movzwl  %di, %eax
        mov     $no_memory, %bp
        jz      fail
        movl    $INFO_FLAGS, INFO
        movl    $CMDLINE, INFO + 16
        mov     %eax, INFO + 44
        movl    $MMAP, INFO + 48

        /* To protected mode.  A20 has been open since hvmloader. */
        cli
        lgdtl   gdt_desc
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $SEL_CODE32, $6f
        .code32
6:      mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $MB_LOADED, %eax
        mov     $INFO, %ebx
        jmp     *entry

        .code16
/* The request in packet, by int 13h's extensions: blocks by their numbers. */
read:
        mov     $packet, %si
        mov     drive, %dl
        mov     $0x42, %ah
        int     $0x13
        mov     $no_read, %bp
        jc      fail
        ret

/* %bp: why. */
fail:
        mov     %bp, %si
7:      lodsb
        outb    %al, $DEBUG_PORT
        cmp     $'\n', %al
        jne     7b
8:      cli
        hlt
        jmp     8b

no_read:        .ascii  "boot: can't read\n"
no_kernel:      .ascii  "boot: no kernel\n"
no_memory:      .ascii  "boot: no memory\n"

drive:          .byte   0
        .align  4
packet:         .byte   16, 0
count:          .word   CMDLINE_SECTORS
buffer:         .long   CMDLINE         /* offset, segment */
sector:         .quad   1
to:             .long   0
end:            .long   0
entry:          .long   0

        .align  8
move_gdt:
        .quad   0, 0                    /* the BIOS's */
        .quad   0x0000930000000000 + (BUFFER << 16) + 0xffff
gdt_to:
        .quad   0x000093000000ffff
        .quad   0, 0                    /* the BIOS's */
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* SEL_CODE32 */
        .quad   0x00cf93000000ffff      /* SEL_DATA */
gdt_desc:
        .word   gdt_desc - gdt - 1
        .long   gdt

        .org    510
        .word   0xaa55
