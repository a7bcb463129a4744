#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""lab.py guest|boot: what scripts/bench measures in the lab, as JSON on standard output.

The outer machine runs by instruction count: its TSC, and all clocks below it, count the
instructions of Xen, dom0 and the guest, one a nanosecond."""

import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

BARE = {"ours": (2, 128, 288, 1024), "stock": (2, 128)}
# By instruction count many CPUs that tick can keep the one that has the timekeeper's lock from running, for hours.
LINUX = (("seconds", "ours", (32, 128, 288)), ("seconds", "stock", (32, 128)),
         ("instructions", "ours", (32,)), ("instructions", "stock", (32,)), ("isolated", "ours", (288,)))
UPTIME = "echo uptime $(cut -d' ' -f1 /proc/uptime)\n"


def boot(*args):
    """Boots, and returns the report; its run's messages are on standard error as they come."""
    print("bench: boot %s" % " ".join(args), file=sys.stderr, flush=True)
    run = subprocess.run([TOP + "/scripts/boot", "--json", "--timeout", "1800", *args], stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL, text=True, check=False)
    try:
        report = json.loads(run.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        report = {}
    if run.returncode:
        sys.exit("bench: error: a boot failed: %s" % report.get("error", "exit %d" % run.returncode))
    return report


def guest():
    """The bare-metal guest's check "bench"."""
    figures = {}
    for side, sizes in BARE.items():
        figures[side] = {}
        for vcpus in sizes:
            unit = ["--viommu"] if side == "ours" else ["--stock"]
            r = boot("--guest", "bare", "--icount", "--vcpus", str(vcpus), "--cmdline", "apic=x2apic checks=bench",
                     "--dm-args", "-device edu,dma_mask=0xffffffff", "--passthrough", "e1000e", *unit)
            figures[side][vcpus] = {"bench": r["bench"], "bringup": r["bringup_tsc"]}
    return figures


def linux(vcpus, side, kind, before, after):
    # Linux builds its scheduling domains anew for each CPU that comes: without any, what's left is bring-up.
    cmdline = "printk.time=1" + (" isolcpus=domain,1-%d" % (vcpus - 1) if kind == "isolated" else "")
    r = boot("--vcpus", str(vcpus), "--viommu" if side == "ours" else "--stock", "--before", before, "--after", after,
             "--xen-args", "console_timestamps=boot", "--cmdline", cmdline,
             *(["--icount"] if kind == "instructions" else []))
    if (r["vcpus_online"], r["vcpus_refused"]) != (vcpus, 0):
        sys.exit("bench: error: %d of %d CPUs are online" % (r["vcpus_online"], vcpus))
    with open(r["logs"] + "/xl.log", encoding="utf-8") as f:
        dom0 = [float(t) for t in re.findall(r"^uptime ([0-9.]+)$", f.read(), re.M)]
    with open(r["logs"] + "/console.log", encoding="utf-8", errors="replace") as f:
        firmware = [float(t) for t in re.findall(r"\(d1\) \[ *([0-9.]+)\] (?:HVM Loader|SeaBIOS \(version)", f.read())]
    return {"whole": round(dom0[1] - dom0[0], 2), "hvmloader": round(firmware[1] - firmware[0], 3),
            "kernel": r["boot_s"], "online": r["online_s"], "first8_mean": r["bringup_s"]["first8_mean"],
            "last8_mean": r["bringup_s"]["last8_mean"]}


def linux_all():
    """A Linux guest from xl create to its end, in seconds, and in instructions by their clock."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as uptime:
        uptime.write(UPTIME)
        uptime.flush()
        figures = {kind: {} for kind, _, _ in LINUX}
        for kind, side, sizes in LINUX:
            figures[kind][side] = {n: linux(n, side, kind, uptime.name, uptime.name) for n in sizes}
        return figures


if __name__ == "__main__":
    parts = {"guest": guest, "boot": linux_all}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    print(json.dumps(parts[sys.argv[1]]()))
