# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The git trees of Xen and QEMU: upstream's sources, our whole new files, the
# series.  Sourced after common.sh by the scripts that make, read or refresh them.
#
# A tree's state is kept in its .git:
#   xm-source  name and SHA-256 of the tarball below tag "upstream"
#   xm-key     what in this checkout (and which tarball) the tree was made from
#   xm-head    the commit that this gave: another HEAD is a developer's work
#   xm-making  there while the tree is made: what an interruption left isn't anybody's work

tree_dir() { printf "%s/%s" "$TREES" "$1"; }
tgit() { git -C "$(tree_dir "$1")" "${@:2}"; }

# How a commit becomes a patch file: the same bytes whenever and wherever it is done.
PATCH_FORMAT=(-N --zero-commit --no-signature --full-index --stat=76 --no-renames)

# Entries of a series file, in order.
series_entries() { [ ! -f "$1" ] || sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$1"; }

# Where whole new files live: "directory here<TAB>directory in the tree".
new_file_roots() {
    printf '%s\t%s\n' "$TOP/$1-patches/files" ''
    if [ "$1" = xen ]; then
        printf '%s\t%s\n' "$TOP/hvmloader" tools/firmware/hvmloader/
    fi
}

# What the tree of $1 is made from, as one key.
tree_key() {
    local list=("$TOP/$1-patches/files" "$TOP/$1-patches/series") p
    [ "$1" != xen ] || list+=("$TOP/hvmloader")
    while IFS= read -r p; do list+=("$TOP/$1-patches/$p"); done < <(series_entries "$TOP/$1-patches/series")
    { cat "$CACHE/sources/$1.use"; hash_files "${list[@]}"; } | key_of
}

tree_made_from() { cat "$(tree_dir "$1")/.git/xm-$2" 2>/dev/null || true; }

# True when the tree holds commits or edits that are not in this checkout.
tree_has_work() {
    [ -d "$(tree_dir "$1")/.git" ] || return 1
    [ "$(tgit "$1" rev-parse HEAD)" = "$(tree_made_from "$1" head)" ] || return 0
    [ -n "$(tgit "$1" status --porcelain)" ]
}

# The git tree object of what is in the work tree now, committed or not.
tree_object() {
    local index
    index=$(tree_dir "$1")/.git/xm-index
    cp "$(tree_dir "$1")/.git/index" "$index"
    GIT_INDEX_FILE=$index tgit "$1" add -A
    GIT_INDEX_FILE=$index tgit "$1" write-tree
}
