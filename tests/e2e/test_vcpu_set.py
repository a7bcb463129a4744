# SPDX-License-Identifier: GPL-2.0-or-later
"""vCPUs of running Linux guests come and go, on both sides of 128 and of 256: by xl vcpu-set, and one by one."""

import re
import unittest

from lab import TOP, LabTest

# When the guest waits for it, sets the number anew, and again when the guest has done what was wanted
# and Xen has seen that.
DURING = """
online() { xl list guest 2> /dev/null | awk 'NR == 2 { print $4 }'; }
guest_says() {
    until [ -e /run/guest-$1 ]; do usleep 200000; done
}
step=0
guest_says waiting
for n in %s; do
    xl vcpu-set -i guest $n
    echo "vcpu-set $n: $?"
    step=$((step + 1))
    guest_says step$step
    until [ "$(online)" = $n ]; do usleep 200000; done
done
"""


# The same with single ones, which xl has no word for: each by the device model's monitor.
ONE_BY_ONE = """
monitor() { xl qemu-monitor-command guest "$1"; }
until [ -e /run/guest-waiting ]; do usleep 200000; done
driver=$(monitor "info hotpluggable-cpus" | awk -F'"' '/type:/ { print $2; exit }')
step=0
for n in %s; do
    case $n in
    -*) monitor "device_del cpu$n" ;;
    *) monitor "device_add $driver,id=cpu-$n,socket-id=$n,core-id=0,thread-id=0" ;;
    esac
    step=$((step + 1))
    until [ -e /run/guest-step$step ]; do usleep 200000; done
done
"""


class Steps(LabTest):
    def guest(self, first, most, lists, during, *args):
        """Each step is seen by the guest, and nothing warns."""
        with open(TOP + "/tests/guest/linux/vcpus.sh", encoding="utf-8") as f:
            script = f.read()
        run = self.temporary("#!/bin/sh\nexport FIRST=%d STEPS='%s'\n%s" % (first, " ".join(lists), script))
        o = self.boot("--vcpus", str(first), "--config", "maxvcpus=%d" % most, "--run", run,
                      "--during", self.temporary(during), *args)
        r, log = o.report, self.log(o, "guest.log")
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (first, first, 0), log)
        self.assertEqual(r["warnings"], 0, log)
        seen = re.findall(r"^@vcpus present (\S+) online (\S+) ran (\d+)$", log, re.M)
        self.assertEqual(seen, [(l, l, re.split("[-,]", l)[-1]) for l in lists], log)
        return self.log(o, "during.log")

    def steps(self, first, most, steps, *args):
        said = self.guest(first, most, ["0-%d" % (n - 1) for n in steps],
                          DURING % " ".join(map(str, steps)), *args)
        self.assertEqual(re.findall(r"^vcpu-set (\d+): 0$", said, re.M), [str(n) for n in steps], said)
        self.assertNotRegex(said, "(?i)error|warning|not taken")

    def one_by_one(self, first, most, steps, *args):
        """Steps are numbers of vCPUs that come, or negative ones that go."""
        there, lists = set(range(first)), []
        for n in steps:
            there ^= {abs(n)}
            parts = []
            for c in sorted(there):
                if parts and parts[-1][1] == c - 1:
                    parts[-1][1] = c
                else:
                    parts.append([c, c])
            lists.append(",".join("%d-%d" % (f, t) if t > f else str(f) for f, t in parts))
        said = self.guest(first, most, lists, ONE_BY_ONE % " ".join(map(str, steps)), *args)
        self.assertNotRegex(said, "(?i)error|warning")


class VcpuSet(Steps):
    def test_8(self):
        """The registers and the DSDT that stock has."""
        self.steps(4, 8, [8, 2, 6, 4])

    def test_many(self):
        """Few of more than 128: that DSDT, its registers, and interrupt remapping."""
        self.steps(4, 132, [8, 2, 6, 4], "--viommu")

    def around(self, first, most, steps, *args):
        # Linux builds its scheduling domains anew for each CPU, which takes most of the time in emulation.
        self.steps(first, most, steps, "--viommu", "--cmdline", "isolcpus=domain,1-%d" % (most - 1), *args)

    def test_128(self):
        """Around 128, where the DSDT and the number of IOREQ pages change."""
        self.around(126, 132, [130, 127, 129, 126])

    def test_256(self):
        """Around 256, with APIC IDs as the vCPUs' numbers."""
        self.around(254, 260, [258, 255, 257, 254], "--config", "threads_per_core=4")

    def test_one_by_one(self):
        """Objects of both kinds, Processor and Device, of LAPIC and of x2APIC structures, and long names."""
        self.one_by_one(4, 264, [130, 127, 63, 64, 258, -130, -258, 130], "--viommu", "--memory", "512")

    def test_sparse(self):
        """x2APIC structures though there are fewer than 128: sockets of 5 cores of 5 threads, whose IDs have gaps."""
        self.one_by_one(4, 125, [70, 124, 63, -124, -70], "--viommu", "--config", "threads_per_core=5",
                        "--config", "cores_per_socket=5")


if __name__ == "__main__":
    unittest.main()
