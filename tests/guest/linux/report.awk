# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the Linux guest's report of dmesg, /proc/interrupts, /proc/cpuinfo and
# lscpu -e, in this order: one line, "@report" and a JSON object.

function quote(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); gsub(/[\001-\037]/, " ", s); return "\"" s "\"" }

# Sorted numbers as ranges with a stride: 0-287, 0-14/2, 1,5,9-12
function ranges(a, n,    i, j, step, out) {
    out = ""
    for (i = 1; i <= n; i = j + 1) {
        j = i
        step = i < n ? a[i + 1] - a[i] : 0
        while (j < n && a[j + 1] - a[j] == step) j++
        if (j - i < 2 && step != 1) { j = i; step = 0 }
        out = out (out == "" ? "" : ",") a[i] (j > i ? "-" a[j] : "") (step > 1 ? "/" step : "")
    }
    return out
}

FNR == 1 { file++ }

# When each CPU is started, which is seldom where its number would have it: with printk.time=1.
file == 1 && /smpboot: Booting Node .* Processor/ { t = $0; sub(/^\[ */, "", t); start[++starts] = t + 0 }

file == 1 {
    sub(/^\[[^]]*\] /, "")
    if (/DMAR-IR: Enabled IRQ remapping in/) remap = $0
    if (/x2apic enabled|APIC: Switched APIC routing to/) routing = $0
    if (/(^|[^A-Z_])(WARNING|BUG): /) warnings++
    if (/x2apic: IRQ remapping doesn't support X2APIC mode|APIC id 0x[0-9a-f]+ rejected|not supported in xAPIC mode|NR_CPUS limit|CPU limit|exceeds|[Nn]ot allowing|CPU[0-9]* failed/ && notes < 8) note[++notes] = $0
    next
}

file == 2 && FNR == 1 { columns = NF; next }
file == 2 {
    name = $1; sub(/:$/, "", name); sum = 0
    for (i = 2; i <= columns + 1 && $i ~ /^[0-9]+$/; i++) { sum += $i; if ($i > 0) hit[i] = 1 }
    total += sum
    if (sum > 0) kinds = kinds (kinds == "" ? "" : ", ") quote(name) ": " sum
    next
}

file == 3 && $1 == "processor" { online++ }
file == 3 && $1 == "apicid" { id[++ids] = $3 }
file == 3 && /^flags/ && !flags { flags = 1; x2apic_flag = / x2apic / ? 1 : 0 }
file == 3 && /^model name/ { sub(/.*: /, ""); model = $0 }
file == 3 { next }

file == 4 && FNR > 1 {
    present++
    if ($2 != "-" && !(($3, $2) in core)) { core[$3, $2] = 1; cores++ }
    if ($3 != "-" && !($3 in socket)) { socket[$3] = 1; sockets++ }
}

END {
    # Insertion sort: the kernel's order is nearly sorted already.
    for (i = 2; i <= ids; i++) for (j = i; j > 1 && id[j - 1] + 0 > id[j] + 0; j--) { t = id[j]; id[j] = id[j - 1]; id[j - 1] = t }
    for (i in hit) cpus_hit++
    mode = routing ~ /x2apic/ ? "x2apic" : "xapic"
    printf "@report {\"guest\": \"linux\", \"kernel\": %s, \"vcpus_present\": %d, \"vcpus_online\": %d, \"vcpus_refused\": %d", quote(kernel), present, online, refused
    printf ", \"apic_mode\": %s, \"apic_routing\": %s, \"apic_ids\": %s, \"max_apic_id\": %d", quote(mode), quote(routing), quote(ranges(id, ids)), id[ids]
    printf ", \"topology\": {\"sockets\": %d, \"cores_per_socket\": %s, \"threads_per_core\": %s}", sockets, sockets ? cores / sockets : 0, cores ? online / cores : 0
    printf ", \"remapping\": %s, \"interrupts\": %d, \"interrupts_by_kind\": {%s}, \"cpus_interrupted\": %d", quote(remap == "" ? "none" : remap), total, kinds, cpus_hit
    steps = starts > 8 ? 8 : starts - 1
    for (i = 1; i <= steps; i++) {
        first8 += (start[i + 1] - start[i]) / steps
        last8 += (start[starts - i + 1] - start[starts - i]) / steps
    }
    if (last8 > 0)
        printf ", \"bringup_s\": {\"first8_mean\": %.6f, \"last8_mean\": %.6f}", first8, last8
    printf ", \"boot_s\": %.2f, \"online_s\": %.2f, \"warnings\": %d, \"messages\": [", t_init, t_online - t_init, warnings
    for (i = 1; i <= notes; i++) printf "%s%s", i > 1 ? ", " : "", quote(note[i])
    printf "]}\n"
}
