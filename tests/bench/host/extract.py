#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""extract.py TREE REVISION FILE [NAME ...]: prints the named functions, macros and structs of a
file in a git tree, in the file's own order; the whole file if none is named.  REVISION "-" is
what lies in the work tree.  A name that isn't there is an error, unless it ends with "?"."""

import re
import subprocess
import sys


def source(tree, revision, path):
    if revision == "-":
        with open("%s/%s" % (tree, path), encoding="utf-8") as f:
            return f.read()
    # The tree may belong to somebody else.
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", tree, "show", "%s:%s" % (revision, path)],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


def find(text, name):
    """The first and last line of a definition, by the style that both code bases keep to."""
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if re.match(r"#\s*define\s+%s\b" % name, line):
            end = i
            while lines[end].endswith("\\"):
                end += 1
            return i, end
        if re.match(r"struct %s$|struct %s \{" % (name, name), line):
            return i, next(k for k in range(i, len(lines)) if lines[k].startswith("}"))
        if re.match(r"[a-z].*\b%s\(" % name, line):
            # A prototype ends before any brace comes.
            head = next(k for k in range(i, len(lines)) if "{" in lines[k] or ";" in lines[k])
            if ";" in lines[head]:
                continue
            return i, next(k for k in range(head, len(lines)) if lines[k].startswith("}"))
    return None


def extract(tree, revision, path, names):
    text = source(tree, revision, path)
    if not names:
        return text
    lines, found = text.split("\n"), []
    for name in names:
        at = find(text, name.rstrip("?"))
        if at:
            found.append(at)
        elif not name.endswith("?"):
            raise ValueError("%s of %s defines no %s" % (path, revision, name))
    return "".join('#line %d "%s"\n%s\n\n' % (a + 1, path, "\n".join(lines[a:b + 1])) for a, b in sorted(found))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    print(extract(*sys.argv[1:4], sys.argv[4:]), end="")
