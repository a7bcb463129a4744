/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the processor objects of a guest with many vCPUs share: the vCPUs'
 * slots, and CPU hotplug by the device model's register block.  mk_dsdt adds
 * the objects themselves, the ENxx fields and CTFY, which notifies one of
 * them.
 *
 * A vCPU is named by its number everywhere: its ACPI processor UID, the index
 * of its slot and of its CPU in the device model are the same.  APIC IDs play
 * no role.
 */

    Scope (\_SB)
    {
       /* acpi_info.cpu_slots_addr, see build.c: follows the region BIOS. */
       OperationRegion(BIOX, SystemMemory, 0xFC000028, 4)
       Field(BIOX, ByteAcc, NoLock, Preserve) {
           CSLA, 32 /* Address of the slots, 8 bytes each: cpu_tables.h */
       }

       /*
        * The device model's CPU hotplug registers in their modern layout
        * (QEMU's docs/specs/acpi_cpu_hotplug.rst).  What is written in the
        * rest of the access must be zero.
        */
       OperationRegion(CPHR, SystemIO, 0xAF00, 12)
       Field(CPHR, DWordAcc, NoLock, WriteAsZeros) {
           CSEL, 32, /* Write: CPU selector.  Read: command data, high half */
           Offset(8),
           CDAT, 32  /* Command data, low half */
       }
       Field(CPHR, ByteAcc, NoLock, WriteAsZeros) {
           Offset(4),
           CFLG, 8,  /* Selected CPU: 1 present, 2 inserted, 4 to be removed;
                      * writing 2 or 4 clears the event, 8 ejects the CPU */
           CCMD, 8   /* Command.  0: select the next CPU with an event */
       }

       Mutex(CPLK, 0)  /* Held around each use of the registers or slots */
       Name(CPSC, 0)   /* Must PRSC look at every CPU once? */

       /*
        * The registers may start in their legacy layout, a bitmap of which
        * CPU 0's bit is always set, and change to the modern one when zero is
        * written there.  The latter only reports insertions made after that.
        */
       Method(_INI, 0, Serialized) {
           Acquire(CPLK, 0xFFFF)
           If(LNotEqual(CSEL, Zero)) {
               Store(Zero, CSEL)
               Store(One, CPSC)
           }
           Store(Zero, CSEL)
           Release(CPLK)
       }

       /* Sets whether vCPU Arg0 is enabled (Arg1: 0, 1), also in the MADT. */
       Method(CSET, 2, Serialized) {
           OperationRegion(CPSL, SystemMemory,
                           Add(\_SB.CSLA, ShiftLeft(Arg0, 3)), 8)
           Field(CPSL, ByteAcc, NoLock, Preserve) {
               SADR, 32,
               SLEN, 8,
               SFLO, 8,
               SENA, 1
           }
           OperationRegion(CPFL, SystemMemory, Add(SADR, SFLO), 1)
           Field(CPFL, ByteAcc, NoLock, Preserve) {
               FENA, 1
           }
           If(LNotEqual(SENA, Arg1)) {
               Store(Arg1, SENA)
               Store(Arg1, FENA)
               /* Keep the sum of the MADT's bytes at zero. */
               If(Arg1) {
                   Subtract(\_SB.MSU, One, \_SB.MSU)
               } Else {
                   Add(\_SB.MSU, One, \_SB.MSU)
               }
           }
       }

       /* _MAT of vCPU Arg0: its MADT structure. */
       Method(CMAT, 1, Serialized) {
           If(LGreaterEqual(Arg0, \_SB.NCPU)) {
               Return(Buffer() {0, 8, 0xff, 0xff, 0, 0, 0, 0})
           }
           OperationRegion(CPSL, SystemMemory,
                           Add(\_SB.CSLA, ShiftLeft(Arg0, 3)), 8)
           Field(CPSL, ByteAcc, NoLock, Preserve) {
               SADR, 32,
               SLEN, 8
           }
           OperationRegion(CPMT, SystemMemory, SADR, 16)
           Field(CPMT, ByteAcc, NoLock, Preserve) {
               MTXA, 64
           }
           Field(CPMT, ByteAcc, NoLock, Preserve) {
               MTX2, 128
           }
           If(LEqual(SLEN, 8)) {
               Return(ToBuffer(MTXA))
           }
           Return(ToBuffer(MTX2))
       }

       /* _EJ0 of vCPU Arg0. */
       Method(CEJT, 1, Serialized) {
           Acquire(CPLK, 0xFFFF)
           Store(Arg0, CSEL)
           Store(8, CFLG)
           CSET(Arg0, Zero)
           Release(CPLK)
       }

       /* CPU hotplug GPE handler. */
       Method(PRSC, 0, Serialized) {
           Acquire(CPLK, 0xFFFF)

           If(CPSC) {
               Store(Zero, CPSC)
               Store(Zero, Local0)
               While(LLess(Local0, \_SB.NCPU)) {
                   Store(Local0, CSEL)
                   If(And(CFLG, One)) {
                       /* Its insertion is thereby seen. */
                       Store(2, CFLG)
                       If(LNot(CENA(Local0))) {
                           CSET(Local0, One)
                           CTFY(Local0, One)     /* Device Check */
                       }
                   }
                   Increment(Local0)
               }
           }

           Store(Zero, CSEL)
           Store(One, Local1)
           While(Local1) {
               Store(Zero, Local1)
               Store(Zero, CCMD)
               Store(CFLG, Local2)
               If(And(Local2, 6)) {
                   Store(One, Local1)
                   Store(CDAT, Local0)
                   If(And(Local2, 2)) {
                       Store(2, CFLG)
                       If(LLess(Local0, \_SB.NCPU)) {
                           CSET(Local0, One)
                           CTFY(Local0, One)     /* Device Check */
                       }
                   } Else {
                       Store(4, CFLG)
                       CTFY(Local0, 3)           /* Eject Request */
                   }
               }
           }

           Release(CPLK)
           Return(One)
       }

       /* Is vCPU Arg0 enabled? */
       Method(CENA, 1, Serialized) {
           OperationRegion(CPSL, SystemMemory,
                           Add(\_SB.CSLA, ShiftLeft(Arg0, 3)), 8)
           Field(CPSL, ByteAcc, NoLock, Preserve) {
               Offset(6),
               SENA, 1
           }
           Return(SENA)
       }
    }
