# SPDX-License-Identifier: GPL-2.0-or-later
"""What xl makes of viommu=, when it warns, and xl viommu-info."""

import re
import unittest

from lab import LabTest

INTEL = 'viommu="intel"'

# While the guest waits: what xl says, and what the device model was told.
DURING = """
until [ -e /run/guest-waiting ]; do usleep 200000; done
xl viommu-info guest
echo "viommu-info: $?"
id=$(xl domid guest)
echo "dm: $(tr '\\0' ' ' < /proc/$(xenstore-read /local/domain/$id/image/device-model-pid)/cmdline)"
for d in Domain-0 nonesuch; do
    xl viommu-info $d
    echo "viommu-info $d: $?"
done
"""
WAIT = "#!/bin/sh\necho '@guest waiting'\nsleep 5\n"
WARNING = r"(\d+) of (\d+) vCPUs have an APIC ID over 254.*"


class Option(LabTest):
    def linux(self, vcpus, *args):
        """Boots with the option, and returns what dom0 saw."""
        o = self.boot("--vcpus", str(vcpus), "--config", INTEL, "--run", self.temporary(WAIT),
                      "--during", self.temporary(DURING), *args)
        r, log = o.report, self.log(o, "guest.log")
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (vcpus, vcpus, 0), log)
        self.assertEqual(r["warnings"], 0, log)
        self.assertIn("Enabled IRQ remapping in x2apic mode", r["remapping"])
        self.assertNotRegex(self.log(o, "xl.log"), WARNING)
        return self.log(o, "during.log")

    def check_info(self, said):
        self.assertIn("viommu-info: 0\n", said)
        self.assertRegex(said, r"(?m)^Virtual IOMMU of guest \(\d+\): intel$")
        self.assertRegex(said, r"(?m)^Interrupt remapping +on, 32-bit destinations$")
        self.assertRegex(said, r"(?m)^Table +65536 entries at 0x[0-9a-f]+$")
        self.assertRegex(said, r"(?m)^Compatibility format +blocked$")
        self.assertRegex(said, r"(?m)^IO-APIC's source id +[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")
        n = {name: int(v) for name, v in re.findall(r"(?m)^((?:Requests|Invalidations|Faults).*?) +(\d+)$", said)}
        self.assertGreater(n["Requests, from the cache"], n["Requests, from the table"])
        self.assertGreater(n["Requests, from the table"], 0)
        self.assertGreater(n["Invalidations, by index"], 0)
        self.assertEqual({v for name, v in n.items() if name.startswith("Faults")}, {0}, said)

    def test_4(self):
        said = self.linux(4)
        self.check_info(said)
        self.assertIn(" -device intel-iommu,intremap=on,eim=on -", said)
        self.assertIn("Domain 0 has no virtual IOMMU that remaps interrupts.\n", said)
        self.assertIn("viommu-info Domain-0: 1\n", said)
        self.assertIn("nonesuch is an invalid domain identifier", said)
        self.assertNotIn("viommu-info nonesuch: 0", said)

    def test_passthrough(self):
        """With a physical device, whose DMA the unit can't translate."""
        self.assertIn(" -device intel-iommu,intremap=on,eim=on,dma-translation=off -", self.linux(4, "--passthrough", "nvme"))

    def test_without(self):
        o = self.boot("--run", self.temporary(WAIT), "--during", self.temporary(DURING))
        said = self.log(o, "during.log")
        self.assertRegex(said, r"Domain \d+ has no virtual IOMMU that remaps interrupts.\nviommu-info: 1\n")
        self.assertNotIn("intel-iommu", said)


class Said(LabTest):
    """What xl create says: nothing, a warning, or why it refuses."""

    def warning(self, vcpus, *args):
        o = self.boot("--guest", "bare", "--vcpus", str(vcpus), *args)
        found = list(re.finditer(WARNING, self.log(o, "xl.log")))
        self.assertLessEqual(len(found), 1)
        return found[0] if found else None

    def test_warning(self):
        w = self.warning(200)
        self.assertEqual(w.groups(), ("72", "200"))
        self.assertIn('set viommu="intel", or have smaller IDs by cores_per_socket=200', w.group(0))

    def test_warning_packed(self):
        w = self.warning(288, "--config", "threads_per_core=4")
        self.assertEqual(w.groups(), ("33", "288"))
        self.assertTrue(w.group(0).endswith('set viommu="intel"'), w.group(0))

    def test_no_warning(self):
        rows = (["vcpus=4"], ["vcpus=128"], ["vcpus=200", "cores_per_socket=200"], ["vcpus=200", INTEL],
                ["vcpus=200", 'device_model_args_hvm=["-device","intel-iommu,intremap=on,eim=on"]'])
        for lines, said in zip(rows, self.tried(rows, "-p", ["memory=300", 'vga="none"'])):
            with self.subTest(config=lines):
                self.assertEqual(sum(l.startswith("left: tried ") for l in said), 1, said)
                self.assertIn("destroyed", said)
                self.assertNotRegex("\n".join(said), WARNING)

    def test_refused(self):
        self.refused(((['viommu="amd"'], 'viommu="amd": must be "intel" or "none"'),
                      ([INTEL, 'type="pvh"'], 'viommu="intel": only HVM guests'),
                      ([INTEL, "acpi=0"], 'viommu="intel": the guest would not find it with acpi=0'),
                      ([INTEL, 'device_model_args_hvm=["-device","intel-iommu"]'], "there can be only one"),
                      ([INTEL, 'device_model_args=["-device","intel-iommu"]'], "there can be only one"),
                      ([INTEL, 'device_model_version="qemu-xen-traditional"'], "needs the device model qemu-xen")))


if __name__ == "__main__":
    unittest.main()
