#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py [--json] DIR/PART ...: the figures in DIR/PART.json as tables, or as one JSON object;
exit status 1 if a ratio is beyond its limit."""

import json
import os
import sys

GROWTH = 1.1        # of a cost that isn't to depend on the number of vCPUs
REMAPPED = 1.05     # of a delivery, remapped against compatibility format
LAST_AP = 1.5       # of the last CPU that comes up against the first

GUEST = {
    "exit": "CPUID, an exit to Xen and back", "ipi": "IPI, into the IRR of a CPU that doesn't run",
    "ipi_trip": "IPI to a sleeping CPU, and one back", "port": "port access by QEMU",
    "mmio": "MMIO write by QEMU, edu, without effect", "msi_compat": "the same that sends an MSI, compatibility format",
    "msi_allowed": "the same, remapping on and that format allowed",
    "msi_hit": "remapped, entry cached", "msi_miss": "remapped, entry not cached",
    "reg": "register of the VT-d unit", "inv_index": "invalidation by index, with wait",
    "inv_all": "global invalidation, with wait",
    "pt_mmio": "MMIO write to a passed through e1000e", "pt_compat": "the same that sends an MSI, compatibility format",
    "pt_allowed": "the same, remapping on and that format allowed",
    "pt_hit": "remapped, entry cached", "pt_miss": "remapped, entry not cached",
}
GROWTH_OF = ("exit", "ipi", "port", "msi_compat", "msi_hit", "pt_compat", "pt_hit")


def row(*cells, widths=(50, 6)):
    text = "".join("%-*s" % (w, c) for w, c in zip(widths, cells))
    print((text + "".join("%12s" % c for c in cells[len(widths):])).rstrip())


def host(figures, ratio):
    stock = {r["name"]: r for r in figures["stock"]}
    sizes = [i["vcpus"] for i in figures["stock"][0]["instructions"]]
    print("On the host, instructions a call, by vCPUs:")
    row("", "", *sizes)
    for r in figures["ours"]:
        entries = sorted({i["entries"] for i in r["instructions"]})
        for e in entries:
            what = r["what"] + (" (%d)" % e if len(entries) > 1 else "")
            row(what if len(what) <= 49 else what[:48], "ours", *(i["count"] for i in r["instructions"] if i["entries"] == e))
        if r["name"] in stock:
            row("", "stock", *(i["count"] for i in stock[r["name"]]["instructions"]))
        if not r["may_grow"]:
            ratio("host: growth of " + r["name"], r["growth"], GROWTH)


def guest(figures, ratio):
    ours, stock = figures["ours"], figures["stock"]
    sizes = sorted(ours, key=int)
    print("In the bare-metal guest, instructions of the whole machine, by vCPUs:")
    row("", "", *sizes)
    for name, what in GUEST.items():
        for label, side in (("ours", ours), ("stock", stock)):
            if any(name in side[n]["bench"] for n in side):
                row(what if label == "ours" else "", label,
                    *(side[n]["bench"][name][0] if n in side and name in side[n]["bench"] else "-" for n in sizes))
    for label, side in (("ours", ours), ("stock", stock)):
        row("bring-up of an AP, mean of the last eight" if label == "ours" else "", label,
            *(side[n]["bringup"]["last8_mean"] if n in side else "-" for n in sizes))
    for name in GROWTH_OF:
        first, last = (ours[n]["bench"][name][0] for n in (sizes[0], sizes[-1]))
        ratio("guest: growth of " + name, last / first, GROWTH)
    for n in sizes:
        b = {k: v[0] for k, v in ours[n]["bench"].items()}
        ratio("guest: MSI remapped / compatibility format, %s vCPUs" % n, b["msi_hit"] / b["msi_compat"], REMAPPED)
        ratio("guest: the same without the MMIO write, %s vCPUs" % n,
              (b["msi_hit"] - b["mmio"]) / (b["msi_compat"] - b["mmio"]), None)
        if n in stock:
            pt = stock[n]["bench"]["pt_compat"][0]
            ratio("guest: passed through MSI, compatibility format / stock, %s vCPUs" % n, b["pt_compat"] / pt, REMAPPED)
            ratio("guest: passed through MSI, remapped / stock, %s vCPUs" % n, b["pt_hit"] / pt, REMAPPED)
        if int(n) > 8:
            ratio("guest: last eight APs / first eight, %s vCPUs" % n,
                  ours[n]["bringup"]["last8_mean"] / ours[n]["bringup"]["first8_mean"], LAST_AP)


def boot(figures, ratio):
    print("Linux, from xl create to its end, of the whole machine:")
    for kind, unit, scale in (("seconds", "ms", 1e3), ("instructions", "million instr.", 1e3)):
        ours, stock = figures[kind]["ours"], figures[kind]["stock"]
        sizes = sorted(ours, key=int)
        row("", "", *sizes)
        for name, what, each in (("whole", "all, %s a vCPU", True), ("hvmloader", "hvmloader, %s a vCPU", True),
                                 ("kernel", "kernel until init, %s a vCPU", True),
                                 ("online", "bring-up of the other CPUs, %s a vCPU", True),
                                 ("first8_mean", "one of the first eight CPUs, %s", False),
                                 ("last8_mean", "one of the last eight, %s", False)):
            for side, of in (("ours", ours), ("stock", stock)):
                row(what % unit if side == "ours" else "", side,
                    *("%.1f" % (of[n][name] * scale / (int(n) if each else 1)) if n in of else "-" for n in sizes))
        for n in sorted(stock, key=int):
            # The clock's figures are those of a shared machine.
            judged = LAST_AP if kind == "instructions" else None
            growth = [side[n]["last8_mean"] / side[n]["first8_mean"] for side in (ours, stock)]
            ratio("boot: last eight CPUs / first eight, %s vCPUs, %s" % (n, kind), growth[0], judged)
            ratio("boot: the same on stock, %s vCPUs, %s" % (n, kind), growth[1], None)
        if kind == "seconds":
            for what, of in (("with scheduling domains", ours),
                             ("without, isolcpus=domain", figures["isolated"]["ours"])):
                ratio("boot: last eight CPUs / first eight, %s vCPUs, %s" % (sizes[-1], what),
                      of[sizes[-1]]["last8_mean"] / of[sizes[-1]]["first8_mean"], None)


def main(args):
    as_json = "--json" in args
    figures, bad = {}, 0
    ratios = []
    for path in (a for a in args if a != "--json"):
        with open(path + ".json", encoding="utf-8") as f:
            figures[os.path.basename(path)] = json.load(f)
    real = sys.stdout
    if as_json:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    for part, data in figures.items():
        {"host": host, "guest": guest, "boot": boot}[part](data, lambda *r: ratios.append(r))
        print()
    print("Ratios:")
    for what, value, limit in ratios:
        over = limit is not None and value > limit
        bad += over
        print("  %-60s %.3f%s%s" % (what, value, " (at most %.2f)" % limit if limit else "", "  BEYOND IT" if over else ""))
    sys.stdout = real
    if as_json:
        figures["ratios"] = [{"what": w, "ratio": round(v, 4), "limit": l} for w, v, l in ratios]
        print(json.dumps(figures))
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
