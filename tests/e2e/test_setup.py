# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input to the scripts, and work taken to the trees and back: nothing is booted here."""

import filecmp
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from lab import TOP, LabTest

CACHE = os.environ.get("XEN_MANYCORE_CACHE", os.path.expanduser("~/.cache/xen-manycore"))


class Usage(LabTest):
    def test_help(self):
        for name in sorted(os.listdir(TOP + "/scripts")):
            path = os.path.join(TOP, "scripts", name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                for option in ("--help", "-h"):
                    o = self.command(name, option)
                    self.assertEqual((o.status, o.err), (0, ""), name)
                    self.assertRegex(o.out, r"(?i)usage: .*\b%s" % name)
                o = self.command(name, "--nonesuch")
                self.assertNotEqual(o.status, 0, name)
                self.assertIn("--nonesuch", o.last_error(), name)

    def test_wrong_values(self):
        for args, word in ((("--vcpus", "0"), "--vcpus 0"), (("--vcpus", "x"), "--vcpus"),
                           (("--kernel", "/none/such"), "--kernel: no readable file /none/such"),
                           (("--guest", "windows"), "--guest"), (("--timeout", "0"), "--timeout"),
                           (("--cfg", "/"), "--cfg"), (("--from", "disk"), "--from disk: only"),
                           (("--guest", "bare", "--from", "disk", "--cmdline", "x" * 1024), "room for 1018 bytes"),
                           (("--memory", "1"), "--memory 1"),
                           (("--passthrough", "nvme,addr=x"), "nvme,addr=x"),
                           (("--passthrough", "nvme,addr=0x1f"), "nvme,addr=0x1f"),
                           (("--passthrough", "nvme", "--passthrough", "nvme,addr=16"), "nvme,addr=16"),
                           (("--shell",), "--shell needs a terminal")):
            o = self.command("boot", *args)
            self.assertEqual(o.status, 2, args)
            self.assertIn(word, o.last_error())

    def test_unknown_targets(self):
        for args in (("fetch", "linux"), ("prepare", "seabios"), ("build", "world"), ("refresh", "x")):
            o = self.command(*args)
            self.assertEqual(o.status, 1)
            self.assertIn(args[1], o.last_error())


class Cache(LabTest):
    """A cache that can't serve: one line that names it and the way out, and nothing left broken."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def test_not_writable(self):
        blocker = self.dir + "/file"
        open(blocker, "w").close()
        o = self.command("build", "xen", env={"XEN_MANYCORE_CACHE": blocker + "/cache", "XEN_MANYCORE_LOCKED": ""})
        self.assertEqual(o.status, 1)
        self.assertIn("XEN_MANYCORE_CACHE", o.last_error())

    def test_no_space(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "small", self.dir], check=True)
        try:
            o = self.command("build", "xen", env={"XEN_MANYCORE_CACHE": self.dir, "XEN_MANYCORE_LOCKED": ""})
            self.assertEqual(o.status, 1)
            self.assertRegex(o.last_error(), r"needs \d+ GiB free in %s" % self.dir)
        finally:
            subprocess.run(["umount", self.dir], check=True)

    def test_no_network(self):
        r = subprocess.run(["unshare", "--net", TOP + "/scripts/fetch", "xen"], text=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                           env=dict(os.environ, XEN_MANYCORE_CACHE=self.dir, XEN_MANYCORE_LOCKED=""))
        self.assertEqual(r.returncode, 1, r.stderr)
        last = r.stderr.strip().splitlines()[-1]
        self.assertIn("network", last)
        self.assertEqual(os.listdir(self.dir + "/sources"), [])

    def test_half_fetched(self):
        """A damaged tarball in the cache isn't trusted: it is fetched again."""
        os.makedirs(self.dir + "/sources")
        with open(TOP + "/xen-patches/source", encoding="utf-8") as f:
            name = [l.split()[1] for l in f if len(l.split()[0]) == 64][0]
        with open(self.dir + "/sources/" + name, "wb") as f:
            f.write(b"half")
        o = self.command("fetch", "xen", env={"XEN_MANYCORE_CACHE": self.dir, "XEN_MANYCORE_LOCKED": ""})
        self.assertEqual(o.status, 0, o.err)
        self.assertTrue(filecmp.cmp(self.dir + "/sources/" + name, CACHE + "/sources/" + name, shallow=False))


class HalfMadeRoot(LabTest):
    """A root filesystem half made by an interrupted run is never used, and the next run works."""

    def test_interrupted(self):
        cache = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, cache, ignore_errors=True)
        env = dict(os.environ, XEN_MANYCORE_CACHE=cache, XEN_MANYCORE_LOCKED="")
        p = subprocess.Popen([TOP + "/scripts/mkroot"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
        # Interrupted for certain once there is something in the new root.
        while p.poll() is None and not any(d.endswith(".new") and os.path.isdir(os.path.join(cache, d, "usr"))
                                           for d in os.listdir(cache)):
            time.sleep(0.1)
        self.assertIsNone(p.poll(), "mkroot ended before it could be interrupted")
        os.killpg(p.pid, 9)
        p.wait()
        self.assertFalse(any(os.path.exists(os.path.join(cache, d, ".complete")) for d in os.listdir(cache)))
        o = self.command("mkroot", env=env)
        self.assertEqual(o.status, 0, o.err)
        roots = [d for d in os.listdir(cache) if d.startswith("root-")]
        self.assertEqual(len(roots), 1, roots)
        self.assertTrue(os.path.exists(os.path.join(cache, roots[0], ".complete")))


class RoundTrip(LabTest):
    """A developer's commit in a tree becomes files and patches here, and comes back the same."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.top = self.dir + "/repo"
        shutil.copytree(TOP, self.top, symlinks=True, ignore=shutil.ignore_patterns(".git", "build"))
        self.env = {"XEN_MANYCORE_CACHE": self.dir + "/cache", "XEN_MANYCORE_TREES": "tree", "XEN_MANYCORE_LOCKED": ""}
        os.makedirs(self.dir + "/cache/sources")
        for n in os.listdir(CACHE + "/sources"):
            if n.startswith("xen"):
                shutil.copy(CACHE + "/sources/" + n, self.dir + "/cache/sources/" + n)
        self.tree = self.dir + "/cache/tree/xen"

    def run_ok(self, *args):
        o = self.command(*args, env=self.env, top=self.top)
        self.assertEqual(o.status, 0, o.err)
        return o

    def git(self, *args):
        return subprocess.run(["git", "-C", self.tree, *args], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def state(self):
        out = {}
        for part in ("xen-patches", "hvmloader"):
            for d, _, files in os.walk(os.path.join(self.top, part)):
                for n in files:
                    if n != ".gitkeep":
                        with open(os.path.join(d, n), "rb") as f:
                            out[os.path.relpath(os.path.join(d, n), self.top)] = f.read()
        return out

    def edit(self, path, text):
        os.makedirs(os.path.dirname(os.path.join(self.tree, path)), exist_ok=True)
        with open(os.path.join(self.tree, path), "a", encoding="utf-8") as f:
            f.write(text)
        self.git("add", path)

    def test_round_trip(self):
        self.run_ok("prepare", "xen")
        before = self.state()
        self.run_ok("refresh", "xen")
        self.assertEqual(self.state(), before, "refresh of an untouched tree changes nothing")

        # One commit with a hook and two whole new files, one of them hvmloader's.
        self.edit("xen/arch/x86/hvm/hvm.c", "/* hook */\n")
        self.edit("xen/arch/x86/hvm/new-file.c", "/* whole new file */\n")
        self.edit("tools/firmware/hvmloader/new-part.c", "/* hvmloader's */\n")
        self.git("commit", "-q", "-s", "-m", "x86/hvm: a hook\n\nBecause a test wants one.")
        object_made = self.git("rev-parse", "HEAD^{tree}")
        self.run_ok("refresh", "xen")
        after = self.state()
        new = sorted(set(after) - set(before))
        self.assertEqual([os.path.basename(n) for n in new if not n.endswith(".patch")], ["new-part.c", "new-file.c"])
        patch = [n for n in new if n.endswith(".patch")]
        self.assertEqual(len(patch), 1)
        self.assertRegex(patch[0], r"xen-patches/1\d\d\d-x86-hvm-a-hook\.patch")
        self.assertNotIn(b"new-file.c", after[patch[0]])
        self.assertIn(os.path.basename(patch[0]).encode(), after["xen-patches/series"])

        # A commit that only changes a new file isn't a patch, and not its predecessor's again.
        self.edit("xen/arch/x86/hvm/new-file.c", "/* more */\n")
        self.git("commit", "-q", "-s", "-m", "x86/hvm: more\n\nBecause a test wants more.")
        object_made = self.git("rev-parse", "HEAD^{tree}")
        self.run_ok("refresh", "xen")
        self.assertEqual(sorted(self.state()), sorted(after))
        after = self.state()

        # The other way from nothing: the same tree, and again the same bytes.
        self.run_ok("prepare", "--force", "xen")
        self.assertEqual(self.git("rev-parse", "HEAD^{tree}"), object_made)
        self.run_ok("refresh", "xen")
        self.assertEqual(self.state(), after)

    def test_work_is_never_lost(self):
        self.run_ok("prepare", "xen")
        self.edit("xen/arch/x86/hvm/hvm.c", "/* only here */\n")
        self.run_ok("prepare", "xen")  # nothing changed in the checkout: the work stays
        self.assertIn("only here", self.git("diff", "HEAD"))
        o = self.command("refresh", "xen", env=self.env, top=self.top)
        self.assertEqual(o.status, 1)
        self.assertIn("uncommitted", o.last_error())
        os.makedirs(self.top + "/xen-patches/files", exist_ok=True)
        with open(self.top + "/xen-patches/files/NEW", "w", encoding="utf-8") as f:
            f.write("the checkout changed too\n")
        o = self.command("prepare", "xen", env=self.env, top=self.top)
        self.assertEqual(o.status, 1)
        self.assertIn("scripts/refresh", o.last_error())
        self.assertIn("only here", self.git("diff", "HEAD"))

    def test_patch_that_does_not_apply(self):
        with open(self.top + "/xen-patches/1999-x86-broken.patch", "w", encoding="utf-8") as f:
            f.write("From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
                    "From: xen-manycore <xen-manycore@localhost>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
                    "Subject: [PATCH] x86: broken\n\n---\ndiff --git a/xen/Makefile b/xen/Makefile\n"
                    "--- a/xen/Makefile\n+++ b/xen/Makefile\n@@ -1,3 +1,4 @@\n no such line\n+one more\n nor this\n nor that\n")
        with open(self.top + "/xen-patches/series", "a", encoding="utf-8") as f:
            f.write("1999-x86-broken.patch\n")
        o = self.command("prepare", "xen", env=self.env, top=self.top)
        self.assertEqual(o.status, 1)
        self.assertRegex(o.last_error(), r"patch '.*x86: broken' doesn't apply to xen_4\.20")


class Export(LabTest):
    def test_export(self):
        """The exported series alone, on pristine sources, gives the very tree that is built."""
        out = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, out, ignore_errors=True)
        o = self.command("export", out)
        self.assertEqual(o.status, 0, o.err)
        again = self.command("export", out)
        self.assertEqual(again.status, 1)
        self.assertIn("--force", again.last_error())
        for pkg in ("xen", "qemu"):
            tree = os.path.join(CACHE, os.environ.get("XEN_MANYCORE_TREES", "tree"), pkg)
            work = out + "/tree-" + pkg

            def git(*args, where=work):
                return subprocess.run(["git", "-C", where, "-c", "user.name=x", "-c", "user.email=x@localhost", *args],
                                      check=True, text=True, stdout=subprocess.PIPE).stdout

            git("worktree", "add", "-q", "--detach", work, "upstream", where=tree)
            self.addCleanup(git, "worktree", "prune", where=tree)
            with open(out + "/" + pkg + "/series", encoding="utf-8") as f:
                series = [os.path.join(out, pkg, l.strip()) for l in f]
            for patch in series:
                subprocess.run(["patch", "-p1", "-F0", "--quiet", "-i", patch], cwd=work, check=True)
            git("add", "-A", "-f")
            self.assertEqual(git("write-tree"), git("rev-parse", "HEAD^{tree}", where=tree))


if __name__ == "__main__":
    unittest.main()
