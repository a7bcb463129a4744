# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# Shell functions of the lab's Linux guest, where this is /etc/interrupts.sh: what /proc/interrupts
# has of some interrupts, whose numbers are $1, as one word ("24 25"); and reads that cause some.

# "here elsewhere": how many came to the CPUs $2 ("0 3"), and how many to others.
counts() {
    awk -v want=" $1 " -v cpus=" $2 " '
        NR == 1 { for (i = 1; i <= NF; i++) if (index(cpus, " " substr($i, 4) " ")) col[i + 1] = 1; n = NF; next }
        index(want, " " substr($1, 1, length($1) - 1) " ") { for (i = 2; i <= n + 1; i++) if (i in col) here += $i; else other += $i }
        END { print here + 0, other + 0 }' /proc/interrupts
}
# What the kernel has the first of them by, without the device: IR-PCI-MSIX, xen-pirq or another.
kind() {
    awk -v want=" $1 " 'NR > 1 && index(want, " " substr($1, 1, length($1) - 1) " ") {
        for (i = 2; i <= NF; i++) if ($i ~ /^[A-Za-z]/) { sub(/-0000:.*/, "", $i); print $i; exit } }' /proc/interrupts
}
# What came to the CPUs $2, and what elsewhere, while $3... ran, as $here and $elsewhere; fails if that does.
counted() {
    local irqs="$1" cpus="$2" before after
    shift 2
    before=$(counts "$irqs" "$cpus")
    "$@" || return
    after=$(counts "$irqs" "$cpus")
    here=$((${after% *} - ${before% *})) elsewhere=$((${after#* } - ${before#* }))
}
# $2 single reads of block device $1, past the page cache.
read_blocks() { dd if="/dev/$1" of=/dev/null bs=4096 count="$2" iflag=direct 2> /dev/null; }
