#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report: what firmware and processor tell it, to be compared
# with another guest's.
#
#   CPUS   CPUs whose CPUID to read
#
# Prints "@acpi TABLE size MD5", and "@cpuid CPU LEAF SUBLEAF REGISTERS".

CPUS=${CPUS:-0}

find /sys/firmware/acpi/tables -type f | sort | while read -r t; do
    echo "@acpi ${t##*/tables/} $(wc -c < "$t") $(md5sum < "$t" | cut -d' ' -f1)"
done

leaf() { dd if="/dev/cpu/$1/cpuid" bs=16 count=1 iflag=skip_bytes skip=$(($2 | ($3 << 32))) 2> /dev/null | hexdump -e '4/4 "%08x "'; }
# $1: CPU; $2: the leaf that says how many there are
range() {
    n=0
    most=$(leaf "$1" "$2" 0 | cut -d' ' -f1)
    last=$((0x$most))
    [ $last -ge $(($2)) ] && [ $last -le $(($2 + 0x100)) ] || return
    l=$(($2))
    while [ $l -le $last ]; do
        case $l in
        # The clock's scale and offset differ from boot to boot.
        $((0x40000003))) subs='' ;;
        4|7|11|13|31|$((0x8000001d))|$((0x80000026))) subs='0 1 2 3 4 5' ;;
        *) subs=0 ;;
        esac
        for s in $subs; do echo "@cpuid $1 $(printf %08x $l) $s $(leaf "$1" $l "$s")"; done
        l=$((l + 1))
    done
}
for c in $CPUS; do
    for base in 0x0 0x40000000 0x80000000; do range "$c" $base; done
done
