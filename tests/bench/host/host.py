#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts instructions of the functions whose cost isn't to grow, on the host by callgrind: the very
files and functions of our trees, and stock's of the tag "upstream" beside them.

Whole new files are compiled as they are.  Of upstream's files the functions in question are cut out
(extract.py) when this runs, and compiled with what they need from Xen's headers (shim/)."""

import argparse
import json
import os
import re
import subprocess
import sys

from extract import extract

HERE = os.path.dirname(os.path.abspath(__file__))
HVM = "xen/arch/x86/hvm/"
ASM = "xen/arch/x86/include/asm/"

# Headers of Xen that shim/ stands for.
EMPTY = ["xen/" + h for h in ("bitops.h bug.h cache.h dm.h domain_page.h errno.h event.h guest_access.h lib.h "
                              "nospec.h spinlock.h tasklet.h types.h xmalloc.h xvmalloc.h lib/x86/topology.h").split()] + \
        ["asm/" + h for h in "atomic.h system.h processor.h p2m.h hvm/vpt.h hvm/irq.h".split()]

# Output: (file, names that are cut out of it; none for all of it).
COMMON = {
    "asm/apicdef.h": [(ASM + "apicdef.h", ())],
    "asm/hvm/vlapic.h": [(ASM + "hvm/vlapic.h", ())],
    "xen/list.h": [("xen/include/xen/list.h", ())],
    "ioreq.h": [("xen/include/xen/ioreq.h",
                 "NR_IO_RANGE_TYPES ioreq_page ioreq_vcpu ioreq_server".split())],
    "ioreq.c": [("xen/common/ioreq.c", "GET_IOREQ_SERVER FOR_EACH_IOREQ_SERVER get_ioreq get_ioreq_vcpu? "
                                       "get_pending_vcpu vcpu_ioreq_pending ioreq_send".split())],
    "vlapic.c": [(HVM + "vlapic.c", "vlapic_find_highest_vector vlapic_test_and_set_irr vlapic_set_irq "
                                    "vlapic_find_highest_isr vlapic_get_ppr vlapic_match_logical_addr "
                                    "vlapic_match_dest vlapic_lowest_prio vlapic_accept_irq is_multicast_dest "
                                    "vlapic_ipi".split())],
    "vmsi.c": [(HVM + "vmsi.c", ["vmsi_inj_irq", "vmsi_deliver"])],
    "irq.c": [(ASM + "msi.h", ["MSI_" + n for n in
                               "DATA_VECTOR_MASK DATA_DELIVERY_MODE_SHIFT DATA_DELIVERY_MODE_MASK DATA_TRIGGER_SHIFT "
                               "DATA_TRIGGER_MASK ADDR_DESTMODE_MASK ADDR_DEST_ID_SHIFT ADDR_DEST_ID_MASK".split()]),
              (HVM + "irq.c", ["hvm_inject_msi"])],
}
OURS = {
    "asm/hvm/apic-map.h": [(ASM + "hvm/apic-map.h", ())],
    "asm/hvm/viommu.h": [(ASM + "hvm/viommu.h", ())],
    "asm/hvm/viommu-cache.h": [(ASM + "hvm/viommu-cache.h", ())],
    "asm/hvm/viommu-irte.h": [(ASM + "hvm/viommu-irte.h", ())],
    "apic-map.c": [(HVM + "apic-map.c", ())],
    "vlapic-map.c": [(HVM + "vlapic-map.c", ())],
    "cache.c": [(HVM + "viommu/cache.c", ())],
    "irte.c": [(HVM + "viommu/irte.c", ())],
    "viommu.c": [(HVM + "viommu/viommu.c", "IRTES_PER_PAGE viommu_enter viommu_exit record_fault read_irte miss "
                                           "remap viommu_remap viommu_remap_again deliver_one viommu_deliver viommu_inject_msi".split())],
}
# Ahead of what was cut out of a file.
HEAD = {
    "ioreq.c": "#include <xen/sched.h>\n#include <xen/list.h>\n#include \"ioreq.h\"\n",
    "vlapic.c": "#include <xen/sched.h>\n"
                "#define vlapic_error(vlapic, error) ((void)(vlapic), abort())\n",
    "vmsi.c": "#include <xen/sched.h>\nenum { dest_Fixed = 0, dest_LowestPrio = 1 };\n",
    "irq.c": "#include <xen/sched.h>\n",
    "viommu.c": "#include <xen/sched.h>\n#include <asm/hvm/viommu.h>\n"
                "#undef notify_via_xen_event_channel\n",
}
CFLAGS = ["-std=gnu11", "-O2", "-g", "-fno-strict-aliasing", "-fno-common", "-fno-pie", "-fno-stack-protector",
          "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-Wall", "-Werror", "-Wno-unused-function",
          "-Wno-unused-but-set-variable", "-Wno-unused-variable", "-D__XEN_TOOLS__",
          "-D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__"]

