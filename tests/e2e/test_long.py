# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes too long for every run; each result is recorded as data."""

import unittest

from lab import LabTest


class Debian(LabTest):
    """Debian's own kernel in the guest."""

    def linux(self, name, vcpus, *args):
        args = ("--kernel", "debian", "--vcpus", str(vcpus), *args, "--timeout", "3600")
        o = self.boot(*args)
        self.assertEqual((o.report["vcpus_present"], o.report["vcpus_online"]), (vcpus, vcpus))
        self.record(name, o, *args)

    def test_128_vcpus(self):
        self.linux("debian-128", 128, "--stock")

    def test_16_vcpus_plain(self):
        """Its CPUs brought up by the kernel itself, as on a real host."""
        self.linux("debian-16-plain", 16, "--stock", "--plain")


if __name__ == "__main__":
    unittest.main()
