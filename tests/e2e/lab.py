# SPDX-License-Identifier: GPL-2.0-or-later
"""What the end-to-end tests share: running the project's own commands."""

import json
import os
import platform
import re
import shlex
import subprocess
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Outcome:
    """How a command ended: status, what it printed, and its JSON report if it made one."""

    def __init__(self, run):
        self.status, self.out, self.err = run.returncode, run.stdout, run.stderr
        try:
            self.report = json.loads(run.stdout.splitlines()[-1]) if run.stdout.strip() else {}
        except ValueError:
            self.report = {}

    def last_error(self):
        """The last line of standard error: where every script puts its one clear line."""
        lines = [l for l in self.err.splitlines() if l.strip()]
        return lines[-1] if lines else ""


class LabTest(unittest.TestCase):
    maxDiff = None

    def command(self, *args, env=None, top=TOP):
        environment = dict(os.environ, **(env or {}))
        return Outcome(subprocess.run([top + "/scripts/" + args[0], *args[1:]], env=environment, text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      check=False))

    def boot(self, *args, status=0):
        """Boots, and fails the test with all that the run said unless it ends with this status."""
        o = self.command("boot", "--json", *args)
        self.assertEqual(o.status, status, "scripts/boot %s\n%s\n%s" % (" ".join(args), o.out, o.err))
        return o

    def record(self, name, outcome, *args):
        """Keeps a long run's report as data: scripts/test puts it into tests/results/."""
        directory = os.path.join(os.environ["XEN_MANYCORE_CACHE"], "results")
        os.makedirs(directory, exist_ok=True)
        sources = {}
        for pkg in ("xen", "qemu"):
            with open("%s/%s-patches/source" % (TOP, pkg), encoding="utf-8") as f:
                sources[pkg] = re.search(r"^version (\S+)", f.read(), re.M).group(1)
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = re.search(r"^model name\s*: (.*)", f.read(), re.M).group(1)
        report = {k: v for k, v in outcome.report.items() if k != "logs"}
        with open("%s/%s.json" % (directory, name), "w", encoding="utf-8") as f:
            json.dump({"name": name, "date": time.strftime("%Y-%m-%d"), "command": "scripts/boot " + shlex.join(args).replace(TOP + "/", ""),
                       "sources": sources, "host": {"cpu": cpu, "cpus": os.cpu_count(), "kernel": platform.release()},
                       "report": report}, f, indent=1, sort_keys=True)
            f.write("\n")

    def log(self, outcome, name):
        with open(os.path.join(outcome.report["logs"], name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def temporary(self, text, mode=0o755):
        f = tempfile.NamedTemporaryFile("w", delete=False)
        self.addCleanup(os.unlink, f.name)
        f.write(text)
        f.close()
        os.chmod(f.name, mode)
        return f.name

    # Each configuration on its own, in dom0: what xl says of it, and what of a guest there is then.
    TRIES = """
for f in /lab/try-*; do
    xl create %s "$f" 2>&1 | sed "s|^|${f##*-}: |"
    xl list | awk -v f="${f##*-}" 'NR > 2 { print f ": left: " $0 }'
    ! xl domid tried > /dev/null 2>&1 || { xl destroy tried && echo "${f##*-}: destroyed"; }
done
"""

    def tried(self, rows, options="", common=()):
        """What xl create says, with these options, to each row's lines of xl.cfg and the common ones; the guest that it
        may have made is listed with "left: " in front, and then "destroyed".
        """
        files = []
        for n, lines in enumerate(rows):
            lines = ('name="tried"', 'type="hvm"', 'kernel="/lab/kernel"', *common, *lines)
            files += ["--file", "%s:try-%d" % (self.temporary("\n".join(lines) + "\n"), n)]
        said = self.log(self.boot("--guest", "bare", *files, "--before", self.temporary(self.TRIES % options)), "xl.log")
        return [re.findall(r"^%d: (.*)" % n, said, re.M) for n in range(len(rows))]

    def refused(self, rows):
        """Each row's lines of xl.cfg are refused with the row's words in one line, and leave no guest."""
        for (lines, words), said in zip(rows, self.tried([r[0] for r in rows], common=["memory=64"])):
            with self.subTest(config=lines):
                self.assertEqual([l for l in said if l.startswith("left: ")], [])
                self.assertEqual(sum(words in l for l in said), 1, said)

    def run_viommu_tests(self, *words, args=()):
        """Runs Xen's test-viommu in dom0 with these words: each of its checks passes, and no domain is left."""
        script = "/usr/lib/xen/bin/test-viommu %s\necho \"test-viommu: $?\"\nxl list\necho \"domains: $(xl list | wc -l)\"\n"
        o = self.boot("--guest", "bare", "--before", self.temporary(script % " ".join(words)), *args)
        log = self.log(o, "xl.log")
        self.assertEqual(re.findall("(?m)^ *Fail: .*", log), [], re.findall("(?m).* seed .*", log))
        self.assertRegex(log, r"\d+ checks, 0 failed")
        self.assertIn("test-viommu: 0", log)
        self.assertIn("domains: 2", log)  # The headline, and dom0.
        return o
