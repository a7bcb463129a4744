# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the patch series as text: order, headers, sign-off, and that only upstream's files are changed.

Usage: check-series.py TOP XEN_TREE QEMU_TREE
"""

import os
import re
import subprocess
import sys

AUTHOR = "xen-manycore <xen-manycore@localhost>"
top, trees = sys.argv[1], {"xen": sys.argv[2], "qemu": sys.argv[3]}
errors = []


def check(ok, text):
    if not ok:
        errors.append(text)


def upstream_files(tree):
    return set(subprocess.run(["git", "-C", tree, "ls-tree", "-r", "--name-only", "upstream"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.splitlines())


count = 0
for pkg, tree in trees.items():
    directory = os.path.join(top, pkg + "-patches")
    with open(directory + "/series", encoding="utf-8") as f:
        entries = [l.split("#")[0].strip() for l in f if l.split("#")[0].strip()]
    present = sorted(n for n in os.listdir(directory) if n.endswith(".patch"))
    check(sorted(entries) == present, "%s: series and directory differ: %s" % (pkg, sorted(set(entries) ^ set(present))))
    check(entries == sorted(entries), "%s: series isn't in the order of its numbers" % pkg)
    subjects = {}
    numbers = [n[:4] for n in entries]
    check(len(set(numbers)) == len(numbers), "%s: a number is used twice" % pkg)
    upstream = upstream_files(tree)
    new = set()
    roots = [(directory + "/files", "")] + ([(top + "/hvmloader", "tools/firmware/hvmloader/")] if pkg == "xen" else [])
    for root, prefix in roots:
        for d, _, names in os.walk(root):
            new |= {prefix + os.path.relpath(os.path.join(d, n), root) for n in names if n != ".gitkeep"}
    check(not new & upstream, "%s: files/ overwrites upstream's %s" % (pkg, sorted(new & upstream)))
    for n in new:
        src = os.path.join(top, "hvmloader", n[len("tools/firmware/hvmloader/"):]) if n.startswith("tools/firmware/hvmloader/") \
            else os.path.join(directory, "files", n)
        with open(src, encoding="utf-8") as f:
            check(n.endswith((".json", ".pod", ".md")) or "SPDX-License-Identifier:" in f.read(300), "%s: no SPDX line" % n)
    for n in entries:
        where = "%s/%s" % (pkg, n)
        check(re.fullmatch(r"[012]\d{3}-[A-Za-z0-9._-]+\.patch", n), "%s: not a name in a known band" % where)
        if n not in present:
            continue
        count += 1
        with open(os.path.join(directory, n), encoding="utf-8") as f:
            text = f.read()
        head = text.split("\ndiff --git ", 1)[0]
        check("From: %s\n" % AUTHOR in head, "%s: not from %s" % (where, AUTHOR))
        check(re.search(r"^Subject: \[PATCH\] \S+.*: \S", head, re.M), "%s: subject isn't '[PATCH] area: what'" % where)
        subject = re.search(r"^Subject: \[PATCH\] ((?:.|\n )*)", head, re.M).group(1).replace("\n ", " ")
        check(subject not in subjects, "%s: its subject is that of %s too" % (where, subjects.get(subject)))
        subjects[subject] = n
        check("Signed-off-by: %s\n" % AUTHOR in head, "%s: not signed off" % where)
        body = head.split("\n\n", 1)[1].split("\n---\n", 1)[0] if "\n\n" in head else ""
        check(len(re.sub(r"Signed-off-by:.*", "", body).split()) >= 12, "%s: the message doesn't say why" % where)
        for path in re.findall(r"^diff --git a/(\S+) b/", text, re.M):
            check(path in upstream, "%s: changes %s, which isn't upstream's: whole new files belong in files/" % (where, path))

for e in errors:
    print(e)
print("%d patches, %d errors" % (count, len(errors)))
sys.exit(bool(errors))
