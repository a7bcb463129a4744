/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry points: multiboot (BSP), start-up IPI (APs), interrupts.
 *
 * Everything runs in 64-bit mode at its physical addresses, the first 4 GiB mapped
 * one to one by 2 MiB pages.
 */
#include "layout.h"

#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x00010003         /* aligned modules, memory map, addresses below */

        .section .head, "ax"
        .code32
        .align 4
mb_header:
        .long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
        .long mb_header, load_start, load_end, bss_end, start

        .globl start
start:
        cli
        cld
        mov     %eax, %esi
        mov     $bss_start, %edi
        mov     $bss_end, %ecx
        sub     %edi, %ecx
        xor     %eax, %eax
        rep stosb
        mov     $boot_stack_end, %esp
        mov     %ebx, %ebp

        mov     $0x80000000, %eax
        cpuid
        cmp     $0x80000001, %eax
        jb      no_long_mode
        mov     $0x80000001, %eax
        cpuid
        bt      $29, %edx
        jnc     no_long_mode

        movl    $page_pdpt + 3, page_pml4
        movl    $page_pd + 3, %eax
        xor     %ecx, %ecx
1:      mov     %eax, page_pdpt(,%ecx,8)
        add     $4096, %eax
        inc     %ecx
        cmp     $4, %ecx
        jb      1b
        mov     $0x83, %eax         /* present, writable, 2 MiB */
        xor     %ecx, %ecx
2:      mov     %eax, page_pd(,%ecx,8)
        add     $0x200000, %eax
        inc     %ecx
        cmp     $2048, %ecx
        jb      2b

        lgdt    gdt_desc
        call    enter_long_mode
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        ljmp    $SEL_CODE64, $bsp_start64

no_long_mode:
        mov     $no_long_mode_text, %esi
        mov     $DEBUG_PORT, %edx
3:      lodsb
        test    %al, %al
        jz      4f
        outb    %al, %dx
        jmp     3b
4:      cli
        hlt
        jmp     4b

/* Turns on PAE, the page tables, long mode.  Clobbers EAX, ECX, EDX. */
enter_long_mode:
        mov     %cr4, %eax
        or      $0x20, %eax
        mov     %eax, %cr4
        mov     $page_pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     $0x80010033, %eax   /* PG WP NE ET MP PE; caches on */
        mov     %eax, %cr0
        ret

        .code64
bsp_start64:
        mov     %esi, %edi
        mov     %ebp, %esi
        mov     $boot_stack_end, %esp
        xor     %ebp, %ebp
        call    bare_main
5:      cli
        hlt
        jmp     5b

/*
 * APs come here from the trampoline, in 64-bit mode, without a stack of their own.
 * The lock guards the one that they share until ap_find() has told who they are.
 */
ap_start64:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
6:      lock btsl $0, ap_lock
        jnc     7f
        pause
        jmp     6b
7:      mov     $ap_stack_end, %esp
        xor     %ebp, %ebp
        call    ap_find
        mov     %rax, %rdi
        test    %rax, %rax
        jz      8f
        mov     CPU_STACK(%rax), %rsp
        movl    $0, ap_lock
        call    ap_main
8:      movl    $0, ap_lock
9:      cli
        hlt
        jmp     9b

/* Copied to TRAMPOLINE; a start-up IPI enters it in real mode. */
        .section .rodata
        .globl  trampoline_start, trampoline_end
        .code16
        .align 16
trampoline_start:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   trampoline_gdt - trampoline_start
        mov     $1, %eax
        mov     %eax, %cr0
        ljmpl   $SEL_CODE32, $(TRAMPOLINE + trampoline32 - trampoline_start)
        .align 4
trampoline_gdt:
        .word   gdt_end - gdt - 1
        .long   gdt
        .code32
trampoline32:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        /* As enter_long_mode, but without a stack: several may be here at once. */
        mov     $0x20, %eax
        mov     %eax, %cr4
        mov     $page_pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     $0x80010033, %eax
        mov     %eax, %cr0
        ljmp    $SEL_CODE64, $ap_start64
trampoline_end:

no_long_mode_text:
        .asciz  "@check boot error the CPU has no 64-bit mode\n"

        .align 8
        .globl  gdt, gdt_desc
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff  /* SEL_CODE32 */
        .quad   0x00cf93000000ffff  /* SEL_DATA */
        .quad   0x00af9b000000ffff  /* SEL_CODE64 */
gdt_end:
gdt_desc:
        .word   gdt_end - gdt - 1
        .quad   gdt

/* One 16-byte stub a vector: error code (0 where the CPU pushes none), vector. */
        .text
        .code64
        .align 16
        .globl  isr_stubs
isr_stubs:
        .set    vector, 0
        .rept   256
        .align  16
        .set    pushed, 0
        .if     vector < 32
        .set    pushed, (0x60227d00 >> vector) & 1
        .endif
        .if     !pushed
        push    $0
        .endif
        push    $vector
        jmp     isr_common
        .set    vector, vector + 1
        .endr

isr_common:
        push    %rax
        push    %rbx
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %rbp
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld
        mov     %rsp, %rdi
        call    isr
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rbp
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rbx
        pop     %rax
        add     $16, %rsp
        iretq

        .bss
        .align  4096
page_pml4:      .skip 4096
page_pdpt:      .skip 4096
page_pd:        .skip 4 * 4096
        .globl  boot_stack
boot_stack:     .skip 16384
boot_stack_end:
ap_stack:       .skip 2048
ap_stack_end:
        .align  4
ap_lock:        .skip 4
