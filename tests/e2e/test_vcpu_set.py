# SPDX-License-Identifier: GPL-2.0-or-later
"""xl vcpu-set on running Linux guests: vCPUs come and go, on both sides of 128 and of 256."""

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
for n in %(steps)s; do
    xl vcpu-set -i guest $n
    echo "vcpu-set $n: $?"
    step=$((step + 1))
    guest_says step$step
    until [ "$(online)" = $n ]; do usleep 200000; done
done
"""


class Steps(LabTest):
    def steps(self, first, most, steps, *args):
        """Each step is seen by the guest, and nothing warns; returns what the guest saw at the end of each."""
        with open(TOP + "/tests/guest/linux/vcpus.sh", encoding="utf-8") as f:
            script = f.read()
        words = " ".join(map(str, steps))
        run = self.temporary("#!/bin/sh\nexport FIRST=%d STEPS='%s'\n%s" % (first, words, script))
        during = self.temporary(DURING % {"first": first, "steps": words})
        o = self.boot("--vcpus", str(first), "--config", "maxvcpus=%d" % most, "--run", run, "--during", during, *args)
        r, log = o.report, self.log(o, "guest.log")
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (first, first, 0), log)
        self.assertEqual(r["warnings"], 0, log)
        seen = re.findall(r"^@vcpus present (\S+) online (\S+) ran (\d+)$", log, re.M)
        self.assertEqual(seen, [("0-%d" % (n - 1), "0-%d" % (n - 1), str(n - 1)) for n in steps], log)
        said = self.log(o, "during.log")
        self.assertEqual(re.findall(r"^vcpu-set (\d+): 0$", said, re.M), [str(n) for n in steps], said)
        self.assertNotRegex(said, "(?i)error|warning|not taken")
        return o


class VcpuSet(Steps):
    def test_8(self):
        """The registers and the DSDT that stock has."""
        self.steps(4, 8, [8, 2, 6, 4])

    def test_many(self):
        """Few of more than 128: that DSDT, its registers, and interrupt remapping."""
        self.steps(4, 132, [8, 2, 6, 4], "--viommu")


if __name__ == "__main__":
    unittest.main()