# Rows of the table: name in bench.c, what is taken off it, whether it may grow, what it is.
ROWS = [
    ("ioreq-pending", "nothing", False, "search for a pending IOREQ, at every VM entry"),
    ("ioreq-send", "nothing", False, "IOREQ sent, without the event channel"),
    ("qemu-port", "nothing", False, "QEMU: from event channel to request"),
    ("ipi", "nothing", False, "IPI to one APIC ID, into the target's IRR"),
    ("ipi-logical", "nothing", False, "IPI to one logical ID, into the target's IRR"),
    ("msi", "nothing", False, "MSI in compatibility format, into the IRR"),
    ("inject-off", "nothing", False, "the same by viommu_inject_msi(), remapping off"),
    ("inject-compat", "nothing", False, "the same, remapping on and compatibility format allowed"),
    ("inject-remapped", "inject-nothing", False, "MSI remapped on a hit, into the IRR"),
    ("cache-lookup", "remap-nothing", False, "IRTE cache: look-up"),
    ("remap-hit", "remap-nothing", False, "remap in total, hit"),
    ("remap-again", "remap-nothing", False, "remap of a passed through device's MSI, hit"),
    ("remap-miss", "nothing-once", False, "remap in total, miss"),
    ("cache-drop-index", "nothing-once", False, "invalidation by index: drop an entry"),
    ("cache-drop-global", "nothing-once", True, "global invalidation: drop all entries"),
    ("cache-sync", "nothing-once", True, "invalidation: wait for as many CPUs of the host"),
    ("map-update", "nothing-once", True, "APIC map filled anew, at a change of ID or mode"),
]
LIMIT = 1.1


def generate(directory, trees, stock):
    """Puts the sources of one side together in a directory."""
    revision = "upstream" if stock else "-"
    for name, pieces in (COMMON if stock else {**COMMON, **OURS}).items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(HEAD.get(name, "") + "".join(extract(trees["xen"], revision, *p) for p in pieces))
    for name in EMPTY:
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8"):
            pass
    with open(directory + "/xen/sched.h", "w", encoding="utf-8") as f:
        f.write("#include <domain.h>\n")
    with open(directory + "/qemu-functions.c", "w", encoding="utf-8") as f:
        f.write(extract(trees["qemu"], revision, "hw/xen/xen-hvm-common.c", ["cpu_get_ioreq"]))
    with open(directory + "/xen-ioreq-map.h", "w", encoding="utf-8") as f:
        f.write("" if stock else extract(trees["qemu"], "-", "include/hw/xen/xen-ioreq-map.h", ()))


def build(directory, trees, stock):
    generate(directory, trees, stock)
    public = directory + "/public"
    if not os.path.islink(public):
        os.symlink(trees["xen"] + "/xen/include/public", public)
    flags = CFLAGS + (["-DSTOCK"] if stock else []) + ["-I" + HERE + "/shim", "-I" + directory]
    names = [n for n in (COMMON if stock else {**COMMON, **OURS}) if n.endswith(".c")]
    objects = []
    for source, first in [(directory + "/" + n, "xen.h") for n in names] + \
                         [(HERE + "/bench.c", "xen.h"), (HERE + "/qemu.c", "qemu.h")]:
        objects.append("%s/%s.o" % (directory, os.path.basename(source)[:-2]))
        subprocess.run(["gcc", *flags, "-include", HERE + "/shim/" + first, "-c", "-o", objects[-1], source],
                       check=True)
    subprocess.run(["gcc", "-no-pie", "-o", directory + "/bench", *objects], check=True)


def count(directory):
    """Runs the benchmark; instructions a call by name, vCPUs and entries."""
    for f in os.listdir(directory):
        if f.startswith("callgrind.out"):
            os.unlink(os.path.join(directory, f))
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + directory + "/callgrind.out",
                          directory + "/bench"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True)
    if run.returncode:
        sys.exit("host.py: error: %s" % run.stderr.strip().splitlines()[-1])
    counts = {}
    for f in os.listdir(directory):
        if not f.startswith("callgrind.out."):
            continue
        with open(os.path.join(directory, f), encoding="utf-8") as dump:
            text = dump.read()
        trigger = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+) (\d+) (\d+)$", text, re.M)
        total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
        if trigger and total:
            name, vcpus, entries, calls = trigger.group(1), *map(int, trigger.groups()[1:])
            counts[name, vcpus, entries] = int(total.group(1)) / calls
        os.unlink(os.path.join(directory, f))
    return counts


def table(counts):
    """Rows with the cost of each size, without that of measuring it."""
    rows = []
    for name, base, may_grow, text in ROWS:
        costs = {}
        for (n, vcpus, entries), value in counts.items():
            if n != name:
                continue
            off = counts.get((base, vcpus, entries), counts.get((base, vcpus, 0)))
            costs[vcpus, entries] = round(value - off)
        if costs:
            rows.append({"name": name, "what": text, "may_grow": may_grow, "instructions":
                         [{"vcpus": v, "entries": e, "count": costs[v, e]} for v, e in sorted(costs)],
                         "growth": round(max(costs.values()) / max(1, min(costs.values())), 3)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xen", help="tree of Xen")
    parser.add_argument("qemu", help="tree of QEMU")
    parser.add_argument("out", help="directory for what is built")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    trees = {"xen": os.path.abspath(args.xen), "qemu": os.path.abspath(args.qemu)}

    sides = {}
    for side in ("stock", "ours"):
        directory = os.path.abspath(args.out) + "/" + side
        build(directory, trees, side == "stock")
        sides[side] = table(count(directory))

    grew = [r for r in sides["ours"] if not r["may_grow"] and r["growth"] > LIMIT]
    if args.json:
        print(json.dumps(sides))
    else:
        stock = {r["name"]: r for r in sides["stock"]}
        for r in sides["ours"]:
            print("%s\n    growth %.3f%s" % (r["what"], r["growth"], "" if r["may_grow"] else " (at most %.1f)" % LIMIT))
            for label, row in (("ours", r), ("stock", stock.get(r["name"]))):
                if row:
                    print("    %-6s" % label + "  ".join(
                        "%d%s: %d" % (i["vcpus"], "/%d" % i["entries"] if i["entries"] else "", i["count"])
                        for i in row["instructions"]))
    for r in grew:
        print("host.py: error: the cost of %s grew by %.3f" % (r["name"], r["growth"]), file=sys.stderr)
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
